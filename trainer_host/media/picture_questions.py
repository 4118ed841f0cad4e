"""Samples pictures to be asked about, and questions whose answers are read off the scene.

Some combinations of a colour, a shape and a number of them are kept for the examination: no picture to learn from shows
exactly so many of those. Which ones depends on their names alone.
"""

from __future__ import annotations

import itertools
import random
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from edge_runtime.media.scene import Scene, Shape
from trainer_host.media.picture_facts import BIGGER, Thing
from trainer_host.media.picture_sampler import shaped
from trainer_host.media.scatter import LIGHTS, NOISES, View

KINDS = ("circle", "square", "triangle", "star")
COLOURS = ("red", "yellow", "green", "blue", "purple", "white")
GROUNDS = ("black", "grey", "pink")
ASKS = ("count", "exists", "colour", "kind", "place", "compare", "size", "background")
MOST = 9  # shapes of a picture
UNSEEN_SHARE = 5  # one combination in so many is kept for the examination
_CANVASES = ((128, 128), (128, 112), (112, 128))
_CLEAR = 0.08  # of the canvas between the middles of what stands left of something
_TRIES = 60
_PLURALS = {kind: f"{kind}s" for kind in (*KINDS, "shape")}
SIDES = ("left of", "right of", "above", "below")
WAYS = ("count", "exists", "colour", "kind", *SIDES, "compare", "size", "biggest colour", "biggest kind", "background")

_WORDINGS = {
    "count": ("How many {many} are there?", "How many {many} can you see?", "How many {many} are in the picture?", "Count the {many}."),
    "exists": ("Is there a {one}?", "Can you see a {one}?", "Is there a {one} in the picture?", "Does the picture show a {one}?"),
    "colour": ("What colour is the {one}?", "What color is the {one}?", "Which colour does the {one} have?"),
    "kind": ("What is the {one}?", "Which shape is {colour}?", "What kind of shape is the {one}?"),
    "place": ("Is the {one} {side} the {other}?", "Does the {one} stand {side} the {other}?", "Can you see the {one} {side} the {other}?"),
    "compare": ("Are there more {many} than {others}?", "Does the picture show more {many} than {others}?", "Can you see more {many} than {others}?"),
    "size": ("Is the {one} bigger than the {other}?", "Is the {one} larger than the {other}?"),
    "biggest colour": ("What colour is the biggest shape?", "Which colour does the largest shape have?", "What color is the largest shape?"),
    "biggest kind": ("What is the biggest shape?", "What kind of shape is the largest?"),
    "background": ("What colour is the background?", "Which colour does the background have?", "What color is the background?"),
}  # fmt: skip


About = tuple[tuple[int, ...] | None, tuple[int, ...] | None]


@dataclass(frozen=True)
class Question:
    """asks: one of `ASKS`. way: one of `WAYS`, what follows from what is seen. about: the places, among the scene's shapes, of those that are asked about and of those that they are
    compared with, None where the question names none. unseen: the combination that no training picture shows, as "3 red circles", where it is asked for.
    """

    asks: str
    way: str
    text: str
    answer: str
    about: About
    unseen: str | None = None


def kept_for_examination(colour: str, kind: str, count: int) -> bool:
    """Whether pictures with exactly so many of these are only examined."""
    return zlib.crc32(f"{count} {colour} {kind}".encode()) % UNSEEN_SHARE == 0


def unseen(scene: Scene) -> bool:
    """Whether the scene shows a combination that is kept for the examination."""
    counts = Counter((shape.colour, kind_of(shape)) for shape in scene.shapes)
    return any(kept_for_examination(colour, kind, count) for (colour, kind), count in counts.items())


def scene_of(rng: random.Random, examined: bool) -> View:
    """A picture of 1 to `MOST` shapes apart from each other, which shows an unseen combination or none, as `examined` says."""
    for _ in range(_TRIES):
        view = _scattered(rng)
        if unseen(view.scene) == examined:
            return view
    raise AssertionError("one scene in three has an unseen combination, and more than one in three has none")


def questions(rng: random.Random, scene: Scene) -> list[Question]:
    """One question of each kind that the scene answers, the more telling kinds twice, in a random order."""
    made = [question for ask in _ASKED for question in ask(rng, scene)]
    rng.shuffle(made)
    return made


def kind_of(shape: Shape) -> str:
    """What the shape is called in questions; they have no ovals and no polygons."""
    return "square" if shape.kind == "rectangle" else shape.kind


def _scattered(rng: random.Random) -> View:
    width, height = rng.choice(_CANVASES)
    unit = min(width, height)
    kinds, colours = rng.sample(KINDS, rng.randint(1, 3)), rng.sample(COLOURS, rng.randint(1, 3))
    shapes: list[Shape] = []
    taken: list[tuple[float, float, float]] = []
    for _ in range(rng.randint(1, MOST)):
        for _ in range(_TRIES):
            size = rng.uniform(0.15, 0.32)
            radius = 0.72 * size * unit + 1
            x, y = rng.uniform(radius, width - radius), rng.uniform(radius, height - radius)
            if all((x - a) ** 2 + (y - b) ** 2 > (radius + r) ** 2 for a, b, r in taken):
                taken.append((x, y, radius))
                thing = Thing(rng.choice(kinds), rng.choice(colours))
                turn = rng.choice((0, 0, rng.randrange(-20, 21)))
                shapes.append(shaped(thing, x / width, y / height, size, turn, 0, upright=False))
                break
    scene = Scene(width, height, rng.choice(GROUNDS), tuple(shapes))
    return View(scene, rng.choice([*LIGHTS]), rng.choice([*NOISES]), rng.randrange(2**31))


def _worded(rng: random.Random, wording: str, **words: str) -> str:
    return rng.choice(_WORDINGS[wording]).format(**words)


def _named(colour: str | None, kind: str | None, many: bool = False) -> str:
    noun = kind or "shape"
    return f"{colour} {_PLURALS[noun] if many else noun}" if colour else _PLURALS[noun] if many else noun


def _fitting(scene: Scene, colour: str | None, kind: str | None) -> list[Shape]:
    return [s for s in scene.shapes if colour in (None, s.colour) and kind in (None, kind_of(s))]


def _thing(rng: random.Random, scene: Scene, present: bool) -> tuple[str | None, str | None]:
    """A colour, a kind or both: of a shape that is there, or of none, mostly of a colour and a kind that are there apart."""
    if present:
        shape = rng.choice(scene.shapes)
        found: tuple[str | None, str | None] = (shape.colour, kind_of(shape))
        part = rng.random()
        return (None, found[1]) if part < 0.15 else (found[0], None) if part < 0.3 else found
    colours = {shape.colour for shape in scene.shapes}
    kinds = {kind_of(shape) for shape in scene.shapes}
    absent = [thing for thing in itertools.product((*COLOURS, None), (*KINDS, None)) if not _fitting(scene, *thing)]
    near = [thing for thing in absent if thing[0] in colours and thing[1] in kinds]
    return rng.choice(near if near and rng.random() < 0.6 else absent)


def _about(scene: Scene, ours: list[Shape], theirs: list[Shape] | None = None) -> About:
    return _places(scene, ours), None if theirs is None else _places(scene, theirs)


def _places(scene: Scene, some: list[Shape]) -> tuple[int, ...]:
    return tuple(at for at, shape in enumerate(scene.shapes) if any(shape is one for one in some))


def _count(rng: random.Random, scene: Scene) -> Iterator[Question]:
    for present in (True, True, False):
        colour, kind = _thing(rng, scene, present)
        if rng.random() < 0.05:
            colour = kind = None
        there = _fitting(scene, colour, kind)
        count = len(there)
        name = _named(colour, kind, many=True)
        kept = colour is not None and kind is not None and kept_for_examination(colour, kind, count)
        told = f"{count} {name if count != 1 else _named(colour, kind)}" if kept and count else None
        yield Question("count", "count", _worded(rng, "count", many=name), str(count), _about(scene, there), told)


def _exists(rng: random.Random, scene: Scene) -> Iterator[Question]:
    present = rng.random() < 0.5
    thing = _thing(rng, scene, present)
    text = _worded(rng, "exists", one=_named(*thing))
    yield Question("exists", "exists", text, "yes" if present else "no", _about(scene, _fitting(scene, *thing)))


def _colour(rng: random.Random, scene: Scene) -> Iterator[Question]:
    kinds = Counter(kind_of(shape) for shape in scene.shapes)
    alone = [shape for shape in scene.shapes if kinds[kind_of(shape)] == 1]
    if alone:
        shape = rng.choice(alone)
        yield Question(
            "colour",
            "colour",
            _worded(rng, "colour", one=kind_of(shape)),
            shape.colour,
            _about(scene, [shape]),
        )


def _kind(rng: random.Random, scene: Scene) -> Iterator[Question]:
    colours = Counter(shape.colour for shape in scene.shapes)
    alone = [shape for shape in scene.shapes if colours[shape.colour] == 1]
    if alone:
        shape = rng.choice(alone)
        one = _named(shape.colour, None)
        yield Question(
            "kind", "kind", _worded(rng, "kind", one=one, colour=shape.colour), kind_of(shape), _about(scene, [shape])
        )


def _single(scene: Scene) -> list[Shape]:
    """Shapes that their colour and kind name."""
    counts = Counter((shape.colour, kind_of(shape)) for shape in scene.shapes)
    return [shape for shape in scene.shapes if counts[shape.colour, kind_of(shape)] == 1]


def _full(shape: Shape) -> str:
    return _named(shape.colour, kind_of(shape))


def _place(rng: random.Random, scene: Scene) -> Iterator[Question]:
    pairs = list(itertools.permutations(_single(scene), 2))
    rng.shuffle(pairs)
    made = 0
    for one, other in pairs[:6]:
        side = rng.choice(SIDES)
        across = side in ("left of", "right of")
        apart = (other.x - one.x) if across else (other.y - one.y)
        if abs(apart) >= _CLEAR:
            before = side in ("left of", "above")
            text = _worded(rng, "place", one=_full(one), side=side, other=_full(other))
            yield Question("place", side, text, "yes" if (apart > 0) == before else "no", _about(scene, [one], [other]))
            made += 1
            if made == 2:
                return


def _compare(rng: random.Random, scene: Scene) -> Iterator[Question]:
    by_kind = rng.random() < 0.5
    names: tuple[str, ...] = KINDS if by_kind else COLOURS
    there = {kind_of(shape) if by_kind else shape.colour for shape in scene.shapes}
    one = rng.choice(sorted(there))
    other = rng.choice([name for name in (sorted(there) if len(there) > 1 else names) if name != one])
    if rng.random() < 0.5:
        one, other = other, one
    first, second = ((None, one), (None, other)) if by_kind else ((one, None), (other, None))
    ours, theirs = _fitting(scene, *first), _fitting(scene, *second)
    words = {"many": _named(first[0], first[1], many=True), "others": _named(second[0], second[1], many=True)}
    yield Question(
        "compare",
        "compare",
        _worded(rng, "compare", **words),
        "yes" if len(ours) > len(theirs) else "no",
        _about(scene, ours, theirs),
    )


def _size(rng: random.Random, scene: Scene) -> Iterator[Question]:
    pairs = list(itertools.permutations(_single(scene), 2))
    rng.shuffle(pairs)
    for one, other in pairs[:6]:
        share = (one.width / other.width) ** 2
        if share >= BIGGER or share <= 1 / BIGGER:
            text = _worded(rng, "size", one=_full(one), other=_full(other))
            yield Question("size", "size", text, "yes" if share > 1 else "no", _about(scene, [one], [other]))
            break
    first, *rest = sorted(scene.shapes, key=lambda shape: -shape.width)
    if rest and (first.width / rest[0].width) ** 2 >= BIGGER:
        what = rng.choice(("colour", "kind"))
        answer = first.colour if what == "colour" else kind_of(first)
        yield Question("size", f"biggest {what}", _worded(rng, f"biggest {what}"), answer, (None, None))


def _background(rng: random.Random, scene: Scene) -> Iterator[Question]:
    yield Question("background", "background", _worded(rng, "background"), scene.background, (None, None))


_ASKED = (_count, _exists, _colour, _kind, _place, _compare, _size, _background)
