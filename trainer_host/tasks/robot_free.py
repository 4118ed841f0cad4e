"""Task `robot` in mode "free": the teacher sees a home and writes a sentence and its calls."""

from __future__ import annotations

import random

from edge_runtime.home.inventory import Entity, Home, parse_home
from edge_runtime.home.lexicon import KIND_WORDS, is_kind
from edge_runtime.home.match import stems
from edge_runtime.home.resolve import Call
from edge_runtime.home.simulate import execute
from edge_runtime.home.words import stem, tokenize
from trainer_host.tasks import Json, Prompt, Rejected
from trainer_host.tasks.robot_calls import INTENTS, read_calls
from trainer_host.tasks.robot_meaning import INTENTS as SAYABLE
from trainer_host.tasks.robot_meaning import values

_SHOWN = 12  # entities of the home in a prompt; what it leaves out is left out of the example too
_NUMBER = {
    "HassLightSet": "brightness", "HassSetPosition": "position", "HassFanSetSpeed": "percentage",
    "HassClimateSetTemperature": "temperature", "HassSetVolume": "volume_level", "HassSetVolumeRelative": "volume_step",
}  # fmt: skip
_WORD = {
    "HassLightSet": "color", "HassMediaSearchAndPlay": "search_query", "HassListAddItem": "item",
    "HassListCompleteItem": "item", "HassListRemoveItem": "item", "HassSetVolumeRelative": "volume_step",
}  # fmt: skip
_NAMES = sorted(SAYABLE - {"HassGetState"})  # a question about states has no call that could be wrong
_EVERYTHING = frozenset({"all", "everything", "every", "both", "it", "them", "here"})
_SYSTEM = (
    "You write commands as people say them to their home, and the calls that carry them out. "
    "A call has a name, the ids of its targets, a number (percent or degrees) or null, and a word "
    "(a colour, a title, an item of a list, up or down) or null."
)
ANSWER: Json = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "calls": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "enum": _NAMES},
                    "targets": {"type": "array", "items": {"type": "string"}},
                    "number": {"type": ["number", "null"]},
                    "word": {"type": ["string", "null"]},
                },
                "required": ["name", "targets", "number", "word"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["text", "calls"],
    "additionalProperties": False,
}


def draw(inventory: Json, rng: random.Random) -> Json | None:
    """A part of a home, the area of the speaker, and the intent and the thing that the command must be about."""
    raw_entities, raw_areas = inventory["entities"], inventory["areas"]
    assert isinstance(raw_entities, list) and isinstance(raw_areas, list)
    entities = rng.sample(raw_entities, min(_SHOWN, len(raw_entities)))
    areas = [area for area in raw_areas if any(entity["area"] == area["id"] for entity in entities)]
    home = parse_home({"areas": areas, "entities": entities})
    options = [(intent, entity.id) for entity in home.entities for intent in _NAMES if _moves(intent, entity)]
    if not options:
        return None
    intent = rng.choice(sorted({name for name, _ in options}))
    target = rng.choice([entity for name, entity in options if name == intent])
    return {
        "inventory": {"areas": areas, "entities": entities},
        "area": rng.choice(areas)["id"] if areas and rng.random() < 0.5 else None,
        "intent": intent,
        "target": target,
    }


def _moves(intent: str, entity: Entity) -> bool:
    domains = INTENTS[intent][1]
    return (domains is not None and entity.domain in domains and entity.domain not in ("todo", "sensor")) or (
        intent.startswith("HassList") and entity.domain == "todo"
    )  # fmt: skip


def prompt(drawn: Json) -> Prompt:
    """The home, a line per thing, and what the command must be about."""
    home = parse_home(drawn["inventory"])
    lines = [f"{_place(entity, home)}: {entity.name} [{entity.id}], {entity.state}" for entity in home.entities]
    area = home.area(drawn["area"] if isinstance(drawn["area"], str) else None)
    speaker = f"The speaker is in the {area.name}." if area else "Nobody knows where the speaker is."
    target = next(entity for entity in home.entities if entity.id == drawn["target"])
    wish = (
        f"Write a command, {drawn['tone']}, of one sentence, that needs {drawn['intent']} of {target.name} "
        "(and of more things, if you like), and its calls. Say names, rooms and values plainly."
    )
    return Prompt(_SYSTEM, "\n".join(["A home:", *lines, speaker, wish]))


def _place(entity: Entity, home: Home) -> str:
    area = home.area(entity.area)
    return area.name if area else "no room"


def calls_of(value: object, drawn: Json, home: Home) -> tuple[Call, ...]:
    """The calls of an answer, with number and word as the arguments that they are; raises `Rejected`."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Rejected("wrong format", "The calls must be a list of objects.")
    raw = []
    for item in value:
        name = str(item.get("name"))
        given = {_NUMBER.get(name): item.get("number"), _WORD.get(name): item.get("word")}
        arguments = {key: value for key, value in given.items() if key is not None and value is not None}
        raw.append({"name": name, "arguments": arguments, "targets": item.get("targets")})
    calls = read_calls(raw, home)
    if not any(call.name == drawn["intent"] and drawn["target"] in call.targets for call in calls):
        raise Rejected("other action", f"One of the calls must be {drawn['intent']} of {drawn['target']}.")
    if not execute(calls, home):
        raise Rejected("no effect", "The calls change nothing in this home; ask for something that does.")
    return calls


def check_said(text: str, calls: tuple[Call, ...], home: Home) -> None:
    """Refuse calls on things, or with values, that the sentence doesn't speak of; raises `Rejected`."""
    tokens = tokenize(text)
    said = {stem(token) for token in tokens}
    amounts, _ = values(tokens)
    for call in calls:
        for entity in home.entities:
            if entity.id in call.targets and not _spoken_of(entity, said, home):
                raise Rejected("name missing", f"The sentence doesn't speak of {entity.name!r}, which a call moves.")
        for key, value in call.arguments.items():
            if isinstance(value, int | float) and amounts and abs(float(value)) not in amounts:
                raise Rejected("other value", f"The sentence doesn't say {value:g}, the {key} of a call.")
            if isinstance(value, str) and key != "volume_step" and not set(stems(value)) <= said:
                raise Rejected("other value", f"The sentence doesn't say {value!r}, the {key} of a call.")


def _spoken_of(entity: Entity, said: set[str], home: Home) -> bool:
    if said & _EVERYTHING:
        return True
    names = {word for name in (entity.name, *entity.aliases) for word in stems(name)}
    area = home.area(entity.area)
    places = set(stems(area.name)) | set(stems(area.floor or "")) if area else set()
    kinds = {KIND_WORDS[word] for word in said if word in KIND_WORDS}
    return bool(said & (names | places)) or any(is_kind(entity, kind) for kind in kinds)
