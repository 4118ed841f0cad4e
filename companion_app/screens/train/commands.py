"""The commands about trainings, runs and their comparison; they need no window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from companion_app.i18n import N_, tr
from companion_app.registry import Choices, Command, CommandError
from companion_app.services.judging_commands import JudgingCommands
from companion_app.services.train_commands import TrainCommands
from companion_app.state import actions as act
from companion_app.state import train_actions as tact
from companion_app.state.model import AppState, Screen
from companion_app.state.phase import Phase
from companion_app.state.store import Store
from companion_app.state.train_words import form_obstacle, may_move
from companion_app.state.training import SIZES, Job, Part

TEXT = {"type": "string"}
JOB = {"id": {**TEXT, "title": N_("Training"), "default": ""}}
FORM = {
    name: {**TEXT, "title": title, "default": ""}
    for name, title in (
        ("dataset", N_("On the rows of")),
        ("name", N_("Name of the run (may be left empty)")),
        ("size", N_("Size")),
        ("init", N_("Begin with")),
        ("epochs", N_("Show the rows so often")),
        ("seconds", N_("Plan for so many seconds")),
        ("seed", N_("Seed")),
    )
}
AS_TYPED = ("", N_("As in the form"))
PAIR = {"one": {**TEXT, "title": N_("One run")}, "other": {**TEXT, "title": N_("Another run")}}
WINNERS = (("first", N_("The first")), ("second", N_("The second")), ("tie", N_("Equally good")))
NO_HOST = N_("The host is away; it can't be asked now.")


class Core(Protocol):
    """What the commands act on."""

    @property
    def store(self) -> Store: ...
    @property
    def training(self) -> TrainCommands: ...
    @property
    def judging(self) -> JudgingCommands: ...

    def open(self, screen: Screen | str) -> None:
        """Go to a screen."""


def commands(core: Core) -> tuple[Command, ...]:
    """All of them."""
    training = core.training

    def shown(id: str) -> str:
        job = core.store.state.training.job
        return id or (job.id if job else "")

    def start(**typed: str) -> None:
        for field, text in typed.items():
            if text.strip():
                core.store.dispatch(tact.TrainTyped(field, text))
        now = core.store.state.training
        asked = form_obstacle(now) if now.known else "" if now.form.dataset else tr("Choose what to train on.")
        if asked:
            core.store.dispatch(act.Noticed(asked))
        else:
            training.train()

    def compare(one: str, other: str, text: str) -> None:
        training.pick_part(Part.COMPARE)
        core.open(Screen.TRAIN)
        training.compare(one, other, text)

    def show_run(run: int) -> None:
        training.pick_part(Part.HISTORY)
        core.open(Screen.TRAIN)
        training.open_run(run)

    return (
        Command(
            "train.start", N_("Begin a training; what is left empty is as in the form"), start, scope="operator", of="host",
            icon="train", arguments=FORM, choices={"dataset": _datasets, "size": _sizes, "init": _begun_with}, told=_started,
        ),
        Command(
            "train.pause", N_("Pause a training"), lambda id="": training.pause(shown(id)), scope="operator", of="host",
            arguments=JOB, choices={"id": _that(lambda job: job.open and job.pausable)}, when=_job, lacks=N_("Nothing is trained."),
        ),
        Command(
            "train.resume", N_("Go on with a training"), lambda id="": training.resume(shown(id)), scope="operator",
            of="host", arguments=JOB, choices={"id": _that(lambda job: job.resumable)}, when=_job, lacks=N_("Nothing is trained."),
        ),
        Command(
            "train.cancel", N_("End a training, and keep its last checkpoint"), lambda id="": training.cancel(shown(id)),
            scope="operator", of="host", arguments=JOB, choices={"id": _that(lambda job: job.open)}, when=_job,
            lacks=N_("Nothing is trained."),
        ),
        Command(
            "train.undo", N_("Take the open run back a checkpoint"), training.undo, scope="operator", of="host", icon="undo",
            when=lambda state: _may(state)[0], lacks=N_("No run with an earlier checkpoint is open."),
        ),
        Command(
            "train.redo", N_("Take the open run on a checkpoint"), training.redo, scope="operator", of="host", icon="redo",
            when=lambda state: _may(state)[1], lacks=N_("No run with a later checkpoint is open."),
        ),
        Command(
            "train.examine", N_("Compare two runs in figures"), core.judging.examine, scope="operator", of="host",
            arguments=PAIR,
            choices={"one": _there, "other": _there}, when=_two, lacks=N_("There are fewer than two runs."),
        ),
        Command(
            "train.end_exam", N_("End the exam of two runs"), core.judging.end_exam, scope="operator", of="host",
            when=lambda state: state.training.exam.busy, lacks=N_("No runs are being examined."),
        ),
        Command(
            "train.tune", N_("Teach a run what people preferred"), core.judging.tune, scope="operator", of="host",
            arguments={"run": {**TEXT, "title": N_("The run that learns")}, "name": {**TEXT, "title": N_("Name of the new run (may be left empty)"), "default": ""}},
            choices={"run": _there}, when=lambda state: bool(state.training.tuning.preferences or state.training.tuning.opinions),
            lacks=N_("Nobody has judged an answer yet."),
        ),
        Command(
            "train.jobs", N_("Show the trainings"), lambda: core.open(Screen.TRAIN), scope="viewer", of="host", icon="train",
            when=_online, lacks=NO_HOST,
        ),
        Command(
            "train.vote", N_("Say which answer is better"), training.vote, scope="operator", of="host",
            arguments={"winner": {**TEXT, "title": N_("Better is"), "enum": ["first", "second", "tie"]}},
            choices={"winner": lambda state: list(WINNERS)}, when=lambda state: bool(state.training.versus.id),
            lacks=N_("No two answers wait for a vote."),
        ),
        Command(
            "train.compare", N_("Ask two runs the same, without their names"), compare, scope="operator", of="host",
            arguments={**PAIR, "text": {**TEXT, "title": N_("Question")}}, choices={"one": _there, "other": _there}, when=_two,
            lacks=N_("There are fewer than two runs."),
        ),
        Command(
            "train.run", N_("Show all about a run"), show_run, scope="viewer", of="host", arguments={"run": {"type": "integer", "title": N_("Run")}},
            choices={"run": _history},
        ),
        Command(
            "train.diff", N_("Say what differs between the open run and another one"), training.diff, scope="viewer", of="host",
            arguments={"other": {"type": "integer", "title": N_("Another run")}}, choices={"other": _history},
            when=lambda state: state.training.looked_at is not None, lacks=N_("No run is open."),
        ),
        Command(
            "train.map", N_("Show what the open run takes for what, or where it looks in a sentence"), lambda sentence="": training.heat(sentence),
            scope="viewer", of="host", arguments={"sentence": {**TEXT, "title": N_("Sentence (for where it looks)"), "default": ""}},
            when=lambda state: state.training.looked_at is not None, lacks=N_("No run is open."),
        ),
    )  # fmt: skip


def _online(state: AppState) -> bool:
    return state.host is not None and state.host.phase is Phase.ONLINE


def _job(state: AppState) -> bool:
    return bool(state.training.jobs)


def _may(state: AppState) -> tuple[bool, bool]:
    return (False, False) if state.training.looked_at is None else may_move(state.training.looked_at)


def _there(state: AppState) -> Choices:
    return [(name, name) for name in state.training.there]


def _datasets(state: AppState) -> Choices:
    return [AS_TYPED, *((one.name, one.name) for one in state.training.datasets)]


def _sizes(state: AppState) -> Choices:
    return [AS_TYPED, *((size, size) for size in SIZES if size)]


def _begun_with(state: AppState) -> Choices:
    return [AS_TYPED, *_there(state)]


def _started(state: AppState) -> object:
    """The training that was begun, once the host has taken it. Raises `CommandError` where it refused."""
    form = state.training.form
    if form.refused:
        raise CommandError(form.refused)
    begun = [job for job in state.training.jobs if job.kind == "train"]
    return (
        {"id": begun[0].id, "run": begun[0].run, "state": str(begun[0].state)} if begun and not form.starting else None
    )


def _history(state: AppState) -> Choices:
    return [(str(run.id), f"{run.id}  {run.name}") for run in state.training.runs]


def _two(state: AppState) -> bool:
    return len(state.training.there) > 1


def _that(holds: Callable[[Job], bool]) -> Callable[[AppState], Choices]:
    def choices(state: AppState) -> Choices:
        return [(job.id, job.run) for job in state.training.jobs if job.kind != "release" and holds(job)]

    return choices
