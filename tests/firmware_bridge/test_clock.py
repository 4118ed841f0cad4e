"""The board's clock is known from round trips: its offset, its drift, over its wrap, and not from slow trips."""

from __future__ import annotations

import random

import pytest

from firmware_bridge.clock import WRAP, Clock
from firmware_bridge.errors import Disconnected


def seen(clock: Clock, seconds: float, ppm: float, start: float, slow: float = 0.0) -> None:
    """A second between round trips of 2 to 4 ms, of which a part takes up to 100 ms, all of it on the way back."""
    rng, at = random.Random(1), 1000.0
    while at < 1000 + seconds:
        there, back = rng.uniform(0.001, 0.002), rng.uniform(0.001, 0.002)
        if rng.random() < slow:
            back += rng.uniform(0.02, 0.1)
        board = start + (at + there - 1000) * (1e6 + ppm)
        clock.add(at, at + there + back, round(board) % WRAP)
        at += 1


@pytest.mark.parametrize("slow", [0.0, 0.3])
def test_offset_and_drift_are_found_also_over_the_wrap_and_between_slow_trips(slow: float) -> None:
    clock = Clock()
    seen(clock, 60, 300, WRAP - 20e6, slow)
    assert clock.drift == pytest.approx(300, abs=15)
    truth = (WRAP - 20e6 + 60 * (1e6 + 300)) % WRAP
    assert clock.board(1060) == pytest.approx(truth, abs=600)
    assert clock.host(clock.board(1060)) == pytest.approx(1060, abs=1e-5)
    assert clock.uncertainty < 0.003


def test_before_two_seconds_only_the_offset_is_believed() -> None:
    clock = Clock()
    seen(clock, 2, 300, 5e6)
    assert clock.drift == 0
    assert clock.board(1001) == pytest.approx(6e6, abs=1500)


def test_a_restart_of_the_board_is_noticed() -> None:
    clock = Clock()
    seen(clock, 10, 0, 100e6)
    with pytest.raises(Disconnected, match="restarted"):
        clock.add(1010, 1010.002, 12345)
