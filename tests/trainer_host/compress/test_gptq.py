"""Matrices rounded for the texts that a model reads: what they give changes less than by rounding each weight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_runtime.engines.language import open_language_engine
from tests.trainer_host.export.decoders import SHAPE, decoder
from trainer_host.compress.blocks import Blocks, quantize_blocks
from trainer_host.compress.gptq import error_factor, round_matrices, round_matrix
from trainer_host.compress.language import Text
from trainer_host.errors import DataError
from trainer_host.export.language_onnx import blocks_of, export_language_onnx
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.model import LanguageModel

UNTIED = replace(SHAPE, tied=False)


def texts(seed: int, count: int = 24) -> list[Text]:
    """Walks over a table of what follows what, so that inputs go together as those of real texts do."""
    follows = np.random.default_rng(0).integers(0, SHAPE.vocabulary, (SHAPE.vocabulary, 3))
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        tokens = [int(draw.integers(SHAPE.vocabulary))]
        while len(tokens) < 40:
            tokens.append(int(follows[tokens[-1], draw.integers(3)]))
        found.append(Text(tokens))
    return found


def rounded(config: LanguageConfig) -> tuple[LanguageModel, dict[str, Blocks]]:
    model = decoder(config)
    return model, round_matrices(model, texts(1))


def test_what_a_matrix_gives_changes_less_than_with_each_weight_rounded_for_itself() -> None:
    draw = np.random.default_rng(2)
    mix = draw.standard_normal((12, 64)) * np.linspace(2, 0.1, 64)
    inputs = (draw.standard_normal((3000, 12)) @ mix + 0.1 * draw.standard_normal((3000, 64))).astype(np.float32)
    weight = draw.standard_normal((48, 64)).astype(np.float32)
    blocks = round_matrix(torch.from_numpy(weight), error_factor(torch.from_numpy(inputs.T @ inputs)), 32)
    others = (draw.standard_normal((500, 12)) @ mix + 0.1 * draw.standard_normal((500, 64))).astype(np.float32)

    def lost(found: np.ndarray) -> float:
        return float((((found - weight) @ others.T) ** 2).mean())

    assert blocks.codes.shape == (48, 32) and blocks.scales.shape == (48, 2) and blocks.bits == 4
    assert lost(blocks.weight()) < 0.3 * lost(quantize_blocks(weight, 4, 32).weight())


def test_numbers_that_the_codes_can_say_and_dead_inputs_change_nothing() -> None:
    codes = np.random.default_rng(3).integers(-8, 8, (5, 64)).astype(np.float32)
    codes[:, ::32] = -8
    weight = torch.from_numpy(codes * np.float32(0.25))
    found = round_matrix(weight, error_factor(torch.zeros(64, 64)), 32)
    np.testing.assert_allclose(found.weight(), weight.numpy(), atol=1e-6)


def test_scales_and_most_integers_of_before_are_kept_after_a_little_training() -> None:
    draw = np.random.default_rng(4)
    weight = torch.from_numpy(draw.standard_normal((32, 64)).astype(np.float32))
    inputs = torch.from_numpy(draw.standard_normal((500, 64)).astype(np.float32))
    before = round_matrix(weight, error_factor(inputs.T @ inputs), 32)
    tuned = weight + 0.01 * torch.from_numpy(draw.standard_normal((32, 64)).astype(np.float32))
    factor = error_factor(inputs[:400].T @ inputs[:400])
    after, own = round_matrix(tuned, factor, 32, before), round_matrix(tuned, factor, 32)
    assert (after.scales == before.scales).mean() > 0.9
    changed = [(each.signed() != before.signed()).mean() for each in (after, own)]
    assert changed[0] < 0.5 * changed[1]
    # Far from its base, a weight is rounded as if there were none.
    far = weight + torch.from_numpy(draw.standard_normal((32, 64)).astype(np.float32))
    lost = [((torch.from_numpy(each.weight()) - far) @ inputs.T).pow(2).mean().item()
            for each in (round_matrix(far, factor, 32, before), round_matrix(far, factor, 32))]  # fmt: skip
    assert lost[0] < 2 * lost[1]


def test_what_had_another_shape_is_no_base() -> None:
    draw = np.random.default_rng(5)
    weight = torch.from_numpy(draw.standard_normal((32, 64)).astype(np.float32))
    factor = error_factor(torch.eye(64))
    fewer, alone = round_matrix(weight[:-1] * 1.1, factor, 32), round_matrix(weight, factor, 32)
    found = round_matrix(weight, factor, 32, fewer)
    assert (found.codes == alone.codes).all() and (found.scales == alone.scales).all()


@pytest.mark.parametrize("config", [SHAPE, UNTIED], ids=["tied", "untied"])
def test_the_file_answers_as_the_model_with_what_the_blocks_stand_for(config: LanguageConfig, tmp_path: Path) -> None:
    model, blocks = rounded(config)
    state = decoder(config).state_dict()
    alone = set() if config.tied else {"embed_tokens.weight"}
    assert set(blocks) == {name for name, weight in state.items() if weight.dim() == 2} - alone
    export_language_onnx(state, config, tmp_path / "model.onnx", "int4", rounded=blocks)
    read = blocks_of(tmp_path / "model.onnx", config)
    assert set(read) == set(blocks) | alone
    assert all((read[name].codes == each.codes).all() for name, each in blocks.items())
    assert all((read[name].scales == each.scales).all() and read[name].size == 32 for name, each in blocks.items())
    if not config.tied:  # the table of tokens that come in is rounded by itself
        table = model.embed_tokens.weight
        table.copy_(torch.from_numpy(quantize_blocks(table.numpy(), 4, 32).weight()))
    tokens = list(texts(5, 1)[0].tokens)
    want = model(torch.tensor([tokens]))[0].numpy()
    got = open_language_engine(tmp_path / "model.onnx").feed(tokens, len(tokens))
    assert np.sqrt(((got - want) ** 2).mean()) < 0.07 * want.std()  # activations are rounded to int8 too


def test_logits_of_other_texts_change_less_than_with_each_weight_rounded_for_itself(tmp_path: Path) -> None:
    model = decoder(SHAPE)
    plain = decoder(SHAPE)
    for weight in plain.parameters():
        if weight.dim() == 2:
            weight.copy_(torch.from_numpy(quantize_blocks(weight.numpy(), 4, 32).weight()))
    ours, _ = rounded(SHAPE)
    tokens = torch.tensor([text.tokens for text in texts(6)])
    want = model(tokens)
    assert ((ours(tokens) - want) ** 2).mean() < 0.85 * ((plain(tokens) - want) ** 2).mean()


def test_without_a_text_one_sentence_says_so() -> None:
    with pytest.raises(DataError, match="no texts to round"):
        round_matrices(decoder(SHAPE), [])


def test_a_model_that_gives_no_finite_numbers_is_refused() -> None:
    model = decoder(SHAPE)
    model.get_parameter("layers.1.input_layernorm.weight")[0] = float("nan")
    with pytest.raises(DataError, match="aren't finite"):
        round_matrices(model, texts(1, 2))
