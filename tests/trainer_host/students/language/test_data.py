from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.language.template import CHATML
from trainer_host.errors import DataError
from trainer_host.students.language.data import (
    Conversation,
    Draws,
    Encoded,
    Mixture,
    Packer,
    digest,
    encode_rows,
    encode_texts,
    in_order,
    places,
    shown,
)
from trainer_host.students.language.tokenizers import FastTokenizer, train_tokenizer

TOKENIZER = FastTokenizer(train_tokenizer(["What is 2 + 2? It is 4. You are brief. Why? <think>"] * 20, 400))
SPELL = {number: name for name, number in TOKENIZER.special.items()}


def text(length: int, task: str = "a", difficulty: float = 0.0) -> Encoded:
    mask = np.ones(length, bool)
    mask[0] = False
    return Encoded(np.arange(length, dtype=np.int32), mask, difficulty, task)


def chat(task: str = "chat") -> Conversation:
    messages: list[dict[str, object]] = [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "What is 2 + 2?"},
        {"role": "assistant", "content": "It is 4."},
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "2 + 2 is 4. <|im_end|>"},
    ]
    return Conversation(messages, task)


def test_one_masked_sample_shows_that_answers_alone_are_learnt() -> None:
    [row] = encode_rows([chat()], TOKENIZER, CHATML, 256, combo=True)
    sample = shown(row, SPELL, TOKENIZER.decode)
    learnt = [part.split("»")[0] for part in sample.split("«")[1:]]
    assert learnt == ["It is 4.<|im_end|>", "2 + 2 is 4. <|im_end|><|im_end|>"]
    assert "<|task:chat|>" in sample and "You are brief." in sample
    # The user's text that spells a mark isn't one: only the real marks are special tokens.
    assert Counter(row.ids.tolist())[TOKENIZER.special["<|im_end|>"]] == 5


def test_a_row_longer_than_the_context_is_named() -> None:
    with pytest.raises(DataError, match=r"Row 2 has \d+ tokens, more than the 60 of the context"):
        encode_rows([chat_short(), chat()], TOKENIZER, CHATML, 60)


def chat_short() -> Conversation:
    return Conversation([{"role": "user", "content": "2"}, {"role": "assistant", "content": "4"}], "chat")


def test_a_row_without_an_answer_is_named() -> None:
    with pytest.raises(DataError, match="Row 1 has no answer"):
        encode_rows([Conversation([{"role": "user", "content": "2"}], "chat")], TOKENIZER, CHATML, 60)


def test_plain_texts_are_cut_without_losing_a_token() -> None:
    texts = ["What is 2 + 2? " * 9, "", "Why?"]
    made = encode_texts(texts, TOKENIZER, 16)
    learnt = [number for row in made for number in row.ids[row.mask].tolist()]
    wanted = [number for one in texts for number in (*TOKENIZER.encode(one), TOKENIZER.special["<|im_end|>"])]
    assert learnt == wanted and all(len(row.ids) <= 16 for row in made)


@given(st.lists(st.integers(2, 33), min_size=1, max_size=40), st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_a_packed_row_holds_each_text_whole_with_its_own_positions(lengths: list[int], rows: int, seed: int) -> None:
    texts = [text(length) for length in lengths]
    packer = Packer(texts, Draws(texts, [], Mixture(), seed), rows, 32)
    for _ in range(4):
        batch = packer.next(0.0)
        assert batch.members
        for row in range(rows):
            for segment in range(1, int(batch.segments[row].max()) + 1):
                here = np.flatnonzero(batch.segments[row] == segment)
                assert (np.diff(here) == 1).all()
                assert (batch.positions[row, here] == np.arange(len(here))).all()
                assert (batch.tokens[row, here] == np.arange(len(here))).all()
                assert (batch.targets[row, here] == np.arange(1, len(here) + 1)).all()
                assert batch.learn[row, here].all()
            assert not batch.learn[row, batch.segments[row] == 0].any()
        assert int((batch.segments > 0).sum()) == sum(places(texts[number]) for number in batch.members)


def test_hardly_a_place_is_padding() -> None:
    rng = np.random.default_rng(0)
    texts = [text(int(length)) for length in rng.integers(10, 200, 400)]
    packer = Packer(texts, Draws(texts, [], Mixture(), 1), 8, 256)
    filled = [float((packer.next(0.0).segments > 0).mean()) for _ in range(40)]
    assert np.mean(filled) > 0.96


def test_draws_go_on_exactly_where_their_state_was_taken() -> None:
    texts = [text(5 + i % 9, "ab"[i % 2], i / 30) for i in range(30)]
    for mixture in (Mixture(), Mixture(curriculum=True), Mixture(replay=0.3)):
        old = [text(4, "c") for _ in range(5)]
        packer, other = (Packer([*texts, *old], Draws(texts, old, mixture, 3), 2, 32) for _ in range(2))
        for step in range(7):
            packer.bins(step / 20)
        state = json.loads(json.dumps(packer.state))
        wanted = [packer.bins(step / 20) for step in range(7, 20)]
        other.restore(state)
        assert [other.bins(step / 20) for step in range(7, 20)] == wanted


def test_all_rows_come_before_any_comes_again_in_another_order() -> None:
    texts = [text(5) for _ in range(30)]
    draws = Draws(texts, [], Mixture(), 1)
    epochs = [[draws.next(0.0) for _ in texts] for _ in range(3)]
    assert all(sorted(epoch) == list(range(30)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_a_rare_task_is_drawn_as_the_temperature_says() -> None:
    texts = [text(5, "common")] * 900 + [text(5, "rare")] * 100
    shares = {}
    for temperature in (1.0, 2.0, 1e6):
        draws = Draws(texts, [], Mixture(temperature), 1)
        drawn = [texts[draws.next(0.0)].task for _ in range(4000)]
        shares[temperature] = drawn.count("rare") / len(drawn)
    assert abs(shares[1.0] - 0.1) < 0.02 and abs(shares[2.0] - 0.25) < 0.03 and abs(shares[1e6] - 0.5) < 0.03


def test_replay_draws_its_share_of_old_rows() -> None:
    texts, old = [text(5)] * 50, [text(5, "b")] * 50
    draws = Draws(texts, old, Mixture(replay=0.1), 1)
    drawn = [draws.next(0.0) >= 50 for _ in range(4000)]
    assert abs(np.mean(drawn) - 0.1) < 0.02
    with pytest.raises(DataError, match="no old rows"):
        Draws(texts, [], Mixture(replay=0.1), 1)


def test_a_curriculum_begins_with_easy_rows_and_ends_with_all() -> None:
    texts = [text(5, difficulty=difficulty) for difficulty in np.random.default_rng(0).random(200)]
    draws = Draws(texts, [], Mixture(curriculum=True), 1)
    early = [texts[draws.next(0.0)].difficulty for _ in range(300)]
    late = [texts[draws.next(1.0)].difficulty for _ in range(300)]
    assert max(early) < 0.3 and max(late) > 0.9


def test_examining_sees_every_text_once() -> None:
    texts = [text(length) for length in range(2, 30)]
    batches = list(in_order(texts, 2, 32))
    assert sorted(number for batch in batches for number in batch.members) != []
    assert sum(int(batch.learn.sum()) for batch in batches) == sum(int(one.mask.sum()) for one in texts)


def test_the_digest_tells_any_two_datasets_apart() -> None:
    one = [text(5), text(6)]
    others = [[text(6), text(5)], [text(5)], [text(5), text(6, "b")], [text(5), text(6, difficulty=0.5)]]
    assert len({digest(rows) for rows in [one, *others]}) == 5
    assert digest(one) == digest([text(5), text(6)])


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="no rows to learn from"):
        Draws([], [], Mixture(), 1)
