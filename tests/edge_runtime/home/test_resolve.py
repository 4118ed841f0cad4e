"""Clauses written by hand, so that these tests hold whatever a model reads."""

from __future__ import annotations

import pytest

from edge_runtime.home.inventory import Home
from edge_runtime.home.parse import Clause, Span
from edge_runtime.home.resolve import Outcome, resolve
from edge_runtime.home.simulate import execute


def clause(action: str, kind: str, text: str, *spans: tuple[str, ...]) -> Clause:
    """`spans` are (slot, words[, kind[, "X"]]), found in `text` from left to right."""
    tokens = text.split()
    out, at = [], 0
    for span in spans:
        slot, words = span[0], tuple(span[1].split())
        while tuple(tokens[at : at + len(words)]) != words:
            at += 1
        out.append(Span(slot, words, span[2] if len(span) > 2 else kind, len(span) > 3, at))
        at += len(words)
    return Clause(action, kind, out, tokens)


def moved(outcome: Outcome) -> set[str]:
    return {target for call in outcome.calls for target in call.targets}


def test_an_area_with_a_plural_kind_means_all_of_them(home: Home) -> None:
    said = clause("off", "light", "turn off the kitchen lights", ("AREA", "kitchen"), ("KIND", "lights"))
    assert moved(resolve([said], home, None)) == {"light.spots", "light.counter"}


def test_the_light_without_a_place_is_the_speakers_room(home: Home) -> None:
    said = clause("off", "light", "turn off the light", ("KIND", "light"))
    assert moved(resolve([said], home, "bedroom")) == {"light.bed"}


def test_what_is_ambiguous_does_nothing_and_names_the_choices(home: Home) -> None:
    said = clause("close", "blind", "close the blind", ("KIND", "blind"))
    outcome = resolve([said], home, "bedroom")
    assert not outcome.calls
    assert "Left Blind" in str(outcome.question)
    assert "Right Blind" in str(outcome.question)


def test_one_ambiguous_clause_stops_the_whole_sentence(home: Home) -> None:
    sure = clause("off", "tv", "tv off", ("KIND", "tv", "tv"))
    unsure = clause("close", "blind", "close the blind", ("KIND", "blind"))
    assert resolve([sure, unsure], home, "bedroom").calls == ()


def test_an_exclusion_stays_as_it_is(home: Home) -> None:
    said = clause(
        "off", "light", "all lights off except the kitchen and the sofa lamp", ("ALL", "all"), ("KIND", "lights"),
        ("AREA", "kitchen", "light", "X"), ("NAME", "sofa lamp", "light", "X"),
    )  # fmt: skip
    assert moved(resolve([said], home, "bedroom")) == {"light.bed", "light.row1", "light.row2"}


def test_two_places_share_one_head(home: Home) -> None:
    said = clause(
        "off",
        "light",
        "kitchen and bedroom lights off",
        ("AREA", "kitchen"),
        ("AREA", "bedroom"),
        ("KIND", "lights"),
    )
    assert moved(resolve([said], home, None)) == {"light.spots", "light.counter", "light.bed"}


def test_a_bare_number_takes_the_name_before_it(home: Home) -> None:
    said = clause("off", "light", "desk rows 1 and 2 off", ("NAME", "desk rows 1"), ("NAME", "2"))
    assert moved(resolve([said], home, None)) == {"light.row1", "light.row2"}


def test_it_means_what_was_spoken_of_before(home: Home) -> None:
    first = clause("on", "light", "turn on the sofa lamp", ("NAME", "sofa lamp"))
    second = clause("set", "light", "and dim it to 30 percent", ("PRON", "it"), ("VALUE", "30 percent"))
    outcome = resolve([first, second], home, None)
    assert [call.name for call in outcome.calls] == ["HassTurnOn", "HassLightSet"]
    assert moved(outcome) == {"light.sofa"}


def test_upstairs_and_synonyms_of_rooms_are_understood(home: Home) -> None:
    upstairs = clause("off", "light", "the lights upstairs off", ("KIND", "lights"), ("FLOOR", "upstairs"))
    lounge = clause("on", "fan", "fan on in the lounge", ("KIND", "fan"), ("AREA", "lounge"))
    assert moved(resolve([upstairs], home, None)) == {"light.bed"}
    assert moved(resolve([lounge], home, None)) == {"fan.lounge"}


def test_questions_and_nothing_never_act(home: Home) -> None:
    question = clause("query", "light", "is the sofa lamp on", ("NAME", "sofa lamp"))
    nothing = clause("none", "any", "good morning")
    outcome = resolve([question, nothing], home, None)
    assert [call.name for call in outcome.calls] == ["HassGetState"]
    assert execute(outcome.calls, home) == {}


@pytest.mark.parametrize(
    ("said", "change"),
    [
        (clause("set", "light", "set the sofa lamp to half", ("NAME", "sofa lamp"), ("VALUE", "half")),
         {"light.sofa": {"brightness": 50}}),
        (clause("set", "fan", "ceiling fan to 70", ("NAME", "ceiling fan"), ("VALUE", "70")),
         {"fan.lounge": {"percentage": 70, "state": "on"}}),
        (clause("close", "blind", "close left blind 30 %", ("NAME", "left blind"), ("VALUE", "30 %")),
         {"cover.left": {"position": 30}}),
        (clause("set", "media", "tv volume to 15", ("KIND", "tv", "tv"), ("ATTR", "volume", "media"), ("VALUE", "15")),
         {"media_player.tv": {"volume": 15}}),
        (clause("up", "climate", "warmer by 2 degrees", ("VALUE", "2 degrees")), {"climate.heat": {"temperature": 22.0}}),
        (clause("lock", "lock", "lock the front door", ("NAME", "front door")), {"lock.front": {"state": "locked"}}),
        (clause("complete", "todo", "the basil's been watered tick it off", ("ITEM", "basil's been watered")),
         {"todo.shopping": {"completed": ["water the basil"]}}),
        (clause("cool", "any", "too hot in here", ("HERE", "here")), {"climate.heat": {"temperature": 19.0}}),
        (clause("pause", "media", "pause the music", ("KIND", "music")), {"media_player.tv": {"state": "paused"}}),
    ],
)  # fmt: skip
def test_calls_cause_the_change_that_was_asked_for(home: Home, said: Clause, change: dict) -> None:
    assert execute(resolve([said], home, "lounge").calls, home) == change


def test_something_absent_is_asked_about(home: Home) -> None:
    said = clause("on", "light", "turn on the disco ball", ("NAME", "disco ball"))
    outcome = resolve([said], home, None)
    assert outcome.calls == ()
    assert "disco ball" in str(outcome.question)


def test_an_empty_home_asks_instead_of_failing() -> None:
    said = clause("off", "light", "turn off the lights", ("KIND", "lights"))
    assert resolve([said], Home((), ()), None).question


@pytest.mark.parametrize(
    ("text", "acts"),
    [
        ("don't turn off the sofa lamp", False),
        ("please do not turn off the sofa lamp", False),
        ("never turn off the sofa lamp", False),
        ("why don't you turn off the sofa lamp", True),
        ("i don't need the sofa lamp", True),
        ("turn off the sofa lamp", True),
    ],
)
def test_what_is_forbidden_is_never_done_whatever_the_model_reads(home: Home, text: str, acts: bool) -> None:
    said = clause("off", "light", text, ("NAME", "sofa lamp"))
    assert bool(resolve([said], home, None).calls) is acts
