"""Ensembles, cascades, comparisons and shadows: of real routers in one device, and of members that fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.config import parse_config
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest, EngineError, StateError
from edge_runtime.serving.governor import State
from edge_runtime.serving.groups import ask_group
from edge_runtime.serving.plan import FILE_NAME, Group, parse_plan
from edge_runtime.serving.turns import USUAL, Turns, Urgency
from edge_runtime.serving.worker import INLINE_AFTER, Answer, Worker
from edge_runtime.tasks import router
from edge_runtime.tasks.router import Router
from tests.edge_runtime import tiny

Json = dict[str, object]
PLAN = """
pinned = ["one"]
smaller = {one = "two"}
[ensemble.all]
members = ["one", "two", "three"]
[cascade.quick]
first = "one"
then = "two"
[ab.half]
a = "one"
b = "two"
share = 0.5
[shadow.three]
candidate = "two"
share = 1.0
"""


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Bundles of three routers with other weights."""
    pytest.importorskip("onnx")
    made = []
    for seed, name in enumerate(("one", "two", "three"), 1):
        path = tmp_path_factory.mktemp("three") / f"{name}.enigma"
        tiny.make_bundle(path, tiny.manifest(name=name), seed=seed)
        made.append(path.read_bytes())
    return made


@pytest.fixture
async def device(state: Path, three: list[bytes]) -> AsyncIterator[Device]:
    """These routers, and the plan above."""
    state.mkdir(exist_ok=True)
    (state / FILE_NAME).write_text(PLAN)
    made = Device(state, parse_config({}))
    await made.start()
    for bundle in three:

        async def chunks(bundle: bytes = bundle) -> AsyncIterator[bytes]:
            yield bundle

        await made.install(chunks(), None)
    yield made
    await made.close()


async def test_an_ensemble_averages_a_shadow_is_compared_and_a_smaller_one_takes_over(device: Device) -> None:
    request: Json = {"text": "turn on the light"}
    alone = {name: (await device.run(name, request)).value for name in ("one", "two", "three")}
    mean = (await device.run("all", request)).value
    scores = [alone[name]["scores"] for name in alone]
    for label in tiny.LABELS:
        assert mean["scores"][label] == pytest.approx(sum(each[label] for each in scores) / 3, abs=2e-4)  # type: ignore[index]
    assert mean["answered_by"] == ["one", "two", "three"] and "missing" not in mean
    device.serving.drop("two")
    without = (await device.run("all", request)).value
    assert without["answered_by"] == ["one", "three"] and without["missing"] == ["two"]
    assert device.missing == ["two"]
    await asyncio.gather(*device.shadows.running)
    compared = device.status()["plan"]["compared"]["three and two"]  # type: ignore[index]
    assert sum(compared.values()) == 3 and compared["failed"] == 1
    assert 'enigma_shadow_total{candidate="two",result="failed",specialist="three"} 1' in device.metrics_text()


async def test_a_smaller_variant_answers_while_the_device_spares_itself(device: Device) -> None:
    request: Json = {"text": "turn on the light"}
    small = (await device.run("two", request)).value
    device.governor.state = State.SPARING
    assert (await device.run("one", request)).value == {**small, "answered_by": "two"}
    device.governor.state = State.FREE
    assert "answered_by" not in (await device.run("one", request)).value


async def test_a_plan_is_taken_over_the_interface_survives_a_restart_and_a_wrong_one_changes_nothing(
    device: Device,
) -> None:
    with pytest.raises(BadRequest):
        device.set_plan("[ensemble.x]\nmembers = 1")
    assert "all" in device.plan.groups
    device.set_plan('pinned = ["three"]')
    again = Device(device.state, device.config)
    assert again.plan.pinned == again.serving.pinned == {"three"} and not again.plan.groups
    (device.state / FILE_NAME).write_text("pinned = 1")
    with pytest.raises(StateError, match=r"serving.toml can't be used: pinned must be a list"):
        Device(device.state, device.config)


class Fixed:
    """An engine that gives the same scores to everything."""

    runtime, version = "fixed", "1"

    def __init__(self, scores: list[float]) -> None:
        self.scores = np.array([scores], np.float32)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {router.OUTPUT: self.scores}

    def close(self) -> None:
        return


def answering(**values: Json | Exception):  # type: ignore[no-untyped-def]
    asked: list[str] = []

    async def ask(name: str, request: Json, urgency: Urgency) -> Answer:
        asked.append(name)
        value = values[name]
        if isinstance(value, Exception):
            raise value
        return Answer(value, 0.01)

    return ask, asked


@pytest.mark.parametrize(
    ("first", "then", "by"),
    [
        ({"label": "x", "unsure": False}, {"label": "y"}, "first"),
        ({"label": "x", "unsure": True}, {"label": "y"}, "then"),
        ({"label": "x", "unsure": True}, EngineError("It broke."), "first"),
        (EngineError("It broke."), {"label": "y"}, "then"),
    ],
)
async def test_a_cascade_asks_the_big_one_only_where_the_small_one_is_unsure_or_fails(
    first: Json | Exception, then: Json | Exception, by: str
) -> None:
    ask, asked = answering(first=first, then=then)
    answer = await ask_group("c", Group("cascade", ("first", "then")), {}, USUAL, ask)
    assert answer.value["answered_by"] == by
    assert asked == (["first"] if first == {"label": "x", "unsure": False} else ["first", "then"])


async def test_the_second_of_a_cascade_is_asked_just_where_the_first_is_below_its_threshold() -> None:
    """A real router's own doubt decides, whatever its scores are; threshold 0.5 in its manifest."""
    asked: list[float] = []

    for thousandth in range(340, 1000, 7):
        best = thousandth / 1000
        first = router.load(tiny.manifest(), Path(), Fixed([best, (1 - best) / 2, (1 - best) / 2]))  # type: ignore[arg-type]

        async def ask(name: str, request: Json, urgency: Urgency, first: Router = first, best: float = best) -> Answer:
            if name == "first":
                return Answer(first.run(request), 0.001)
            asked.append(best)
            return Answer({"label": "music"}, 0.01)

        answer = await ask_group("c", Group("cascade", ("first", "then")), {"text": "play it"}, USUAL, ask)
        assert answer.value["answered_by"] == ("then" if best < 0.5 else "first")
    assert asked == [each / 1000 for each in range(340, 500, 7)]


async def test_an_ensemble_asks_all_at_once_so_the_slowest_decides() -> None:
    together = threading.Barrier(3)  # passes only when three wait in it

    async def ask(name: str, request: Json, urgency: Urgency) -> Answer:
        await asyncio.to_thread(together.wait, 10)
        return Answer({"scores": {"x": 1.0}}, {"a": 0.1, "b": 0.3, "c": 0.2}[name])

    answer = await ask_group("e", Group("ensemble", ("a", "b", "c")), {}, USUAL, ask)
    assert answer.seconds == 0.3


class Member:
    """Answers only where enough others are in `run` too."""

    def __init__(self, meeting: threading.Barrier) -> None:
        self.meeting = meeting

    def run(self, request: Json) -> Json:
        self.meeting.wait(60)
        return {"scores": {"x": 1.0}}


async def members_asked(at_once: int, together: int, rows: int) -> Answer:
    """The answer of three members, each with a worker as a device has it, that may compute `at_once` at a time."""
    turns, meeting = Turns(at_once), threading.Barrier(together)
    engine: Any = Fixed([1.0]) if rows > 1 else None
    workers = {name: Worker(name, Member(meeting), 8, lambda: None, turns, engine, rows) for name in "abc"}

    async def ask(name: str, request: Json, urgency: Urgency) -> Answer:
        return await workers[name].run(request, 20, urgency=urgency)

    for worker in workers.values():  # as after many answers of a millisecond each: the event loop gives them itself
        worker._quick, worker.pace = INLINE_AFTER, 0.001
    answer = await ask_group("e", Group("ensemble", ("a", "b", "c")), {}, USUAL, ask)
    for worker in workers.values():
        worker.stop()
    return answer


@pytest.mark.parametrize("rows", [1, 8])
async def test_members_that_answer_only_once_all_of_them_compute_do_answer(rows: int) -> None:
    """So the ensemble takes as long as the slowest, also of models that are quick enough for the event loop."""
    answer = await members_asked(3, 3, rows)
    assert answer.value["answered_by"] == ["a", "b", "c"]


@pytest.mark.parametrize("rows", [1, 8])
async def test_where_one_may_compute_at_a_time_the_members_take_turns(rows: int) -> None:
    answer = await members_asked(1, 1, rows)
    assert answer.value["answered_by"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"a": EngineError("It broke."), "b": EngineError("Too.")}, EngineError, "It broke"),
        ({"a": BadRequest("No text."), "b": {"scores": {"x": 1}}}, BadRequest, "No text"),
        ({"a": {"scores": {"x": 1}}, "b": {"scores": {"y": 1}}}, BadRequest, "other labels"),
        ({"a": {"reply": "x"}, "b": {"scores": {"y": 1}}}, BadRequest, "answers no scores"),
    ],
)
async def test_what_cant_be_averaged_is_told(values: dict[str, Json], error: type[Exception], words: str) -> None:
    ask, _ = answering(**values)
    with pytest.raises(error, match=words):
        await ask_group("e", Group("ensemble", ("a", "b")), {}, USUAL, ask)


async def test_an_a_b_comparison_draws_its_share_and_names_who_answered() -> None:
    ask, asked = answering(a={"label": "x"}, b={"label": "x"})
    for share, name in ((0.0, "a"), (1.0, "b")):
        answers = [await ask_group("m", Group("ab", ("a", "b"), share), {}, USUAL, ask) for _ in range(5)]
        assert {answer.value["answered_by"] for answer in answers} == {name}
    assert asked == ["a"] * 5 + ["b"] * 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "has no 'x'"),
        ("[[", "valid TOML"),
        ("ensemble = 1", "must be a table"),
        ('[ensemble.e]\nmembers = ["a"]', "2 to 8"),
        ('[ensemble.e]\nmembers = ["a", "a"]', "twice"),
        ('[ensemble.e]\nmembers = ["a", "f"]\n[cascade.f]\nfirst = "a"\nthen = "b"', "has the group 'f'"),
        ('[cascade.f]\nfirst = "a"', "exactly first, then"),
        ('[shadow.a]\ncandidate = "b"\nshare = 2', "from 0 to 1"),
        ('pinned = ["../x"]', "isn't a specialist's name"),
        ("#" * 70_000, "longer than"),
    ],
)
def test_a_wrong_plan_is_told_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        parse_plan(text)
