"""Perplexity in the device's runtime equals PyTorch's, and shows what integers and an int8 cache cost."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from edge_runtime.engines.language import open_language_engine
from tests.trainer_host.export.decoders import SHAPE, decoder
from trainer_host.compress.language import Text, cache_scales, compare, perplexity
from trainer_host.errors import DataError
from trainer_host.export.language_onnx import export_language_onnx

DRAW = np.random.default_rng(3)
TEXTS = [Text(DRAW.integers(0, SHAPE.vocabulary, length).tolist()) for length in (50, 9, 33)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decoders")
    model = decoder(SHAPE)
    for precision in ("fp32", "int8", "int4"):
        export_language_onnx(model.state_dict(), SHAPE, folder / f"{precision}.onnx", precision)
    scales = cache_scales(model, TEXTS)
    export_language_onnx(model.state_dict(), SHAPE, folder / "cache.onnx", "fp32", cache=scales)
    return folder


def losses(text: Text) -> torch.Tensor:
    tokens = torch.tensor([text.tokens])
    return F.cross_entropy(decoder(SHAPE)(tokens)[0, :-1], tokens[0, 1:], reduction="none")


def test_the_perplexity_is_pytorchs(folder: Path) -> None:
    engine = open_language_engine(folder / "fp32.onnx")
    want = math.exp(torch.cat([losses(text) for text in TEXTS]).mean().item())
    assert perplexity(engine, TEXTS) == pytest.approx(want, rel=1e-5)


def test_only_counted_tokens_count(folder: Path) -> None:
    engine = open_language_engine(folder / "fp32.onnx")
    counted = [i in (0, 4, 7, 8) for i in range(9)]  # the first can't be predicted
    want = math.exp(losses(TEXTS[1])[[3, 6, 7]].mean().item())
    assert perplexity(engine, [replace(TEXTS[1], counted=counted)]) == pytest.approx(want, rel=1e-5)
    assert compare(engine, engine, [replace(TEXTS[1], counted=counted)]).other == pytest.approx(want, rel=1e-5)


def test_a_long_text_is_read_in_pieces(folder: Path) -> None:
    engine = open_language_engine(folder / "fp32.onnx", context=20)
    parts = [Text(TEXTS[0].tokens[start : start + 20]) for start in (0, 20, 40)]
    assert perplexity(engine, TEXTS[:1]) == pytest.approx(perplexity(engine, parts), rel=1e-6)


def test_eight_bits_cost_little_and_four_more(folder: Path) -> None:
    reference = open_language_engine(folder / "fp32.onnx")
    eight, four = (compare(reference, open_language_engine(folder / f"{p}.onnx"), TEXTS) for p in ("int8", "int4"))
    assert eight.tokens == four.tokens == 49 + 8 + 32
    assert 0 < eight.largest < four.largest and eight.agreement >= 0.9
    assert abs(math.log(eight.ratio)) < 0.02 and abs(math.log(four.ratio)) < 0.5
    same = compare(reference, reference, TEXTS)
    assert same.largest == 0 and same.agreement == 1 and same.ratio == 1


def test_an_int8_cache_agrees_with_a_float_one(folder: Path) -> None:
    reference, other = (open_language_engine(folder / f"{name}.onnx") for name in ("fp32", "cache"))
    found = compare(reference, other, TEXTS)
    # Random weights' best tokens are near ties, so a few change places; a trained model's agree more often.
    assert found.agreement >= 0.95 and 0 < found.largest < 0.1
    buffers = other._cache.values()  # type: ignore[attr-defined]
    assert {str(value.numpy().dtype) for value in buffers} == {"int8"}
    tokens = list(TEXTS[0].tokens)
    other.rewind(0)
    whole = other.feed(tokens, 50)
    other.rewind(20)
    steps = np.concatenate([other.feed([token]) for token in tokens[20:]])
    np.testing.assert_allclose(steps, whole[20:], atol=0.05)


def test_scales_of_a_cache_are_the_largest_numbers_that_it_holds(folder: Path) -> None:
    scales = cache_scales(decoder(SHAPE), TEXTS[:1])
    engine = open_language_engine(folder / "fp32.onnx")
    engine.feed(TEXTS[0].tokens)
    for layer in range(SHAPE.layers):
        for part, found in (("keys", scales.keys), ("values", scales.values)):
            held = engine._cache[f"{part}.{layer}"].numpy()  # type: ignore[attr-defined]
            np.testing.assert_allclose(found[layer] * 127, np.abs(held[0]).max(1), rtol=1e-4)


def test_what_cannot_be_measured_is_refused(folder: Path, tmp_path: Path) -> None:
    engine = open_language_engine(folder / "fp32.onnx")
    for texts in ([], [Text([])], [Text([5])], [Text([1, 2], [True, False])]):
        with pytest.raises(DataError, match="two tokens and more"):
            perplexity(engine, texts)
    with pytest.raises(DataError, match="belong together"):
        perplexity(engine, [Text([1, 2], [True])])
    with pytest.raises(DataError, match="no texts"):
        cache_scales(decoder(SHAPE), [])
    small = replace(SHAPE, vocabulary=64)
    export_language_onnx(decoder(small).state_dict(), small, tmp_path / "small.onnx")
    with pytest.raises(DataError, match="files of one model"):
        compare(engine, open_language_engine(tmp_path / "small.onnx"), TEXTS)
