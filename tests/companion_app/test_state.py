"""The state changes only as actions say, and stays bounded."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion_app.state import actions as act
from companion_app.state.describe import human_bytes, metric, status_of, where_to_ask
from companion_app.state.inventory import Inventory
from companion_app.state.model import Answer, AppState, Device, Event, Phase, Push, PushPhase, Screen
from companion_app.state.preferences import Preferences
from companion_app.state.reduce import MAX_EVENTS, MAX_EXCHANGES, reduce
from companion_app.state.store import Store

from . import samples

ANSWER = Answer(confidence=0.9, unsure=False, ms=0.8, round_trip_ms=4.0)


def run(state: AppState, *actions: act.Action) -> AppState:
    for action in actions:
        state = reduce(state, action)
    return state


def test_no_widget_is_needed_to_know_the_state() -> None:
    code = (
        "import sys, companion_app.state.store, companion_app.services.commands\n"
        "assert not any(name.split('.')[0] == 'kivy' for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_action_has_a_reducer(app_state: AppState) -> None:
    with pytest.raises(TypeError):
        reduce(app_state, object())  # type: ignore[arg-type]
    from companion_app.state.reduce import _reduce

    for action in get_args(act.Action):
        assert action in _reduce.registry, action.__name__


def test_back_returns_the_way_one_came(app_state: AppState) -> None:
    state = run(app_state, act.Opened(Screen.ASK), act.Opened(Screen.PUSH), act.Opened(Screen.PUSH))
    assert state.screen is Screen.PUSH
    state = run(state, act.WentBack())
    assert state.screen is Screen.ASK
    state = run(state, act.WentBack(), act.WentBack(), act.WentBack())
    assert state.screen is Screen.DEVICES


def test_back_first_hides_a_notice(app_state: AppState) -> None:
    state = run(app_state, act.Opened(Screen.ASK), act.Noticed("Careful."), act.WentBack())
    assert (state.screen, state.notice) == (Screen.ASK, None)


def test_a_paired_device_is_selected_and_replaces_the_one_at_its_address(app_state: AppState) -> None:
    renamed = Device(samples.ATTIC, "Loft", "releaser")
    state = run(app_state, act.Opened(Screen.PAIR), act.PairingStarted(), act.Paired(renamed))
    assert [device.name for device in state.devices] == ["Kitchen Pi", "Loft"]
    assert state.device == renamed
    assert state.screen is Screen.DEVICE
    assert run(state, act.WentBack()).screen is Screen.DEVICES


def test_a_refused_pairing_keeps_the_form_and_says_why(app_state: AppState) -> None:
    state = run(app_state, act.Opened(Screen.PAIR), act.PairingStarted(), act.PairingFailed("Wrong code."))
    assert (state.screen, state.pairing.busy, state.pairing.error) == (Screen.PAIR, False, "Wrong code.")
    assert run(state, act.WentBack(), act.Opened(Screen.PAIR)).pairing.error is None


def test_forgetting_the_selected_device_selects_another_or_none(app_state: AppState) -> None:
    state = run(app_state, act.DeviceForgotten(samples.KITCHEN))
    assert state.selected == samples.ATTIC
    assert run(state, act.DeviceForgotten(samples.ATTIC)).device is None


def test_a_lost_device_keeps_what_it_last_said(app_state: AppState) -> None:
    state = run(
        app_state,
        act.LinkConnecting(samples.KITCHEN),
        act.LinkUpdated(samples.KITCHEN, True, (samples.HOME_EN,)),
        act.LinkLost(samples.KITCHEN, "Gone.", 2.0),
    )
    assert state.device is not None
    link = state.device.link
    assert (link.phase, link.models, link.ready, link.error) == (
        Phase.WAITING,
        (samples.HOME_EN,),
        None,
        "Gone.",
    )
    assert status_of(state.device) == ("Offline", "bad")
    assert where_to_ask(state) == "Gone."
    state = run(state, act.LinkUpdated(samples.KITCHEN, False, ()))
    assert state.device is not None
    assert state.device.link.error is None
    assert status_of(state.device) == ("Not ready", "warn")


def test_news_of_a_forgotten_device_change_nothing(app_state: AppState) -> None:
    assert run(app_state, act.LinkLost("http://gone:1", "x", 1.0)) is app_state


def test_the_chosen_specialist_falls_back_to_the_first(app_state: AppState) -> None:
    state = run(app_state, act.LinkUpdated(samples.KITCHEN, True, (samples.HOME_EN, samples.TICKETS)))
    assert state.chosen == samples.HOME_EN
    state = run(state, act.SpecialistPicked("tickets"))
    assert state.chosen == samples.TICKETS
    state = run(state, act.LinkUpdated(samples.KITCHEN, True, (samples.HOME_EN,)))
    assert state.chosen == samples.HOME_EN


def test_an_answer_reaches_its_own_question_once(app_state: AppState) -> None:
    state = run(
        app_state,
        act.Asked(1, "home-en", "one"),
        act.Asked(2, "home-en", "two"),
        act.Answered(2, ANSWER),
        act.AskFailed(1, "Too late."),
        act.Answered(1, ANSWER),
    )
    first, second = state.exchanges
    assert (first.error, first.answer) == ("Too late.", None)
    assert (second.answer, second.pending) == (ANSWER, False)


@given(st.lists(st.integers(0, 2), max_size=200))
def test_lists_stay_bounded(kinds: list[int]) -> None:
    state = AppState(
        inventory=samples.home(), devices=(Device(samples.KITCHEN, "k", "releaser"),), selected=samples.KITCHEN
    )
    for number, kind in enumerate(kinds):
        action = (
            act.Asked(number, "x", "y"),
            act.EventSeen(samples.KITCHEN, Event("10:00:00", str(number))),
            act.Opened(Screen.ASK if number % 2 else Screen.PUSH),
        )[kind]
        state = reduce(state, action)
    assert len(state.exchanges) <= MAX_EXCHANGES
    assert len(state.devices[0].link.events) <= MAX_EVENTS
    assert len(state.behind) <= 16


def test_a_push_goes_from_sending_to_checking_to_its_end(app_state: AppState) -> None:
    state = run(app_state, act.PushStarted("/x.enigma", 100), act.PushProgressed(40))
    assert state.push == Push(PushPhase.SENDING, "/x.enigma", 40, 100)
    assert run(state, act.PushPathSet("/other")).push.path == "/x.enigma", "a push under way is not replaced"
    state = run(state, act.PushProgressed(30))
    assert state.push.sent == 40, "progress does not go back"
    state = run(state, act.PushProgressed(1000))
    assert (state.push.phase, state.push.sent) == (PushPhase.CHECKING, 100)
    done = run(state, act.PushDone("There."))
    assert (done.push.phase, done.push.message) == (PushPhase.DONE, "There.")
    failed = run(state, act.PushFailed("Refused."))
    assert (failed.push.phase, failed.push.message) == (PushPhase.FAILED, "Refused.")
    assert run(failed, act.DeviceSelected(samples.ATTIC)).push == Push(path="/x.enigma")


def test_another_home_keeps_the_room_only_if_it_has_it(app_state: AppState, home: Inventory) -> None:
    state = run(app_state, act.AreaPicked("kitchen"), act.AreaPicked("moon"))
    assert state.area == "kitchen"
    assert run(state, act.InventoryLoaded(home)).area == "kitchen"
    assert run(state, act.InventoryLoaded(dataclasses.replace(home, areas=()))).area is None


def test_listeners_hear_changes_and_only_changes(app_state: AppState) -> None:
    store = Store(app_state)
    heard: list[AppState] = []
    stop = store.listen(heard.append)
    store.dispatch(act.PreferencesChanged(Preferences("light")))
    store.dispatch(act.DeviceSelected("http://unknown:1"))
    assert [state.theme for state in heard] == ["light"]
    stop()
    store.dispatch(act.PreferencesChanged(Preferences("dark")))
    assert len(heard) == 1


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (345_678, "346 kB"), (2_345_678, "2.3 MB")])
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert human_bytes(size) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 0.9731, "97.3 %"),
        ("held_out", 2000.0, "2,000"),
        ("p50_ms", 0.8, "0.80 ms"),
        ("loss", 0.12345, "0.123"),
    ],
)
def test_metrics_are_for_people(name: str, value: float, text: str) -> None:
    assert metric(name, value) == text
