"""A decoder's .onnx file answers as the PyTorch model whose weights it holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_runtime.engines.language import open_language_engine
from tests.trainer_host.export.decoders import SHAPE, SHAPES, decoder
from trainer_host.compress.blocks import Blocks, quantize_blocks
from trainer_host.errors import ExportError
from trainer_host.export.language_onnx import export_language_onnx
from trainer_host.students.language.config import LanguageConfig, sized
from trainer_host.students.language.model import LanguageModel


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
def test_the_logits_are_those_of_the_model(config: LanguageConfig, tmp_path: Path) -> None:
    model = decoder(config)
    export_language_onnx(model.state_dict(), config, tmp_path / "model.onnx")
    engine = open_language_engine(tmp_path / "model.onnx")
    text = torch.randint(0, config.vocabulary, (1, 50), generator=torch.Generator().manual_seed(1))
    want = model(text)[0].numpy()
    tokens = text[0].tolist()
    got = [
        engine.feed(tokens[:20], 20),
        *(engine.feed([token]) for token in tokens[20:35]),
        engine.feed(tokens[35:], 15),
    ]
    np.testing.assert_allclose(np.concatenate(got), want, atol=1e-4)
    engine.rewind(12)
    np.testing.assert_allclose(engine.feed(tokens[12:30], 4), want[26:30], atol=1e-4)


@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("config", [SHAPE, replace(SHAPE, tied=False)])
def test_integers_answer_as_the_model_with_the_weights_that_they_stand_for(
    config: LanguageConfig, precision: str, tmp_path: Path
) -> None:
    model = decoder(config)
    export_language_onnx(model.state_dict(), config, tmp_path / "model.onnx", precision)
    for weight in model.parameters():
        if weight.dim() == 2:
            bits = 8 if precision == "int8" else 4
            columns = weight.shape[1]
            size = 64 if bits == 8 and columns % 64 == 0 else 32
            weight.copy_(torch.from_numpy(quantize_blocks(weight.numpy(), bits, size).weight()))
    text = torch.randint(0, config.vocabulary, (1, 40), generator=torch.Generator().manual_seed(1))
    want = model(text)[0].numpy()
    engine = open_language_engine(tmp_path / "model.onnx")
    tokens = text[0].tolist()
    got = np.concatenate([engine.feed(tokens[:25], 25), *(engine.feed([token]) for token in tokens[25:])])
    # What is left are the activations, which the runtime rounds to int8 too.
    assert np.sqrt(((got - want) ** 2).mean()) < 0.07 * want.std()
    assert (got.argmax(-1) == want.argmax(-1)).mean() >= 0.85


@pytest.mark.parametrize(("precision", "share"), [("int8", 0.30), ("int4", 0.18)])
def test_files_of_integers_are_as_small_as_they_should_be(
    precision: str, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, file = sized("nano"), tmp_path / "model.onnx"
    export_language_onnx(LanguageModel(config).state_dict(), config, file, precision)
    rounded = file.stat().st_size

    def as_large(weight: np.ndarray, bits: int, size: int, like: object = None) -> Blocks:
        rows, columns = weight.shape
        return Blocks(
            np.zeros((rows, columns * bits // 8), np.uint8), np.zeros((rows, columns // size), np.float32), bits, size
        )

    # Rounding takes a minute for the largest, and a file's size says nothing of what its numbers are.
    monkeypatch.setattr("trainer_host.export.language_onnx.quantize_blocks", as_large)
    for size in ("nano", "micro", "tiny", "small"):
        config = sized(size)
        with torch.device("meta"):
            shapes = {name: tuple(weight.shape) for name, weight in LanguageModel(config).named_parameters()}
        export_language_onnx(
            {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, config, file, precision
        )
        assert file.stat().st_size <= share * 4 * config.parameters, size
        assert size != "nano" or file.stat().st_size == rounded


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_a_fine_tune_with_its_bases_scales_has_the_layout_and_most_bytes_of_its_file(
    precision: str, tmp_path: Path
) -> None:
    model = decoder(SHAPE)
    base = tmp_path / "base.onnx"
    export_language_onnx(model.state_dict(), SHAPE, base, precision)
    torch.manual_seed(4)
    state = {
        name: weight + 0.001 * weight.std() * torch.randn_like(weight) for name, weight in model.state_dict().items()
    }
    for like, name in ((None, "own.onnx"), (base, "kept.onnx")):
        export_language_onnx(state, SHAPE, tmp_path / name, precision, like=like)
    first, own, kept = (
        np.frombuffer((tmp_path / name).read_bytes(), np.uint8) for name in ("base.onnx", "own.onnx", "kept.onnx")
    )
    assert len(first) == len(own) == len(kept)
    assert (kept != first).mean() < 0.6 * (own != first).mean()
    text = torch.randint(0, SHAPE.vocabulary, (40,), generator=torch.Generator().manual_seed(1)).tolist()
    logits = [open_language_engine(tmp_path / name).feed(text, 40) for name in ("own.onnx", "kept.onnx")]
    assert np.abs(logits[0] - logits[1]).max() < 0.5 * logits[0].std()


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    state = decoder(SHAPE).state_dict()
    export_language_onnx(state, SHAPE, tmp_path / "a.onnx")
    export_language_onnx({name: weight.numpy() for name, weight in reversed(state.items())}, SHAPE, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_a_context_beyond_the_training_is_exported_when_asked_for(tmp_path: Path) -> None:
    config = replace(SHAPE, context=16)
    export_language_onnx(decoder(config).state_dict(), config, tmp_path / "model.onnx", context=40)
    assert open_language_engine(tmp_path / "model.onnx").context == 40


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    state = decoder(SHAPE).state_dict()
    path = tmp_path / "model.onnx"
    with pytest.raises(ExportError, match=r"lack 'layers\.3\."):
        export_language_onnx(state, replace(SHAPE, layers=4), path)
    with pytest.raises(ExportError, match=r"has the shape \[320, 64\], and the config wants \[321, 64\]"):
        export_language_onnx(state, replace(SHAPE, vocabulary=321), path)
    with pytest.raises(ExportError, match="at most 16 tokens"):
        export_language_onnx(state, replace(SHAPE, rope={"type": "dynamic", "factor": 2.0, "trained": 16}), path)
    with pytest.raises(ExportError, match="no precision 'int3'"):
        export_language_onnx(state, SHAPE, path, "int3")
    odd = replace(SHAPE, hidden=100)
    with pytest.raises(ExportError, match="Rows of 100 numbers"):
        export_language_onnx(decoder(odd).state_dict(), odd, path, "int8")
    assert not path.exists()
