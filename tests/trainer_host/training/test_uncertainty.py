from __future__ import annotations

import numpy as np
import pytest

from tests.trainer_host.samples import easy_rows
from trainer_host.errors import DataError
from trainer_host.training.uncertainty import (
    KINDS,
    calibrate_answers,
    calibration_error,
    conformal_threshold,
    doubt_of,
    ensemble,
    most_useful,
    separation,
    token_temperature,
)

Answers = tuple[list[np.ndarray], np.ndarray]


def answers(count: int, seed: int) -> Answers:
    """Log-probabilities of tokens of answers of 3 to 12 tokens; an answer is right as often as its hidden ease says."""
    rng = np.random.default_rng(seed)
    ease = rng.beta(2, 1, count)
    made = [np.log(np.clip(rng.beta(8 * e + 0.5, 8 * (1 - e) + 0.5, rng.integers(3, 13)), 1e-4, 1)) for e in ease]
    return made, rng.random(count) < ease


@pytest.mark.parametrize("kind", KINDS)
def test_nine_in_ten_right_answers_are_sure_and_confidence_is_honest(kind: str) -> None:
    found = calibrate_answers(*answers(2000, 1), kind=kind)
    covered, errors = [], []
    for seed in range(2, 7):
        tokens, right = answers(2000, seed)
        confidence = np.array([found.confidence(one) for one in tokens])
        covered.append((confidence >= found.threshold)[right].mean())
        errors.append(calibration_error(confidence, right))
    assert abs(float(np.mean(covered)) - 0.9) <= 0.02
    assert max(errors) <= 0.05


def test_the_conformal_promise_holds_for_small_calibration_sets() -> None:
    rng = np.random.default_rng(0)
    covered = [float((rng.random(400) >= conformal_threshold(rng.random(60), 0.9)).mean()) for _ in range(500)]
    assert 0.9 <= float(np.mean(covered)) <= 0.92
    assert conformal_threshold(rng.random(5), 0.9) == 0.0


def test_the_temperature_of_tokens_is_found_also_on_a_sample() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3000, 200)) * 2
    chances = np.exp(logits - logits.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    targets = (chances.cumsum(1) > rng.random((3000, 1))).argmax(1)
    assert abs(token_temperature(logits[:1500], targets[:1500]) - 1) < 0.1
    assert abs(token_temperature(logits[:1500] * 2.5, targets[:1500]) - 2.5) < 0.2


def test_what_a_bundle_keeps_is_within_its_form() -> None:
    found = calibrate_answers(*answers(500, 1), temperature=1.5)
    kept = found.manifest()
    assert 0 <= kept["thresholds"]["unsure"] <= 1  # type: ignore[index]
    assert kept["options"]["confidence"]["temperature"] == 1.5  # type: ignore[index]


def test_answers_that_can_not_calibrate_are_one_sentence() -> None:
    tokens, right = answers(200, 1)
    with pytest.raises(DataError, match="right ones or more"):
        calibrate_answers(tokens, np.zeros(200, bool))
    with pytest.raises(DataError, match="nothing to be unsure about"):
        calibrate_answers(tokens, np.ones(200, bool))
    with pytest.raises(DataError, match="mean, min"):
        calibrate_answers(tokens, right, kind="max")
    with pytest.raises(DataError, match="without tokens"):
        calibrate_answers([[], *tokens[1:]], right)


def test_separation_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(0, 9, 50), rng.integers(0, 6, 40)
    pairs = [(a > b) + 0.5 * (a == b) for a in inside for b in outside]
    assert abs(separation(inside, outside) - float(np.mean(pairs))) < 1e-12


def test_an_ensemble_is_the_better_of_its_members_and_stands_one_that_is_down() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 4000)
    members = [np.eye(5)[labels] * 2 + rng.normal(size=(4000, 5)) * 1.6 for _ in range(4)]
    single = max(float((one.argmax(1) == labels).mean()) for one in members)
    together = ensemble(members)
    assert np.allclose(together.sum(1), 1)
    assert float((together.argmax(1) == labels).mean()) >= single
    assert np.allclose(ensemble([members[0], None, members[1]]), ensemble(members[:2]))
    with pytest.raises(DataError, match="None of the models"):
        ensemble([None, None])
    with pytest.raises(DataError, match="same labels"):
        ensemble([members[0], members[1][:, :3]])


def test_the_most_useful_inputs_are_unsure_and_different() -> None:
    rows = [str(row["text"]) for row in easy_rows(20)]
    repeated = ["turn it up a bit"] * 30
    texts, doubt = rows + repeated, [0.5] * len(rows) + [0.9] * 30
    chosen = most_useful(texts, doubt, 10)
    assert sum(texts[place] in repeated for place in chosen) == 1
    assert texts[chosen[0]] in repeated
    assert most_useful(["same", "same"], [0.9, 0.9], 2) == [0]
    assert most_useful(["sure", "surer"], [0.0, 0.0], 2) == []


def test_what_is_like_a_known_text_is_less_useful() -> None:
    texts = ["turn the page please", "what will the weather be", "turn the page"]
    assert most_useful(texts, [0.9, 0.5, 0.9], 2)[0] == 0
    assert most_useful(texts, [0.9, 0.8, 0.9], 1, ["turn the page"]) == [1]
    assert 2 not in most_useful(texts, [0.9, 0.5, 0.9], 3, ["turn the page"])
    assert doubt_of(0.4) == 0.6
    assert doubt_of(0.5, [0.5, 0.5, 0.0]) == 1 > doubt_of(0.4, [0.4, 0.1, 0.1]) == pytest.approx(0.7)
