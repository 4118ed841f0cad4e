"""Samples bodies: a kind of thing with its measures, the words that ask for it, and a program that makes it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from edge_runtime.media.body import build
from edge_runtime.media.solid import Program
from trainer_host.media import solid_phrases
from trainer_host.media.body import Body, measure, section
from trainer_host.media.picture_words import NUMBERS
from trainer_host.media.solid_facts import Cavities, Fact, Grounded, Holes, Pieces, Section, Size, Volume
from trainer_host.media.solid_programs import (
    bracket,
    capsule,
    cross,
    crossed,
    cup,
    dome,
    dumbbell,
    frame,
    gate,
    hollow,
    pair,
    plate,
    ring,
    rocket,
    single,
    snowman,
    stairs,
    table,
)


@dataclass(frozen=True)
class Plan:
    """A thing before it is built. words: what asks for it; cuts: heights, as shares, at which its form is told.

    told: whether the words give all measures, so that the volume follows from them.
    """

    family: str
    words: str
    program: Program
    difficulty: float
    cuts: tuple[float, ...] = ()
    told: bool = True


@dataclass(frozen=True)
class Sample:
    """What is asked, and a program that makes it."""

    family: str
    difficulty: float
    request: str
    facts: tuple[Fact, ...]
    program: Program


def sample(rng: random.Random) -> Sample:
    """One body; the facts are measured on the mesh of its program. Three in five are asked for in free words."""
    if rng.random() < FREE:
        family, said, program, asked = solid_phrases.sample(rng)
        return Sample(family, 0.05 * len(program.parts), said, asked, program)
    plan = FAMILIES[rng.choice([*FAMILIES])](rng)
    body = measure(build(plan.program))
    x, y, z = (round(side, 2) for side in body.size)
    facts: list[Fact] = [Size(x, y, z), Pieces(body.pieces), Holes(body.holes), Cavities(body.cavities)]
    if plan.told:
        facts.append(Volume(round(body.volume, 1)))
    facts += [found for share in plan.cuts if (found := _section(body, share * body.size[2])) is not None]
    opening = rng.choice(_OPENINGS)
    words = f"{opening} {plan.words}"
    if abs(body.low[2]) < 0.01 and rng.random() < 0.7:
        facts.append(Grounded())
        words += rng.choice((" It stands on z = 0.", " Its lowest point is at z = 0.", " Put it on the ground, z = 0."))
    return Sample(plan.family, plan.difficulty, words, tuple(facts), plan.program)


FREE = 0.6  # share
_OPENINGS = ("Make", "Model", "Design", "Build", "I need", "Please make", "Create", "Construct", "I'd like")


def _section(body: Body, height: float) -> Section | None:
    cut = section(body, height)
    if cut is None:
        return None
    # + 0.0: a cut in the middle is 0 off it, not -0
    measures = (height, cut.x, cut.y, cut.dx + 0.0, cut.dy + 0.0, cut.area)
    return Section(*(round(measure, 2) + 0.0 for measure in measures))


def _box(rng: random.Random) -> Plan:
    x, y, z = (rng.randrange(5, 121) for _ in range(3))
    words = rng.choice(
        (
            f"a box of {x} x {y} x {z} mm (x, y, z).",
            f"a block, {x} mm wide (x), {y} mm deep (y) and {z} mm high (z).",
            f"a cuboid with the sides x = {x} mm, y = {y} mm, z = {z} mm.",
        )
    )
    return Plan("box", words, single("box", x, y, z), 0.0)


def _round(rng: random.Random) -> Plan:
    shape = rng.choice(("cylinder", "cone", "sphere"))
    width, high = rng.randrange(8, 100), rng.randrange(8, 120)
    if shape == "sphere":
        words = rng.choice((f"a ball with a diameter of {width} mm.", f"a sphere, {width} mm across."))
        high = width
    else:
        point = " with its point up" if shape == "cone" else ""
        words = f"an upright {shape}{point}, {width} mm in diameter and {high} mm high."
    program = single(shape, width, width, high)
    return Plan(shape, words, program, 0.05, (0.5,))


def _plate(rng: random.Random) -> Plan:
    count = rng.choice((1, 2, 3, 4, 6))
    rows = 2 if count in (4, 6) else 1
    columns = count // rows
    hole, thick = rng.randrange(4, 11), rng.randrange(2, 11)
    x, y = columns * hole * rng.choice((2, 3)) + rng.randrange(8, 30), rows * hole * 2 + rng.randrange(6, 30)
    holes = "one round hole" if count == 1 else f"{rng.choice((NUMBERS[count], str(count)))} round holes"
    words = rng.choice(
        (
            f"a plate of {x} x {y} x {thick} mm with {holes} through it from top to bottom, {hole} mm in diameter.",
            f"a flat plate, x = {x}, y = {y}, z = {thick} mm, with {holes} of {hole} mm drilled through from above.",
        )
    )
    return Plan("plate", words, plate(x, y, thick, hole, count), 0.2 + 0.05 * count, (0.5,))


def _ring(rng: random.Random) -> Plan:
    outer, high = rng.randrange(12, 100), rng.randrange(3, 80)
    inner = round(outer * rng.uniform(0.3, 0.85))
    words = rng.choice(
        (
            f"an upright tube, {outer} mm outside and {inner} mm inside in diameter, {high} mm long.",
            f"a ring that lies flat: outer diameter {outer} mm, inner diameter {inner} mm, height {high} mm.",
        )
    )
    program = ring(outer, inner, high)
    return Plan("ring", words, program, 0.2, (0.5,))


def _cup(rng: random.Random) -> Plan:
    wide, high = rng.randrange(20, 90), rng.randrange(20, 110)
    wall, floor = rng.randrange(2, 6), rng.randrange(2, 8)
    square = rng.random() < 0.4
    shape, name = ("box", "square box without a lid") if square else ("cylinder", "round cup without a handle")
    inner = wide - 2 * wall
    size = f"{wide} mm wide and deep" if square else f"{wide} mm in outer diameter"
    words = f"a {name}, {size}, {high} mm high, walls {wall} mm thick, floor {floor} mm thick, open at the top."
    program = cup(shape, wide, high, inner, floor)
    return Plan("cup", words, program, 0.3, (0.5 * floor / high, (floor + 1) / high))


def _hollow(rng: random.Random) -> Plan:
    wide, wall = rng.randrange(20, 90), rng.randrange(2, 7)
    shape, name = rng.choice((("box", "cube"), ("sphere", "ball")))
    inner = wide - 2 * wall
    words = f"a closed hollow {name}, {wide} mm across, with walls {wall} mm thick all round."
    program = hollow(shape, wide, inner)
    return Plan("hollow", words, program, 0.3, (0.5,))


def _bracket(rng: random.Random) -> Plan:
    x, y, z, thick = rng.randrange(20, 80), rng.randrange(10, 50), rng.randrange(20, 80), rng.randrange(3, 10)
    words = (
        f"an L-shaped bracket: a floor of {x} x {y} x {thick} mm, and on its left end (lowest x) a wall as deep as the "
        f"floor, {thick} mm thick, that reaches up to z = {z} mm."
    )
    program = bracket(x, y, z, thick)
    return Plan("bracket", words, program, 0.35, (0.75,))


def _stairs(rng: random.Random) -> Plan:
    steps, run, rise, wide = rng.randint(2, 6), rng.randrange(8, 25), rng.randrange(5, 20), rng.randrange(15, 60)
    words = (
        f"solid stairs of {steps} steps that go up towards higher x: each step {run} mm long (x), {rise} mm high and "
        f"{wide} mm wide (y)."
    )
    cuts = tuple((number + 0.5) / steps for number in range(steps))
    return Plan("stairs", words, stairs(steps, run, rise, wide), 0.3 + 0.08 * steps, cuts)


def _table(rng: random.Random) -> Plan:
    x, y, z = rng.randrange(40, 120), rng.randrange(40, 100), rng.randrange(30, 90)
    leg, top = rng.randrange(4, 11), rng.randrange(3, 9)
    words = rng.choice(
        (
            f"a table {z} mm high: a top of {x} x {y} mm, {top} mm thick, and in each corner a square leg of {leg} mm.",
            f"a small table, x = {x}, y = {y}, z = {z} mm. The top is {top} mm thick, the four legs are {leg} x {leg} mm and "
            "stand flush with the corners.",
        )
    )
    return Plan("table", words, table(x, y, z, leg, top), 0.6, (0.3,))


def _snowman(rng: random.Random) -> Plan:
    count = rng.choice((2, 3, 3))
    first = rng.randrange(30, 70)
    wide = [first, round(first * 0.7), round(first * 0.45)][:count]
    base = 0.0
    cuts: list[float] = []
    for diameter in wide:
        cuts.append(base + diameter / 2)
        base += diameter - 3
    high = base + 3
    balls = ", ".join(f"{diameter} mm" for diameter in wide)
    words = (
        f"a snowman of {NUMBERS[count]} balls, one on top of the other, with diameters of {balls} from below, "
        "each sunk 3 mm into the one beneath."
    )
    return Plan("snowman", words, snowman(wide, 3), 0.4, tuple(cut / high for cut in cuts))


def _rocket(rng: random.Random) -> Plan:
    wide, high, nose = rng.randrange(10, 50), rng.randrange(20, 100), rng.randrange(10, 50)
    words = rng.choice(
        (
            f"a rocket: an upright cylinder, {wide} mm in diameter and {high} mm high, with a cone of the same diameter, "
            f"{nose} mm high, on top.",
            f"a round tower of {wide} mm in diameter, {high} mm high without its roof, which is a pointed cone of {nose} mm, "
            "as wide as the tower.",
        )
    )
    program = rocket(wide, high, nose)
    return Plan("rocket", words, program, 0.35, (0.4 * high / (high + nose), (high + 0.5 * nose) / (high + nose)))


def _dumbbell(rng: random.Random) -> Plan:
    ball, bar, long = rng.randrange(20, 50), rng.randrange(5, 15), rng.randrange(60, 140)
    words = (
        f"a dumbbell along x: two balls of {ball} mm in diameter whose middles are {long} mm apart, joined by a round bar of "
        f"{bar} mm in diameter."
    )
    program = dumbbell(ball, bar, long)
    return Plan("dumbbell", words, program, 0.5, (0.5,))


def _frame(rng: random.Random) -> Plan:
    x, z, thick, rim = rng.randrange(40, 120), rng.randrange(40, 120), rng.randrange(3, 12), rng.randrange(4, 15)
    words = (
        f"an upright picture frame: {x} mm wide (x), {z} mm high (z) and {thick} mm thick (y), with a rectangular opening, so "
        f"that {rim} mm are left on all four sides."
    )
    program = frame(x, z, thick, x - 2 * rim, z - 2 * rim)
    return Plan("frame", words, program, 0.35, (0.5,))


def _cross(rng: random.Random) -> Plan:
    x, y, arm, high = rng.randrange(30, 100), rng.randrange(30, 100), rng.randrange(5, 20), rng.randrange(3, 25)
    words = (
        f"a flat cross (a plus): two bars of {x} mm along x and {y} mm along y, both {arm} mm wide and {high} mm high."
    )
    program = cross(x, y, arm, high)
    return Plan("cross", words, program, 0.3, (0.5,))


def _arch(rng: random.Random) -> Plan:
    wide = rng.randrange(16, 60)
    x, y, straight = wide + 2 * rng.randrange(6, 20), rng.randrange(8, 40), rng.randrange(5, 40)
    z = straight + wide // 2 + rng.randrange(6, 20)
    z += z == 2 * straight  # else what follows from which couldn't be told
    words = (
        f"a gate: a block of {x} x {y} x {z} mm (x, y, z) with a passage along y through its middle, {wide} mm wide: straight "
        f"walls up to z = {straight} mm, and above them a half round arch."
    )
    program = gate(x, y, z, wide, straight)
    return Plan("arch", words, program, 0.6, (0.5 * straight / z,))


def _pair(rng: random.Random) -> Plan:
    wide, gap = rng.randrange(10, 40), rng.randrange(5, 40)
    shape, name = rng.choice((("box", "cubes"), ("sphere", "balls")))
    words = f"two separate {name}, each {wide} mm across, side by side along x with a gap of {gap} mm."
    program = pair(shape, wide, gap)
    return Plan("pair", words, program, 0.2)


def _capsule(rng: random.Random) -> Plan:
    wide, long = rng.randrange(10, 40), rng.randrange(50, 120)
    words = f"an upright capsule, a cylinder with round ends: {wide} mm in diameter and {long} mm long over all."
    program = capsule(wide, long)
    return Plan("capsule", words, program, 0.5, (0.5,))


def _dome(rng: random.Random) -> Plan:
    wide = rng.randrange(20, 100)
    words = rng.choice(
        (
            f"a dome: the upper half of a ball of {wide} mm in diameter.",
            f"a solid half ball, flat side down, {wide} mm across.",
        )
    )
    program = dome(wide)
    return Plan("dome", words, program, 0.35, (0.05,))


def _crossed(rng: random.Random) -> Plan:
    wide = rng.randrange(24, 80)
    hole = round(wide * rng.uniform(0.25, 0.6))
    words = (
        f"a cube of {wide} mm with three round holes of {hole} mm in diameter, along x, y and z, each through the middle of "
        "the cube from face to face."
    )
    program = crossed(wide, hole)
    return Plan("crossed holes", words, program, 0.8, (0.5, 0.1))


FAMILIES: dict[str, Callable[[random.Random], Plan]] = {
    "box": _box,
    "round": _round,
    "plate": _plate,
    "ring": _ring,
    "cup": _cup,
    "hollow": _hollow,
    "bracket": _bracket,
    "stairs": _stairs,
    "table": _table,
    "snowman": _snowman,
    "rocket": _rocket,
    "dumbbell": _dumbbell,
    "frame": _frame,
    "cross": _cross,
    "arch": _arch,
    "pair": _pair,
    "capsule": _capsule,
    "dome": _dome,
    "crossed holes": _crossed,
}
