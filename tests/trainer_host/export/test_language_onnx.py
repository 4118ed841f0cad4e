"""A decoder's .onnx file answers as the PyTorch model whose weights it holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_runtime.engines.language import open_language_engine
from tests.trainer_host.export.decoders import SHAPE, decoder
from trainer_host.errors import ExportError
from trainer_host.export.language_onnx import export_language_onnx

SHAPES = {
    "plain": SHAPE,
    "one head for keys each": replace(SHAPE, kv_heads=4),
    "one head for all keys": replace(SHAPE, kv_heads=1),
    "own head": replace(SHAPE, tied=False),
    "head wider than the width allows": replace(SHAPE, head_size=32),
    "window in all but every second layer": replace(SHAPE, window=7, full_every=2),
    "window of one": replace(SHAPE, window=1, full_every=3),
    "linear positions": replace(SHAPE, rope={"type": "linear", "factor": 2.0}),
    "yarn positions": replace(SHAPE, rope={"type": "yarn", "factor": 4.0, "trained": 16}),
    "dynamic positions within the trained context": replace(SHAPE, rope={"type": "dynamic", "factor": 2.0}),
    "other norm and base": replace(SHAPE, norm_epsilon=0.1, rope_base=100.0),
}


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
def test_the_logits_are_those_of_the_model(config, tmp_path: Path) -> None:
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
        export_language_onnx(state, SHAPE, path, "int3")  # type: ignore[arg-type]
    assert not path.exists()
