"""Drawing tokens: transformers' distributions, seeds, masks."""

from __future__ import annotations

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import BadRequest, EngineError
from edge_runtime.language.sampling import Sampler, Sampling, candidates

SIZE = 200


def logits(seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=SIZE) * 3).astype(np.float32)


def distribution(sampling: Sampling, values: np.ndarray, recent: list[int]) -> np.ndarray:
    tokens, chances = candidates(sampling, values, recent)
    whole = np.zeros(len(values))
    whole[tokens] = chances
    return whole


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    temperature=st.sampled_from([0.3, 0.8, 1.0, 1.7]),
    top_k=st.sampled_from([0, 1, 5, 50, 500]),
    top_p=st.sampled_from([1.0, 0.95, 0.5, 0.05]),
    min_p=st.sampled_from([0.0, 0.02, 0.3]),
    repetition=st.sampled_from([1.0, 1.3, 0.8]),
)
def test_the_chances_are_transformers(
    seed: int, temperature: float, top_k: int, top_p: float, min_p: float, repetition: float
) -> None:
    torch = pytest.importorskip("torch", reason="transformers' processors take tensors")
    generation = pytest.importorskip("transformers", reason="what the chances are compared with")
    recent = [1, 5, 5, 7, 11]
    processors = [
        generation.RepetitionPenaltyLogitsProcessor(repetition),
        generation.TemperatureLogitsWarper(temperature),
    ]
    processors += [generation.TopKLogitsWarper(top_k)] if top_k else []
    processors += [generation.TopPLogitsWarper(top_p)] if top_p < 1 else []
    processors += [generation.MinPLogitsWarper(min_p)] if min_p else []
    scores = torch.tensor(logits(seed).astype(np.float64))[None]
    for processor in processors:
        scores = processor(torch.tensor([recent]), scores)
    wanted = torch.softmax(scores, -1)[0].numpy()
    sampling = Sampling(temperature, top_k, top_p, min_p, repetition)
    np.testing.assert_allclose(distribution(sampling, logits(seed), recent), wanted, atol=1e-6)


def test_draws_come_as_often_as_their_chances_say() -> None:
    sampler, values = Sampler(Sampling(temperature=1, top_k=5, seed=1)), logits(3)
    drawn = collections.Counter(sampler.choose(values) for _ in range(20_000))
    chances = distribution(sampler.sampling, values, [])
    seen = np.flatnonzero(chances)
    assert set(drawn) == set(seen.tolist())
    chi = sum((drawn[int(i)] - 20_000 * chances[i]) ** 2 / (20_000 * chances[i]) for i in seen)
    assert chi < 18.5  # 4 degrees of freedom, p = 0.001


def test_a_seed_draws_the_same_tokens_and_another_seed_others() -> None:
    def drawn(seed: int) -> list[int]:
        sampler = Sampler(Sampling(temperature=1.5, seed=seed))
        return [sampler.choose(logits(i)) for i in range(20)]

    assert drawn(7) == drawn(7) != drawn(8)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=2, top_k=3, top_p=0.9, min_p=0.1)])
def test_only_what_is_allowed_is_chosen_and_the_logits_stay(sampling: Sampling) -> None:
    values = logits(1)
    before = values.copy()
    allowed = np.zeros(SIZE - 10, bool)  # a tokenizer may have fewer tokens than the model
    allowed[[3, 50]] = True
    sampler = Sampler(sampling)
    assert {sampler.choose(values, [3, 4], allowed) for _ in range(50)} <= {3, 50}
    np.testing.assert_array_equal(values, before)
    with pytest.raises(BadRequest, match="No token"):
        sampler.choose(values, (), np.zeros(SIZE, bool))


def test_greedy_takes_the_likeliest_and_a_penalty_can_change_it() -> None:
    values = np.array([1.0, 3.0, 2.0], np.float32)
    assert Sampler(Sampling()).choose(values) == 1
    assert Sampler(Sampling(repetition=2)).choose(values, [1]) == 2


@pytest.mark.parametrize("temperature", [0, 1])
def test_an_output_that_isnt_a_number_is_an_error(temperature: float) -> None:
    with pytest.raises(EngineError, match="isn't a number"):
        Sampler(Sampling(temperature=temperature)).choose(np.full(5, np.nan, np.float32))


@pytest.mark.parametrize(
    "settings_",
    [{"temperature": -1}, {"top_k": -1}, {"top_p": 0}, {"min_p": 2}, {"repetition": 0}, {"top_p": float("nan")}],
)
def test_settings_out_of_bounds_are_refused(settings_: dict[str, float]) -> None:
    with pytest.raises(BadRequest):
        Sampling(**settings_)  # type: ignore[arg-type]
