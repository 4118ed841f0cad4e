"""Samples films: shapes with a motion each, a scene that shows them, and the words that ask for it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_runtime.media.colours import COLOURS
from edge_runtime.media.scene import Key, Scene, Shape, Track
from trainer_host.media.film import watch
from trainer_host.media.film_facts import (
    FACTORS,
    TURNS,
    Before,
    Bounces,
    Circles,
    Fact,
    Lasts,
    Motion,
    Moves,
    Resizes,
    Stays,
    Sways,
    Turns,
    unmet,
)
from trainer_host.media.picture_facts import Background, Count, NothingElse, Size, Thing
from trainer_host.media.picture_sampler import Zone, any_coloured, shaped
from trainer_host.media.picture_words import NUMBERS, joined

LEVELS = ("easy", "medium", "hard")
FREE, FORMAL = "free", "formal"
_STYLES = {FREE: 3, FORMAL: 2}  # how often
_CANVASES = ((192, 128), (160, 160), (128, 176), (200, 120))
_SECONDS = (1.0, 1.5, 2.0, 3.0)
_FPS, _FPS_TURNING = 8, 12  # every frame is drawn and looked at; a turn needs more of them to be followed
_KINDS = ("circle", "oval", "square", "rectangle", "triangle", "star", "pentagon", "hexagon")
_TRIES = 60
_AROUND = 24  # straight pieces of a round path


@dataclass(frozen=True)
class Sample:
    """What is asked, and a film that shows it."""

    level: str
    style: str
    facts: tuple[Fact, ...]
    scene: Scene


def sample(rng: random.Random, *, looked_at: bool = True) -> Sample:
    """One film: up to three shapes, each in a part of the canvas that no other enters.

    looked_at: whether its frames are drawn, so that the scene shows all facts; without, which takes a tenth of the
    time, only the facts are of use.
    """
    level = rng.choice(LEVELS)
    style = rng.choices([*_STYLES], [*_STYLES.values()])[0]
    for _ in range(_TRIES):
        made = _attempt(rng, level, style, looked_at)
        if made is not None:
            return made
    raise AssertionError("no film could be sampled")


def _attempt(rng: random.Random, level: str, style: str, looked_at: bool) -> Sample | None:
    width, height = rng.choice(_CANVASES)
    background = rng.choices([*COLOURS], [6 if name == "white" else 2 if name == "black" else 1 for name in COLOURS])[0]
    scene = Scene(width, height, background, (), fps=_FPS, seconds=rng.choice(_SECONDS))
    count = LEVELS.index(level) + 1
    colours = rng.sample([name for name in COLOURS if name != background], count)
    things = [Thing(rng.choice(_KINDS), colour) for colour in colours]
    spans = [(0.0, scene.seconds)] * count
    order: list[Fact] = []
    moving = range(count)
    if count > 1 and rng.random() < 0.35:
        spans[0], spans[1] = (0.0, 0.42 * scene.seconds), (0.58 * scene.seconds, scene.seconds)
        order.append(Before(things[0], things[1]))
        moving = range(2)
    zones = _zones(rng, count)
    motions: list[Motion] = []
    shapes: list[Shape] = []
    for number, (thing, zone, span) in enumerate(zip(things, zones, spans, strict=True)):
        motion = _motion(rng, thing, zone, may_stay=number not in moving or (not order and number > 0))
        motions.append(motion)
        shapes.append(_moved(rng, scene, motion, zone, span))
    facts: list[Fact] = [*(Count(thing, 1) for thing in things), *motions, *order]
    often = (0.3, 0.2, 0.1) if style == FREE else (0.7, 0.5, 0.6)
    if rng.random() < often[0]:
        facts.append(Background(background))
    if rng.random() < often[1]:
        facts.append(Lasts(scene.seconds))
    if rng.random() < often[2]:
        facts.append(NothingElse())
    fast = any(isinstance(motion, Turns | Bounces | Sways) for motion in motions)
    scene = replace(scene, shapes=tuple(shapes), fps=_FPS_TURNING if fast else _FPS)
    watched = watch(scene) if looked_at else None
    if style == FREE:
        resized = {motion.of for motion in motions if isinstance(motion, Resizes)}
        for thing in things:
            sizes = [Size(thing, size) for size in ("small", "large") if thing not in resized]
            if watched is None:  # any will do that isn't both
                rng.shuffle(sizes)
                sizes = sizes[:1]
            facts += [size for size in sizes if rng.random() < 0.4 and not (watched and unmet([size], watched))]
        facts = any_coloured(facts, 0.25, rng)
    return None if watched and unmet(facts, watched) else Sample(level, style, tuple(facts), scene)


def _zones(rng: random.Random, count: int) -> list[Zone]:
    if count == 1:
        return [(0.02, 0.02, 0.98, 0.98)]
    quarters: list[Zone] = [(x, y, x + 0.47, y + 0.47) for x in (0.02, 0.51) for y in (0.02, 0.51)]
    halves: list[list[Zone]] = [
        [(0.02, 0.02, 0.98, 0.49), (0.02, 0.51, 0.98, 0.98)],
        [(0.02, 0.02, 0.49, 0.98), (0.51, 0.02, 0.98, 0.98)],
    ]
    if count == 2 and rng.random() < 0.7:
        return rng.sample(rng.choice(halves), 2)
    return rng.sample(quarters, count)


def _motion(rng: random.Random, thing: Thing, zone: Zone, may_stay: bool) -> Motion:
    wide, high = zone[2] - zone[0] > 0.4, zone[3] - zone[1] > 0.4
    choices: list[Motion] = [Resizes(thing, rng.choice(FACTORS))]
    if wide:
        choices += [Moves(thing, rng.choice(("left", "right"))), Sways(thing, rng.randint(1, 3))]
    if high:
        choices += [Moves(thing, rng.choice(("up", "down"))), Bounces(thing, rng.randint(1, 4))]
    if thing.kind != "circle":
        choices.append(Turns(thing, rng.choice(TURNS) * rng.choice((1, -1))))
    if wide and high and zone[2] - zone[0] > 0.9:
        choices.append(Circles(thing, rng.random() < 0.5))
    if may_stay:
        choices.append(Stays(thing))
    return rng.choice(choices)


def _moved(rng: random.Random, scene: Scene, motion: Motion, zone: Zone, span: tuple[float, float]) -> Shape:
    """The shape with the keys of its motion, within its zone."""
    x0, y0, x1, y1 = zone
    room_x, room_y = (x1 - x0) * scene.width / scene.unit, (y1 - y0) * scene.height / scene.unit
    size = min(room_x, room_y) * (rng.uniform(0.28, 0.34) if rng.random() < 0.7 else rng.choice((0.2, 0.45)))
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    # Half of what a shape may need when it is turned, as shares of width and height.
    half_x, half_y = 0.55 * size * scene.unit / scene.width, 0.55 * size * scene.unit / scene.height
    left, right, top, bottom = x0 + half_x, x1 - half_x, y0 + half_y, y1 - half_y
    start, end = span
    ease = rng.choice(("linear", "ease"))
    tracks: tuple[Track, ...] = ()

    def track(name: str, values: Sequence[float], how: str = ease) -> Track:
        times = [start + (end - start) * number / (len(values) - 1) for number in range(len(values))]
        return Track(
            name, how, tuple(Key(round(t, 3), round(value, 4)) for t, value in zip(times, values, strict=True))
        )

    match motion:
        case Moves():
            low, high = (left, right) if motion.direction in ("left", "right") else (top, bottom)
            ends = (low, high) if motion.direction in ("right", "down") else (high, low)
            tracks = (track("x" if motion.direction in ("left", "right") else "y", ends),)
        case Bounces():
            ups = [top + (bottom - top) * rng.uniform(0, 0.45) * (number > 0) for number in range(motion.times + 1)]
            heights = [value for up in ups for value in (up, bottom)][:-1]
            tracks = (track("y", heights),)
        case Sways():
            tracks = (track("x", [right if number % 2 else left for number in range(2 * motion.times + 1)]),)
        case Resizes():
            size = size * 2.4 if motion.factor < 1 else size * 2.4 / motion.factor
            tracks = (track("scale", (1, motion.factor)),)
        case Turns():
            size *= 1.8
            tracks = (track("rotation", (0, motion.degrees), "linear"),)
        case Circles():
            way = 1 if motion.clockwise else -1
            begin = rng.uniform(0, 2 * math.pi)
            angles = [begin + way * 2 * math.pi * number / _AROUND for number in range(_AROUND + 1)]
            tracks = (
                track("x", [0.5 + (0.5 - half_x - 0.03) * math.cos(angle) for angle in angles], "linear"),
                track("y", [0.5 + (0.5 - half_y - 0.03) * math.sin(angle) for angle in angles], "linear"),
            )
    first = {made.property: made.keys[0].value for made in tracks}
    shape = shaped(motion.of, first.get("x", middle_x), first.get("y", middle_y), size, 0, 0, upright=False)
    return replace(shape, motion=tracks)


_OPENINGS = ("Make a film of", "Animate", "A short film with", "Show", "I'd like an animation of", "Please animate")
_TIMES = {1: ("once",), 2: ("twice", "two times")}
_TURN = {90: "a quarter turn", 180: "a half turn", 360: "a full turn", 720: "two full turns"}
_FACTOR = {
    0.33: ("shrinks to a third of its size",),
    0.5: ("shrinks to half its size",),
    2.0: ("doubles in size", "grows to twice its size"),
    3.0: ("grows to three times its size",),
}


def request(facts: Sequence[Fact], rng: random.Random) -> str:
    """One request for a film with those facts."""
    things = [fact.of for fact in facts if isinstance(fact, Count)]
    listed = [f"{'an' if str(thing)[0] in 'aeiou' else 'a'} {thing}" for thing in things]
    background = next((fact.colour for fact in facts if isinstance(fact, Background)), None)
    tail = "" if background is None else f" on {'an' if background[0] in 'aeiou' else 'a'} {background} background"
    motions = {fact.of: _does(fact, rng) for fact in facts if isinstance(fact, Motion)}
    if len(things) == 1 and rng.random() < 0.5:
        sentences = [f"{rng.choice(_OPENINGS)} {listed[0]}{tail} that {motions[things[0]]}."]
    else:
        told = [f"The {thing} {does}." for thing, does in motions.items()]
        sentences = [f"{rng.choice(_OPENINGS)} {joined(listed)}{tail}.", *told]
    for fact in facts:
        match fact:
            case Before():
                sentences.append(
                    rng.choice(
                        (
                            f"The {fact.than} waits until the {fact.of} is done.",
                            f"First the {fact.of}, after that the {fact.than}.",
                        )
                    )
                )
            case Lasts():
                length = f"{fact.seconds:g} second{'s' if fact.seconds != 1 else ''}"
                sentences.append(rng.choice((f"It lasts {length}.", f"Make it {length} long.")))
            case NothingElse():
                sentences.append(rng.choice(("Nothing else.", "There is nothing else.")))
    return " ".join(sentences)


def _does(motion: Motion, rng: random.Random) -> str:
    match motion:
        case Moves():
            ends = {"right": "left to right", "left": "right to left", "down": "top to bottom", "up": "bottom to top"}
            way = {"right": "to the right", "left": "to the left", "down": "downwards", "up": "upwards"}
            verb = rng.choice(("moves", "slides", "travels", "glides"))
            return rng.choice((f"{verb} {way[motion.direction]}", f"{verb} from {ends[motion.direction]}"))
        case Bounces():
            return f"bounces {_often(motion.times, rng)}"
        case Sways():
            return f"{rng.choice(('sways', 'goes from side to side'))} {_often(motion.times, rng)}"
        case Resizes():
            return rng.choice(_FACTOR[motion.factor])
        case Turns():
            turn = "clockwise" if motion.degrees > 0 else rng.choice(("anticlockwise", "counterclockwise"))
            return f"{rng.choice(('makes', 'rotates by'))} {_TURN[abs(motion.degrees)]} {turn}"
        case Circles():
            return f"goes once around the middle of the picture, {'clockwise' if motion.clockwise else 'anticlockwise'}"
        case Stays():
            return rng.choice(("stays still", "doesn't move", "stays where it is"))


def _often(times: int, rng: random.Random) -> str:
    return rng.choice(_TIMES.get(times, (f"{NUMBERS[times]} times", f"{times} times")))
