"""models.cold on a device: what is loaded is what was signed, whatever happens to the copy beside it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from edge_runtime import unchanged
from edge_runtime.config import parse_config
from edge_runtime.device import Device
from edge_runtime.engines import onnx as onnx_engine
from edge_runtime.engines import onnx_file
from edge_runtime.engines.onnx_file import lay_out
from edge_runtime.errors import BundleError
from edge_runtime.update import slots as slots_module
from edge_runtime.update.slots import Slots

from .. import tiny

REQUEST: dict[str, object] = {"text": "play some jazz"}


@pytest.fixture(autouse=True)
def small_models_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_engine, "COLD_FROM", 0)


def chunks(path: Path) -> AsyncIterator[bytes]:
    async def read() -> AsyncIterator[bytes]:
        yield path.read_bytes()

    return read()


def test_a_cold_specialist_serves_sleeps_and_starts_again_from_its_copy(tmp_path: Path, state: Path) -> None:
    path = tmp_path / "wide.enigma"
    digest = tiny.make_bundle(path, hidden=96).digest
    files = state / "bundles" / digest / "files"
    weights = files.parent / "cold" / "model.weights"

    async def device(cold: bool, then: Callable[[Device], None] = lambda device: None) -> dict[str, object]:
        made = Device(state, parse_config({"models": {"cold": cold}}))
        await made.start()
        if not made.serving.has("tiny"):
            await made.install(chunks(path), path.stat().st_size)
        answer = (await made.run("tiny", REQUEST)).value
        then(made)
        await made.serving.settled()
        assert (await made.run("tiny", REQUEST)).value == answer
        await made.close()
        return answer

    def spoil_asleep(made: Device) -> None:
        made.serving.sleep("tiny")
        weights.write_bytes(b"\0" * weights.stat().st_size)

    first = asyncio.run(device(True))
    sound = weights.read_bytes()
    assert asyncio.run(device(True, spoil_asleep)) == first
    assert weights.read_bytes() == sound
    weights.write_bytes(sound[:-1] + b"\1")
    assert asyncio.run(device(True)) == first and weights.read_bytes() == sound
    assert asyncio.run(device(False)).keys() == first.keys()
    assert not weights.exists()  # not wanted any more
    weights.parent.mkdir()
    content = (files / "model.onnx").read_bytes()
    (files / "model.onnx").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    made = Device(state, parse_config({"models": {"cold": True}}))
    asyncio.run(made.start())
    assert "is damaged; push it again" in made.failed["tiny"] and not made.serving.has("tiny")


def test_what_changed_is_compared_again_even_where_it_was_sound_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash of an unchanged bundle is found once in a process; its time of change can't be set back."""
    digest, slots = installed(tmp_path)
    model = slots.folder(digest) / "model.onnx"
    monkeypatch.setattr(unchanged, "SETTLED", 0.05)
    time.sleep(0.1)
    slots.check(digest)
    hashed: list[Path] = []
    found = slots_module.payload_digest
    monkeypatch.setattr(slots_module, "payload_digest", lambda folder: hashed.append(folder) or found(folder))
    slots.check(digest, again=True)
    assert not hashed
    slots.check(digest)
    assert len(hashed) == 1
    about, content = model.stat(), model.read_bytes()
    with model.open("r+b") as sink:
        sink.write(content[:-1] + b"\0")
    os.utime(model, ns=(about.st_atime_ns, about.st_mtime_ns))
    with pytest.raises(BundleError, match="is damaged"):
        slots.check(digest, again=True)


def installed(tmp_path: Path) -> tuple[str, Slots]:
    path, state = tmp_path / "wide.enigma", tmp_path / "slots"
    envelope = tiny.make_bundle(path, hidden=96)
    slots = Slots(state)
    staged, _ = slots.unpack(path, envelope)
    slots.place(staged, envelope.digest)
    return envelope.digest, slots


def test_a_copy_is_compared_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, cold = tmp_path / "model.onnx", tmp_path / "cold"
    tiny.write_wide_onnx(model, 96)
    monkeypatch.setattr(unchanged, "SETTLED", 0.05)
    lay_out(model, cold)
    sound = (cold / "model.weights").read_bytes()
    time.sleep(0.1)
    lay_out(model, cold)
    compared: list[Path] = []
    same = onnx_file._same
    monkeypatch.setattr(onnx_file, "_same", lambda beside, *rest: compared.append(beside) or same(beside, *rest))
    lay_out(model, cold)
    assert not compared
    (cold / "model.weights").write_bytes(sound[:-1] + b"\0")
    lay_out(model, cold)
    assert len(compared) == 1 and (cold / "model.weights").read_bytes() == sound
