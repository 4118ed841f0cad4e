"""The commands about releases, bundles on the host and rollouts; they need no window."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from companion_app.i18n import N_
from companion_app.registry import Choices, Command, CommandError, covers
from companion_app.services.bundle_commands import BundleCommands
from companion_app.services.train_commands import TrainCommands
from companion_app.state.bundles import FetchPhase, Goal
from companion_app.state.model import AppState, PushPhase, Screen
from companion_app.state.rollout_plan import USUAL_DONE, USUAL_FAILURES, Plan
from companion_app.state.rollout_words import SOAKS, STAGES, rollout_terms
from companion_app.state.store import Store
from companion_app.state.training import Job, Part

TEXT = {"type": "string"}
RUN = {
    "run": {**TEXT, "title": N_("Run")},
    "name": {**TEXT, "title": N_("Name of the specialist (the run's where it is empty)"), "default": ""},
    "version": {**TEXT, "title": N_("Version (the next one where it is empty)"), "default": ""},
    "licence": {**TEXT, "title": N_("Licence (the host's usual one where it is empty)"), "default": ""},
}
EXPORT = {"run": {**TEXT, "title": N_("Run")}, "format": {**TEXT, "title": N_("Form of the files"), "default": ""}}
FORMS = (
    ("", N_("ONNX and TFLite, for devices")),
    ("gguf", N_("GGUF of a language model, for llama.cpp and devices")),
    ("tflite", N_("TFLite of a language model, for devices")),
)
JOB = {"id": {**TEXT, "title": N_("Release")}}
ROLLOUT = {"id": {**TEXT, "title": N_("Rollout")}}
BUNDLE = {"bundle": {**TEXT, "title": N_("Bundle")}}
NO_RUN = N_("There is no run on the host yet.")


class Core(Protocol):
    """What the commands act on."""

    @property
    def store(self) -> Store: ...
    @property
    def training(self) -> TrainCommands: ...
    @property
    def bundles(self) -> BundleCommands: ...

    def open(self, screen: Screen | str) -> None:
        """Go to a screen."""


def commands(core: Core) -> tuple[Command, ...]:
    """All of them."""
    training, bundles = core.training, core.bundles

    def show() -> None:
        training.pick_part(Part.RELEASE)
        core.open(Screen.TRAIN)

    def listed() -> None:
        show()
        bundles.look()

    def begin(specialist: str, version: str = "", **typed: str) -> None:
        newest = next((one.version for one in core.store.state.bundles.versions(specialist.strip())), "")
        training.roll_out(Plan(specialist, version or newest, **typed))

    return (
        Command(
            "release.make", N_("Make a signed bundle of a run"), partial(training.release, publish=False), scope="owner", of="host",
            icon="models", arguments=RUN, choices={"run": _runs}, when=_has_runs, lacks=NO_RUN, told=_released,
        ),
        Command(
            "release.publish", N_("Make a bundle of a run and publish it"), partial(training.release, publish=True), scope="owner",
            of="host", icon="push", arguments=RUN, choices={"run": _runs}, when=_has_runs, lacks=NO_RUN, told=_released,
        ),
        Command(
            "run.export", N_("Write a run's model files on the host"), training.export, scope="owner", of="host", icon="export",
            arguments=EXPORT, choices={"run": _runs, "format": lambda state: list(FORMS)}, when=_has_runs, lacks=NO_RUN,
            told=_released,
        ),
        Command(
            "run.files", N_("Show the model files on the host"), listed, scope="viewer", of="host", icon="models", told=_exported,
        ),
        Command(
            "run.save", N_("Save a model file of the host"), bundles.save_model, scope="operator", of="host", icon="export",
            arguments={"file": {**TEXT, "title": N_("Model file")}, "path": {**TEXT, "title": N_("File or folder"), "default": ""}},
            choices={"file": _models}, told=_saved,
        ),
        Command(
            "release.cancel", N_("End a release"), training.cancel, scope="owner", of="host", arguments=JOB,
            choices={"id": lambda state: _releases(state, open=True)}, when=lambda state: bool(_releases(state, open=True)),
            lacks=N_("Nothing is being released."),
        ),
        Command(
            "release.resume", N_("Try a release again"), training.resume, scope="owner", of="host", arguments=JOB,
            choices={"id": lambda state: _releases(state, open=False)}, when=lambda state: bool(_releases(state, open=False)),
            lacks=N_("No release ended early."),
        ),
        Command(
            "bundle.list", N_("Show the bundles on the host"), listed, scope="viewer", of="host", icon="models", told=_bundles,
        ),
        Command(
            "bundle.save", N_("Save a bundle of the host as a file"), bundles.save, scope="operator", of="host", icon="export",
            arguments={**BUNDLE, "path": {**TEXT, "title": N_("File or folder"), "default": ""}}, choices={"bundle": _lying},
            told=_saved,
        ),
        Command(
            "bundle.push", N_("Push a bundle of the host to a device"), bundles.push, scope="operator", of="host", icon="push",
            arguments={**BUNDLE, "device": {**TEXT, "title": N_("Device"), "default": ""}},
            choices={"bundle": _lying, "device": _devices}, when=_pushable, told=_pushed,
            lacks=N_("Pair with a device first, by a code for who may push bundles: enigma-edge pair."),
        ),
        Command(
            "bundle.cancel", N_("Don't fetch the bundle after all"), bundles.cancel, icon="close",
            when=lambda state: state.bundles.fetch is not None, lacks=N_("No bundle is being fetched."),
        ),
        Command("rollout.show", N_("Show releases and rollouts"), show, scope="viewer", of="host", icon="send"),
        Command(
            "rollout.begin", N_("Give a published version to devices"), begin, scope="owner", of="host", icon="send", told=_rolled,
            arguments={
                "specialist": {**TEXT, "title": N_("Specialist")},
                "version": {**TEXT, "title": N_("Version (the newest one where it is empty)"), "default": ""},
                "stages": {**TEXT, "title": N_("Stages"), "default": STAGES[0]},
                "soak": {**TEXT, "title": N_("Watch each for"), "default": SOAKS[1]},
                "all": {**TEXT, "title": N_("Only devices with all of these tags"), "default": ""},
                "any": {**TEXT, "title": N_("With at least one of these tags"), "default": ""},
                "none": {**TEXT, "title": N_("With none of these tags"), "default": ""},
                "when": {**TEXT, "title": N_("Devices switch when: idle, charging, docked, 22:00-06:00"), "default": ""},
                "most_failures": {**TEXT, "title": N_("Pause where more fail than"), "default": USUAL_FAILURES},
                "least_done": {**TEXT, "title": N_("Go on once so many run it"), "default": USUAL_DONE},
            },
        ),
        Command(
            "fleet.tag", N_("Tag a device of the fleet"), training.tag, scope="owner", of="host", icon="check", told=_tagged,
            arguments={
                "device": {**TEXT, "title": N_("Device")},
                "tags": {**TEXT, "title": N_("Tags given from here"), "default": ""},
            },
        ),
        Command(
            "rollout.pause", N_("Pause a rollout"), lambda id: training.tell_rollout(id, "pause"), scope="owner", of="host",
            icon="pause", arguments=ROLLOUT, choices={"id": lambda state: _rollouts(state, "running")}, told=_rolled,
        ),
        Command(
            "rollout.resume", N_("Go on with a rollout"), lambda id: training.tell_rollout(id, "resume"), scope="owner", of="host",
            icon="resume", arguments=ROLLOUT, choices={"id": lambda state: _rollouts(state, "paused")}, told=_rolled,
        ),
        Command(
            "rollout.abort", N_("Take a rollout back"), lambda id: training.tell_rollout(id, "abort"), scope="owner", of="host",
            icon="undo", arguments=ROLLOUT, choices={"id": lambda state: _rollouts(state, "running", "paused")}, told=_rolled,
            dangerous=True,
        ),
    )  # fmt: skip


def _runs(state: AppState) -> Choices:
    return [(name, name) for name in state.training.there]


def _has_runs(state: AppState) -> bool:
    return bool(state.training.there) or not state.training.known


def _releases(state: AppState, *, open: bool) -> Choices:
    def fits(job: Job) -> bool:
        return job.kind == "release" and (job.open if open else job.resumable)

    return [(job.id, job.run) for job in state.training.jobs if fits(job)]


def _lying(state: AppState) -> Choices:
    return [(one.sha256, one.name) for one in state.bundles.lying]


def _models(state: AppState) -> Choices:
    return [(one.sha256, one.name) for one in state.bundles.exported or ()]


def _devices(state: AppState) -> Choices:
    return [("", N_("The chosen one")), *((one.address, one.name) for one in state.devices)]


def _rollouts(state: AppState, *states: str) -> Choices:
    return [(one.id, f"{one.specialist} {one.version}") for one in state.training.rollouts if one.state in states]


def _pushable(state: AppState) -> bool:
    return state.device is not None and covers(state.device.role, "releaser")


def _bundles(state: AppState) -> object:
    if not state.bundles.known:
        return None
    return [
        {"name": one.name, "task": one.task, "bytes": one.bytes, "published": one.published, "sha256": one.sha256}
        for one in state.bundles.lying
    ]


def _exported(state: AppState) -> object:
    if state.bundles.exported is None:
        return None
    return [
        {"name": one.name, "task": one.task, "bytes": one.bytes, "current": one.current, "sha256": one.sha256}
        for one in state.bundles.exported
    ]


def _fetched(state: AppState, goal: Goal) -> str | None:
    fetch = state.bundles.fetch
    if fetch is None or fetch.goal is not goal or fetch.open:
        return None
    if fetch.phase is FetchPhase.FAILED:
        raise CommandError(fetch.message)
    return fetch.message


def _saved(state: AppState) -> object:
    return _fetched(state, Goal.SAVE)


def _pushed(state: AppState) -> object:
    if _fetched(state, Goal.PUSH) is None:
        return None
    if state.push.phase is PushPhase.FAILED:
        raise CommandError(state.push.message or "")
    return state.push.message if state.push.phase is PushPhase.DONE else None


def _answered(state: AppState, what: str) -> bool:
    """Whether the host has said what came of it. Raises `CommandError` where it refused."""
    if state.training.problem:
        raise CommandError(state.training.problem)
    return state.training.busy != what


def _released(state: AppState) -> object:
    jobs = [job for job in state.training.jobs if job.kind == "release"]
    return {"id": jobs[0].id, "state": str(jobs[0].state)} if _answered(state, "release") and jobs else None


def _tagged(state: AppState) -> object:
    known = state.training.known_devices
    if not _answered(state, "tags") or known is None:
        return None
    return [{"name": one.name, "tags": [*one.tags, *one.given]} for one in known.members]


def _rolled(state: AppState) -> object:
    if not _answered(state, "rollout") or not state.training.told:
        return None
    one = next((one for one in state.training.rollouts if one.id == state.training.told), None)
    return None if one is None else {
        "id": one.id, "specialist": one.specialist, "version": one.version, "state": one.state, "done": one.done,
        "devices": one.devices, "stage": one.stage + 1, "terms": rollout_terms(one),
    }  # fmt: skip
