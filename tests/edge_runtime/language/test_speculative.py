"""Speculation: the same tokens as without it, in fewer steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.language.generate import Generator, Options
from edge_runtime.language.sampling import Sampling
from edge_runtime.language.speculative import Draft, DraftModel, Patient, PromptLookup
from edge_runtime.language.tokenizer import Tokenizer
from tests.edge_runtime.language.engines import NumpyEngine, random_engine, tokenizer_table

TOKENIZER = Tokenizer(tokenizer_table())
VOCABULARY = 12  # few tokens, so that texts repeat themselves


def written(
    prompt: list[int], sampling: Sampling, draft: Draft | None, most: int = 40
) -> tuple[list[int], NumpyEngine]:
    engine = random_engine(VOCABULARY)
    pieces = Generator(engine, TOKENIZER).generate(prompt, sampling, Options(max_tokens=most, draft=draft))
    return [piece.token for piece in pieces if piece.token is not None], engine


def drafts() -> dict[str, Draft]:
    return {
        "lookup": PromptLookup(),
        "the same model": DraftModel(random_engine(VOCABULARY)),
        "another model": DraftModel(random_engine(VOCABULARY, seed=1)),
        "a worse model": DraftModel(random_engine(VOCABULARY, order=1)),
    }


@settings(max_examples=100)
@given(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=30), st.sampled_from(sorted(drafts())))
def test_greedy_texts_are_the_same_token_for_token_with_any_draft(prompt: list[int], name: str) -> None:
    assert written(prompt, Sampling(), drafts()[name])[0] == written(prompt, Sampling(), None)[0]


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=30),
    st.sampled_from(sorted(drafts())),
    st.integers(0, 999),
)
def test_drawn_texts_are_the_same_with_a_seed_so_their_distribution_is_too(
    prompt: list[int], name: str, seed: int
) -> None:
    sampling = Sampling(temperature=0.8, top_p=0.9, repetition=1.1, seed=seed)
    assert written(prompt, sampling, drafts()[name])[0] == written(prompt, sampling, None)[0]


def test_drawn_tokens_are_distributed_as_the_model_says() -> None:
    """Chi squared of the second token, over draws in which the first was the likeliest one."""
    prompt, draft = [1, 2, 3], drafts()["another model"]
    first = written(prompt, Sampling(), None, 1)[0][0]
    drawn = [written(prompt, Sampling(temperature=1.0, seed=seed), draft, 3)[0][:2] for seed in range(2000)]
    seconds = [two[1] for two in drawn if two[0] == first]
    logits = random_engine(VOCABULARY).feed([*prompt, first])[0].astype(np.float64)
    chances = np.exp(logits - logits.max())
    wanted = chances / chances.sum() * len(seconds)
    rare = wanted < 5  # Cochran's rule: those are counted together
    found = np.bincount(seconds, minlength=VOCABULARY).astype(float)
    pairs = [*zip(found[~rare], wanted[~rare], strict=True), (found[rare].sum(), wanted[rare].sum())]
    statistic = sum((got - want) ** 2 / want for got, want in pairs if want)
    assert len(seconds) > 200 and len(pairs) > 3
    # The quantile at .99 by Wilson and Hilferty (1931), 2.326 being that of the normal distribution.
    degrees = len(pairs) - 1
    assert statistic < degrees * (1 - 2 / (9 * degrees) + 2.326 * (2 / (9 * degrees)) ** 0.5) ** 3


@pytest.mark.parametrize("name", ["lookup", "the same model"])
def test_a_good_draft_takes_fewer_steps(name: str) -> None:
    prompt = [1, 2, 3]
    plain, guessed = written(prompt, Sampling(), None, 100)[1], written(prompt, Sampling(), drafts()[name], 100)[1]
    assert len(guessed.fed) <= 0.5 * len(plain.fed)


def test_the_context_is_used_up_to_its_last_token() -> None:
    for name, draft in drafts().items():
        engine = random_engine(VOCABULARY, context=30)
        pieces = list(Generator(engine, TOKENIZER).generate([1, 2, 3], Sampling(), Options(draft=draft)))
        assert len(pieces) == 27, name


def test_a_run_that_stood_in_the_text_before_is_continued() -> None:
    lookup = PromptLookup()
    assert lookup.propose([1, 2, 3, 4, 5, 1, 2], 3) == [3, 4, 5]
    assert lookup.propose([1, 2, 3, 4, 5, 1, 2, 3, 9], 3) == []
    assert lookup.propose([7, 7, 7], 2) == [7]  # the run of two stood one place before
    assert lookup.propose([1, 2, 8, 1, 2], 1) == [8]  # another text


def test_wrong_guesses_are_paused() -> None:
    asked = 0

    class Wrong:
        def propose(self, tokens: object, most: int) -> list[int]:
            nonlocal asked
            asked += 1
            return [-1] * most

    patient = Patient(Wrong())
    for _ in range(200):
        patient.learn(len(patient.propose([1], 50)), 0)
    assert asked <= 24
