"""Adapters on an open decoder: the merged model's logits, over weights that the base goes on with as they were."""

from __future__ import annotations

import copy
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("torch", reason="the model files are made by the trainer's export")
pytest.importorskip("peft", reason="PEFT is in the extra 'llm'")

import onnxruntime as ort
import torch

from edge_runtime.engines.language import open_language_engine
from edge_runtime.errors import EngineError
from edge_runtime.serving import memory
from tests.trainer_host.export.decoders import SHAPE, decoder
from trainer_host.export.language_adapter import write_adapter
from trainer_host.export.language_onnx import export_language_onnx
from trainer_host.students.language.config import LanguageConfig
from trainer_host.training.adapters import Lora, adapter_state, add_lora, merge_lora

TEXT = list(np.random.default_rng(0).integers(0, SHAPE.vocabulary, 40))


def adapter(
    folder: Path, lora: Lora, shape: LanguageConfig = SHAPE, seed: int = 1
) -> tuple[Path, dict[str, torch.Tensor]]:
    """An adapter that changes much, and the state of the model that it is merged into."""
    model = add_lora(copy.deepcopy(decoder(shape)), lora)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data.copy_(torch.randn(weight.shape, generator=generator) * 0.1)
    path = folder / f"adapter-{seed}.onnx_adapter"
    write_adapter(adapter_state(model), lora, shape, path)
    return path, merge_lora(model).state_dict()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "model.onnx"
    export_language_onnx(decoder(SHAPE).state_dict(), SHAPE, path, adapters=True)
    return path


@pytest.mark.parametrize("targets", [("q_proj", "v_proj"), ("k_proj", "o_proj", "up_proj", "down_proj"), None])
def test_base_and_adapter_are_the_merged_model(base: Path, tmp_path: Path, targets: tuple[str, ...] | None) -> None:
    lora = Lora(4, 12.0) if targets is None else Lora(3, 5.0, targets)
    path, merged = adapter(tmp_path, lora)
    export_language_onnx(merged, SHAPE, tmp_path / "merged.onnx")
    wanted = open_language_engine(tmp_path / "merged.onnx").feed(TEXT, 40)
    got = open_language_engine(base, adapter=path).feed(TEXT, 40)
    assert np.abs(wanted - open_language_engine(base).feed(TEXT, 40)).max() > 0.1
    np.testing.assert_allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
def test_unloading_gives_the_base_back_bit_by_bit_and_a_base_without_adapters_computes_the_same(
    tmp_path: Path, precision: str
) -> None:
    state = decoder(SHAPE).state_dict()
    export_language_onnx(state, SHAPE, tmp_path / "plain.onnx", precision)
    export_language_onnx(state, SHAPE, tmp_path / "base.onnx", precision, adapters=True)
    path, _ = adapter(tmp_path, Lora(4))
    engine = open_language_engine(tmp_path / "base.onnx")
    before = engine.feed(TEXT, 40)
    adapted = open_language_engine(tmp_path / "base.onnx", adapter=path)
    changed = adapted.feed(TEXT, 40)
    engine.rewind(20)
    np.testing.assert_array_equal(engine.feed(TEXT[20:], 20), before[20:])  # while the adapter is loaded
    adapted.close()
    engine.rewind(0)
    np.testing.assert_array_equal(engine.feed(TEXT, 40), before)
    np.testing.assert_array_equal(open_language_engine(tmp_path / "plain.onnx").feed(TEXT, 40), before)
    assert np.abs(changed - before).max() > 0.1


def test_several_adapters_answer_at_the_same_time_over_one_base(base: Path, tmp_path: Path) -> None:
    paths = [None, *(adapter(tmp_path, Lora(4), seed=seed)[0] for seed in (1, 2))]
    alone = [open_language_engine(base, adapter=path).feed(TEXT, 40) for path in paths]
    engines = [open_language_engine(base, adapter=path) for path in paths]
    found: list[list[np.ndarray]] = [[], [], []]

    def ask(number: int) -> None:
        for _ in range(10):
            engines[number].rewind(0)
            found[number].append(engines[number].feed(TEXT, 40))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(3):
        for logits in found[number]:
            np.testing.assert_array_equal(logits, alone[number])


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from Linux's /proc")
def test_an_adapter_costs_its_own_memory_and_not_the_bases(tmp_path: Path) -> None:
    shape = LanguageConfig(8192, 512, 2, 8, 4, 1024, context=64)  # 36 MB
    export_language_onnx(decoder(shape).state_dict(), shape, tmp_path / "base.onnx", adapters=True)
    path, _ = adapter(tmp_path, Lora(4), shape)
    engine = open_language_engine(tmp_path / "base.onnx")
    engine.feed(TEXT)
    memory.trim()
    before = memory.rss_bytes()
    adapted = open_language_engine(tmp_path / "base.onnx", adapter=path)
    adapted.feed(TEXT)
    memory.trim()
    assert memory.rss_bytes() - before < 12e6
    engine.close()  # the base's weights stay as long as an adapter needs them
    adapted.rewind(0)
    assert adapted.feed(TEXT).shape == (1, 8192)


def test_a_file_that_was_written_anew_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_language_onnx(decoder(SHAPE).state_dict(), SHAPE, path)
    first = open_language_engine(path)
    export_language_onnx(decoder(SHAPE, seed=5).state_dict(), SHAPE, path)
    assert np.abs(open_language_engine(path).feed(TEXT) - first.feed(TEXT)).max() > 0.1


def test_what_is_no_adapter_of_this_model_is_refused_with_a_sentence(base: Path, tmp_path: Path) -> None:
    good, _ = adapter(tmp_path, Lora(4))
    export_language_onnx(decoder(SHAPE).state_dict(), SHAPE, tmp_path / "plain.onnx")
    with pytest.raises(EngineError, match=r"plain\.onnx takes no adapters; export the base with --adapters"):
        open_language_engine(tmp_path / "plain.onnx", adapter=good)
    other = LanguageConfig(320, 32, 3, 4, 2, 96, context=64)
    with pytest.raises(EngineError, match="the adapter of another model"):
        open_language_engine(base, adapter=adapter(tmp_path, Lora(2), other, seed=9)[0])
    content = good.read_bytes()
    for number, damaged in enumerate(
        [b"", b"no adapter", content[: len(content) // 2], content[:64] + bytes(400), bytes(9000)]
    ):
        path = tmp_path / f"damaged-{number}.onnx_adapter"
        path.write_bytes(damaged)
        with pytest.raises(EngineError, match=r"damaged-\d.onnx_adapter (is no adapter|doesn't fit)"):
            open_language_engine(base, adapter=path)
    with pytest.raises(EngineError, match="is no adapter"):
        open_language_engine(base, adapter=tmp_path / "none.onnx_adapter")


@pytest.mark.parametrize("change", ["missing", "rank", "name", "type", "half"])
def test_matrices_that_dont_belong_together_are_refused(base: Path, tmp_path: Path, change: str) -> None:
    good, _ = adapter(tmp_path, Lora(4))
    found = ort.AdapterFormat.read_adapter(str(good)).get_parameters()
    matrices = {name: value.numpy().copy() for name, value in found.items()}
    name = "layers.1.mlp.up"
    if change == "missing":
        del matrices[name]
    elif change == "rank":
        matrices[name] = matrices[name][:2]
    elif change == "name":
        matrices["keys.0"] = matrices.pop(name)
    elif change == "type":
        matrices[name] = matrices[name].astype(np.float64)
    else:
        matrices = {name: matrix.astype(np.float16) for name, matrix in matrices.items()}
    file = ort.AdapterFormat()
    file.set_parameters({key: ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(m)) for key, m in matrices.items()})
    file.export_adapter(str(tmp_path / "bad.onnx_adapter"))
    with pytest.raises(EngineError, match="the adapter of another model"):
        open_language_engine(base, adapter=tmp_path / "bad.onnx_adapter")
