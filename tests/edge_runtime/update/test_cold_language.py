"""models.cold with language models: mapped weights, the same answers, and room for one made by who was asked longest ago."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("torch", reason="the model files are made by the trainer's export")

from edge_runtime.config import parse_config
from edge_runtime.device import Device
from edge_runtime.engines import onnx as onnx_engine
from tests.edge_runtime.api.chatty import make_bundle

REQUEST: dict[str, object] = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 6}


async def chunks(path: Path) -> AsyncIterator[bytes]:
    yield path.read_bytes()


async def test_cold_language_models_answer_as_warm_ones_and_take_turns_in_memory(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_engine, "COLD_FROM", 0)
    monkeypatch.setattr("edge_runtime.update.admit.rss_bytes", lambda: 0)  # so each holds its file and its cache
    bundles = {name: make_bundle(tmp_path, name, seed=seed) for seed, name in enumerate(("first", "second"))}
    warm = Device(state, parse_config({}))
    await warm.start()
    for path in bundles.values():
        await warm.install(chunks(path), path.stat().st_size)
    wanted = {name: (await warm.run(name, REQUEST)).value for name in bundles}
    await warm.close()
    assert not list(state.glob("bundles/*/cold/*"))

    cold = Device(state, parse_config({"models": {"cold": True}}))
    await cold.start()
    assert len(list(state.glob("bundles/*/cold/model.weights"))) == 2
    cold.serving._budget = max(cold.serving.held.values())  # for one of them
    cold.serving.sleep("first")
    for name in ("first", "second", "first", "second"):
        assert (await cold.run(name, REQUEST)).value == wanted[name]
        assert list(cold.serving.held) == [name]
    assert [cold.serving.current(name).loads for name in bundles] == [3, 3]
    await cold.close()


def mapped(files: Path) -> int:
    """Bytes of a folder's files that are mapped into this process."""
    total = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, *_, name = line.split(maxsplit=5)
        if name.startswith(str(files)):
            first, last = (int(each, 16) for each in place.split("-"))
            total += last - first
    return total


def test_the_weights_are_mapped_and_not_held_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_runtime.engines.language import open_language_engine
    from tests.trainer_host.export.decoders import SHAPE, decoder
    from trainer_host.export.language_onnx import export_language_onnx

    monkeypatch.setattr(onnx_engine, "COLD_FROM", 0)
    state, text = decoder(SHAPE).state_dict(), list(range(1, 30))
    for bits in ("fp32", "int8"):
        path, folder = tmp_path / f"{bits}.onnx", tmp_path / bits
        export_language_onnx(state, SHAPE, path, bits)
        warm, cold = open_language_engine(path), open_language_engine(path, cold=folder)
        if bits == "fp32":
            assert mapped(folder) > 0.8 * path.stat().st_size
        else:  # unpacked, it would take many times as long
            assert not folder.exists()
        assert abs(warm.feed(text) - cold.feed(text)).max() < 1e-4
        warm.close()
        cold.close()
        assert not mapped(folder) and not mapped(path)
