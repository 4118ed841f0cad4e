"""Serving: no request is lost in a swap, the old model is freed, waiting is bounded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from edge_runtime.errors import BadRequest, EngineError, NotFound, Overloaded
from edge_runtime.serving.generations import Serving
from edge_runtime.serving.turns import Turns
from edge_runtime.update.admit import Loaded


class Specialist:
    """Answers its own number once its gate is open."""

    runtime, version = "test", "1"

    def __init__(self, number: int) -> None:
        self.number = number
        self.gate = threading.Event()
        self.gate.set()
        self.closed = threading.Event()
        self.calls = 0

    def run(self, request: dict[str, object]) -> dict[str, object]:
        assert not self.closed.is_set(), "a request reached a closed model"
        self.calls += 1
        assert self.gate.wait(60)
        if "fail" in request:
            raise BadRequest("No.") if request["fail"] == "politely" else ZeroDivisionError
        return {"number": self.number}

    def close(self) -> None:
        self.closed.set()


def loaded(specialist: Specialist, name: str = "s") -> Loaded:
    manifest = SimpleNamespace(name=name, version=str(specialist.number))
    return Loaded(manifest, "0" * 64, None, specialist, specialist, 0.0)  # type: ignore[arg-type]


async def freed(specialist: Specialist) -> bool:
    return await asyncio.to_thread(specialist.closed.wait, 60)


async def test_a_request_ends_in_the_generation_it_began_in() -> None:
    serving = Serving(queue=8, deadline_seconds=60, turns=Turns(2))
    old, new = Specialist(1), Specialist(2)
    old.gate.clear()
    serving.swap(loaded(old))
    waiting = [asyncio.create_task(serving.run("s", {})) for _ in range(4)]
    await asyncio.sleep(0.02)
    serving.swap(loaded(new))
    assert (await serving.run("s", {})).value == {"number": 2}
    assert serving.draining == 1 and not old.closed.is_set()
    old.gate.set()
    assert [(await task).value for task in waiting] == [{"number": 1}] * 4
    assert await freed(old)
    assert serving.draining == 0
    await serving.close()
    assert new.closed.is_set()


async def test_an_idle_generation_is_freed_at_once() -> None:
    serving = Serving(queue=8, deadline_seconds=60)
    specialists = [Specialist(n) for n in range(20)]
    before = threading.active_count()
    for specialist in specialists:
        serving.swap(loaded(specialist))
        assert (await serving.run("s", {})).value == {"number": specialist.number}
    for specialist in specialists[:-1]:
        assert await freed(specialist)
    await serving.close()
    assert specialists[-1].closed.is_set()
    assert threading.active_count() <= before + 9  # the loop's own pool may have grown, no worker stays


async def test_swaps_under_load_lose_nothing() -> None:
    serving = Serving(queue=64, deadline_seconds=60)
    serving.swap(loaded(Specialist(0)))
    answered = 0
    stop = False

    async def ask() -> None:
        nonlocal answered
        while not stop:
            await serving.run("s", {})
            answered += 1

    clients = [asyncio.create_task(ask()) for _ in range(16)]
    for number in range(1, 60):
        serving.swap(loaded(Specialist(number)))
        while answered < 2 * number:  # noqa: ASYNC110 - how many it takes is up to the threads
            await asyncio.sleep(0.001)
    stop = True
    await asyncio.gather(*clients)
    assert answered > 100
    await serving.close()


async def test_a_full_queue_is_told_at_once() -> None:
    serving = Serving(queue=3, deadline_seconds=60)
    busy = Specialist(1)
    busy.gate.clear()
    serving.swap(loaded(busy))
    waiting = [asyncio.create_task(serving.run("s", {})) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert serving.waiting("s") == 3
    with pytest.raises(Overloaded) as caught:
        await serving.run("s", {})
    assert caught.value.retry_after > 0
    busy.gate.set()
    await asyncio.gather(*waiting)
    await serving.close()


async def test_late_requests_are_not_run_for_nobody(leap: Callable[[float], None]) -> None:
    serving = Serving(queue=8, deadline_seconds=60)
    slow = Specialist(1)
    slow.gate.clear()
    serving.swap(loaded(slow))
    asking = [asyncio.create_task(serving.run("s", {})) for _ in range(4)]
    while not slow.calls:  # noqa: ASYNC110 - a thread calls it
        await asyncio.sleep(0.001)
    leap(61)
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(result, Overloaded) for result in results)
    slow.gate.set()
    assert (await serving.run("s", {})).value == {"number": 1}
    assert slow.calls == 2  # the one that ran when time was up, and the last
    await serving.close()


async def test_a_client_that_goes_away_does_not_hurt_the_others() -> None:
    serving = Serving(queue=8, deadline_seconds=60)
    busy = Specialist(1)
    busy.gate.clear()
    serving.swap(loaded(busy))
    tasks = [asyncio.create_task(serving.run("s", {})) for _ in range(4)]
    await asyncio.sleep(0.01)
    tasks[1].cancel()
    busy.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)
    assert all(results[i].value == {"number": 1} for i in (0, 2, 3))  # type: ignore[union-attr]
    assert serving.waiting("s") == 0
    await serving.close()


async def test_a_specialist_that_fails_answers_the_next_request() -> None:
    serving = Serving(queue=8, deadline_seconds=60)
    serving.swap(loaded(Specialist(1)))
    with pytest.raises(BadRequest, match="No"):
        await serving.run("s", {"fail": "politely"})
    with pytest.raises(EngineError, match="log says why"):
        await serving.run("s", {"fail": "hard"})
    assert (await serving.run("s", {})).value == {"number": 1}
    await serving.close()


async def test_an_unknown_name_waits_only_while_starting() -> None:
    serving = Serving(queue=8, deadline_seconds=60)
    with pytest.raises(Overloaded, match="starting"):
        await serving.run("s", {})
    serving.starting = False
    with pytest.raises(NotFound, match="none yet"):
        await serving.run("s", {})
