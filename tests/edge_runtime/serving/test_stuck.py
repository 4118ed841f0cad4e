"""A model that doesn't come back from its runtime: nobody waits for it for ever, and nobody else for its turn."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from edge_runtime.config import Config
from edge_runtime.device import Device
from edge_runtime.errors import DeadlinePassed, Stuck
from edge_runtime.serving.generations import MOST_STUCK, Serving
from edge_runtime.serving.turns import Turns, Urgency
from edge_runtime.update.admit import Loaded
from tests.edge_runtime import tiny
from tests.edge_runtime.conftest import ROOT, UNTRIED, StartDevice
from tests.edge_runtime.serving.test_answers import asks, numbered, written  # noqa: F401 - a fixture
from tests.edge_runtime.serving.test_generations import Specialist, loaded
from tests.edge_runtime.serving.test_streaming import Slow, Writer, slow

HANG = 0.5


@pytest.fixture
def gates() -> Iterator[list[threading.Event]]:
    """Whoever hangs on one of these comes back when the test ends."""
    made: list[threading.Event] = []
    yield made
    for gate in made:
        gate.set()


def hangs(gates: list[threading.Event], number: int) -> Specialist:
    made = Specialist(number)
    made.gate.clear()
    gates.append(made.gate)
    return made


def serving(gates: list[threading.Event], *fresh: Specialist) -> tuple[Serving, list[str]]:
    """One turn for all. fresh: what is loaded in the hanging one's place, in order."""
    told: list[str] = []
    coming = iter(fresh)
    made = Serving(
        8,
        60.0,
        Turns(1),
        reload=lambda digest: loaded(next(coming)),
        hang_seconds=HANG,
        on_stuck=lambda name, generation: told.append(generation.sick),
    )
    made.swap(loaded(hangs(gates, 1)))
    made.swap(loaded(Specialist(7), "other"))
    return made, told


async def test_who_waits_gets_503_others_get_the_turn_and_the_model_is_loaded_anew(
    gates: list[threading.Event],
) -> None:
    made, told = serving(gates, Specialist(2))
    asking = [asyncio.create_task(made.run("s", {})) for _ in range(3)]
    await asyncio.sleep(0)
    assert (await made.run("other", {})).value == {"number": 7}  # it waited for the turn
    failed = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(each, Stuck) and each.status == 503 for each in failed)
    assert told == [""] and made.lost == 1 and "s, which hangs" in made.held
    assert (await made.run("s", {})).value == {"number": 2}
    gates[0].set()  # it comes back after all: its turn isn't given twice, and its memory is freed
    while made.lost:
        await asyncio.sleep(0.01)
        await made.make_room("new", 0)
        made._look_for_lost()
    assert made._turns.try_take() and not made._turns.try_take()
    made._turns.give()
    await made.close()


async def test_a_model_that_hangs_again_and_again_is_sick_until_another_version_comes(
    gates: list[threading.Event],
) -> None:
    made, told = serving(gates, *(hangs(gates, number) for number in range(2, 9)))
    for _ in range(MOST_STUCK):
        with pytest.raises(Stuck):
            await made.run("s", {})
    with pytest.raises(Stuck, match="isn't loaded again; go back"):
        await made.run("s", {})
    assert made.lost == MOST_STUCK and [bool(each) for each in told] == [False] * (MOST_STUCK - 1) + [True]
    made.swap(loaded(Specialist(9)))
    assert (await made.run("s", {})).value == {"number": 9}
    await made.close()


class Loads:
    """Loads models in order; the first ones don't come back before they are let."""

    def __init__(self, gates: list[threading.Event], hanging: int) -> None:
        self.made = [Specialist(number) for number in range(2, 9)]
        self.gates = [threading.Event() for _ in range(hanging)]
        gates += self.gates
        self.begun = 0

    def __call__(self, digest: str) -> Loaded:
        number, self.begun = self.begun, self.begun + 1
        if number < len(self.gates):
            assert self.gates[number].wait(60)
        return loaded(self.made[number])


async def test_a_load_that_hangs_keeps_nobody_and_is_begun_again(gates: list[threading.Event]) -> None:
    loads = Loads(gates, 1)
    made = Serving(8, 60.0, Turns(1), reload=loads, load_seconds=HANG)
    made.swap(loaded(Specialist(1)))
    made.swap(loaded(Specialist(7), "other"))
    made.sleep("s")
    await made.settled()
    with pytest.raises(DeadlinePassed, match="still being loaded"):
        await made.run("s", {}, Urgency(seconds=0.05))
    waiting = asyncio.create_task(made.run("s", {}))  # the same load
    assert (await made.run("other", {})).value == {"number": 7}
    with pytest.raises(Stuck):
        await waiting
    made._load_seconds = 60
    assert loads.begun == 1 and made.lost == 1 and "s, which hangs" in made.held
    assert (await made.run("s", {})).value == {"number": 3}
    gates[0].set()  # it comes back after all, and what it loaded is closed
    while made.lost:
        await asyncio.sleep(0.01)
        await made.make_room("new", 0)
    assert loads.made[0].closed.is_set() and "s, which hangs" not in made.held
    await made.close()


async def test_a_model_whose_load_hangs_again_is_sick(gates: list[threading.Event]) -> None:
    loads = Loads(gates, MOST_STUCK)
    made = Serving(8, 60.0, Turns(1), reload=loads, load_seconds=HANG / 5)
    made.swap(loaded(Specialist(1)))
    made.sleep("s")
    for _ in range(MOST_STUCK):
        with pytest.raises(Stuck):
            await made.run("s", {})
    with pytest.raises(Stuck, match="isn't loaded again; go back"):
        await made.run("s", {})
    assert loads.begun == MOST_STUCK
    await made.close()


async def test_four_threads_that_don_t_come_back_let_the_daemon_begin_again(
    gates: list[threading.Event], tmp_path: Path
) -> None:
    device = Device(tmp_path, Config())
    device.serving._hang_seconds = HANG / 2
    device.serving._reload = lambda digest: loaded(hangs(gates, 0))
    begun: list[int] = []
    device.on_restart = lambda: begun.append(device.serving.lost)
    for name in ("a", "b"):
        device.serving.swap(loaded(hangs(gates, 1), name))

    async def twice(name: str) -> None:
        for _ in range(MOST_STUCK):
            with pytest.raises(Stuck):
                await device.run(name, {})

    await twice("a")
    assert begun == [] and list(device.failed) == ["a"] and not device.ready
    await twice("b")
    assert begun == [4]
    for gate in gates:
        gate.set()
    await device.close()


HANGS = """
import threading
from edge_runtime.tasks import router

usual = router.Router.run
router.Router.run = lambda self, request: usual(self, request) if request["text"] != "hang" else threading.Event().wait()
"""


def test_a_daemon_whose_threads_hang_begins_again_in_its_own_process_and_answers(
    start_device: StartDevice, bundles: dict[str, Path], state: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HANGS)
    (state / "config.toml").write_text(UNTRIED + "[models]\nhang_seconds = 1\nat_once = 2\n")
    device = start_device(PYTHONPATH=f"{tmp_path}:{ROOT}")
    other = tmp_path / "other.enigma"
    tiny.make_bundle(other, dataclasses.replace(tiny.usable_manifest(), name="other"))
    for bundle in (bundles["v1"], other):
        assert device.push(bundle).status == 200

    answers: list[int] = []

    def hang(name: str) -> None:
        for _ in range(MOST_STUCK):
            with contextlib.suppress(ConnectionError, OSError):  # the last one may find the daemon beginning again
                answers.append(device.run("hang", name).status)

    asking = [threading.Thread(target=hang, args=[name]) for name in ("tiny", "other")]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    while device.log.count("listens on") < 2 or not (state / "daemon.json").exists():
        assert device.process.poll() is None, device.log
        time.sleep(0.02)
    device.port = int(json.loads((state / "daemon.json").read_text())["listen"].rsplit(":", 1)[1])
    while device.get("/readyz").status != 200:
        time.sleep(0.02)
    assert 2 <= len(answers) <= 4 and set(answers) == {503}
    assert "4 threads don't come back; the daemon begins again" in device.log
    assert [device.run("hi", name).status for name in ("tiny", "other")] == [200, 200]
    assert device.stop() == 0


class Hanging(Slow):
    """Doesn't come back from a token once it was told so."""

    hangs = False
    gate = threading.Event()

    def feed(self, tokens: object, wanted: int = 1):  # type: ignore[no-untyped-def]
        if self.hangs:
            assert self.gate.wait(60)
        return super().feed(tokens, wanted)


async def test_an_answer_that_hangs_takes_none_of_its_neighbours_along(gates: list[threading.Event]) -> None:
    model = slow().engine
    Hanging.gate = threading.Event()
    gates.append(Hanging.gate)
    writer = Writer(Hanging(model._predict, model.vocabulary))
    again = loaded(cast("Specialist", slow()), "w")
    made = Serving(8, 60.0, Turns(1), answers=2, hang_seconds=HANG, reload=lambda digest: again)
    made.swap(loaded(cast("Specialist", writer), "w"))
    stream = made.stream("w", asks("hangs", most=100))
    await anext(stream)
    neighbour = asyncio.create_task(written(made.stream("w", asks("stays", most=100))))
    while not writer.engine.others or not writer.engine.others[0].fed:  # noqa: ASYNC110 - in another thread
        await asyncio.sleep(0.002)
    cast(Hanging, writer.engine).hangs = True
    with pytest.raises(Stuck):
        async for _ in stream:
            pass
    tokens, _ = await neighbour
    assert len(tokens) > 20
    assert (await written(made.stream("w", asks("again", most=3))))[0]
    await made.close()


async def test_two_answers_that_hang_at_once_make_their_model_be_loaded_anew_once(gates: list[threading.Event]) -> None:
    model = slow().engine
    Hanging.gate = threading.Event()
    gates.append(Hanging.gate)
    writer = Writer(Hanging(model._predict, model.vocabulary))
    again, told, wrong = loaded(cast("Specialist", slow()), "w"), [], []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: wrong.append(context))
    made = Serving(
        8,
        60.0,
        Turns(2),
        answers=2,
        hang_seconds=HANG,
        reload=lambda digest: again,
        on_stuck=lambda name, generation: told.append(name),
    )
    made.swap(loaded(cast("Specialist", writer), "w"))
    asking = [asyncio.create_task(written(made.stream("w", asks(name, most=100)))) for name in ("one", "two")]
    while not writer.engine.others or not writer.engine.others[0].fed:  # noqa: ASYNC110 - in another thread
        await asyncio.sleep(0.002)
    for engine in (writer.engine, writer.engine.others[0]):
        cast(Hanging, engine).hangs = True
    failed = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(each) for each in failed] == [Stuck, Stuck] and told == ["w"] and made.lost == 1
    assert not wrong
    assert (await written(made.stream("w", asks("again", most=3))))[0]
    await made.close()
