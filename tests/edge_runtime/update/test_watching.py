"""A release on probation: what is asked of it, and what is the model's fault and what isn't."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge_runtime.errors import BadRequest, DeadlinePassed, EdgeError, EngineError, Overloaded, QueueFull
from edge_runtime.update.conditions import Readings
from edge_runtime.update.ground import Begun, Told
from edge_runtime.update.machine import Release
from edge_runtime.update.probation import Outcome, Rules, Verdict
from edge_runtime.update.watching import Watch

RELEASE = Release("r-1", "models/router/tiny-1.0.0.enigma", "a" * 64, "b" * 64)


class Bench:
    """A ground that answers golden vectors as a test says; `raises`: what comes first, in turn."""

    serves = True

    def __init__(self, right: int = 6, milliseconds: float = 1.0, megabytes: float = 5.0, *raises: EdgeError) -> None:
        self._answer = (right, 6, [milliseconds] * 6, megabytes)
        self.unfilled = 0.0
        self._raises = list(raises)
        self.now: str | None = RELEASE.bundle
        self.holds: list[tuple[float, object] | None] = [None]  # what the process holds, in turn

    def emit(self, kind: str, **fields: object) -> None: ...

    def count(self, name: str, **labels: str) -> None: ...

    def look_on(self, told: Told | None) -> None: ...

    def serving(self, name: str) -> str | None:
        return self.now

    def readings(self, window: str) -> Readings:
        return Readings(0, 0.0, 0)

    async def switch(self, staged: Path, digest: str, begun: Begun) -> None: ...

    async def revert(self, name: str, digest: str, cause: str) -> None: ...

    async def replay(self, name: str, digest: str) -> tuple[int, int, list[float], float, float]:
        if self._raises:
            raise self._raises.pop(0)
        return *self._answer, self.unfilled

    def memory(self) -> tuple[float, object] | None:
        return self.holds.pop(0) if len(self.holds) > 1 else self.holds[0]


async def verdict(ground: Bench, rules: Rules, *answers: tuple[float, EdgeError | None], boots: int = 0) -> Verdict:
    watch = Watch(rules, boots)
    task = asyncio.create_task(watch.verdict(ground, "tiny", RELEASE))
    await asyncio.sleep(0)
    for milliseconds, error in answers:
        watch.told(milliseconds, error)
    return await asyncio.wait_for(task, 60)


QUICK = Rules(requests=2, seconds=0.05)


async def test_so_many_answers_without_a_fault_are_enough() -> None:
    found = await verdict(Bench(), Rules(requests=2, seconds=600), (1.0, None), (1.0, None))
    assert found.outcome is Outcome.PASSED
    assert found.evidence["golden"] == {"passed": 6, "of": 6}


async def test_where_nobody_asks_its_time_is_enough() -> None:
    found = await verdict(Bench(), QUICK)
    assert (found.outcome, found.evidence["requests"]) == (Outcome.PASSED, 0)


@pytest.mark.parametrize(
    ("ground", "rules", "answers", "why"),
    [
        (Bench(right=5), QUICK, [], "1 of 6 golden vectors"),
        (Bench(milliseconds=80.0), Rules(2, 0.05, p95_ms=40.0), [], "the budget is 40.0 ms"),
        (Bench(megabytes=70.0), Rules(2, 0.05, memory_mb=60.0), [], "its budget is 60.0 MB"),
        (Bench(6, 1.0, 5.0, EngineError("It broke.")), QUICK, [], "A golden vector failed: It broke."),
        (Bench(), Rules(9, 60), [(1.0, EngineError("It broke."))], "A live request failed: It broke."),
        (Bench(), Rules(9, 60), [(9.0, DeadlinePassed("late"))] * 3, "3 requests in a row"),
    ],
    ids=["golden", "slow", "large", "fault", "live", "hangs"],
)
async def test_what_is_the_models_fault_ends_it(
    ground: Bench, rules: Rules, answers: list[tuple[float, EdgeError | None]], why: str
) -> None:
    found = await verdict(ground, rules, *answers)
    assert found.outcome is Outcome.FAILED and why in found.cause


async def test_what_others_did_is_not_its_fault() -> None:
    late = (9.0, DeadlinePassed("late"))
    others = [(1.0, BadRequest("no text")), (1.0, QueueFull("busy")), late, late, (1.0, None), late]
    assert (await verdict(Bench(), QUICK, *others)).outcome is Outcome.PASSED


async def test_a_busy_device_is_asked_again() -> None:
    busy = Bench(6, 1.0, 5.0, Overloaded("busy", 0.01), Overloaded("busy", 0.01))
    assert (await verdict(busy, QUICK)).outcome is Outcome.PASSED


async def test_another_bundle_in_its_place_ends_it() -> None:
    ground = Bench()
    ground.now = "c" * 64
    found = await verdict(ground, Rules(9, 60))
    assert found.outcome is Outcome.FAILED and "Another bundle" in found.cause


async def test_what_live_requests_take_beyond_the_budget_ends_it() -> None:
    ground = Bench(megabytes=50.0)
    ground.holds = [(200.0, "a"), (203.0, "a"), (209.0, "a"), (212.0, "a")]
    found = await verdict(ground, Rules(9, 60, memory_mb=60.0), *[(1.0, None)] * 3)
    assert found.outcome is Outcome.FAILED and "takes 62.0 MB of memory, and its budget is 60.0 MB" in found.cause


async def test_memory_that_others_take_or_give_back_is_not_its_own() -> None:
    ground = Bench(megabytes=50.0)
    # The version before goes, another one is being installed, serves, and goes; it grows by 4 and 3 MB itself.
    ground.holds = [(300.0, "a"), (204.0, "a"), (208.0, "a"), None, (900.0, "ab"), (903.0, "ab"), (400.0, "a")]
    found = await verdict(ground, Rules(6, 60, memory_mb=60.0), *[(1.0, None)] * 6)
    assert found.outcome is Outcome.PASSED and found.evidence["memory_mb"] == 57.0


async def test_a_cache_that_was_counted_before_it_is_full_is_not_counted_twice() -> None:
    ground = Bench(megabytes=50.0)
    ground.unfilled = 20.0
    ground.holds = [(200.0, "a"), (215.0, "a"), (225.0, "a")]
    found = await verdict(ground, Rules(2, 60, memory_mb=60.0), *[(1.0, None)] * 2)
    assert found.outcome is Outcome.PASSED and found.evidence["memory_mb"] == 55.0
