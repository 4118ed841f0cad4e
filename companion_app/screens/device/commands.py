"""The commands about one device and the list of them; they need no window."""

from __future__ import annotations

from typing import Protocol

from companion_app.i18n import N_
from companion_app.registry import Command, CommandError
from companion_app.services.commands import Commands
from companion_app.services.device_commands import DeviceCommands
from companion_app.state.fleet import steerable
from companion_app.state.model import AppState, Phase, Screen
from companion_app.state.store import Store

TEXT = {"type": "string"}
SPECIALIST = {**TEXT, "title": N_("Specialist")}
AWAY = N_("The device is away; it can't be told anything now.")


class Core(Protocol):
    """What the commands act on."""

    @property
    def store(self) -> Store: ...
    @property
    def commands(self) -> Commands: ...
    @property
    def devices(self) -> DeviceCommands: ...

    def open(self, screen: Screen | str) -> None:
        """Go to a screen."""


def commands(core: Core) -> tuple[Command, ...]:
    """All of them."""
    devices = core.devices

    def journal() -> None:
        devices.read_log()
        core.open(Screen.JOURNAL)

    return (
        Command(
            "device.switch", N_("Let another version serve"), devices.switch, scope="releaser", icon="undo", told=_told,
            arguments={"specialist": SPECIALIST, "bundle": {**TEXT, "title": N_("Bundle")}}, when=_online, lacks=AWAY,
        ),
        Command(
            "device.rollback", N_("Go back to the version before"), devices.roll_back, scope="releaser", icon="undo", told=_told,
            arguments={"specialist": SPECIALIST}, when=_online, lacks=AWAY,
        ),
        Command(
            "device.sample", N_("Run a sample"), devices.sample, scope="operator", icon="resume", told=_sampled,
            arguments={"specialist": SPECIALIST, "sentence": {**TEXT, "title": N_("Sentence"), "default": ""}},
            when=_online, lacks=AWAY,
        ),
        Command(
            "device.pipeline", N_("Start or stop a pipeline"), devices.pipeline, scope="releaser", told=_told,
            arguments={"pipeline": {**TEXT, "title": N_("Pipeline")}, "on": {"type": "boolean", "title": N_("Run it")}},
            when=_online, lacks=AWAY,
        ),
        Command(
            "device.updates", N_("Look for updates now"), devices.check_updates, scope="releaser", icon="down", told=_told,
            when=_follows, lacks=N_("The device is away, or follows no repository of updates."),
        ),
        Command(
            "device.restart", N_("Restart Enigma on the device"), devices.restart, scope="owner", dangerous=True, told=_told,
            when=_steerable, lacks=N_("The device is away, or its version is too old to be restarted from here."),
        ),
        Command(
            "device.reboot", N_("Reboot the machine"), devices.reboot, scope="owner", dangerous=True, told=_told,
            when=_steerable, lacks=N_("The device is away, or its version is too old to be restarted from here."),
        ),
        Command(
            "device.journal", N_("Show the device's journal"), journal, scope="viewer", icon="host", told=_journal,
            when=_chosen, lacks=N_("Pair with a device first."),
        ),
        Command(
            "device.sort", N_("Sort the device into a group, with tags"), devices.label, when=_chosen,
            lacks=N_("Pair with a device first."),
            arguments={"group": {**TEXT, "title": N_("Group"), "default": ""}, "tags": {**TEXT, "title": N_("Tags"), "default": ""}},
        ),
        Command(
            "device.connect", N_("Connect again now"), devices.try_now, when=_chosen, lacks=N_("Pair with a device first."),
        ),
        Command(
            "device.code", N_("Pair by a picture of a QR code"), core.commands.read_code,
            arguments={"path": {**TEXT, "title": N_("Picture")}},
        ),
    )  # fmt: skip


def _told(state: AppState) -> object:
    """What came of the latest command."""
    sentence, failed = state.fleet.notes.get(state.selected or "", ("", False))
    if failed:
        raise CommandError(sentence)
    return sentence or None


def _sampled(state: AppState) -> object:
    tried = [one for (address, _), one in state.fleet.samples.items() if address == state.selected]
    if not tried or tried[-1].busy:
        return None
    if tried[-1].error:
        raise CommandError(tried[-1].error)
    return {"asked": tried[-1].asked, "answer": tried[-1].answer, "expected": tried[-1].expected, "ms": tried[-1].ms}


def _journal(state: AppState) -> object:
    log = state.fleet.log
    if log.address != state.selected or log.busy:
        return None
    if log.error:
        raise CommandError(log.error)
    return [{"at": one.at, "kind": one.kind, "text": one.text} for one in log.lines]


def _chosen(state: AppState) -> bool:
    return state.device is not None


def _online(state: AppState) -> bool:
    return state.device is not None and state.device.link.phase is Phase.ONLINE


def _follows(state: AppState) -> bool:
    detail = state.fleet.details.get(state.selected or "")
    return _online(state) and detail is not None and detail.updates is not None and detail.updates.following


def _steerable(state: AppState) -> bool:
    return _online(state) and steerable(state.fleet.details.get(state.selected or ""))
