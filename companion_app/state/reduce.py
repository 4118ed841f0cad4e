"""`reduce(state, action)`: the only way the state changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import singledispatch
from typing import get_args

from companion_app.state import actions as act
from companion_app.state.bundles import BundlesAction, reduce_bundles
from companion_app.state.chat_actions import ChatAction
from companion_app.state.chat_reduce import reduce_chat
from companion_app.state.drafts import Drafted, reduce_drafts
from companion_app.state.files import FilesAction, reduce_files
from companion_app.state.fleet_actions import FleetAction, PairingPicked
from companion_app.state.fleet_reduce import forgotten, reduce_fleet
from companion_app.state.host_actions import HostAction
from companion_app.state.host_reduce import reduce_host
from companion_app.state.model import (
    AppState,
    Device,
    Exchange,
    Link,
    Pairing,
    Phase,
    Push,
    PushPhase,
    Screen,
)
from companion_app.state.question_actions import QuestionAction
from companion_app.state.question_reduce import reduce_questions
from companion_app.state.robot_actions import RobotAction
from companion_app.state.robot_reduce import reduce_robots
from companion_app.state.rows_actions import RowsAction
from companion_app.state.rows_reduce import reduce_rows
from companion_app.state.signing_actions import SigningAction
from companion_app.state.signing_reduce import reduce_signing
from companion_app.state.train_actions import TrainAction
from companion_app.state.train_reduce import reduce_training
from companion_app.state.upkeep import UpkeepAction, reduce_upkeep

# What stays on the screen: enough to look back on, few enough to lay out within a frame.
MAX_EXCHANGES = 40
MAX_EVENTS = 60
MAX_BEHIND = 16


def reduce(state: AppState, action: act.Action) -> AppState:
    """The state after `action`; the same object if nothing changed."""
    return _reduce(action, state)


@singledispatch
def _reduce(action: object, state: AppState) -> AppState:
    raise TypeError(f"{type(action).__name__} is not an action of the companion")


@_reduce.register
def _(action: act.Opened, state: AppState) -> AppState:
    if action.screen is state.screen:
        return state
    return replace(
        state,
        screen=action.screen,
        behind=(*state.behind, state.screen)[-MAX_BEHIND:],
        pairing=_fresh(state.pairing) if action.screen is Screen.PAIR else state.pairing,
        host_pairing=_fresh(state.host_pairing) if action.screen is Screen.PAIR_HOST else state.host_pairing,
        notice=None,
    )


@_reduce.register
def _(action: act.WentBack, state: AppState) -> AppState:
    if state.notice is not None:
        return replace(state, notice=None)
    if not state.behind:
        return state if state.screen is Screen.DEVICES else replace(state, screen=Screen.DEVICES)
    return replace(state, screen=state.behind[-1], behind=state.behind[:-1])


@_reduce.register
def _(action: act.PreferencesChanged, state: AppState) -> AppState:
    return state if action.preferences == state.preferences else replace(state, preferences=action.preferences)


@_reduce.register
def _(action: act.SystemThemeSeen, state: AppState) -> AppState:
    return state if action.theme == state.system_theme else replace(state, system_theme=action.theme)


@_reduce.register
def _(action: act.Noticed, state: AppState) -> AppState:
    return replace(state, notice=action.sentence)


@_reduce.register
def _(action: act.PairingStarted, state: AppState) -> AppState:
    return replace(state, pairing=Pairing(busy=True))


@_reduce.register
def _(action: act.PairingFailed, state: AppState) -> AppState:
    return replace(state, pairing=Pairing(error=action.sentence))


@_reduce.register
def _(action: act.Paired, state: AppState) -> AppState:
    others = tuple(device for device in state.devices if device.address != action.device.address)
    # The form has done its work: Escape from what follows must not lead back into it.
    behind = tuple(screen for screen in state.behind if screen is not Screen.PAIR)
    here = state.screen is Screen.PAIR
    return replace(
        state,
        devices=(*others, action.device),
        selected=action.device.address,
        specialist=None,
        pairing=Pairing(),
        drafts=reduce_drafts(Drafted("pair.code", ""), state.drafts),
        screen=Screen.DEVICE if here else state.screen,
        behind=(Screen.DEVICES,) if here else behind,
        notice=None,
    )


@_reduce.register
def _(action: act.DeviceSelected, state: AppState) -> AppState:
    if not any(device.address == action.address for device in state.devices):
        return state
    if action.address == state.selected:
        return state
    return replace(state, selected=action.address, specialist=None, push=_rested(state.push))


@_reduce.register
def _(action: act.DeviceForgotten, state: AppState) -> AppState:
    devices = tuple(device for device in state.devices if device.address != action.address)
    selected = state.selected
    if selected == action.address:
        selected = devices[0].address if devices else None
    return replace(state, devices=devices, selected=selected, fleet=forgotten(state.fleet, action.address))


@_reduce.register
def _(action: act.LinkConnecting, state: AppState) -> AppState:
    return _with_link(state, action.address, lambda link: replace(link, phase=Phase.CONNECTING))


@_reduce.register
def _(action: act.LinkUpdated, state: AppState) -> AppState:
    return _with_link(
        state,
        action.address,
        lambda link: replace(
            link, phase=Phase.ONLINE, ready=action.ready, models=action.models, error=None, retry_in=0.0, refused=False
        ),
    )


@_reduce.register
def _(action: act.LinkLost, state: AppState) -> AppState:
    return _with_link(
        state,
        action.address,
        lambda link: replace(
            link,
            phase=Phase.WAITING,
            ready=None,
            error=action.sentence,
            retry_in=action.retry_in,
            refused=action.refused,
        ),
    )


@_reduce.register
def _(action: act.EventSeen, state: AppState) -> AppState:
    return _with_link(
        state,
        action.address,
        lambda link: replace(link, events=(*link.events, action.event)[-MAX_EVENTS:]),
    )


@_reduce.register
def _(action: act.SpecialistPicked, state: AppState) -> AppState:
    return replace(state, specialist=action.name)


@_reduce.register
def _(action: act.AreaPicked, state: AppState) -> AppState:
    known = action.area is None or any(area.id == action.area for area in state.inventory.areas)
    return replace(state, area=action.area) if known else state


@_reduce.register
def _(action: act.InventoryLoaded, state: AppState) -> AppState:
    keeps = any(area.id == state.area for area in action.inventory.areas)
    return replace(state, inventory=action.inventory, area=state.area if keeps else None, notice=None)


@_reduce.register
def _(action: act.Asked, state: AppState) -> AppState:
    exchange = Exchange(number=action.number, specialist=action.specialist, sentence=action.sentence)
    return replace(state, exchanges=(*state.exchanges, exchange)[-MAX_EXCHANGES:])


@_reduce.register
def _(action: act.Answered, state: AppState) -> AppState:
    return _with_exchange(state, action.number, lambda exchange: replace(exchange, answer=action.answer))


@_reduce.register
def _(action: act.AskFailed, state: AppState) -> AppState:
    return _with_exchange(state, action.number, lambda exchange: replace(exchange, error=action.sentence))


@_reduce.register
def _(action: act.PushPathSet, state: AppState) -> AppState:
    if state.push.phase in (PushPhase.SENDING, PushPhase.CHECKING):
        return state
    return replace(state, push=Push(path=action.path))


@_reduce.register
def _(action: act.PushStarted, state: AppState) -> AppState:
    return replace(state, push=Push(phase=PushPhase.SENDING, path=action.path, total=action.total))


@_reduce.register
def _(action: act.PushProgressed, state: AppState) -> AppState:
    if state.push.phase is not PushPhase.SENDING:
        return state
    sent = min(max(action.sent, state.push.sent), state.push.total)
    phase = PushPhase.CHECKING if sent == state.push.total else PushPhase.SENDING
    return replace(state, push=replace(state.push, sent=sent, phase=phase))


@_reduce.register
def _(action: act.PushDone, state: AppState) -> AppState:
    push = replace(state.push, phase=PushPhase.DONE, sent=state.push.total, message=action.sentence)
    return replace(state, push=push)


@_reduce.register
def _(action: act.PushFailed, state: AppState) -> AppState:
    return replace(state, push=replace(state.push, phase=PushPhase.FAILED, message=action.sentence))


for kind in get_args(FleetAction):
    _reduce.register(kind, reduce_fleet)
for kind in get_args(HostAction):
    _reduce.register(kind, reduce_host)
for kind in get_args(QuestionAction):
    _reduce.register(kind, reduce_questions)
for kind in get_args(TrainAction):
    _reduce.register(kind)(reduce_training)
for kind in get_args(RowsAction):
    _reduce.register(kind)(reduce_rows)
for kind in get_args(BundlesAction):
    _reduce.register(kind)(reduce_bundles)
for kind in get_args(RobotAction):
    _reduce.register(kind, reduce_robots)
for kind in get_args(SigningAction):
    _reduce.register(kind, reduce_signing)
for kind in get_args(ChatAction):
    _reduce.register(kind, reduce_chat)


@_reduce.register
def _(action: PairingPicked, state: AppState) -> AppState:
    drafts = reduce_drafts(Drafted("pair.address", action.address), state.drafts)
    return reduce_fleet(action, replace(state, drafts=drafts))


def _upkeep(action: object, state: AppState) -> AppState:
    return replace(state, upkeep=reduce_upkeep(action, state.upkeep))


for kind in get_args(UpkeepAction):
    _reduce.register(kind, _upkeep)


def _files(action: FilesAction, state: AppState) -> AppState:
    browsing, drafts = reduce_files(action, state.browsing, state.drafts)
    return replace(state, browsing=browsing, drafts=drafts)


for kind in get_args(FilesAction):
    _reduce.register(kind, _files)


@_reduce.register
def _(action: Drafted, state: AppState) -> AppState:
    drafts = reduce_drafts(action, state.drafts)
    return state if drafts is state.drafts else replace(state, drafts=drafts)


def _fresh(pairing: Pairing) -> Pairing:
    """An opened form says nothing of the last try, unless that is under way."""
    return pairing if pairing.busy else Pairing()


def _rested(push: Push) -> Push:
    """A finished delivery says nothing about another device; one under way stays visible."""
    return push if push.phase in (PushPhase.SENDING, PushPhase.CHECKING) else Push(path=push.path)


def _with_link(state: AppState, address: str, change: Callable[[Link], Link]) -> AppState:
    def changed(device: Device) -> Device:
        if device.address != address:
            return device
        link = change(device.link)
        return device if link == device.link else replace(device, link=link)

    devices = tuple(changed(device) for device in state.devices)
    if all(new is old for new, old in zip(devices, state.devices, strict=True)):
        return state
    return replace(state, devices=devices)


def _with_exchange(state: AppState, number: int, change: Callable[[Exchange], Exchange]) -> AppState:
    return replace(
        state,
        exchanges=tuple(
            change(exchange) if exchange.number == number and exchange.pending else exchange
            for exchange in state.exchanges
        ),
    )
