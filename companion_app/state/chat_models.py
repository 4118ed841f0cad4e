"""Whom one can talk to: the language specialists of paired devices, and the models of the host."""

from __future__ import annotations

from companion_app.i18n import tr
from companion_app.state.chat import HOST, Conversation, Model
from companion_app.state.model import AppState, Device
from companion_app.state.phase import Phase

WRITES = ("chat", "code", "combo")  # tasks whose answers are what a model writes
SEES = "vision"


def available(state: AppState) -> tuple[Model, ...]:
    """All that can be asked, those of the current device first."""
    devices = sorted(state.devices, key=lambda device: device.address != state.selected)
    found = [model for device in devices for model in _of(device)]
    if state.host is not None:
        found += state.chat.writers
    return tuple(found)


def chosen(state: AppState) -> tuple[Model, ...]:
    """Whom the next message goes to: the open conversation's models, else the picked ones, else the first that can."""
    conversation = state.chat.conversation
    if conversation is not None and conversation.models:
        return conversation.models
    return state.chat.picked or available(state)[:1]


def seer(state: AppState, models: tuple[Model, ...]) -> tuple[str, str] | None:
    """(address, name) of a specialist that looks at pictures: of a device that is talked to, else of the current one."""
    addresses = [model.where for model in models] + ([state.selected] if state.selected else [])
    for address in addresses:
        device = next((one for one in state.devices if one.address == address), None)
        found = next((one.name for one in device.link.models if one.task == SEES), None) if device else None
        if found is not None:
            return address, found
    return None


def obstacle(state: AppState, conversation: Conversation | None, models: tuple[Model, ...]) -> str:
    """Why nothing can be sent now, in a sentence; empty where it can."""
    if conversation is not None and conversation.running:
        return tr("An answer is on its way; stop it, or wait for its end.")
    if not models:
        if not state.devices and state.host is None:
            return tr("Pair a device or a host first; then you can talk to its models.")
        return tr("No language model is there; push one to a device, or train one on the host.")
    for model in models:
        if reason := _away(state, model):
            return reason
    return ""


def _away(state: AppState, model: Model) -> str:
    if model.where == HOST:
        if state.host is None:
            return tr("The host of this conversation isn't paired any more; pair with it again.")
        return "" if state.host.phase is Phase.ONLINE else tr("The host isn't reachable now.")
    device = next((one for one in state.devices if one.address == model.where), None)
    if device is None:
        return tr("{name} isn't paired any more; pair with it again.", name=model.label)
    if device.link.phase is not Phase.ONLINE:
        return tr("{name} isn't reachable now; what you type is kept.", name=device.name)
    return ""


def _of(device: Device) -> list[Model]:
    writers = [one for one in device.link.models if one.task in WRITES]
    writers.sort(key=lambda one: WRITES.index(one.task))
    return [
        Model(device.address, one.name, tr("{model} on {device}", model=one.name, device=device.name))
        for one in writers
    ]
