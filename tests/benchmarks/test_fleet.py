"""A small fleet in simulated time over a real server: all get what is good, and nobody but a canary what is bad."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fleet_host import simulate
from benchmarks.fleet_plot import plot
from benchmarks.fleet_world import BAD, GOOD, PARTLY, Setting

HOUR = 3600.0
SMALL = Setting(
    24, 3, 4 * HOUR, 0.0, HOUR, 4096, 0.1, joining=8 * HOUR, away=0.1, leaving=4 * HOUR, away_days=0.5, cuts=200, seed=2
)


async def test_a_good_release_reaches_all_and_bad_ones_stop_where_they_fail(tmp_path: Path) -> None:
    outcome = await simulate(SMALL, tmp_path)
    good, bad, partly = outcome.courses
    everyone = SMALL.devices + SMALL.late
    assert (good.version, good.state, good.ran) == (GOOD, "done", everyone)
    assert list(good.stages) == ["1 device", "5%", "25%", "100%"]
    assert (bad.version, bad.state, bad.given, bad.ran) == (BAD, "paused", 1, 1)
    assert "golden vectors" in bad.cause
    # A fault of some machines shows with the canary or in the first shares of all: never in all.
    assert (partly.version, partly.state) == (PARTLY, "paused") and 1 <= partly.ran <= everyone // 3
    assert outcome.wrong == 0  # whoever ran a bad one runs the good one again
    assert set(outcome.faults) == {"503", "cut short", "dropped", "slow"} and outcome.failed > 0 and outcome.cuts > 0
    plot(outcome, tmp_path / "fleet.png")
    assert (tmp_path / "fleet.png").read_bytes().startswith(b"\x89PNG")
