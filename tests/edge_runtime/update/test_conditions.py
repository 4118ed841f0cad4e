"""When a staged update may begin: what it waits for, told from readings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import BadRequest
from edge_runtime.update.conditions import QUIET_SECONDS, Readings, check_condition, unmet, within_hours

READY = Readings(busy=0, quiet=QUIET_SECONDS, minute=23 * 60, charging=True, docked=True, window="22:00-06:00")
ALL = ("idle", "docked", "charging", "window")


def test_nothing_is_waited_for_where_all_is_met() -> None:
    assert unmet(ALL, READY) == []
    assert unmet((), Readings(busy=9, quiet=0, minute=0)) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (replace(READY, busy=2), "2 requests"),
        (replace(READY, quiet=QUIET_SECONDS - 1), "30 seconds"),
        (replace(READY, docked=False), "is docked"),
        (replace(READY, docked=None), "is-docked"),
        (replace(READY, charging=False), "charges"),
        (replace(READY, charging=None), "is-charging"),
        (replace(READY, minute=12 * 60), "22:00-06:00"),
    ],
)
def test_each_condition_is_waited_for_by_itself(changed: Readings, words: str) -> None:
    (sentence,) = unmet(ALL, changed)
    assert words in sentence


def test_the_owner_s_hours_hold_whoever_rolls_out() -> None:
    assert unmet((), replace(READY, minute=12 * 60))
    assert unmet(("11:00-13:00",), replace(READY, minute=12 * 60)) == ["It waits for the hours 22:00-06:00."]
    assert not unmet(("11:00-13:00",), replace(READY, minute=12 * 60, window=""))


def test_a_condition_of_a_later_version_is_waited_for() -> None:
    (sentence,) = unmet(("full-moon",), READY)
    assert "update Enigma" in sentence


@settings(max_examples=40)
@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_a_window_holds_the_minutes_from_its_first_to_before_its_last(first: int, last: int, minute: int) -> None:
    window = f"{first // 60:02}:{first % 60:02}-{last // 60:02}:{last % 60:02}"
    passed = first
    minutes = {first}
    while (passed := (passed + 1) % 1440) != last and passed != first:
        minutes.add(passed)
    assert within_hours(window, minute) == (minute in minutes)


def test_hours_must_be_hours() -> None:
    assert within_hours("24:00-06:00", 0) is None
    assert within_hours("22:00-6:00", 0) is None
    assert [check_condition(word) for word in (*ALL, "00:00-23:59")] == [*ALL, "00:00-23:59"]
    with pytest.raises(BadRequest, match="no condition; use idle"):
        check_condition("never")
