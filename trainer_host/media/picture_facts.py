"""Statements about a picture ("three red circles", "left of"), each checked on what can be seen in its render."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from edge_runtime.media import reading
from edge_runtime.media.colours import COLOURS
from edge_runtime.media.picture_plan import ANY
from trainer_host.media.seeing import BACKDROP, KINDS, Seen, SeenShape
from trainer_host.tasks import Json, Rejected

if TYPE_CHECKING:
    import numpy as np

MAX_FACTS = 24
MAX_COUNT = 12

RELATIONS = ("left of", "right of", "above", "below", "inside", "bigger than")
PLACES = ("left", "right", "top", "bottom", "middle", "top left", "top right", "bottom left", "bottom right")
SMALL, LARGE = 0.04, 0.12  # shares of the canvas; a shape between them is neither
BIGGER = 1.4  # times the area
APART = 0.02  # of the canvas between groups that stand beside each other
SHAPES_OF_CANVAS = ("wide", "tall", "square")
WIDE = 1.25  # times as wide as high


@dataclass(frozen=True)
class Thing:
    """All shapes of a kind and a colour; the colour `ANY` is each."""

    kind: str
    colour: str

    def __str__(self) -> str:
        return self.kind if self.colour == ANY else f"{self.colour} {self.kind}"

    def fits(self, shape: SeenShape) -> bool:
        """Whether a shape is one of these."""
        return shape.look == self.kind and self.colour in (shape.colour, ANY)


@dataclass(frozen=True)
class Count:
    """Exactly so many of a thing can be seen, each for itself."""

    of: Thing
    count: int


@dataclass(frozen=True)
class Background:
    """The colour around the edge of the picture."""

    colour: str


@dataclass(frozen=True)
class Relation:
    """All of one thing stand so to all of another."""

    of: Thing
    relation: str
    to: Thing


@dataclass(frozen=True)
class Place:
    """Where the centre of each of a thing is."""

    of: Thing
    place: str


@dataclass(frozen=True)
class Size:
    """How much of the canvas each of a thing covers."""

    of: Thing
    size: str


@dataclass(frozen=True)
class Arranged:
    """A thing's shapes stand in a row or a column."""

    of: Thing
    arrangement: str


@dataclass(frozen=True)
class Words:
    """A text can be read."""

    text: str


@dataclass(frozen=True)
class Canvas:
    """The proportions of the picture."""

    canvas: str


@dataclass(frozen=True)
class NothingElse:
    """No shape but the things that are counted, and no text but the words."""


Fact = Count | Background | Relation | Place | Size | Arranged | Words | Canvas | NothingElse

_NAMES: dict[str, type[Fact]] = {
    "count": Count,
    "background": Background,
    "relation": Relation,
    "place": Place,
    "size": Size,
    "arranged": Arranged,
    "words": Words,
    "canvas": Canvas,
    "nothing else": NothingElse,
}
# What goes into reports; the sentence goes to the teacher.
_REASONS: dict[type[Fact], str] = {
    Count: "wrong count",
    Background: "wrong background",
    Relation: "wrong relation",
    Place: "wrong place",
    Size: "wrong size",
    Arranged: "wrong arrangement",
    Words: "missing words",
    Canvas: "wrong canvas",
    NothingElse: "something else",
}


def write_fact(fact: Fact) -> Json:
    """A fact as JSON."""
    return {"fact": next(name for name, made in _NAMES.items() if isinstance(fact, made)), **asdict(fact)}


def read_facts(value: object, where: str = "shows") -> tuple[Fact, ...]:
    """Facts from JSON; raises `Rejected`."""
    return reading.items(value, where, _read_fact, MAX_FACTS)


def unmet(facts: Sequence[Fact], seen: Seen) -> list[Rejected]:
    """The facts that don't hold, each with its sentence."""
    problems = [problem(fact, seen, facts) for fact in facts]
    return [found for found in problems if found is not None]


def problem(fact: Fact, seen: Seen, facts: Sequence[Fact]) -> Rejected | None:
    """Why a fact doesn't hold, or None. facts: all that are asked; `NothingElse` is about those."""
    sentence = _problem(fact, seen, facts)
    return None if sentence is None else Rejected(_REASONS[type(fact)], sentence)


def facts_of(seen: Seen) -> tuple[Fact, ...]:
    """What a picture shows for certain: its background and how many of which thing; for pictures that say nothing."""
    things: dict[Thing, int] = {}
    for shape in seen.shapes:
        if shape.clear and shape.look in KINDS:
            thing = Thing(shape.look, shape.colour)
            things[thing] = things.get(thing, 0) + 1
    counts = [Count(thing, min(count, MAX_COUNT)) for thing, count in list(things.items())[: MAX_FACTS - 1]]
    return (*counts, *([Background(seen.ground)] if seen.ground else []))


def _problem(fact: Fact, seen: Seen, facts: Sequence[Fact]) -> str | None:
    match fact:
        case Count():
            return _count(fact, seen)
        case Background():
            if seen.ground != fact.colour:
                return f"the background must be {fact.colour}, but it looks {seen.ground or 'mixed'}"
        case Relation():
            return _relation(fact, seen)
        case Place():
            shapes = _clear(seen, fact.of)
            if not shapes or not all(_is_at(shape, fact.place) for shape in shapes):
                return f"the {fact.of} must be at the {fact.place} of the picture"
        case Size():
            return _size(fact, seen)
        case Arranged():
            return _arranged(fact, seen)
        case Words():
            if not any(shape.text == fact.text and shape.clear for shape in seen.shapes):
                return f"the text '{fact.text}' can't be read in the picture"
        case Canvas():
            return _canvas(fact, seen)
        case NothingElse():
            return _nothing_else(seen, facts)
    return None


def _clear(seen: Seen, thing: Thing) -> list[SeenShape]:
    return [shape for shape in seen.shapes if shape.clear and thing.fits(shape)]


def _count(fact: Count, seen: Seen) -> str | None:
    there = [shape for shape in seen.shapes if fact.of.fits(shape)]
    clear = [s for s in there if s.clear]
    if len(clear) != fact.count:
        covered = f" ({len(there) - len(clear)} more are covered or off the canvas)" if len(there) > len(clear) else ""
        return f"{fact.count} x {fact.of} must be seen, but {len(clear)} can be{covered}"
    for number, one in enumerate(clear):
        around = _grown(one)
        if any((around & other.mask).any() for other in clear[number + 1 :]):
            return f"two shapes of {fact.of} touch, so that they look like one"
    return None


def _size(fact: Size, seen: Seen) -> str | None:
    limit = f"at most {SMALL:.0%}" if fact.size == "small" else f"at least {LARGE:.0%}"
    shares = [shape.area / seen.pixels for shape in _clear(seen, fact.of)]
    if not shares:
        return f"the {fact.of} can't be seen"
    worst = max(shares) if fact.size == "small" else min(shares)
    if worst > SMALL if fact.size == "small" else worst < LARGE:
        return f"a {fact.size} {fact.of} covers {limit} of the picture, yours {worst:.1%}"
    return None


def _grown(shape: SeenShape) -> np.ndarray:
    """Its pixels and those beside them."""
    grown = shape.mask.copy()
    grown[1:] |= shape.mask[:-1]
    grown[:-1] |= shape.mask[1:]
    grown[:, 1:] |= shape.mask[:, :-1]
    grown[:, :-1] |= shape.mask[:, 1:]
    return grown


def _relation(fact: Relation, seen: Seen) -> str | None:
    ours, theirs = _clear(seen, fact.of), _clear(seen, fact.to)
    if not ours or not theirs:
        return f"the {fact.of if not ours else fact.to} can't be seen"
    if all(_stands(one, fact.relation, other) for one in ours for other in theirs):
        return None
    return f"the {fact.of} must be {fact.relation} the {fact.to}"


def _stands(one: SeenShape, relation: str, other: SeenShape) -> bool:
    match relation:
        case "left of":
            return one.x < other.x and one.box[2] <= other.box[0] + APART
        case "right of":
            return _stands(other, "left of", one)
        case "above":
            return one.y < other.y and one.box[3] <= other.box[1] + APART
        case "below":
            return _stands(other, "above", one)
        case "inside":
            (a0, b0, a1, b1), (c0, d0, c1, d1) = one.box, other.box
            # Around it there is something of the other one on all sides: it lies in, not beside or over it.
            return c0 < a0 and d0 < b0 and a1 < c1 and b1 < d1 and _surrounded(one, other)
        case _:
            return one.area >= BIGGER * other.area


def _surrounded(one: SeenShape, other: SeenShape) -> bool:
    rim = _grown(one) & ~one.mask
    return float(other.mask[rim].mean()) >= 0.9


def _is_at(shape: SeenShape, place: str) -> bool:
    low, high = 0.4, 0.6
    wants = {"left": shape.x < low, "right": shape.x > high, "top": shape.y < low, "bottom": shape.y > high}
    if place == "middle":
        return low <= shape.x <= high and low <= shape.y <= high
    return all(wants[word] for word in place.split())


def _arranged(fact: Arranged, seen: Seen) -> str | None:
    shapes = _clear(seen, fact.of)
    across = [s.y if fact.arrangement == "row" else s.x for s in shapes]
    along = sorted(s.x if fact.arrangement == "row" else s.y for s in shapes)
    if len(shapes) < 2:
        return f"a {fact.arrangement} needs two or more of the {fact.of}"
    steps = [after - before for before, after in itertools.pairwise(along)]
    if max(across) - min(across) > 0.06 or min(steps) < 0.04:
        return f"the shapes of {fact.of} must stand in a {fact.arrangement}"
    return None


def _canvas(fact: Canvas, seen: Seen) -> str | None:
    ratio = seen.width / seen.height
    is_so = {"wide": ratio >= WIDE, "tall": ratio <= 1 / WIDE, "square": 0.95 <= ratio <= 1.05}
    if is_so[fact.canvas]:
        return None
    return f"the canvas must be {fact.canvas}, but it is {seen.width} x {seen.height}"


def _nothing_else(seen: Seen, facts: Sequence[Fact]) -> str | None:
    things = [fact.of for fact in facts if isinstance(fact, Count)]
    words = {fact.text for fact in facts if isinstance(fact, Words)}
    for shape in seen.shapes:
        asked = shape.text in words if shape.look == "text" else any(thing.fits(shape) for thing in things)
        if not asked and shape.look != BACKDROP:
            return f"nothing else may be in the picture, but there is a {shape.colour} {shape.look}"
    return None


def _read_fact(value: object, where: str) -> Fact:
    name = reading.choice(value.get("fact") if isinstance(value, dict) else None, f"{where}.fact", _NAMES)
    made = _NAMES[name]
    found = reading.fields(value, where, ("fact", *made.__dataclass_fields__))
    read: dict[str, object] = {}
    for field in made.__dataclass_fields__:
        at, given = f"{where}.{field}", found[field]
        if field in ("of", "to"):
            read[field] = read_thing(given, at)
        elif field == "count":
            read[field] = reading.integer(given, at, 1, MAX_COUNT)
        elif field == "text":
            read[field] = reading.text(given, at, 40)
        else:
            read[field] = reading.choice(given, at, _CHOICES[field])
    return made(**read)  # type: ignore[arg-type]


_CHOICES: dict[str, Sequence[str]] = {
    "colour": tuple(COLOURS),
    "relation": RELATIONS,
    "place": PLACES,
    "size": ("small", "large"),
    "arrangement": ("row", "column"),
    "canvas": SHAPES_OF_CANVAS,
}


def read_thing(value: object, where: str) -> Thing:
    """A thing from JSON; raises `Rejected`."""
    found = reading.fields(value, where, ("kind", "colour"))
    return Thing(
        reading.choice(found["kind"], f"{where}.kind", KINDS),
        reading.choice(found["colour"], f"{where}.colour", (*COLOURS, ANY)),
    )
