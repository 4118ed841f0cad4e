"""How figures become a standing, and how it is kept."""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_host.server import standing as module
from trainer_host.server.standing import ALMOST, Meter, Standing, read_standing, write_standing
from trainer_host.teacher.generate import Tally
from trainer_host.teacher.lesson import Lesson

LESSON = Lesson("mine", ("router", "avatar"), 100, "fake")
RUNNING = Standing(LESSON, "running")


def nothing() -> Decimal:
    return Decimal(0)


def heard(meter: Meter, task: str, **figures: object) -> Standing:
    meter.heard(task, Tally(**figures))  # type: ignore[arg-type]
    return meter.standing()


def test_progress_is_the_share_of_all_tasks_and_counts_what_is_only_not_in_its_turn() -> None:
    meter = Meter(RUNNING, nothing)
    assert heard(meter, "router", accepted=20, ahead=30).progress == pytest.approx(0.25)
    assert heard(meter, "router", accepted=20, ahead=30).accepted == 20
    now = heard(meter, "avatar", accepted=50)
    assert now.progress == pytest.approx(0.75) and now.datasets == {"router": "mine-router"}  # router gave all it could
    assert heard(meter, "avatar", accepted=100).progress == ALMOST  # its dataset isn't written yet


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 120), st.integers(0, 120)), max_size=30), st.floats(0, 1))
def test_progress_never_falls_below_what_it_was(reports: list[tuple[int, int, int]], before: float) -> None:
    meter = Meter(Standing(LESSON, "running", progress=before), nothing)
    for task, accepted, ahead in reports:
        progress = heard(meter, LESSON.tasks[task], accepted=accepted, ahead=ahead).progress
        assert before <= progress <= max(before, ALMOST)


def test_reasons_and_errors_of_all_tasks_are_added_up() -> None:
    meter = Meter(RUNNING, nothing)
    heard(meter, "router", rejected=Counter({"too long": 2, "timed out": 1}), failed=1)
    now = heard(meter, "avatar", rejected=Counter({"too long": 1, "server error": 3}), failed=3)
    assert now.rejected == {"too long": 3, "server error": 3, "timed out": 1} and now.errors == 4


def test_replies_from_the_cache_say_nothing_about_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    meter = Meter(RUNNING, nothing)
    assert heard(meter, "router", accepted=60, requests=60, from_cache=60).window is None
    clock[0] += 1
    assert heard(meter, "router", accepted=61, requests=61, from_cache=60).window == (1001.0, 61)
    clock[0] += 10
    plain = heard(meter, "router", accepted=71, requests=71, from_cache=60).plain()
    assert plain["rate_per_min"] == 60 and plain["eta_s"] == 129
    clock[0] += 10  # nothing comes any more
    assert meter.standing().plain()["rate_per_min"] == 30
    for _ in range(120):
        clock[0] += 1
        last = heard(meter, "router", accepted=71, requests=71, from_cache=60)
    assert last.plain()["rate_per_min"] == 0 and last.plain()["eta_s"] is None


def test_the_figures_are_looked_at_ten_times_a_second_at_most() -> None:
    meter = Meter(RUNNING, nothing)
    told = [meter.heard("router", Tally(accepted=number)) for number in range(50)]
    assert told[0] is not None and sum(one is not None for one in told) <= 1 + 50 * module.TELL_SECONDS
    assert meter.standing().accepted == 49


@pytest.mark.parametrize(
    ("before", "spent", "in_cache", "wanted"),
    [
        (Decimal(1), Decimal(2), Decimal(0), Decimal(3)),
        (Decimal(1), Decimal(0), Decimal("1.5"), Decimal("1.5")),  # killed before the last half was kept
        (None, Decimal(2), Decimal(2), None),
        (Decimal(1), None, Decimal(0), None),
    ],
)
def test_the_cost_is_that_of_all_runs(
    before: Decimal | None, spent: Decimal | None, in_cache: Decimal, wanted: Decimal | None
) -> None:
    meter = Meter(Standing(LESSON, "running", cost=before), lambda: spent)
    assert heard(meter, "router", cost=in_cache).cost == wanted


def test_a_standing_is_kept_and_read_again(tmp_path: Path) -> None:
    full = Standing(
        LESSON, "stopped", "No key is left.", 0.4321, 43, {"too long": 2}, 1, Decimal("0.012345"), {"router": "mine-router"}
    )  # fmt: skip
    for number, one in enumerate((full, Standing(LESSON, "done", cost=None, progress=1.0))):
        path = tmp_path / "folder" / f"{number}.json"
        write_standing(path, one)
        assert read_standing(path) == one
        assert path.stat().st_mode & 0o077 == 0
    write_standing(path, Standing(LESSON, "running", "so far", 0.5))
    found = read_standing(path)
    assert found is not None and (found.state, found.message, found.progress) == ("open", None, 0.5)
    assert found.plain().keys() == full.plain().keys() and full.plain()["cost_usd"] == "0.012345"


@given(st.binary(max_size=200))
def test_any_other_file_is_none(content: bytes) -> None:
    class Fake:
        def read_bytes(self) -> bytes:
            return content

    assert read_standing(Fake()) is None  # type: ignore[arg-type]
