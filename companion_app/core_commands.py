"""The commands about devices and the host; with those about the app itself, all that need no window."""

from __future__ import annotations

from typing import Protocol

from companion_app import own_commands
from companion_app.i18n import N_, tr
from companion_app.registry import Choices, Command, CommandError
from companion_app.screens.data import commands as data_screen
from companion_app.screens.device import commands as device_screen
from companion_app.screens.robot.commands import robot_commands
from companion_app.screens.train import commands as train_screen
from companion_app.screens.train import release_commands
from companion_app.services.account_commands import AccountCommands
from companion_app.services.bundle_commands import BundleCommands
from companion_app.services.choosing import Choosing
from companion_app.services.commands import Commands
from companion_app.services.device_commands import DeviceCommands
from companion_app.services.host_commands import HostCommands
from companion_app.services.judging_commands import JudgingCommands
from companion_app.services.question_commands import QuestionCommands
from companion_app.services.robot_commands import RobotCommands
from companion_app.services.rows_commands import RowsCommands
from companion_app.services.signing_commands import SigningCommands
from companion_app.services.train_commands import TrainCommands
from companion_app.services.upkeep_commands import UpkeepCommands
from companion_app.state import actions as act
from companion_app.state import host_actions as hact
from companion_app.state.host import KeyWay
from companion_app.state.model import AppState, PushPhase, Screen
from companion_app.state.phase import Phase
from companion_app.state.questions import NO_LABEL, card
from companion_app.state.store import Store
from companion_app.state.teaching import why_not

TEXT = {"type": "string"}
ADDRESS = {"type": "string", "title": N_("Address")}
NO_DEVICE = N_("Pair with a device first.")
NO_HOST = N_("Pair with a host first.")


class Core(Protocol):
    """What the commands act on: the app, or the services alone."""

    @property
    def store(self) -> Store: ...
    @property
    def commands(self) -> Commands: ...
    @property
    def hosting(self) -> HostCommands: ...
    @property
    def questions(self) -> QuestionCommands: ...
    @property
    def signing(self) -> SigningCommands: ...
    @property
    def training(self) -> TrainCommands: ...
    @property
    def judging(self) -> JudgingCommands: ...
    @property
    def rows(self) -> RowsCommands: ...
    @property
    def accounts(self) -> AccountCommands: ...
    @property
    def upkeep(self) -> UpkeepCommands: ...
    @property
    def choosing(self) -> Choosing: ...
    @property
    def devices(self) -> DeviceCommands: ...
    @property
    def robots(self) -> RobotCommands: ...
    @property
    def bundles(self) -> BundleCommands: ...

    def open(self, screen: Screen | str) -> None:
        """Go to a screen."""


def commands(core: Core) -> tuple[Command, ...]:
    """All of them."""
    return (
        *device_commands(core),
        *device_screen.commands(core),
        *host_commands(core),
        *train_screen.commands(core),
        *release_commands.commands(core),
        *data_screen.commands(core),
        *robot_commands(core),
        *own_commands.commands(core),
    )


def device_commands(core: Core) -> tuple[Command, ...]:
    """Pairing with devices, asking them, bringing them bundles."""

    def pick(name: str) -> None:
        core.store.dispatch(act.SpecialistPicked(name))

    def room(area: str) -> None:
        core.store.dispatch(act.AreaPicked(area or None))

    def pair(address: str, code: str) -> None:
        core.open(Screen.PAIR)
        core.commands.pair(address, code)

    def ask(sentence: str) -> None:
        core.open(Screen.ASK)
        core.commands.ask(sentence)

    def push(path: str) -> None:
        core.open(Screen.PUSH)
        core.commands.push(path)

    return (
        Command(
            "device.pair", N_("Pair a device"), pair, icon="plus", told=_paired,
            arguments={"address": ADDRESS, "code": {**TEXT, "title": N_("One-time code"), "default": ""}},
        ),
        Command(
            "device.forget", N_("Forget a device"), core.devices.forget, dangerous=True, arguments={"address": ADDRESS}, choices={"address": _devices},
            when=lambda state: bool(state.devices), lacks=NO_DEVICE, told=lambda state: [one.address for one in state.devices],
        ),
        Command(
            "device.select", N_("Choose a device"), core.commands.select, arguments={"address": ADDRESS}, choices={"address": _devices},
            when=lambda state: bool(state.devices), lacks=NO_DEVICE, told=lambda state: {"selected": state.selected},
        ),
        Command(
            "device.list", N_("Show the devices"), lambda: core.open(Screen.DEVICES), icon="devices",
            told=lambda state: [{"address": one.address, "name": one.name, "scope": one.role} for one in state.devices],
        ),
        Command(
            "device.status", N_("Show what the device runs"), lambda: core.open(Screen.DEVICE), icon="models",
            when=_has_device, lacks=NO_DEVICE, told=_device_status,
        ),
        Command(
            "device.ask", N_("Ask the device"), ask, scope="operator", icon="ask",
            arguments={"sentence": {**TEXT, "title": N_("Sentence"), "maxLength": 500}},
            when=lambda state: state.chosen is not None, lacks=N_("The device runs no specialist that could answer."),
            told=_answer,
        ),
        Command(
            "device.specialist", N_("Choose who answers"), pick, scope="operator", arguments={"name": TEXT}, choices={"name": _specialists},
            when=lambda state: state.chosen is not None, lacks=N_("The device runs no specialist that could answer."),
        ),
        Command(
            "device.push", N_("Push a bundle to the device"), push, scope="releaser", icon="push",
            arguments={"path": {**TEXT, "title": N_("Bundle file")}}, told=_pushed,
            when=lambda state: state.push.phase not in (PushPhase.SENDING, PushPhase.CHECKING),
            lacks=N_("A bundle is on its way; wait until it is there."),
        ),
        Command("home.room", N_("Say in which room you are"), room, arguments={"area": {**TEXT, "default": ""}}, choices={"area": _rooms}),
        Command(
            "home.load", N_("Use another home"), core.commands.load_home, icon="home",
            arguments={"path": {**TEXT, "title": N_("Inventory file (JSON)")}},
            told=lambda state: {"home": state.inventory.title, "things": len(state.inventory.entities)},
        ),
    )  # fmt: skip


def host_commands(core: Core) -> tuple[Command, ...]:
    """Pairing with the host, its keys and lessons, what it asks and what waits for a signature."""

    def pair(address: str, code: str) -> None:
        core.open(Screen.PAIR_HOST)
        core.hosting.pair(address, code)

    def move(way: KeyWay) -> None:
        core.store.dispatch(hact.KeyMovePicked(way))
        core.open(Screen.KEYS)

    lesson = {"id": {**TEXT, "title": N_("Lesson")}}
    key = {"provider": {**TEXT, "title": N_("Provider")}, "name": {**TEXT, "title": N_("Name of the key")}}
    return (
        Command(
            "host.pair", N_("Pair with a host"), pair, icon="plus", told=_paired_host,
            arguments={"address": ADDRESS, "code": {**TEXT, "title": N_("One-time code")}},
        ),
        Command(
            "host.forget", N_("Forget the host"), core.hosting.forget, dangerous=True, when=_has_host, lacks=NO_HOST,
            told=lambda state: {"host": None} if state.host is None else None,
        ),
        Command(
            "host.lessons", N_("Show the lessons"), lambda: core.open(Screen.TEACH), scope="viewer", of="host",
            icon="teach", told=_lessons,
        ),
        Command(
            "lesson.generate", N_("Generate the examples that the form describes"), core.hosting.generate,
            scope="operator", of="host", icon="teach", when=lambda state: not why_not(state),
            lacks=N_("The form under Teach isn't complete yet."),
        ),
        Command(
            "lesson.cancel", N_("Cancel a lesson"), core.hosting.cancel, scope="operator", of="host", arguments=lesson,
            choices={"id": _running},
        ),
        Command(
            "lesson.resume", N_("Go on with a lesson"), core.hosting.resume, scope="operator", of="host", choices={"id": _resumable},
            arguments={**lesson, "budget": {**TEXT, "title": N_("At most, in dollars"), "default": ""}},
        ),
        Command(
            "host.keys", N_("Show the API keys"), lambda: core.open(Screen.KEYS), scope="viewer", of="host", icon="key",
            told=_keys,
        ),
        Command("key.use", N_("Use an API key first"), core.hosting.use_key, scope="owner", of="host", arguments=key),
        Command(
            "key.delete", N_("Delete an API key"), core.hosting.delete, scope="owner", of="host", dangerous=True,
            arguments=key,
        ),
        Command(
            "key.export", N_("Export the API keys to a file"), lambda: move(KeyWay.EXPORT), scope="owner", of="host",
            icon="key",
        ),
        Command(
            "key.import", N_("Import API keys from a file"), lambda: move(KeyWay.IMPORT), scope="owner", of="host",
            icon="key",
        ),
        Command(
            "question.answer", N_("Answer the question with a label"), core.questions.answer, scope="operator", of="host",
            arguments={"label": {**TEXT, "title": N_("Label")}}, choices={"label": _labels}, when=_asked, lacks=N_("No question is open."),
        ),
        Command(
            "question.none", N_("No label is right for this question"), lambda: core.questions.answer(None, NO_LABEL),
            scope="operator", of="host", when=_asked, lacks=N_("No question is open."),
        ),
        Command(
            "question.drop", N_("This text is of no use"), lambda: core.questions.answer(None), scope="operator", of="host",
            when=_asked, lacks=N_("No question is open."),
        ),
        Command(
            "question.skip", N_("Ask this question last"), core.questions.skip, scope="operator", of="host",
            when=_question_open, lacks=N_("No question is open."),
        ),
        Command(
            "question.undo", N_("Take back the last answer"), core.questions.undo, scope="operator", of="host",
            when=lambda state: bool(state.asking.history), lacks=N_("Nothing was answered yet."),
        ),
        Command(
            "question.take", N_("Add the answers to the dataset"), core.questions.take, scope="operator", of="host",
            when=_question_open, lacks=N_("No question is open."),
        ),
        Command("sign.key", N_("Make this machine's signing key"), core.signing.make_key, icon="sign"),
        Command(
            "sign.look", N_("Look for updates to sign"), core.signing.look, scope="viewer", of="host", icon="sign",
        ),
        Command(
            "sign.update", N_("Sign an update"), core.signing.sign, scope="owner", of="host", dangerous=True,
            arguments={"role": {**TEXT, "title": N_("Update")}},
            when=lambda state: bool(state.signing.public), lacks=N_("This machine has no signing key yet."),
        ),
    )  # fmt: skip


def _devices(state: AppState) -> Choices:
    return [(one.address, one.name) for one in state.devices]


def _specialists(state: AppState) -> Choices:
    return [(one.name, one.name) for one in (state.device.link.models if state.device else ())]


def _rooms(state: AppState) -> Choices:
    return [("", N_("Nowhere in particular")), *((area.id, area.name) for area in state.inventory.areas)]


def _running(state: AppState) -> Choices:
    return [(one.id, one.name) for one in (state.host.lessons if state.host else ()) if one.running or one.waiting]


def _resumable(state: AppState) -> Choices:
    return [(one.id, one.name) for one in (state.host.lessons if state.host else ()) if one.resumable]


def _has_device(state: AppState) -> bool:
    return state.device is not None


def _has_host(state: AppState) -> bool:
    return state.host is not None


def _asked(state: AppState) -> bool:
    return card(state.asking) is not None


def _labels(state: AppState) -> Choices:
    return [(label, label) for label in (state.asking.queue.labels if state.asking.queue else ())]


def _question_open(state: AppState) -> bool:
    return bool(state.asking.opened)


def _paired(state: AppState) -> object:
    if state.pairing.error:
        raise CommandError(state.pairing.error)
    done = state.device is not None and not state.pairing.busy
    return {"address": state.device.address, "scope": state.device.role} if done and state.device else None


def _paired_host(state: AppState) -> object:
    if state.host_pairing.error:
        raise CommandError(state.host_pairing.error)
    host = None if state.host_pairing.busy else state.host
    return None if host is None else {"address": host.address, "name": host.name, "scope": host.scope}


def _device_status(state: AppState) -> object:
    device = state.device
    if device is None or device.link.phase is Phase.CONNECTING:
        return None
    if device.link.phase is Phase.WAITING:
        raise CommandError(device.link.error or tr("The device can't be reached."))
    specialists = [
        {"name": one.name, "task": one.task, "version": one.version, "runtime": one.runtime, "bytes": one.size}
        for one in device.link.models
    ]
    return {"address": device.address, "name": device.name, "ready": device.link.ready, "specialists": specialists}


def _answer(state: AppState) -> object:
    last = state.exchanges[-1] if state.exchanges else None
    if last is None or last.pending:
        return None
    if last.answer is None:
        raise CommandError(last.error or "")
    answer = last.answer
    calls = [
        {"name": call.name, "arguments": dict(call.arguments), "targets": [target for target, _ in call.targets]}
        for call in answer.calls
    ]
    said: dict[str, object] = {"specialist": last.specialist, "confidence": answer.confidence, "unsure": answer.unsure}
    if calls:
        said["calls"] = calls
    if answer.label is not None:
        said |= {"label": answer.label, "scores": dict(answer.scores)}
    if answer.question is not None:
        said["question"] = answer.question
    return said | {"ms": answer.ms}


def _pushed(state: AppState) -> object:
    if state.push.phase is PushPhase.FAILED:
        raise CommandError(state.push.message or "")
    return state.push.message if state.push.phase is PushPhase.DONE else None


def _online(state: AppState) -> bool:
    if state.host is None:
        raise CommandError(NO_HOST)
    if state.host.phase is Phase.WAITING:
        raise CommandError(state.host.error or tr("The host can't be reached."))
    return state.host.phase is Phase.ONLINE


def _lessons(state: AppState) -> object:
    if not _online(state) or state.host is None:
        return None
    return [
        {"id": one.id, "name": one.name, "state": str(one.state), "accepted": one.accepted, "cost_usd": one.cost}
        for one in state.host.lessons
    ]


def _keys(state: AppState) -> object:
    if not _online(state) or state.host is None:
        return None
    return [{"provider": one.provider, "name": one.name, "in_use": one.in_use} for one in state.host.offer.keys]
