"""What a classifier's best probability is worth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import BundleError
from edge_runtime.tasks.confidence import adjusted, chance, checked_platt, log_odds, read_platt

SHARES = st.lists(st.floats(0, 1, width=32), min_size=2, max_size=12).filter(lambda given: sum(given) > 0.1)


@given(SHARES, st.floats(0.05, 5), st.floats(-5, 5))
def test_the_best_stays_the_best_and_all_are_probabilities(shares: list[float], scale: float, shift: float) -> None:
    given = np.array(shares, np.float32) / np.float32(sum(shares))
    made = adjusted(given, (scale, shift))
    assert made.argmax() == given.argmax()
    assert made.min() >= 0 and math.isclose(float(made.sum()), 1, abs_tol=1e-5)
    rest = np.arange(len(given)) != given.argmax()
    assert np.allclose(made[rest] * given[rest].sum(), given[rest] * made[rest].sum(), atol=1e-5)  # as they were


def test_the_best_becomes_the_chance_of_being_right() -> None:
    made = adjusted(np.array([0.2, 0.7, 0.1], np.float32), (0.5, 1.0))
    assert made[1] == pytest.approx(chance(0.7, (0.5, 1.0))) == pytest.approx(0.8059, abs=1e-4)
    assert chance(0.7, (1.0, 0.0)) == pytest.approx(0.7)
    assert log_odds(np.array([0.5, 0.0, 1.0])) == pytest.approx([0, -13.8155, 13.8155], abs=1e-3)


def test_a_bundle_without_it_is_answered_as_before() -> None:
    given = np.array([0.25, 0.75], np.float32)
    assert adjusted(given, None) is given
    assert read_platt({}) is None
    assert read_platt({"platt": [0.7, 0.3]}) == (0.7, 0.3)


@pytest.mark.parametrize(
    "value",
    [
        None,
        1.0,
        [1.0],
        [1.0, 0.0, 0.0],
        ["1", 0],
        [True, 0],
        [0.0, 1.0],
        [-1.0, 0.0],
        [math.nan, 0.0],
        [1.0, math.inf],
        [1.0, 10**400],
        {},
    ],
)
def test_a_bundle_whose_numbers_are_none_is_refused(value: object) -> None:
    with pytest.raises(BundleError, match="platt"):
        checked_platt(value)
