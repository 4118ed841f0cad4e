"""Sentences of pack `robot-en` with a label for each word, and the orders that they were made to mean.

Slots: {place} a place, {thing} a thing or a person, {it} what was spoken of, {here} and {me} where the speaker is, {back} there
or, for a thing, where it belongs, {there} the place that was spoken of, {source} where a thing is, {places} two or three of
them, {all} every place, {but} all save one, {speed} and {careful} how fast, {r} and {text} as the home's, {pace} the same as an order and
{manner} as an adjective.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources

from edge_runtime.home.inventory import Area, Entity, Home
from edge_runtime.home.lexicon import AREA_SYNONYMS
from edge_runtime.home.resolve import Call
from edge_runtime.mobile.lexicon import ORDERS
from trainer_host.teacher.home.grammar import Clause
from trainer_host.teacher.home.phrases import RECIPES
from trainer_host.teacher.home.say import Unsayable, Word, literal, tagged
from trainer_host.teacher.home.templates import Slot, draw, parsed

_SPEEDS = {
    "slow": ("slowly", "carefully", "gently", "nice and slow", "very slowly", "at low speed", "cautiously", "slow", "at a crawl",
             "in no rush", "quite slowly", "more slowly", "slower"),
    "fast": ("quickly", "fast", "in a hurry", "as fast as you can", "as quickly as possible", "at full speed", "rapidly", "asap",
             "immediately", "swiftly", "quick", "faster", "very fast", "at top speed"),
    "normal": ("at normal speed", "normally", "at the usual speed", "at your regular pace"),
}  # fmt: skip
_ADJECTIVES = {"slow": ("slow", "slower", "gentle", "careful"), "fast": ("fast", "faster", "quick", "quicker"),
               "normal": ("normal", "usual", "regular")}  # fmt: skip
_PACES = {
    "slow": ("slow down", "go slower", "take it easy", "be slower", "drive more slowly", "creep", "ease up , slowly", "slow it down"),
    "fast": ("speed up", "hurry up", "hurry", "go faster", "drive faster", "rush", "be quick", "go as fast as you can"),
    "normal": ("go back to normal", "drive normally", "use your usual speed", "return to normal speed"),
}  # fmt: skip
# Words within a phrase of speed that say the speed; the others are said beside it.
_SAY = re.compile(r"^(slow\w*|careful\w*|gent\w*|cautious\w*|crawl|creep|fast\w*|quick\w*|hurry|rapidly|asap|immediately|swiftly|rush|"
                  r"normal\w*|usual|regular|easy)$")  # fmt: skip
_OWN = {
    "at low speed": "slow",
    "in no rush": "slow",
    "at full speed": "fast",
    "at top speed": "fast",
    "speed up": "fast",
}
_WORDS_OF_OWN = {"low", "full", "top", "up", "no"}
_ALL = ("all rooms", "everywhere", "the whole place", "the whole house", "the entire building", "every room", "all the rooms",
        "everything", "all places", "the building", "the premises", "the area", "the floor")  # fmt: skip
_HERE = ("here", "over here", "right here", "this way", "to where i am")
_BACK = ("back", "back here", "back to me")
_ME = ("me", "me", "me", "us")
_GHOSTS = (
    "unicorn",
    "spaceship",
    "golden ring",
    "accordion",
    "toaster",
    "surfboard",
    "moon room",
    "throne",
    "igloo",
    "swimming pool",
)
_TEXTS = (
    "the weather",
    "ready",
    "at noon",
    "very nice",
    "my brother",
    "late again",
    "too loud",
    "your turn",
    "the answer",
)
# Words by which what is nothing for a home is a stop for a robot.
_STOPS = re.compile(r"\b(stop|wait|hold|cancel|enough|halt)")
_SYNONYMS = 0.12  # of places that are called by another name
_PART = 0.2  # of things whose name is said in part
_GHOST = 0.03  # of names that the inventory doesn't have
_HELD_OUT = 10  # a tenth of the templates


@dataclass
class Scene:
    """Who speaks where: the inventory, the speaker's place, chance, and what the sentence has spoken of so far."""

    home: Home
    here: Area | None
    rng: random.Random
    thing: Entity | None = None
    place: str | None = None


@dataclass
class _Meant:
    """What the slots of a clause were filled with."""

    goal: str | None = None
    source: str | None = None
    thing: Entity | None = None
    speed: str | None = None
    me: bool = False
    back: bool = False
    round: list[str] = field(default_factory=list)
    unknown: bool = False  # something that the inventory hasn't, so that a question is the answer


@lru_cache(maxsize=1)
def sections() -> Mapping[str, tuple[str, ...]]:
    """The templates of each action."""
    found: dict[str, list[str]] = {}
    action = ""
    for line in resources.files(__package__).joinpath("phrases.txt").read_text(encoding="utf-8").splitlines():
        if (head := re.fullmatch(r"\[(\w+)\]", line)) and (head[1] == "none" or head[1] in ORDERS):
            action = head[1]
        elif line.strip() and not line.startswith("#"):
            found.setdefault(action, []).append(line.strip())
    return {name: tuple(lines) for name, lines in found.items()}


@lru_cache(maxsize=1)
def remarks() -> tuple[str, ...]:
    """What the home's teacher knows that means nothing at all: the same remarks are made to robots."""
    found = (text for recipe in RECIPES if recipe.action == "none" for text in recipe.templates)
    return tuple(
        text for text in found if not _STOPS.search(text) and set(re.findall(r"{(\w+)}", text)) <= {"r", "text"}
    )


def side(templates: Sequence[str], held_out: bool) -> list[str]:
    """The templates of one side of the split, by their own hashes."""
    import zlib

    return [text for text in templates if (zlib.crc32(text.encode()) % _HELD_OUT == 0) == held_out]


def clause(action: str, text: str, scene: Scene) -> tuple[Clause, list[Call] | None]:
    """A labelled clause of a template, and its order; None: a question must come back. Raises `Unsayable`."""
    meant = _Meant()
    words: list[Word] = []
    for part in draw(parsed(text), {}, scene.rng):
        if isinstance(part, str):
            words += literal(part)
        else:
            assert isinstance(part, Slot)
            words += _slot(part.list_name, action, meant, scene)
    call = _call(action, meant, scene)
    scene.thing = meant.thing or scene.thing
    return Clause(action, "any", words, f"{action}: {text}"), None if meant.unknown and action != "none" else call


def _slot(name: str, action: str, meant: _Meant, scene: Scene) -> list[Word]:
    rng = scene.rng
    match name:
        case "place" | "source":
            if rng.random() < _GHOST:
                meant.unknown = True
                return [*literal("the"), *tagged(rng.choice(_GHOSTS), "AREA")]
            area = rng.choice(scene.home.areas)
            if name == "source":
                meant.source = area.id
            else:
                meant.goal = area.id
            return _area(area, rng)
        case "thing":
            entities = [
                e for e in scene.home.entities if action in ("follow", "none", "find", "go") or e.domain != "person"
            ]
            if action == "follow" and rng.random() < 0.7:
                entities = [e for e in entities if e.domain == "person"] or entities
            if not entities:
                raise Unsayable
            if rng.random() < _GHOST and action != "none":
                meant.unknown = True
                return [*literal("the"), *tagged(rng.choice(_GHOSTS), "NAME")]
            meant.thing = rng.choice(entities)
            return _thing(meant.thing, rng)
        case "r":
            if scene.home.entities and rng.random() < 0.6:
                return _thing(rng.choice(scene.home.entities), rng)
            return _area(rng.choice(scene.home.areas), rng)
        case "text":
            return literal(rng.choice(_TEXTS))
        case "it":
            if scene.thing is None or (scene.thing.domain == "person" and action in ("fetch", "place")):
                raise Unsayable
            meant.thing = scene.thing
            return tagged(
                rng.choice(("it", "it", "it", "that", "this", "him" if scene.thing.domain == "person" else "it")),
                "PRON",
            )
        case "here" | "me" | "back":
            meant.me = True
            meant.back = name == "back"
            if scene.here is None and not (action in ("follow", "none") or (name == "back" and action == "place")):
                meant.unknown = True
            said = {"here": _HERE, "me": _ME, "back": _BACK}[name]
            return _here(rng.choice(("back", "back where it belongs", "back in its place")) if meant.back and action == "place"
                         else rng.choice(said))  # fmt: skip
        case "there":
            if scene.place is None:
                raise Unsayable
            meant.goal = scene.place
            return _here(rng.choice(("there", "over there")))
        case "places":
            areas = rng.sample(scene.home.areas, min(len(scene.home.areas), rng.choice((1, 2, 2, 2, 3))))
            meant.round = [area.id for area in areas]
            words = _area(areas[0], rng)
            for i, area in enumerate(areas[1:], 2):
                words += [*literal("and" if i == len(areas) else rng.choice((",", "and"))), *_area(area, rng)]
            return words
        case "all":
            meant.round = [area.id for area in scene.home.areas]
            return tagged(rng.choice(_ALL), "ALL")
        case "but":
            area = rng.choice(scene.home.areas)
            meant.round = [place for place in meant.round if place != area.id]
            before = rng.choice(("except", "but not", "except for", "without", "apart from", "leave out"))
            return [Word(word.text, word.slot, word.kind, bool(word.slot), word.begin)
                    for word in (*literal(before), *_area(area, rng))]  # fmt: skip
        case "speed" | "careful" | "pace" | "manner":
            return _speed(name, meant, rng)
    raise AssertionError(f"phrases.txt has no slot {name}")


def _speed(name: str, meant: _Meant, rng: random.Random) -> list[Word]:
    meant.speed = "slow" if name == "careful" else rng.choice(("slow", "slow", "fast", "fast", "normal"))
    tables: dict[str, dict[str, tuple[str, ...]]] = {
        "speed": _SPEEDS,
        "pace": _PACES,
        "manner": _ADJECTIVES,
        "careful": {"slow": ("careful", "gentle", "slow", "cautious")},
    }
    phrase = rng.choice(tables[name][meant.speed])
    words = []
    for token in phrase.split():
        says = bool(_SAY.match(token)) or (phrase in _OWN and token in _WORDS_OF_OWN)
        words.append(Word(token, "ATTR" if says else "", begin=says))
    return words


def _here(phrase: str) -> list[Word]:
    """Only the word that says it is labelled."""
    return [
        Word(token, "HERE" if token in ("here", "me", "us", "back", "there", "i", "way") else "", begin=True)
        for token in phrase.split()
    ]


def _area(area: Area, rng: random.Random) -> list[Word]:
    name = area.name
    if rng.random() < _SYNONYMS:
        others = sorted(name for group in AREA_SYNONYMS if area.name in group for name in group if name.isascii())
        name = rng.choice(others or [area.name])
    bare = name[-1].isdigit() or "'s" in name or len(name.split()[-1]) == 1
    article = "" if bare or rng.random() < 0.06 else "my" if rng.random() < 0.05 else "the"
    return [*literal(article), *tagged(name, "AREA")]


def _thing(thing: Entity, rng: random.Random) -> list[Word]:
    name = thing.name
    if len(name.split()) == 2 and rng.random() < _PART and "'s" not in name:
        name = name.split()[-1]
    proper = "'s" in name or (thing.domain == "person" and name in _PROPER)
    return [
        *literal("" if proper or rng.random() < 0.05 else rng.choice(("the", "the", "the", "the", "my", "a"))),
        *tagged(name, "NAME"),
    ]


_PROPER = frozenset({"anna", "ben", "carla", "david", "emma", "grandma", "grandpa", "mum", "dad", "mr. lee", "maria", "tom", "sofia",
                     "omar", "yuki"})  # fmt: skip


def _call(action: str, meant: _Meant, scene: Scene) -> list[Call]:
    """The order that the filled slots mean."""
    if action == "none":
        return []
    here = scene.here.id if scene.here else None
    arguments: dict[str, object] = {"speed": meant.speed} if meant.speed else {}
    targets: tuple[str, ...] = (meant.thing.id,) if meant.thing else ()
    if action == "go":
        goal = meant.goal or (here if meant.me else None) or (meant.thing.area if meant.thing else None)
        if goal is None:
            meant.unknown = True
        targets = (goal or "",)
        scene.place = goal
    elif action == "find":
        if where := meant.source or meant.goal:
            arguments["in"] = scene.place = where
    elif action == "fetch":
        if meant.source:
            arguments["from"] = meant.source
        goal = meant.goal or here
        if goal:
            arguments["to"] = scene.place = goal
    elif action == "place":
        goal = meant.goal or (meant.thing.area if meant.back and meant.thing else here if meant.me else None)
        if goal:
            arguments["to"] = scene.place = goal
    elif action == "patrol":
        targets = tuple(meant.round or [area.id for area in scene.home.areas])
    elif action in ("stop", "dock", "speed"):
        targets = ()
    return [Call(ORDERS[action], arguments, targets)]  # type: ignore[arg-type]
