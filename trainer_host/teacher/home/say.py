"""Words with labels, and the phrases for places: what every sentence of the teacher is made of."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from edge_runtime.home.inventory import Area, Entity, Home
from edge_runtime.home.words import TENS, UNITS, tokenize
from trainer_host.teacher.home.nouns import AREA_SWAPS, KIND_OF_DOMAIN, KIND_PHRASES


@dataclass(frozen=True)
class Word:
    """One token with its labels. `begin` starts a new span of its slot."""

    text: str
    slot: str = ""
    kind: str = ""  # empty: the clause's own kind
    excluded: bool = False
    begin: bool = False


@dataclass
class Said:
    """A phrase and the entities it means; None where the phrase has no meaning of its own."""

    words: list[Word]
    ids: list[str] | None = None
    ambiguous: bool = False


@dataclass
class Scene:
    """Who speaks where: a home, the area of the microphone, and the source of chance."""

    home: Home
    here: Area | None
    rng: random.Random
    last: list[str] = field(default_factory=list)

    def entities(self, *domains: str) -> list[Entity]:
        return [entity for entity in self.home.entities if entity.domain in domains]


class Unsayable(Exception):
    """This home has nothing that the template could speak of; the sampler draws again."""


def literal(text: str, excluded: bool = False) -> list[Word]:
    return [Word(token, excluded=excluded) for token in tokenize(text)]


def tagged(text: str, slot: str, kind: str = "", excluded: bool = False) -> list[Word]:
    return [Word(token, slot, kind, excluded, i == 0) for i, token in enumerate(tokenize(text))]


def kind_of(entity: Entity) -> str:
    """The most telling kind of an entity."""
    if entity.domain == "cover":
        return entity.device_class if entity.device_class in KIND_PHRASES else "cover"
    if entity.domain == "media_player":
        return entity.device_class if entity.device_class in ("tv", "speaker") else "media"
    return KIND_OF_DOMAIN.get(entity.domain, "any")


def determiner(rng: random.Random, *, plural: bool = False) -> str:
    roll = rng.random()
    if roll < 0.62:
        return "the "
    if roll < 0.7:
        return "my "
    return "" if roll < 0.96 else "that " if not plural else "those "


def area_words(scene: Scene, area: Area, *, swap: bool = True) -> list[Word]:
    rng = scene.rng
    name = area.name
    others = {a.name.lower() for a in scene.home.areas}
    options = [s for s in AREA_SWAPS.get(name.lower(), ()) if s not in others]
    if swap and options and rng.random() < 0.12:
        name = rng.choice(options)
    elif (
        "room" in name.lower().split()
        and len(name.split()) > 1
        and rng.random() < 0.05
        and name.lower().endswith(" room")
    ):
        name = name[:-5]
    return tagged(name, "AREA")


def in_area(scene: Scene, area: Area) -> list[Word]:
    preposition = scene.rng.choices(("in", "of", "at", "on", "from", "inside"), (16, 1, 1, 1, 0.5, 0.5))[0]
    the = scene.rng.choice(("the ", "the ", "the ", "", "my "))
    if area.name.lower().split()[0].endswith(("'s", "s'")):
        the = ""
    return [*literal(f"{preposition} {the}"), *area_words(scene, area)]


def floor_words(scene: Scene, floor: str) -> list[Word]:
    name = floor.lower()
    if name in ("upstairs", "downstairs", "outside", "inside"):
        return tagged(name, "FLOOR")
    if scene.rng.random() < 0.2 and name in (
        "first floor",
        "upper floor",
        "upper level",
        "second floor",
        "obergeschoss",
    ):
        floors = {a.floor.lower() for a in scene.home.areas if a.floor}
        if name != "first floor" or "ground floor" in floors:
            return tagged("upstairs", "FLOOR")
    if scene.rng.random() < 0.2 and name in ("ground floor", "main floor", "lower level", "erdgeschoss"):
        return tagged("downstairs", "FLOOR")
    return [*literal(scene.rng.choice(("on the ", "on the ", "of the ", "on "))), *tagged(floor, "FLOOR")]


def only_covers(scene: Scene, kind: str) -> Scene:
    """The same scene with no other covers than those of a kind."""
    entities = tuple(e for e in scene.home.entities if e.domain != "cover" or e.device_class == kind)
    if not any(e.domain == "cover" for e in entities):
        raise Unsayable
    return Scene(Home(scene.home.areas, entities), scene.here, scene.rng)


def here_words(scene: Scene) -> list[Word]:
    text = scene.rng.choice(("in here", "here", "in this room", "in here", "in my room" if False else "in the room"))
    return [Word(t, "HERE" if t in ("here", "this", "room") else "", begin=t in ("here", "this")) for t in text.split()] \
        if text != "in the room" else literal(text)  # fmt: skip


def spelled(number: int) -> str:
    names = {v: k for k, v in {**TENS, **UNITS}.items() if k != "fourty"}
    if number in names:
        return names[number]
    if number == 100:
        return "one hundred"
    return f"{names[number // 10 * 10]} {names[number % 10]}"
