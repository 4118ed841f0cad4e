from __future__ import annotations

import numpy as np
import pytest

from tests.trainer_host.samples import easy_rows
from trainer_host.training.calibration import conformal_threshold
from trainer_host.training.uncertainty import clustered_error, doubt_of, most_useful, separation


def test_the_conformal_promise_holds_for_small_calibration_sets() -> None:
    rng = np.random.default_rng(0)
    covered = [float((rng.random(400) >= conformal_threshold(rng.random(60), 0.9)).mean()) for _ in range(500)]
    assert 0.9 <= float(np.mean(covered)) <= 0.92
    assert conformal_threshold(rng.random(5), 0.9) == 0.0


def test_separation_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(0, 9, 50), rng.integers(0, 6, 40)
    pairs = [(a > b) + 0.5 * (a == b) for a in inside for b in outside]
    assert abs(separation(inside, outside) - float(np.mean(pairs))) < 1e-12


def test_rows_that_fare_alike_tell_less_and_the_error_says_how_much() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 4)
    shares, alike, single = [], [], []
    for _ in range(300):
        hits = np.repeat(rng.random(100) < 0.9, 4)
        shares.append(float(hits.mean()))
        alike.append(clustered_error(hits, groups.tolist()))
        single.append(clustered_error(hits, range(400)))
    assert abs(float(np.mean(alike)) / float(np.std(shares)) - 1) < 0.1
    assert abs(float(np.mean(alike)) / float(np.mean(single)) - 2) < 0.1  # 4 of each


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
