"""Trainings and rows in the app's state: what a host tells, what a person changes, and curves of any length."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion_app.services import train_wire as wire
from companion_app.services.host_client import HostClient
from companion_app.services.train_commands import TrainCommands
from companion_app.state import rows_actions as ract
from companion_app.state import train_actions as tact
from companion_app.state.curves import min_max, ticks
from companion_app.state.judging_words import exam_facts, exam_line, exam_progress, preferences_line
from companion_app.state.model import AppState
from companion_app.state.reduce import reduce
from companion_app.state.rows import PAGE, Change, DataRow, Filter
from companion_app.state.store import Store
from companion_app.state.train_words import curve_line, heat_cell, job_facts, may_move, run_line
from companion_app.state.training import Curve, DatasetCard, Job, JobState, RunDetails, TrainForm, Tuning
from edge_runtime.update.desired import Where

from . import samples

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
NAMES = (
    "id", "state", "figures", "history", "commands", "steps", "values", "rows", "names", "counts", "maps", "stages",
    "config", "checkpoints", "now", "runs", "there", "eta_s", "progress", "number", "quality", "labels", "edits",
    "where", "when", "most_failures", "groups", "devices",
)  # fmt: skip


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_whatever_a_host_sends_makes_an_answer_of_the_apps_own(answer: dict[str, object]) -> None:
    job = wire.job_from(answer)
    assert 0 <= job.progress <= 1 and job.rate >= 0
    assert job_facts(job) is not None
    curve = wire.curve_from("train-1", answer)
    assert len(curve.steps) == len(curve.values) and curve_line(curve)
    details = wire.details_from(answer)
    assert all(may_move(details)) in (True, False)
    heat = wire.heat_from("talk", "label", answer)
    if heat is not None:
        assert heat_cell(heat.names, heat.rows, (), (0, 0))
    wire.jobs_from([answer]), wire.datasets_from([answer]), wire.runs_from(answer), wire.differences_from(answer)
    (
        wire.exam_from((), answer),
        wire.preferences_from(answer),
        wire.ratings_from([answer]),
        wire.rollout_from(answer),
        wire.known_from(answer).meant(Where(all=("a",))),
        wire.published_from([answer]),
        wire.rows_from([answer]),
    )
    wire.whole_row_from("train", [answer])


def test_an_exam_says_whether_runs_differ_at_all() -> None:
    model = {"run": "talk", "bytes": 1_234_567, "runtime": "onnxruntime", "accuracy": 0.912, "margin": 0.0391, "rows": 200,
             "p50_ms": 0.254, "tokens_per_second": 812.4}  # fmt: skip
    other = {**model, "run": "mails", "accuracy": 0.88, "tokens_per_second": None}
    exam = wire.exam_from(("talk", "mails"), {"models": [model, other, 7], "best": "talk", "worse": []})
    facts = dict(exam_facts(exam.models[0]))
    assert facts["Accuracy"] == "91.2 ± 3.9 %" and facts["Size"] == "1.2 MB" and facts["Tokens per second"] == "812"
    assert "Tokens per second" not in dict(exam_facts(exam.models[1]))
    assert exam_line(exam) == "No difference beyond chance between talk and mails (200 held-out rows, 95 %)."
    assert "talk is better than mails" in exam_line(replace(exam, worse=("mails",)))
    assert exam_line(wire.exam_from((), {"models": "none"})) == ""
    assert wire.preferences_from({"preferences": {"chat": 3}}) == (("chat", 3),)
    told = preferences_line(Tuning((("chat", 3),), (("chat", 7),)))
    assert "3 votes of the task chat" in told and "7 judged answers of the task chat" in told
    asked = wire.exam_from(("talk", "mails"), {"id": "e", "state": "running", "progress": 0.25, "note": "talk"})
    assert asked.busy and exam_progress(asked) == "talk answers; 25 % is done." and exam_line(asked) == ""
    failed = wire.exam_from(("talk", "mails"), {"id": "e", "state": "failed", "message": "Too little memory."})
    assert (failed.busy, failed.problem) == (False, "Too little memory.")


@settings(max_examples=40)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=2000), st.integers(1, 100))
def test_a_plot_keeps_the_least_and_the_greatest_of_each_column(values: list[float], columns: int) -> None:
    made = min_max(range(1, len(values) + 1), values, columns)
    assert len(made) <= max(2 * columns, 4 * columns) and made == sorted(made, key=lambda point: point[0])
    assert set(made) <= set(zip(map(float, range(1, len(values) + 1)), values, strict=True))
    shown = [value for _, value in made]
    assert min(shown) == min(values) and max(shown) == max(values)
    assert made[0] == (1.0, values[0]) and made[-1] == (float(len(values)), values[-1])


@settings(max_examples=50)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_numbers_beside_an_axis_reach_around_what_is_drawn(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    marks = ticks(low, high)
    assert marks == sorted(set(marks)) and 2 <= len(marks) <= 9
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert marks[0] <= low + slack and marks[-1] >= high - slack


def test_a_curve_grows_by_what_it_lacks_and_belongs_to_the_job_on_the_screen(app_state: AppState) -> None:
    jobs = (Job("train-2", state=JobState.RUNNING), Job("train-1", state=JobState.DONE))
    state = reduce(app_state, tact.HostDataTold((DatasetCard("talk"),), jobs))
    assert state.training.form.dataset == "talk" and state.training.job == jobs[0]
    state = reduce(state, tact.CurveTold(Curve("train-2", "loss", (1, 2), (5.0, 4.0), ("loss",)), True))
    state = reduce(state, tact.CurveTold(Curve("train-2", "loss", (2, 3), (9.0, 3.0)), False))
    assert state.training.curve == Curve("train-2", "loss", (1, 2, 3), (5.0, 4.0, 3.0), ("loss",))
    for stray in (Curve("train-1", "loss", (9,), (1.0,)), Curve("train-2", "norm", (9,), (1.0,))):
        assert reduce(state, tact.CurveTold(stray, False)) is state
    opened = reduce(state, tact.JobOpened("train-1"))
    assert opened.training.job == jobs[1] and opened.training.curve is None
    told = reduce(state, tact.JobTold(replace(jobs[0], step=7)))
    assert [job.step for job in told.training.jobs] == [7, 0] and reduce(
        told, tact.JobTold(told.training.jobs[0])
    ) is told
    newest = reduce(told, tact.JobTold(Job("train-10")))
    assert [job.id for job in newest.training.jobs] == ["train-10", "train-2", "train-1"]


def test_a_form_becomes_what_the_host_takes() -> None:
    form = TrainForm("talk", " mine ", "nano", "", "2,5", "", "7")
    assert wire.train_body(form) == {
        "data": "talk",
        "name": "mine",
        "options": {"size": "nano", "epochs": 2.5, "seed": 7},
    }
    assert wire.train_body(TrainForm("talk", epochs="many"))["options"] == {"epochs": "many"}  # the host says why not


def test_undo_and_redo_are_there_where_there_is_a_checkpoint() -> None:
    details = RunDetails(wire.run_from({}), checkpoints=((50, 0.5), (62, 0.4)), now=62)
    assert may_move(details) == (True, False)
    assert may_move(replace(details, now=50)) == (False, True)
    assert may_move(replace(details, now=None)) == (False, False)


def page(state: AppState, start: int, total: int = 100_000, content: str = "c") -> AppState:
    rows = state.rows
    told = tuple(DataRow(number, f"row {number}", "a") for number in range(start, min(total, start + PAGE)))
    return reduce(state, ract.PageTold(rows.dataset, rows.split, rows.filter, content, total, start, told))


def test_of_a_long_dataset_only_some_pages_are_kept(app_state: AppState) -> None:
    state = reduce(app_state, ract.DatasetOpened("many"))
    for start in range(0, 5000, PAGE):
        state = page(state, start)
    rows = state.rows
    assert rows.total == 100_000 and len(rows.pages) == 12
    found = rows.row(4999)
    assert found is not None and found.number == 4999 and rows.row(0) is None and rows.row(99_999) is None
    # What was asked for another filter, split or dataset comes too late.
    late = ract.PageTold("many", "train", Filter("x"), "c", 1, 0, ())
    assert reduce(state, late) is state
    assert (
        page(state, 0, content="other").rows.pages[0][0] == 0 and len(page(state, 0, content="other").rows.pages) == 1
    )


def test_changes_stay_until_they_are_saved_and_held_out_rows_have_to_be_meant(app_state: AppState) -> None:
    state = page(reduce(app_state, ract.DatasetOpened("mails")), 0, 10)
    state = reduce(state, ract.RowChanged(Change("train", 3)))
    state = reduce(state, ract.RowChanged(Change("train", 3, '{"text": "x"}', '{"label": "a"}')))
    state = reduce(reduce(state, ract.SplitPicked("heldout")), ract.RowChanged(Change("heldout", 0)))
    assert len(state.rows.changes) == 2 and state.rows.changes_held_out and state.rows.change_of(3) is None
    body = wire.edit_body("c", state.rows.changes, False)
    assert body["changes"] == [
        {"split": "train", "number": 3, "input": {"text": "x"}, "output": {"label": "a"}},
        {"split": "heldout", "number": 0, "delete": True},
    ]
    state = reduce(state, ract.HeldOutMeant(True))
    state = reduce(reduce(state, ract.RowsSaving()), ract.RowsFailed("The host is away."))
    assert len(state.rows.changes) == 2 and not state.rows.saving  # nothing that was typed is lost
    state = reduce(state, ract.ChangeDropped("heldout", 0))
    assert not state.rows.held_out
    saved = reduce(state, ract.RowsSaved("mails-v2")).rows
    assert (saved.dataset, saved.made, saved.changes) == ("mails-v2", "mails-v2", ())


def test_what_is_no_json_object_is_no_row() -> None:
    assert wire.is_object('{"a": 1}')
    for wrong in ("", "{}", "[1]", "1", "{", json.dumps("x"), '{"a":' + "[" * 100_000):
        assert not wire.is_object(wrong)
    with pytest.raises(ValueError):
        wire.edit_body("c", (Change("train", 0, "[1]", "{}"),), False)


def test_all_devices_that_a_host_tells_one_by_one_are_known() -> None:
    told = [{"id": f"d{number}", "name": f"Pi {number}", "tags": [], "given": ["old"]} for number in range(1000)]
    assert len(wire.known_from({"devices": 1000, "groups": [], "members": told}).members) == 1000


class _Fleet:
    """A host whose fleet is larger than what it tells one by one."""

    def __init__(self) -> None:
        self.given, self.looked = ["old", "kept"], asyncio.Event()

    async def call(self, method: str, path: str, body: Mapping[str, list[str]] | None = None, **_: object) -> object:
        if path == "/v1/fleet/tags" and body is not None:
            self.given = [one for one in dict.fromkeys([*self.given, *body["add"]]) if one not in body["remove"]]
            return {"id": "d2000", "name": "far", "tags": [], "given": self.given}
        if path == "/v1/rollouts":
            self.looked.set()
        return {"devices": 2000, "groups": [], "members": [], "rollouts": [], "published": []}


async def test_a_device_has_the_tags_that_are_typed_and_no_others_however_large_the_fleet_is() -> None:
    host = _Fleet()
    commands = TrainCommands(Store(AppState(inventory=samples.home())), lambda: cast(HostClient, host))
    commands.tag("d2000", "new, kept")
    async with asyncio.timeout(60):
        await host.looked.wait()
    assert host.given == ["kept", "new"]
    await commands.close()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_run_of_whatever_day_can_be_shown(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for begun in (1e300, 253_402_300_799, -1e300, 10**400):
            assert run_line(wire.run_from({"id": 1, "task": "router", "begun": begun})).startswith("router")
    finally:
        monkeypatch.undo()
        time.tzset()
