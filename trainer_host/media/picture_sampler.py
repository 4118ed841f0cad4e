"""Samples pictures: what is to be seen, and a scene that shows it; the facts are read off the scene's render."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from edge_runtime.media.colours import COLOURS
from edge_runtime.media.draw import regular
from edge_runtime.media.picture_plan import ANY
from edge_runtime.media.scene import Scene, Shape
from trainer_host.media.picture_facts import (
    PLACES,
    Arranged,
    Background,
    Canvas,
    Count,
    Fact,
    NothingElse,
    Place,
    Relation,
    Size,
    Thing,
    Words,
    unmet,
)
from trainer_host.media.seeing import KINDS, see

Zone = tuple[float, float, float, float]  # x0, y0, x1, y1, shares of the canvas

LEVELS = ("easy", "medium", "hard")
STYLES = ("plain", "free")  # nothing but what is asked, or more
FREE, FORMAL = "free", "formal"
_WORDINGS = {FREE: 3, FORMAL: 2}  # how often
_WORDS = ("HELLO", "STOP", "OPEN", "SALE", "EXIT", "WELCOME", "NO", "YES", "START", "42", "PARK", "TAXI", "CAFE", "GO")
_CANVASES = {"wide": ((256, 160), (320, 200), (240, 180)), "tall": ((160, 256), (200, 300)), "square": ((224, 224),)}
_HOLDERS = ("circle", "square", "rectangle", "hexagon")  # what something can lie in
F = TypeVar("F")
_TRIES = 60  # a sample whose facts don't all hold is drawn again; one in ten is


@dataclass(frozen=True)
class Sample:
    """What is asked, and a scene that shows it."""

    level: str
    style: str
    wording: str
    facts: tuple[Fact, ...]
    scene: Scene


def sample(rng: random.Random) -> Sample:
    """One picture: groups of shapes in zones of the canvas, and true statements about them."""
    level = rng.choice(LEVELS)
    style = rng.choices(STYLES, (3, 1))[0]
    for _ in range(_TRIES):
        made = _attempt(rng, level, style)
        if made is not None:
            return made
    raise AssertionError("no picture could be sampled")


def _attempt(rng: random.Random, level: str, style: str) -> Sample | None:
    background = rng.choices(
        [*COLOURS], [8 if name == "white" else 2 if name in ("black", "grey") else 1 for name in COLOURS]
    )[0]
    canvas = rng.choices([*_CANVASES], (3, 2, 5))[0]
    width, height = rng.choice(_CANVASES[canvas])
    blank = Scene(width, height, background, ())
    things = _things(rng, background, LEVELS.index(level) + 1)
    zones, relations = _layout(rng, things)
    words: list[Shape] = []
    if level != "easy" and rng.random() < 0.25:
        zones, words = _with_words(rng, zones, background)
    shapes: list[Shape] = []
    counts: list[Count] = []
    for thing, zone in zip(things, zones, strict=True):
        inner = any(r.relation == "inside" and r.of == thing for r in relations)
        holder = any(r.relation == "inside" and r.to == thing for r in relations)
        count = (
            1 if holder else rng.choices((1, 2, 3, 4, 5), (8, 4, 3, 1, 1))[0] if not inner else rng.choice((1, 1, 2))
        )
        lined = count > 1 and rng.random() < 0.4
        counts.append(Count(thing, count))
        shapes += _fill(rng, blank, thing, count, zone, lined, layer=1 if inner else 0, full=holder)
    extra = _decoration(rng, blank, things, zones) if style == "free" else []
    scene = replace(blank, shapes=(*shapes, *words, *extra))
    seen = see(scene)
    must: list[Fact] = [*counts, *(Words(shape.text) for shape in words)]
    if style == "plain":
        must.append(NothingElse())
    if unmet([*must, *relations], seen) or not all(shape.clear for shape in seen.shapes):
        return None
    optional: list[Fact] = [Canvas(canvas), *(Background(background) for _ in range(3))]
    for fact in counts:
        optional += [Place(fact.of, place) for place in PLACES]
        optional += [Size(fact.of, size) for size in ("small", "large")]
        optional += [Arranged(fact.of, way) for way in ("row", "column")] if fact.count > 1 else []
    optional += [Relation(a, "bigger than", b) for a in things for b in things if a != b]
    true = [fact for fact in optional if not unmet([fact], seen)]
    rng.shuffle(true)
    chosen: list[Fact] = []
    for choice in true:
        said = isinstance(choice, Place) and any(isinstance(f, Place) and f.of == choice.of for f in chosen)
        if choice not in chosen and not said and len(chosen) < LEVELS.index(level) + 1:
            chosen.append(choice)
    facts = [*counts, *relations, *chosen, *must[len(counts) :]]
    wording = rng.choices([*_WORDINGS], [*_WORDINGS.values()])[0]
    if wording == FREE:
        facts = _fewer(facts, rng)
        if unmet(facts, seen):  # a thing of any colour isn't the only one of its kind
            return None
    return Sample(level, style, wording, tuple(facts), scene)


def _fewer(facts: Sequence[Fact], rng: random.Random) -> list[Fact]:
    """What a person in a hurry says of it: seldom that there is nothing else, and not always a colour."""
    bare = any_coloured(facts, 0.2, rng)
    kept = {Background: 0.6, Canvas: 0.4, NothingElse: 0.12, Relation: 0.85}
    return [fact for fact in bare if rng.random() < kept.get(type(fact), 1)]


def any_coloured(facts: Sequence[F], share: float, rng: random.Random) -> list[F]:
    """The same facts, in which a share of the things may have any colour, where their kind tells them apart."""
    things = [fact.of for fact in facts if isinstance(fact, Count)]
    kinds = [thing.kind for thing in things]
    bare = {thing: Thing(thing.kind, ANY) for thing in things if kinds.count(thing.kind) == 1 and rng.random() < share}

    def open_of(fact: F) -> F:
        changed = {
            name: bare[thing]
            for name in ("of", "to", "than")
            if isinstance(thing := getattr(fact, name, None), Thing) and thing in bare
        }
        return replace(fact, **changed) if changed else fact  # type: ignore[type-var]

    return [open_of(fact) for fact in facts]


def _things(rng: random.Random, background: str, count: int) -> list[Thing]:
    """Different in kind or colour, each told apart from the background."""
    colours = [name for name in COLOURS if name != background]
    things: list[Thing] = []
    while len(things) < count:
        kind = rng.choice(KINDS) if not things or rng.random() < 0.8 else things[0].kind
        thing = Thing(kind, rng.choice(colours))
        if thing not in things:
            things.append(thing)
    return things


def _layout(rng: random.Random, things: list[Thing]) -> tuple[list[Zone], list[Relation]]:
    """A zone per thing, and how they stand to each other by that."""
    if len(things) == 1:
        return [rng.choice([(0.03, 0.03, 0.97, 0.97)] * 6 + _corners())], []
    pattern = rng.choice(("beside", "stacked", "inside", "corners"))
    if (
        pattern == "inside"
        and things[0].kind in _HOLDERS
        and things[0].colour != things[1].colour
        and things[1].kind != "line"
    ):
        outer: Zone = rng.choice([(0.03, 0.03, 0.6, 0.97), (0.4, 0.03, 0.97, 0.97)])
        middle = (outer[0] + outer[2]) / 2
        inner = (middle - 0.12, 0.37, middle + 0.12, 0.63)
        rest: Zone = (0.64, 0.05, 0.97, 0.95) if outer[0] < 0.3 else (0.03, 0.05, 0.36, 0.95)
        return [outer, inner, rest][: len(things)], [Relation(things[1], "inside", things[0])]
    if pattern == "corners":
        return rng.sample(_corners(), len(things)), []
    size = 1 / len(things)
    zones: list[Zone] = []
    for number in range(len(things)):
        low, high = number * size + 0.03, (number + 1) * size - 0.03
        zones.append((low, 0.04, high, 0.96) if pattern == "beside" else (0.04, low, 0.96, high))
    forth, back = ("left of", "right of") if pattern == "beside" else ("above", "below")
    relations = []
    for one, other in itertools.pairwise(things):
        relations.append(Relation(one, forth, other) if rng.random() < 0.6 else Relation(other, back, one))
    return zones, relations


def _corners() -> list[Zone]:
    cells = (0.03, 0.36, 0.64, 0.97)
    made: list[Zone] = []
    for row in (0, 1, 2):
        for column in (0, 1, 2):
            if (row == 1) == (column == 1):
                made.append((cells[column], cells[row], cells[column + 1], cells[row + 1]))
    return made


def _with_words(rng: random.Random, zones: list[Zone], background: str) -> tuple[list[Zone], list[Shape]]:
    """Everything moves up, and a word stands below."""
    text = rng.choice(_WORDS)
    colour = rng.choice([name for name in ("black", "white", "blue", "red") if name != background])
    shape = Shape("text", 0.5, 0.9, 0.6, 0.14, colour, layer=5, text=text)
    return [(x0, y0 * 0.8, x1, y1 * 0.8) for x0, y0, x1, y1 in zones], [shape]


def _fill(
    rng: random.Random, blank: Scene, thing: Thing, count: int, zone: Zone, lined: bool, layer: int, full: bool
) -> list[Shape]:
    """So many shapes in a zone, each in a cell of its own."""
    x0, y0, x1, y1 = zone
    wide = (x1 - x0) * blank.width >= (y1 - y0) * blank.height
    if lined:
        columns, rows = (count, 1) if wide else (1, count)
    else:
        columns = min(count, 1 + (count > 1) + (count > 4)) if wide else 1 + (count > 2)
        rows = -(-count // columns)
    cell_x, cell_y = (x1 - x0) / columns, (y1 - y0) / rows
    room = min(cell_x * blank.width, cell_y * blank.height) / blank.unit
    size = room * (0.86 if full else rng.uniform(0.4, 0.78))
    turn = rng.choice((0, 0, 0, rng.randrange(-40, 41))) if not full else 0
    shapes = []
    for number in range(count):
        free_x = max(0.0, cell_x - size * 1.15 * blank.unit / blank.width) / 2
        free_y = max(0.0, cell_y - size * 1.15 * blank.unit / blank.height) / 2
        if full or lined:
            free_x, free_y = 0.0, 0.0
        x = x0 + cell_x * (number % columns + 0.5) + rng.uniform(-free_x, free_x)
        y = y0 + cell_y * (number // columns + 0.5) + rng.uniform(-free_y, free_y)
        shapes.append(shaped(thing, x, y, size, turn, layer, upright=rng.random() < 0.3))
    return shapes


def shaped(thing: Thing, x: float, y: float, size: float, rotation: float, layer: int, upright: bool) -> Shape:
    """A shape that looks like the thing; size is its longer side. upright: higher than wide, where that differs."""
    long, short = round(size, 4), round(size * 0.6, 4)
    plain = Shape("circle", round(x, 4), round(y, 4), long, long, thing.colour, float(rotation), layer)
    match thing.kind:
        case "oval" | "rectangle":
            width, height = (short, long) if upright else (long, short)
            kind = "circle" if thing.kind == "oval" else "rectangle"
            return replace(plain, kind=kind, width=width, height=height)
        case "square":
            return replace(plain, kind="rectangle")
        case "pentagon" | "hexagon":
            corners = regular(5 if thing.kind == "pentagon" else 6)
            return replace(
                plain, kind="polygon", points=tuple((round(a + 0.5, 4), round(b + 0.5, 4)) for a, b in corners)
            )
        case "line":
            turn = 90.0 if upright else float(rotation)
            return replace(plain, kind="line", height=round(max(0.02, size * 0.08), 4), rotation=turn)
        case _:
            return replace(plain, kind=thing.kind)


def _decoration(rng: random.Random, blank: Scene, things: list[Thing], zones: list[Zone]) -> list[Shape]:
    """A few small shapes of other things, where no zone is."""
    free = [cell for cell in _corners() if not any(_overlap(cell, zone) for zone in zones)]
    made = []
    for cell in rng.sample(free, min(len(free), rng.randint(0, 2))):
        [thing] = _things(rng, blank.background, 1)
        if thing not in things:
            made += _fill(rng, blank, thing, 1, cell, lined=False, layer=0, full=False)
    return made


def _overlap(one: Zone, other: Zone) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
