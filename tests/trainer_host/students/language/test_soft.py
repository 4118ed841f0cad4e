"""Targets for a student's tokens out of a teacher's probabilities for pieces that are cut otherwise."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from edge_runtime.language.template import CHATML
from tests.trainer_host.export.decoders import decoder
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.data import Conversation, Encoded, digest, encode_rows, pack
from trainer_host.students.language.soft import MOST, SHARE, soft_share
from trainer_host.students.language.tokenizers import FastTokenizer, train_tokenizer
from trainer_host.training.gradients import LossModule, Micro, linear_cross_entropy

SAID = "the cat sat on the mat"


@cache
def tokenizer() -> FastTokenizer:
    return FastTokenizer(train_tokenizer([f"{SAID}. the dog sat on the log. café 🙂"] * 9, 330))


def encoded(said: str, at: object) -> Encoded:
    row = Conversation([{"role": "user", "content": "who?"}, {"role": "assistant", "content": said}], "chat", soft=at)
    [made] = encode_rows([row], tokenizer(), CHATML, 256)
    return made


def places(text: Encoded) -> list[int]:
    """Where the answer's tokens are, its end mark last."""
    return np.flatnonzero(text.mask).tolist()


def told(text: Encoded, place: int) -> dict[int, float]:
    assert text.soft is not None
    pairs = zip(text.soft.ids[place].tolist(), text.soft.shares[place].tolist(), strict=True)
    return {token: share for token, share in pairs if share}


def test_alternatives_count_for_the_tokens_that_they_begin_with() -> None:
    fast = tokenizer()
    cat, dog, end = fast.encode(" cat")[0], fast.encode(" dog")[0], fast.special["<|im_end|>"]
    at = {"at": [[3, [[" cat", 0.5], [" dog", 0.2], [" dog sat", 0.1], [" c", 0.1], ["", 0.05]]], [len(SAID), [["", 0.9], [" on", 0.3]]]]}  # fmt: skip
    text = encoded(SAID, at)
    [place] = [i for i in places(text) if text.ids[i] == cat]
    found = told(text, place)
    assert set(found) == {cat, dog, end} and math.isclose(sum(found.values()), 1, abs_tol=1e-6)
    # A shorter piece may go on as the text does; two that begin with the same token count together.
    assert math.isclose(found[cat], 1 - SHARE + SHARE * 0.6 / 0.95, abs_tol=1e-6)
    assert math.isclose(found[dog], SHARE * 0.3 / 0.95, abs_tol=1e-6)
    last = told(text, places(text)[-1])
    assert math.isclose(last[end], 1 - SHARE + SHARE * 0.75, abs_tol=1e-6) and len(last) == 2
    assert text.soft is not None and text.soft.soft == 2
    assert soft_share([text, encoded(SAID, None)]) == round(2 / (2 * len(places(text))), 4)


def test_a_token_of_several_pieces_has_the_alternatives_of_all_of_them() -> None:
    fast = tokenizer()
    the, dog, end = fast.encode("the")[0], fast.encode("dog")[0], fast.special["<|im_end|>"]
    at = {"at": [[0, [["t", 0.8], ["dog", 0.1]]], [1, [["he", 0.5], ["", 0.25], ["o", 0.25]]]]}
    text = encoded(SAID, at)
    first = places(text)[0]
    assert int(text.ids[first]) == the and text.soft is not None and text.soft.soft == 1
    found = told(text, first)
    total = 0.8 * 0.5 + 0.1 + 0.8 * 0.25 + 0.8 * 0.25
    # "t" and the end, and "to": what they begin with is the letter, or what the answer itself begins with.
    assert math.isclose(found[dog], SHARE * 0.1 / total, abs_tol=1e-6) and end not in found
    assert math.isclose(found[the], 1 - SHARE + SHARE * (0.8 * 0.5 + 0.8 * 0.25) / total, abs_tol=1e-6)
    assert math.isclose(sum(found.values()), 1, abs_tol=1e-6)


def test_a_token_that_goes_further_than_the_piece_or_begins_in_it_has_itself_alone() -> None:
    at = {"at": [[0, [["t", 0.5], ["x", 0.5]]], [5, [["at", 0.5], ["x", 0.5]]], [7, [[" sat", 0.6], [" on", 0.4]]]]}
    text = encoded(SAID, at)
    assert text.soft is not None and text.soft.soft == 1
    hard = [i for i in range(len(text.ids)) if len(told(text, i)) == 1]
    assert len(hard) == len(text.ids) - 1 and all(told(text, i) == {int(text.ids[i]): 1.0} for i in hard)


@given(st.recursive(st.none() | st.integers(-3, 30) | st.floats() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["at", "x"]), inner, max_size=2), max_leaves=12))  # fmt: skip
def test_what_strangers_keep_there_does_no_harm(at: object) -> None:
    for meta in (at, {"at": at}, {"at": [[0, at]]}, {"at": [[0, [["the", at]]]]}):
        made = encoded(SAID, meta).soft
        assert made is None or np.allclose(made.shares.sum(1), 1)


@given(st.lists(st.tuples(st.text(max_size=5), st.floats(0, 1)), min_size=1, max_size=20), st.integers(0, 30))
def test_the_targets_of_a_place_are_few_and_sum_to_one(pairs: list[tuple[str, float]], offset: int) -> None:
    said = f"{SAID} {pairs[0][0]}"
    made = encoded(said, {"at": [[offset, [list(pair) for pair in pairs]]]})
    if made.soft is not None:
        assert made.soft.ids.shape == made.soft.shares.shape == (len(made.ids), MOST)
        assert np.allclose(made.soft.shares.sum(1), 1, atol=1e-5) and (made.soft.shares >= 0).all()
        assert (made.soft.ids[:, 0] == made.ids).all()


def test_an_answer_that_is_read_otherwise_than_it_was_said_has_none() -> None:
    row = Conversation([{"role": "user", "content": "?"}, {"role": "assistant", "content": SAID, "reasoning": "1"}], "chat", soft={"at": [[3, [[" cat", 1.0]]]]})  # fmt: skip
    assert encode_rows([row], tokenizer(), CHATML, 256)[0].soft is None


def test_packed_rows_keep_each_target_beside_its_token_and_plain_rows_have_none() -> None:
    at = {"at": [[3, [[" cat", 0.5], [" dog", 0.5]]]]}
    soft, plain = encoded(SAID, at), encoded(SAID, None)
    batch = pack([plain, soft], [[0, 1], [1]], 128)
    assert batch.soft is not None and (batch.soft[0][..., 0] == batch.targets).all()
    assert np.allclose(batch.soft[1].sum(-1), 1)
    assert ((batch.soft[1] > 0).sum(-1) == 2).sum() == 2  # once for each time that the text is there
    assert pack([plain], [[0]], 128).soft is None and digest([plain]) != digest([soft])
    part = Micro.of(batch, slice(1, 2), torch.device("cpu"))
    assert part.soft is not None and part.soft[0].shape == (len(part.targets), MOST)
    assert part.soft[0][:, 0].equal(part.targets)


def test_the_cross_entropy_with_several_targets_is_that_of_whole_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer_host.training.gradients.numbers_at_once", lambda device: 16 * 40)  # several chunks
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(50, 8, generator=generator, requires_grad=True)
    table = torch.randn(40, 8, generator=generator, requires_grad=True)
    ids = torch.randint(40, (50, 3), generator=generator)
    shares = torch.softmax(torch.randn(50, 3, generator=generator), -1)
    (0.5 * linear_cross_entropy(hidden, table, ids, shares)).backward()
    mine = [hidden.grad, table.grad]
    hidden.grad = table.grad = None
    wanted = torch.zeros(50, 40).scatter_add_(1, ids, shares)
    loss = F.cross_entropy(hidden @ table.T, wanted, reduction="sum")
    (0.5 * loss).backward()
    assert torch.allclose(linear_cross_entropy(hidden, table, ids, shares), loss, atol=1e-4)
    for got, expected in zip(mine, (hidden.grad, table.grad), strict=True):
        assert got is not None and expected is not None and torch.allclose(got, expected, atol=1e-5)
    one = torch.ones(50, 1)
    assert torch.allclose(
        linear_cross_entropy(hidden, table, ids[:, :1], one), linear_cross_entropy(hidden, table, ids[:, 0]), atol=1e-4
    )


def test_a_model_is_trained_with_all_targets_and_examined_with_the_written_one() -> None:
    text = encoded(SAID, {"at": [[3, [[" cat", 0.5], [" dog", 0.5]]]]})
    part, plain = (
        Micro.of(pack([one], [[0]], 128), slice(None), torch.device("cpu")) for one in (text, replace(text, soft=None))
    )
    module = LossModule(decoder(LanguageConfig(tokenizer().size, 32, 1, 2, 1, 48, 128))).train()
    assert not torch.allclose(module(part), module(plain))
    assert torch.equal(module.eval()(part), module(plain))
