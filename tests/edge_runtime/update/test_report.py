"""What a device tells of itself: it comes back as it was, within bounds, and nothing else is taken for it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.update import report
from edge_runtime.update.machine import State
from edge_runtime.update.report import Report, ReportError, Told, parse_report, plain_report, write_report

TOLD = Told("1.4.0", "a" * 64, State.COMMITTED.value, "", "r-0007", 1.0, 12.5, 31.0, 1_795_000_000.0)
FULL = Report(
    "0123456789abcdef",
    "Küche",
    ("kitchen", "floor:2"),
    1.5,
    "idle",
    {"home-en": TOLD},
    "",
    80.0,
    "0.9.0",
    0,
    (7, "c" * 64),
)
numbers = st.none() | st.floats(0, 1e6)
tolds = st.builds(
    Told,
    st.sampled_from(["", "1.0.0", "2.1.0-rc.1"]),
    st.sampled_from(["", "b" * 64]),
    st.sampled_from([state.value for state in State]),
    st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=80),
    st.sampled_from(["", "r-0001", "r-0001-back"]),
    st.none() | st.floats(0, 1),
    numbers,
    numbers,
    st.floats(0, 2e9),
)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True), tolds, max_size=4), numbers)
def test_a_report_comes_back_as_it_was(specialists: dict[str, Told], memory: float | None) -> None:
    made = dataclasses.replace(FULL, specialists=specialists, memory_mb=memory)
    assert parse_report(write_report(made)) == made


def test_more_specialists_than_fit_are_counted_and_those_of_rollouts_are_kept() -> None:
    cause = "\N{GRINNING FACE}" * 1000
    many = {f"s-{n:03}": Told(cause=cause, rollout="r-0001" if n >= 250 else "") for n in range(300)}
    raw = write_report(dataclasses.replace(FULL, specialists=many))
    told = parse_report(raw)
    assert report.MOST_BYTES - 4096 < len(raw) <= report.MOST_BYTES
    assert len(told.specialists) + told.left_out == 300
    assert sum(bool(one.rollout) for one in told.specialists.values()) == min(50, len(told.specialists))
    few = {f"s-{n:03}": Told() for n in range(300)}
    assert len(parse_report(write_report(dataclasses.replace(FULL, specialists=few))).specialists) == 256


@pytest.mark.parametrize(
    "wrong", [5, [], {"lines": -1, "hash": ""}, {"lines": True, "hash": ""}, {"lines": 1, "hash": "x"}]
)
def test_a_journal_that_ends_nowhere_is_refused_and_none_is_fine(wrong: object) -> None:
    told = plain_report(FULL)
    with pytest.raises(ReportError, match=r"'(journal|hash)'"):
        report.report_of({**told, "journal": wrong})
    del told["journal"]
    assert report.report_of(told).journal is None


def test_what_would_steer_a_terminal_is_written_as_spaces_and_refused_when_read() -> None:
    told = dataclasses.replace(TOLD, cause="bad\n\x1b[2Jmodel")
    assert parse_report(write_report(dataclasses.replace(FULL, specialists={"a": told}))).specialists["a"].cause == (
        "bad  [2Jmodel"
    )
    with pytest.raises(ReportError, match="printable"):
        parse_report(json.dumps({**plain_report(FULL), "name": "\x1b[2J"}).encode())


def test_a_newer_device_may_tell_more_than_this_version_knows() -> None:
    top = json.loads(write_report(FULL))
    top["humidity"] = 0.4
    top["specialists"]["home-en"]["colour"] = "red"
    assert parse_report(json.dumps(top).encode()) == FULL


def _changed(**change: object) -> Callable[[dict[str, object]], object]:
    return lambda top: {**top, **change}


@pytest.mark.parametrize(
    "change",
    [
        _changed(format=2),
        _changed(format=True),
        _changed(device="../etc"),
        _changed(device=7),
        _changed(name="n" * 101),
        _changed(tags=["a"] * 33),
        _changed(tags=["no tag"]),
        _changed(tags="kitchen"),
        _changed(at=-1),
        _changed(at=True),
        _changed(agent=""),
        _changed(memory_mb="80"),
        _changed(memory_mb=1e13),
        _changed(left_out=-1),
        _changed(specialists=[]),
        _changed(specialists={"A B": {}}),
        _changed(specialists={"a": None}),
        _changed(specialists={f"s{n}": {} for n in range(257)}),
        _changed(specialists={"a": {**dataclasses.asdict(TOLD), "state": "married"}}),
        _changed(specialists={"a": {**dataclasses.asdict(TOLD), "state": ["idle"]}}),
        _changed(specialists={"a": {**dataclasses.asdict(TOLD), "golden": 1.5}}),
        _changed(specialists={"a": {**dataclasses.asdict(TOLD), "bundle": "zz"}}),
        lambda top: {key: value for key, value in top.items() if key != "tags"},
        lambda top: [top],
    ],
)
def test_what_is_no_report_is_refused(change: Callable[[dict[str, object]], object]) -> None:
    with pytest.raises(ReportError):
        parse_report(json.dumps(change(plain_report(FULL))).encode())


def test_damaged_and_endless_reports_are_refused_before_they_are_read() -> None:
    raw = write_report(FULL)
    for damaged in (
        b"",
        raw[:-3],
        raw.replace(b'"at":1.5', b'"at":1e999'),
        b"\xff" + raw,
        raw + b" " * report.MOST_BYTES,
    ):
        with pytest.raises(ReportError):
            parse_report(damaged)


def test_a_device_cannot_write_what_a_host_would_refuse() -> None:
    with pytest.raises(ReportError):
        write_report(dataclasses.replace(FULL, tags=("No Tag",)))
