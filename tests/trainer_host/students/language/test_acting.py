"""From which probability on a call is made."""

from __future__ import annotations

import numpy as np

from trainer_host.students.language.acting import ACTED_ON, LEAST, MOST, least_chance


def test_few_new_sentences_that_must_not_act_reach_the_threshold() -> None:
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(200):
        known, new = rng.beta(1, 3, 300), rng.beta(1, 3, 300)
        shares.append(float((new >= least_chance(known.tolist())).mean()))
    assert ACTED_ON / 2 < float(np.mean(shares)) <= 1.1 * ACTED_ON


def test_what_is_less_likely_than_not_is_never_called_and_a_sure_call_always() -> None:
    assert least_chance([]) == least_chance([0.0] * 300) == least_chance([0.0] * 299 + [1.0]) >= LEAST
    assert least_chance([1.0] * 300) == MOST < 1
    assert least_chance([0.0, 0.9]) > 0.9  # of few, the highest counts
