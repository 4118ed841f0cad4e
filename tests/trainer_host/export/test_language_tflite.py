"""The .tflite file of a decoder gives the model's logits, whatever its shape, and the tokens that its ONNX file gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_runtime.engines.language import LanguageEngine, open_language_engine
from tests.trainer_host.export.decoders import SHAPE, SHAPES, decoder
from tests.trainer_host.learnt import TEXT, learnt
from trainer_host.compress.inspect import check_int8, weight_bytes
from trainer_host.errors import ExportError
from trainer_host.export.language_onnx import export_language_onnx
from trainer_host.export.language_tflite import export_language_tflite
from trainer_host.students.language.config import LanguageConfig, sized
from trainer_host.students.language.model import LanguageModel

pytest.importorskip("ai_edge_litert", reason="the files are written with its schema, and run in it")


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
def test_the_logits_are_those_of_the_model(config: LanguageConfig, tmp_path: Path) -> None:
    model = decoder(config)
    export_language_tflite(model.state_dict(), config, tmp_path / "model.tflite")
    engine = open_language_engine(tmp_path / "model.tflite")
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


@pytest.mark.parametrize("config", [SHAPE, replace(SHAPE, tied=False)])
def test_integers_answer_as_the_model_with_the_weights_that_they_stand_for(
    config: LanguageConfig, tmp_path: Path
) -> None:
    model = decoder(config)
    export_language_tflite(model.state_dict(), config, tmp_path / "model.tflite", "int8")
    for weight in model.parameters():
        if weight.dim() == 2:
            step = weight.abs().amax(1, keepdim=True) / 127
            weight.copy_((weight / step).round() * step)
    text = torch.randint(0, config.vocabulary, (1, 40), generator=torch.Generator().manual_seed(1))
    want = model(text)[0].numpy()
    engine = open_language_engine(tmp_path / "model.tflite")
    tokens = text[0].tolist()
    got = np.concatenate([engine.feed(tokens[:25], 25), *(engine.feed([token]) for token in tokens[25:])])
    # What is left are the activations, which the runtime rounds to int8 too.
    assert np.sqrt(((got - want) ** 2).mean()) < 0.07 * want.std()
    assert (got.argmax(-1) == want.argmax(-1)).mean() >= 0.85


def test_greedy_tokens_are_those_of_the_onnx_file(tmp_path: Path) -> None:
    made = learnt()
    export_language_onnx(made.state, made.config, tmp_path / "model.onnx")
    export_language_tflite(made.state, made.config, tmp_path / "model.tflite")
    export_language_tflite(made.state, made.config, tmp_path / "small.tflite", "int8")
    prompts = [made.encode(TEXT)[:40], made.encode("Nobody had seen"), made.encode("zzz 12")]
    for prompt in prompts:
        want = _greedy(open_language_engine(tmp_path / "model.onnx"), prompt, 60)
        assert _greedy(open_language_engine(tmp_path / "model.tflite"), prompt, 60) == want
    known = made.greedy(prompts[0], 60)  # a text that it knows by heart, where rounding changes no choice
    assert _greedy(open_language_engine(tmp_path / "small.tflite"), prompts[0], 60) == known


@pytest.mark.parametrize("size", ["nano", "micro"])
def test_a_file_of_integers_is_as_small_as_it_should_be(size: str, tmp_path: Path) -> None:
    config = sized(size)
    state = {name: weight.detach() for name, weight in LanguageModel(config).named_parameters()}
    export_language_tflite(state, config, tmp_path / "a.tflite")
    export_language_tflite(state, config, tmp_path / "b.tflite", "int8")
    assert (tmp_path / "b.tflite").stat().st_size <= 0.30 * 4 * config.parameters
    assert check_int8(tmp_path / "b.tflite", tmp_path / "a.tflite")["int8"] == _matrices(state)
    assert weight_bytes(tmp_path / "a.tflite")["float32"] >= 4 * config.parameters


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    state = decoder(SHAPE).state_dict()
    for precision in ("fp32", "int8"):
        export_language_tflite(state, SHAPE, tmp_path / "a.tflite", precision)
        turned = {name: weight.numpy() for name, weight in reversed(state.items())}
        export_language_tflite(turned, SHAPE, tmp_path / "b.tflite", precision)
        assert (tmp_path / "a.tflite").read_bytes() == (tmp_path / "b.tflite").read_bytes()


def test_weights_lie_where_a_vector_unit_wants_them(tmp_path: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema

    export_language_tflite(decoder(SHAPE).state_dict(), SHAPE, tmp_path / "model.tflite", "int8")
    content = (tmp_path / "model.tflite").read_bytes()
    buffers = schema.ModelT.InitFromPackedBuf(content, 0).buffers[1:]
    assert buffers and all(buffer.offset % 64 == 0 and buffer.size for buffer in buffers)
    assert max(buffer.offset + buffer.size for buffer in buffers) == len(content)


def test_a_context_beyond_the_training_is_exported_when_asked_for(tmp_path: Path) -> None:
    config = replace(SHAPE, context=16)
    export_language_tflite(decoder(config).state_dict(), config, tmp_path / "model.tflite", context=40)
    assert open_language_engine(tmp_path / "model.tflite").context == 40


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    state = decoder(SHAPE).state_dict()
    path = tmp_path / "model.tflite"
    with pytest.raises(ExportError, match=r"lack 'layers\.3\."):
        export_language_tflite(state, replace(SHAPE, layers=4), path)
    with pytest.raises(ExportError, match=r"has the shape \[320, 64\], and the config wants \[321, 64\]"):
        export_language_tflite(state, replace(SHAPE, vocabulary=321), path)
    with pytest.raises(ExportError, match="at most 16 tokens"):
        export_language_tflite(state, replace(SHAPE, rope={"type": "dynamic", "factor": 2.0, "trained": 16}), path)
    with pytest.raises(ExportError, match="no precision 'int4' in TFLite"):
        export_language_tflite(state, SHAPE, path, "int4")
    assert not path.exists()


def _greedy(engine: LanguageEngine, prompt: list[int], count: int) -> list[int]:
    made, logits = [], engine.feed(prompt)
    for _ in range(count):
        made.append(int(logits[0].argmax()))
        logits = engine.feed(made[-1:])
    engine.close()
    return made


def _matrices(state: dict[str, torch.Tensor]) -> int:
    return sum(weight.numel() for weight in state.values() if weight.dim() == 2)
