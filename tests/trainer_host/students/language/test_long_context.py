"""Texts longer than those of the training, and layers that look back only so far."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_runtime.engines.language import open_language_engine
from tests.trainer_host.export.decoders import SHAPE, decoder
from trainer_host.errors import DataError
from trainer_host.export.language_onnx import export_language_onnx
from trainer_host.students.language.model import LanguageModel
from trainer_host.students.language.settings import LanguageSettings

TOKENS = torch.randint(0, SHAPE.vocabulary, (1, 40), generator=torch.Generator().manual_seed(3))


def test_a_context_beyond_the_trained_one_scales_positions_from_that_one() -> None:
    assert SHAPE.read_up_to(32) == dataclasses.replace(SHAPE, context=32)
    longer = SHAPE.read_up_to(4 * SHAPE.context)
    assert longer.rope == {"type": "yarn", "factor": 4.0, "trained": SHAPE.context}
    again = longer.read_up_to(8 * SHAPE.context)  # tuned once more: still relative to what was trained first
    assert again.rope == {"type": "yarn", "factor": 8.0, "trained": SHAPE.context}
    assert longer.read_up_to(16) == dataclasses.replace(longer, context=16)
    other = dataclasses.replace(SHAPE, rope={"type": "dynamic", "factor": 2.0})
    with pytest.raises(DataError, match="scaled by 'dynamic'"):
        other.read_up_to(1000)


@pytest.mark.parametrize("window", [40, 1000])
def test_a_window_of_the_texts_length_or_more_is_dense_attention(window: int, tmp_path: Path) -> None:
    dense = decoder(SHAPE)
    looking = LanguageModel(dataclasses.replace(SHAPE, window=window)).eval()
    looking.load_state_dict(dense.state_dict())
    narrow = LanguageModel(dataclasses.replace(SHAPE, window=5)).eval()
    narrow.load_state_dict(dense.state_dict())
    with torch.inference_mode():
        wanted = dense(TOKENS)[0].numpy()
        np.testing.assert_allclose(looking(TOKENS)[0].numpy(), wanted, atol=1e-5)
        assert np.abs(narrow(TOKENS)[0].numpy() - wanted).max() > 0.1
    export_language_onnx(looking.state_dict(), looking.config, tmp_path / "model.onnx")
    got = open_language_engine(tmp_path / "model.onnx").feed(TOKENS[0].tolist(), 40)
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_a_window_is_chosen_from_the_start_and_not_with_weights_that_were_trained_without_one() -> None:
    assert LanguageSettings.read({"window": 32}).window == 32
    with pytest.raises(DataError, match="--window or --init"):
        LanguageSettings.read({"window": 32, "init": "sums"})
    with pytest.raises(DataError, match="--window must be a whole number from 8"):
        LanguageSettings.read({"window": 0})
