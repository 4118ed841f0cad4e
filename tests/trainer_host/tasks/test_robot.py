"""Robot: what is reworded keeps its calls, and wrong sentences or calls are refused for the right reason."""

from __future__ import annotations

import json
import pickle
import random
import time
from collections import Counter
from pathlib import Path
from typing import cast

import pytest

from edge_runtime.home.inventory import parse_home
from edge_runtime.home.simulate import execute
from edge_runtime.home.words import tokenize
from trainer_host.data.labelled import RobotRows
from trainer_host.errors import DataError
from trainer_host.students.robot_align import with_labels
from trainer_host.tasks import Example, Json, Rejected, TaskSpec, task_spec
from trainer_host.tasks.phrases import Grouped
from trainer_host.tasks.robot_calls import read_calls, same_calls
from trainer_host.tasks.robot_labels import Labels, gives, guessed

HOME: Json = {
    "areas": [
        {"id": "kitchen", "name": "Kitchen", "floor": "Ground Floor"},
        {"id": "lounge", "name": "Living Room", "floor": "Ground Floor"},
        {"id": "bedroom", "name": "Bedroom", "floor": "Upstairs"},
    ],
    "entities": [
        {"id": "light.counter", "name": "Counter Lamp", "area": "kitchen", "domain": "light", "state": "off", "attributes": {}},
        {"id": "light.ceiling", "name": "Kitchen Spots", "area": "kitchen", "domain": "light", "state": "on", "attributes": {}},
        {"id": "light.desk", "name": "Desk Lamp", "area": "bedroom", "domain": "light", "state": "on",
         "attributes": {"brightness": 204}},
        {"id": "cover.bed", "name": "Bedroom Blinds", "area": "bedroom", "domain": "cover", "device_class": "blind",
         "state": "closed", "attributes": {"current_position": 0}},
        {"id": "lock.front", "name": "Front Door", "area": "lounge", "domain": "lock", "state": "locked"},
        {"id": "media_player.tv", "name": "Big TV", "area": "lounge", "domain": "media_player", "device_class": "tv",
         "state": "playing", "attributes": {"volume_level": 0.4}},
        {"id": "climate.hall", "name": "Thermostat", "area": "lounge", "domain": "climate", "state": "heat",
         "attributes": {"temperature": 20, "current_temperature": 19}},
        {"id": "vacuum.rosie", "name": "Rosie", "area": "lounge", "domain": "vacuum", "state": "docked"},
        {"id": "todo.shopping", "name": "Shopping List", "area": None, "domain": "todo", "state": "0", "attributes": {"items": []}},
    ],
}  # fmt: skip


def call(name: str, *targets: str, **arguments: object) -> Json:
    return {"name": name, "arguments": arguments, "targets": list(targets)}


# A rewording that rambles.
LONG = (
    "turn on the counter lamp please, because my old friends will arrive very soon and we would all like to sit there "
    "together this evening, eat some soup, talk about times when life was slow, and look at pictures of our young years"
)
COUNTER = ("turn on the counter lamp", call("HassTurnOn", "light.counter"))
BLINDS = ("open the bedroom blinds", call("HassTurnOn", "cover.bed"))
DOOR = ("unlock the front door", call("HassTurnOff", "lock.front"))
DIM = ("dim the desk lamp to 30 percent", call("HassLightSet", "light.desk", brightness=30))
PINK = ("make the desk lamp pink", call("HassLightSet", "light.desk", color="pink"))
LOUDER = ("turn up the big tv", call("HassSetVolumeRelative", "media_player.tv", volume_step="up"))
WARM = ("set the thermostat to 22 degrees", call("HassClimateSetTemperature", "climate.hall", temperature=22.0))
MILK = ("add milk to the shopping list", call("HassListAddItem", "todo.shopping", item="milk"))
DOCK = ("send rosie back to base", call("HassVacuumReturnToBase", "vacuum.rosie"))
PAUSE = ("pause the big tv", call("HassMediaPause", "media_player.tv"))


def drawn(case: tuple[str, Json], area: str | None = None, noise: str = "casual") -> Json:
    sentence, wanted = case
    home = parse_home(HOME)
    return {
        "inventory": HOME, "area": area, "sentence": sentence, "calls": [wanted], "samples": [], "template": None,
        "labels": guessed(sentence, home, area, read_calls([wanted], home)),
        "tone": "polite", "noise": noise, "seed": 1,
    }  # fmt: skip


@pytest.fixture(scope="module")
def spec() -> TaskSpec:
    return task_spec("robot")


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (COUNTER, "Could you switch the counter lamp on, please?"),
        (COUNTER, "I'd like the counter lamp on"),
        (COUNTER, "get the counter light on"),
        (COUNTER, "Activate the counter lamp for me"),
        (BLINDS, "Please raise the blinds in the bedroom."),
        (BLINDS, "i want the bedroom blinds open"),
        (DOOR, "can you unlock the front door"),
        (DIM, "Set the desk lamp at 30%"),
        (DIM, "The desk lamp should be at thirty percent"),
        (PINK, "turn the desk lamp pink please"),
        (LOUDER, "Make the big TV louder."),
        (LOUDER, "the big tv a bit louder please"),
        (WARM, "I want the thermostat at 22 degrees"),
        (MILK, "put milk on the shopping list"),
        (MILK, "We need milk on the shopping list"),
        (DOCK, "rosie should go back to her dock"),
        (DOCK, "I need you to send Rosie home, thanks"),
        (PAUSE, "Stop the big TV for a moment"),
    ],
)
def test_other_words_for_the_same_calls_are_kept_with_labels_for_the_trainer(
    spec: TaskSpec, case: tuple[str, Json], text: str
) -> None:
    example = spec.verify(drawn(case), [{"text": text}])
    assert isinstance(example, Grouped)
    assert example.output["calls"] == [case[1]]
    spec.check(example)
    home = parse_home(HOME)
    labels = cast(Labels, example.meta["labels"])
    assert gives(tokenize(str(example.input["text"])), labels, home, None, read_calls([case[1]], home))


@pytest.mark.parametrize(
    ("case", "text", "reason"),
    [
        (COUNTER, "turn off the counter lamp", "action missing"),
        (COUNTER, "turn the counter lamp on and then off", "contrary action"),
        (COUNTER, "turn on the lamp", "name missing"),
        (COUNTER, "turn on the counter lamp and the desk lamp", "other name"),
        (COUNTER, "turn on the counter lamp in the bedroom", "other name"),
        (COUNTER, "turn on the counter lamp in the garage", "other name"),
        (COUNTER, "don't turn on the counter lamp", "negation"),
        (COUNTER, "is the counter lamp on", "asks"),
        (COUNTER, "the counter lamp is lovely", "action missing"),
        (COUNTER, "turn on the counter lamp to 40 percent", "other value"),
        (COUNTER, "turn on the counter lamp", "copied"),
        (COUNTER, "I'm sorry, but I can't turn on the counter lamp.", "refusal"),
        (COUNTER, "Sure! Here's another way: turn on the counter lamp", "template leak"),
        (COUNTER, "turn on the [name] counter lamp", "template leak"),
        (COUNTER, "turn on the counter lamp and the", "truncated"),
        (COUNTER, "turn on turn on turn on the counter lamp", "repetition"),
        (COUNTER, "schalte die counter lamp ein und mach es bitte nicht wieder aus", "wrong language"),
        (COUNTER, "", "empty"),
        (COUNTER, "turn on\nthe counter lamp", "wrong format"),
        (BLINDS, "close the bedroom blinds", "action missing"),
        (DOOR, "lock the front door", "action missing"),
        (DOOR, "lock or unlock the front door", "contrary action"),
        (DIM, "dim the desk lamp to 40 percent", "other value"),
        (DIM, "dim the desk lamp", "other value"),
        (DIM, "dim the desk lamp by 30 percent", "other value"),
        (COUNTER, "turn on the counter lamp, open the door", "another action"),
        (COUNTER, "the counter lamp has been switched on", "states"),
        (COUNTER, "turn on the counter lamp everywhere", "other name"),
        (COUNTER, "counter on please, I mean the lamp", "words don't give the calls"),
        (COUNTER, LONG, "too long"),
        (PINK, "make the desk lamp blue", "other value"),
        (LOUDER, "turn down the big tv", "action missing"),
        (WARM, "set the thermostat to 25 degrees", "other value"),
        (MILK, "take milk off the shopping list", "action missing"),
        (MILK, "add bread to the shopping list", "name missing"),
        (DOCK, "rosie, start cleaning", "action missing"),
        (PAUSE, "resume the big tv", "action missing"),
    ],
)
def test_a_sentence_that_means_something_else_is_rejected(
    spec: TaskSpec, case: tuple[str, Json], text: str, reason: str
) -> None:
    with pytest.raises(Rejected) as caught:
        spec.verify(drawn(case), [{"text": text}])
    assert caught.value.reason == reason
    assert caught.value.detail.endswith((".", "?", ")"))


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        ([call("HassTurnOn", "light.nowhere")], "unknown target"),
        ([call("HassExplode", "light.desk")], "unknown intent"),
        ([call("HassLightSet", "light.desk")], "argument missing"),
        ([call("HassLightSet", "light.desk", brightness=140)], "wrong argument"),
        ([call("HassLightSet", "light.desk", brightness="30")], "wrong argument"),
        ([call("HassLightSet", "light.desk", color="octarine")], "wrong argument"),
        ([call("HassLightSet", "lock.front", brightness=30)], "wrong target"),
        ([call("HassMediaPause", "light.desk")], "wrong target"),
        ([call("HassSetVolume", "media_player.tv", volume_level=True)], "wrong argument"),
        ([call("HassTurnOn")], "target missing"),
        ([{"name": "HassTurnOn", "targets": "light.desk"}], "wrong format"),
        ([{"name": "HassTurnOn", "targets": ["light.desk"], "extra": 1}], "wrong format"),
        ("HassTurnOn", "wrong format"),
        ([call("HassTurnOn", "light.desk")] * 51, "wrong format"),
    ],
)
def test_calls_that_can_not_be_executed_are_rejected(spec: TaskSpec, calls: object, reason: str) -> None:
    example = Example({"text": "do it", "inventory": HOME}, {"calls": calls, "question": None})
    with pytest.raises(Rejected) as caught:
        spec.check(example)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("made", "output", "reason"),
    [
        ({"text": "lamp on"}, {"calls": [], "question": None}, "wrong format"),
        ({"text": "lamp on", "inventory": {"entities": 3}}, {"calls": [], "question": None}, "wrong format"),
        ({"text": "lamp on", "inventory": HOME, "context": {"area": "moon"}}, {"calls": [], "question": None}, "wrong format"),
        ({"text": "lamp on", "inventory": HOME}, {"calls": []}, "wrong format"),
        ({"text": "word " * 41, "inventory": HOME}, {"calls": [], "question": None}, "too long"),
        ({"text": "lamp on", "inventory": HOME}, {"calls": [call("HassTurnOn", "light.desk")], "question": "Which?"}, "wrong format"),
        ({"text": "As an AI language model I can't do that.", "inventory": HOME}, {"calls": [], "question": None}, "refusal"),
    ],
)  # fmt: skip
def test_rows_of_the_wrong_form_are_rejected(spec: TaskSpec, made: Json, output: Json, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        spec.check(Example(made, output))
    assert caught.value.reason == reason


def test_draws_vary_are_reproducible_and_hold_a_sentence_that_the_resolver_reads(spec: TaskSpec) -> None:
    first, again = random.Random(7), random.Random(7)
    draws = [spec.draw(first) for _ in range(12)]
    assert draws == [spec.draw(again) for _ in range(12)]
    assert json.loads(json.dumps(draws)) == draws
    assert len({str(one["sentence"]) for one in draws}) == 12
    for one in draws:
        home = parse_home(one["inventory"])
        execute(read_calls(one["calls"], home), home)
        assert len(spec.prompt(one).user) < 600
        # Every sample would itself have been accepted for the drawn sentence.
        for sample in cast(list[str], one["samples"]):
            assert (
                spec.verify({**one, "samples": [], "noise": "casual"}, [{"text": sample}]).output["calls"]
                == one["calls"]
            )


def test_three_hundred_built_in_examples_pass_and_flow_into_rows_with_labels(spec: TaskSpec, tmp_path: Path) -> None:
    rng = random.Random(1)
    examples = [spec.built_in(rng) for _ in range(300)]
    reader = RobotRows(None, tmp_path)
    rows, homes = [], {}
    for number, example in enumerate(examples):
        spec.check(example)
        assert 0 <= spec.difficulty(example) <= 1
        labelled = reader.read({"input": example.input, "output": example.output})
        assert isinstance(example, Grouped)
        homes[number] = cast(dict, example.input["inventory"])
        rows.append(
            {"input": {**labelled.row.input, "home": number}, "output": labelled.row.output, "meta": example.meta}
        )
    assert len({spec.key(example) for example in examples}) >= 299
    assert with_labels(rows, homes) == (rows, 0)
    groups = [spec.group(example) for example in examples]
    assert len(set(groups)) > 150 and groups.count(None) < 60  # a few sentences have no verb, and no template
    assert "preamble" not in str(groups)


def test_the_metric_asks_for_the_same_change_however_calls_are_grouped(spec: TaskSpec) -> None:
    one = {"calls": [call("HassTurnOn", "light.desk", "light.counter", area="x")], "question": None}
    two = {"calls": [call("HassTurnOn", "light.counter"), call("HassTurnOn", "light.desk")], "question": None}
    assert spec.score(one, two) == 1
    assert spec.score(one, {"calls": [call("HassTurnOn", "light.desk")], "question": None}) == 0
    assert spec.score(one, {"calls": [], "question": "Which one?"}) == 0
    assert spec.score({"calls": [], "question": "Which?"}, {"calls": [], "question": "Which lamp?"}) == 1
    assert spec.score(one, {}) == 0
    assert not same_calls(
        [call("HassLightSet", "light.desk", brightness=30)], [call("HassLightSet", "light.desk", brightness=31)]
    )
    assert same_calls(
        [call("HassLightSet", "light.desk", brightness=30)], [call("HassLightSet", "light.desk", brightness=30.0)]
    )


def test_longer_lists_rooms_that_are_implied_and_questions_are_harder(spec: TaskSpec) -> None:
    def rated(text: str, calls: list[Json], area: str | None = None, question: str | None = None) -> float:
        made = {"text": text, "inventory": HOME, "context": {"area": area} if area else {}}
        return spec.difficulty(Example(made, {"calls": calls, "question": question}))

    on = call("HassTurnOn", "light.desk")
    assert rated("desk lamp on", [on]) < rated("lamp on", [on], area="bedroom")
    assert rated("desk lamp on", [on]) < rated("desk lamp on", [on, call("HassTurnOff", "light.counter")])
    assert rated("lamp on", []) < rated("lamp on", [], question="Which one do you mean?")


def test_hostile_answers_are_refused_quickly(spec: TaskSpec) -> None:
    hostile: list[Json] = [
        {"text": "a" * 1_000_000}, {"text": "on " * 6_000}, {"text": "[name " * 3_000}, {"text": "(" * 9_000},
        {"text": 3}, {}, {"text": None}, {"text": "turn on \x00 the lamp"}, {"text": "\ud800 lamp"},
    ]  # fmt: skip
    started = time.process_time()
    for answer in hostile:
        with pytest.raises(Rejected):
            spec.verify(drawn(COUNTER), [answer])
    assert time.process_time() - started < 5


def test_verify_gives_the_same_after_pickling(spec: TaskSpec) -> None:
    copy = pickle.loads(pickle.dumps(spec))
    answers: list[Json] = [{"text": "Could you switch the counter lamp on, please?"}]
    for noise in ("neat", "casual", "voice"):
        assert copy.verify(drawn(COUNTER, noise=noise), answers) == spec.verify(drawn(COUNTER, noise=noise), answers)


def test_in_free_mode_sentence_and_calls_must_fit_each_other_and_the_draw() -> None:
    spec = task_spec("robot", {"mode": "free"})
    one: Json = {
        "inventory": HOME,
        "area": None,
        "intent": "HassLightSet",
        "target": "light.desk",
        "tone": "dry",
        "noise": "casual",
        "seed": 1,
    }

    def answer(text: str, name: str, target: str, number: float | None = None, word: str | None = None) -> Json:
        return {"text": text, "calls": [{"name": name, "targets": [target], "number": number, "word": word}]}

    kept = spec.verify(one, [answer("put the desk lamp at 35 percent", "HassLightSet", "light.desk", 35)])
    assert kept.output["calls"] == [call("HassLightSet", "light.desk", brightness=35)]
    for wrong, reason in (
        (answer("put the desk lamp at 35 percent", "HassLightSet", "light.desk", 40), "other value"),
        (answer("put the counter lamp at 35 percent", "HassLightSet", "light.counter", 35), "other action"),
        (answer("turn the desk lamp off at 35 percent", "HassLightSet", "light.desk", 35), "contrary action"),
        (answer("put the desk lamp at 35 percent", "HassLightSet", "light.moon", 35), "unknown target"),
        (answer("dim the telly to 35 percent", "HassLightSet", "light.desk", 35), "name missing"),
        ({"text": "x", "calls": [3]}, "wrong format"),
    ):
        with pytest.raises(Rejected) as caught:
            spec.verify(one, [wrong])
        assert caught.value.reason == reason
    rng = random.Random(2)
    for _ in range(20):
        assert len(spec.prompt(spec.draw(rng)).user) < 1600


def test_options_that_are_unknown_are_refused_with_a_sentence() -> None:
    with pytest.raises(DataError, match="it knows mode"):
        task_spec("robot", {"house": 1})
    with pytest.raises(DataError, match="reword or free"):
        task_spec("robot", {"mode": "wild"})


def test_intents_that_are_drawn_are_many(spec: TaskSpec) -> None:
    rng = random.Random(11)
    names = Counter(str(cast(list[Json], spec.draw(rng)["calls"])[0]["name"]) for _ in range(40))
    assert len(names) >= 8
