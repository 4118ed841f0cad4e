"""Plain ways to say one call on one thing, as samples for a teacher that is to find another way."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.home.inventory import Entity, Home
from edge_runtime.home.lexicon import KIND_WORDS
from edge_runtime.home.resolve import Call
from edge_runtime.home.words import stem, tokenize
from trainer_host.tasks.robot_meaning import directions

_OPENABLE = frozenset({"cover", "valve"})
# Intent and what kind of case it is -> sentences; {x} the thing, {v} its number or colour, {i} an item or a title.
_FORMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("HassTurnOn", ""): ("turn on {x}", "switch {x} on", "could you turn {x} on", "i want {x} on", "activate {x}"),
    ("HassTurnOff", ""): ("turn off {x}", "switch {x} off", "could you turn {x} off", "i want {x} off", "shut {x} off"),
    ("HassTurnOn", "opens"): ("open {x}", "could you open {x}", "i want {x} open", "please get {x} open"),
    ("HassTurnOff", "opens"): ("close {x}", "shut {x}", "could you close {x}", "i want {x} closed", "please shut {x}"),
    ("HassTurnOn", "lock"): ("lock {x}", "could you lock {x}", "make sure to lock {x}", "i want {x} locked"),
    ("HassTurnOff", "lock"): ("unlock {x}", "could you unlock {x}", "please unlock {x} now", "i want {x} unlocked"),
    ("HassLightSet", "value"): ("set {x} to {v} percent", "dim {x} to {v} percent", "put {x} at {v} percent"),
    ("HassLightSet", "color"): ("make {x} {v}", "turn {x} {v}", "set {x} to {v}", "i want {x} {v}"),
    ("HassLightSet", "up"): ("make {x} brighter", "brighten {x}", "turn {x} up a bit"),
    ("HassLightSet", "down"): ("make {x} darker", "dim {x}", "turn {x} down a bit"),
    ("HassSetPosition", "value"): ("set {x} to {v} percent", "put {x} at {v} percent", "move {x} to {v} percent"),
    ("HassFanSetSpeed", "value"): ("set {x} to {v} percent", "run {x} at {v} percent", "put {x} at {v} percent"),
    ("HassFanSetSpeed", "up"): ("make {x} faster", "turn {x} up", "increase {x}"),
    ("HassFanSetSpeed", "down"): ("make {x} slower", "turn {x} down", "lower {x}"),
    ("HassSetVolume", "value"): ("set the volume of {x} to {v}", "turn the volume of {x} to {v} percent"),
    ("HassSetVolumeRelative", "up"): ("turn up {x}", "make {x} louder", "turn {x} up please"),
    ("HassSetVolumeRelative", "down"): ("turn down {x}", "make {x} quieter", "turn {x} down please"),
    ("HassClimateSetTemperature", "value"): ("set {x} to {v} degrees", "put {x} at {v} degrees", "i want {x} at {v} degrees"),
    ("HassClimateSetTemperature", "up"): ("make {x} warmer", "turn up {x}", "turn {x} up a little"),
    ("HassClimateSetTemperature", "down"): ("make {x} cooler", "turn down {x}", "turn {x} down a little"),
    ("HassMediaPause", ""): ("pause {x}", "could you pause {x}", "pause what's on {x}"),
    ("HassMediaUnpause", ""): ("resume {x}", "continue on {x}", "could you resume {x}"),
    ("HassMediaNext", ""): ("next track on {x}", "skip this one on {x}", "skip to the next on {x}"),
    ("HassMediaPrevious", ""): ("previous track on {x}", "go back a track on {x}", "play the last one again on {x}"),
    ("HassMediaPlayerMute", ""): ("mute {x}", "silence {x}", "could you mute {x}"),
    ("HassMediaPlayerUnmute", ""): ("unmute {x}", "could you unmute {x}", "please unmute {x} again"),
    ("HassMediaSearchAndPlay", "item"): ("play {i} on {x}", "i want to hear {i} on {x}", "please play {i} on {x}"),
    ("HassListAddItem", "item"): ("add {i} to {x}", "put {i} on {x}", "i need {i} on {x}"),
    ("HassListCompleteItem", "item"): ("mark {i} as done on {x}", "tick {i} off {x}", "check {i} off {x}"),
    ("HassListRemoveItem", "item"): ("remove {i} from {x}", "take {i} off {x}", "delete {i} from {x}"),
    ("HassVacuumStart", ""): ("start {x}", "run {x}", "let {x} clean now"),
    ("HassVacuumReturnToBase", ""): ("dock {x}", "send {x} home", "send {x} back to base"),
    ("HassVacuumPause", ""): ("pause {x}", "stop {x}"),
    ("HassLawnMowerStartMowing", ""): ("start {x}", "let {x} mow now"),
    ("HassLawnMowerDock", ""): ("dock {x}", "send {x} home", "send {x} back to base"),
    ("HassLawnMowerPause", ""): ("pause {x}", "stop {x}"),
}  # fmt: skip
_VALUES = ("brightness", "position", "percentage", "volume_level", "temperature")


def forms(call: Call, home: Home, sentence: Sequence[str]) -> list[str]:
    """Other sentences for a call, naming its things as `sentence` (its words) may have named them.

    They are samples, not labels: whether the resolver reads them as this call is for the caller to check.
    """
    entities = [entity for entity in home.entities if entity.id in call.targets]
    if not entities:
        return []
    said = directions(sentence) | ({"value"} if any(word[0].isdigit() for word in sentence) else set())
    item = call.arguments.get("item", call.arguments.get("search_query"))
    return [
        form.format(x=thing, v=_value(call), i=item)
        for thing in _things(entities, home, sentence)
        for form in _FORMS.get((call.name, _case(call, entities[0], said)), ())
    ]


def _case(call: Call, entity: Entity, said: set[str]) -> str:
    if call.name in ("HassTurnOn", "HassTurnOff"):
        return "opens" if entity.domain in _OPENABLE else "lock" if entity.domain == "lock" else ""
    if "color" in call.arguments:
        return "color"
    if "item" in call.arguments or "search_query" in call.arguments:
        return "item"
    changes = said & {"up", "down"}
    if "volume_step" in call.arguments or (len(changes) == 1 and "value" not in said):
        return next(iter(changes), "")
    return "value" if any(key in call.arguments for key in _VALUES) else ""


def _value(call: Call) -> str:
    value = call.arguments.get("color", next((call.arguments[key] for key in _VALUES if key in call.arguments), ""))
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _things(entities: Sequence[Entity], home: Home, sentence: Sequence[str]) -> list[str]:
    """Phrases for what is moved: a name, or the sort and the place that the sentence said."""
    names = [_with_article(entity.name.lower()) for entity in entities[:1] if len(entities) == 1]
    sorts = list(dict.fromkeys(word for word in sentence if stem(word) in KIND_WORDS))[:2]
    text = " ".join(sentence)
    places = [area.name.lower() for area in home.areas if " ".join(tokenize(area.name)) in text][:1]
    every = "all " if {"all", "every", "both"} & set(sentence) else ""
    found = [f"{every}the {sort} in {_with_article(place)}" for sort in sorts for place in places]
    found += [f"{every}{_with_article(f'{place} {sort}')}" for sort in sorts for place in places]
    return names + (found or [f"{every}the {sort}" for sort in sorts])


def _with_article(name: str) -> str:
    return name if "'s" in name.split()[0] else f"the {name}"
