"""Memory for models: bounded, taken from who was asked longest ago, given back, and told by name where it isn't enough."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge_runtime.config import parse_config
from edge_runtime.device import Device
from edge_runtime.errors import NotFound, OutOfMemory
from edge_runtime.serving.generations import Serving
from edge_runtime.serving.memory import rss_bytes
from edge_runtime.serving.turns import Turns
from edge_runtime.update import admit
from edge_runtime.update.admit import Loaded
from tests.edge_runtime import tiny
from tests.edge_runtime.serving.test_generations import Specialist, freed, loaded

MB = 2**20


class Shelf:
    """Loads specialists of 10 MB each again, by their names' numbers."""

    def __init__(self, budget: int, deadline_seconds: float = 60.0) -> None:
        self.loads: list[str] = []
        self.specialists: dict[str, Specialist] = {}
        self.serving = Serving(8, deadline_seconds, Turns(2), budget, self.load)

    def made(self, name: str, memory: int = 10 * MB) -> Loaded:
        self.specialists[name] = Specialist(len(self.loads))
        return dataclasses.replace(loaded(self.specialists[name], name), digest=name, memory=memory)

    def load(self, digest: str) -> Loaded:
        self.loads.append(digest)
        return self.made(digest)

    async def add(self, name: str, memory: int = 10 * MB) -> None:
        one = self.made(name, memory)
        await self.serving.make_room(name, memory)
        self.serving.release(name)
        self.serving.swap(one)

    @property
    def awake(self) -> list[str]:
        return sorted(self.serving.held)


async def test_who_was_asked_longest_ago_sleeps_and_is_loaded_again_when_asked() -> None:
    shelf = Shelf(30 * MB)
    for name in "abc":
        await shelf.add(name)
    await shelf.serving.run("a", {})
    former = shelf.specialists["b"]
    await shelf.add("d")
    assert shelf.awake == ["a", "c", "d"] and await freed(former)
    assert shelf.serving.names() == ["a", "b", "c", "d"] and shelf.serving.current("b").asleep
    answers = await asyncio.gather(*(shelf.serving.run("b", {}) for _ in range(6)))
    assert len(answers) == 6 and shelf.loads == ["b"]  # once for all who asked
    assert shelf.awake == ["a", "b", "d"]
    await shelf.serving.close()


async def test_who_was_not_asked_for_long_sleeps_but_never_one_that_is_busy_or_pinned() -> None:
    shelf = Shelf(0)
    for name in ("pinned", "busy", "idle"):
        await shelf.add(name)
    shelf.serving.pinned = frozenset({"pinned"})
    shelf.specialists["busy"].gate.clear()
    asking = asyncio.create_task(shelf.serving.run("busy", {}))
    await asyncio.sleep(0)
    shelf.serving.rest(3600)
    assert shelf.awake == ["busy", "idle", "pinned"]
    shelf.serving.rest(0)
    assert shelf.awake == ["busy", "pinned"] and await freed(shelf.specialists["idle"])
    shelf.specialists["busy"].gate.set()
    await asking
    shelf.serving.rest(3600)  # its time begins with the end of its answer
    assert shelf.awake == ["busy", "pinned"]
    assert (await shelf.serving.run("idle", {})).value == {"number": 1} and shelf.loads == ["idle"]
    await shelf.serving.close()


async def test_more_models_than_fit_all_answer_while_many_ask() -> None:
    shelf = Shelf(20 * MB)
    for name in "abcdef":
        await shelf.add(name)
    most = 0

    async def client(offset: int) -> None:
        nonlocal most
        for number in range(20):
            await shelf.serving.run("abcdef"[(offset + number * 5) % 6], {})
            most = max(most, sum(shelf.serving.held.values()))

    await asyncio.gather(*(client(number) for number in range(6)))
    assert most <= 20 * MB
    await shelf.serving.close()


async def test_pinned_and_busy_models_stay_and_the_error_names_who_holds_what() -> None:
    shelf = Shelf(20 * MB, deadline_seconds=0.05)
    await shelf.add("a")
    await shelf.add("b", 8 * MB)
    shelf.serving.pinned = frozenset({"a"})
    with pytest.raises(OutOfMemory, match=r"'c' needs 11.0 MB of the 20.0 MB .* a 10.0 MB \(pinned\), b 8.0 MB; raise"):
        await shelf.add("c", 11 * MB)
    assert shelf.awake == ["a", "b"]  # nobody was put to sleep for nothing
    shelf.specialists["b"].gate.clear()
    asking = asyncio.create_task(shelf.serving.run("b", {}))
    await asyncio.sleep(0)
    with pytest.raises(OutOfMemory):
        await shelf.add("c")
    shelf.specialists["b"].gate.set()
    await asyncio.gather(asking, return_exceptions=True)
    await shelf.serving.close()


async def test_room_is_waited_for_where_a_busy_one_becomes_idle() -> None:
    shelf = Shelf(10 * MB)
    await shelf.add("a")
    shelf.specialists["a"].gate.clear()
    asking = asyncio.create_task(shelf.serving.run("a", {}))
    await asyncio.sleep(0)
    coming = asyncio.create_task(shelf.add("b"))
    await asyncio.sleep(0.02)
    assert not coming.done()
    shelf.specialists["a"].gate.set()
    await asyncio.gather(asking, coming)
    assert shelf.awake == ["b"]
    await shelf.serving.close()


async def test_one_that_is_replaced_or_removed_while_it_is_loaded_again_is_not_revived() -> None:
    shelf = Shelf(0)
    await shelf.add("a")
    shelf.serving.starting = False
    for change in (lambda: shelf.serving.swap(shelf.made("a")), lambda: shelf.serving.drop("a")):
        gate = threading.Event()
        shelf.serving._reload = lambda digest, gate=gate: gate.wait(60) and shelf.load(digest)  # type: ignore[assignment, misc]
        shelf.serving.sleep("a")
        asking = asyncio.create_task(shelf.serving.run("a", {}))
        await asyncio.sleep(0.02)
        change()
        gate.set()
        (found,) = await asyncio.gather(asking, return_exceptions=True)
    assert isinstance(found, NotFound) and not shelf.awake
    await shelf.serving.close()


@pytest.fixture
async def device(state: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Device]:
    """A device with room for two models, whose files have 0.24 MB; what else a process takes isn't counted here."""
    monkeypatch.setattr(admit, "rss_bytes", lambda: 0)
    made = Device(state, parse_config({"models": {"memory_mb": 1}}))
    await made.start()
    yield made
    await made.close()


async def push(device: Device, path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield path.read_bytes()

    await device.install(chunks(), None)


async def test_real_models_sleep_and_answer_the_same_afterwards(device: Device, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    for number, name in enumerate("abcd"):
        path = tmp_path / f"{name}.enigma"
        tiny.make_bundle(path, tiny.manifest(name=name), seed=number, hidden=300, layers=1)
        await push(device, path)
        if number == 0:
            first = (await device.run("a", {"text": "play"})).value
            assert 0.5 * MB < device.models()[0]["memory_bytes"] < MB  # type: ignore[operator]
    assert [model["name"] for model in device.models() if not model["asleep"]] == ["d"]
    assert device.ready and device.status()["models_bytes"] < MB  # type: ignore[operator]
    assert (await device.run("a", {"text": "play"})).value == first
    assert 'enigma_model_loads{specialist="a"} 2' in device.metrics_text()
    big = tmp_path / "big.enigma"
    tiny.make_bundle(big, tiny.manifest(name="big"), hidden=600, layers=1)
    with pytest.raises(OutOfMemory, match="'big' needs"):
        await push(device, big)
    assert "big" not in device.serving.names()
    restarted = Device(device.state, device.config)  # and the device comes up with all of them
    await restarted.start()
    assert restarted.ready and restarted.serving.names() == list("abcd")
    assert [model["name"] for model in restarted.models() if not model["asleep"]] == ["d"]
    await restarted.close()


async def test_memory_is_given_back_each_time(state: Path, tmp_path: Path) -> None:
    """Forty times asleep and awake again: a model of 2.3 MB that stayed each time would be 90 MB."""
    pytest.importorskip("onnx")
    device = Device(state, parse_config({}))
    await device.start()
    path = tmp_path / "wide.enigma"
    tiny.make_bundle(path, tiny.manifest(name="wide"), hidden=512, layers=2)
    await push(device, path)
    for number in range(45):
        await device.run("wide", {"text": "play"})
        device.serving.sleep("wide")
        await device.serving.settled()
        if number == 4:
            before = rss_bytes()
    assert rss_bytes() - before < 10 * MB
    assert device.serving.current("wide").loads == 45
    await device.close()
