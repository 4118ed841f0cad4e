"""Short and free requests for bodies, with few measures or none, and what follows where a measure is left open.

Stated defaults: a body without measures is about 40 mm high or wide, see each kind; where one measure is named, those
left open follow from it (a cup's wall is a tenth of its width, a cone is twice as high as wide).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from edge_runtime.media.body import build
from edge_runtime.media.colours import COLOURS
from edge_runtime.media.solid import Program
from edge_runtime.media.solid_words import KNOWN
from trainer_host.media import solid_programs as make
from trainer_host.media.body import Body, measure
from trainer_host.media.picture_words import NUMBERS
from trainer_host.media.slips import typed
from trainer_host.media.solid_facts import Cavities, Colour, Extent, Fact, Fills, Holes, Legs, Levels, Pieces

SIDE = 40.0  # millimetres, of what has no measure
_ASKED = ("", "", "", "", "make ", "make me ", "please make ", "can you make ", "could you model ", "I'd like ", "I need ", "I want ", "build ", "create ", "design ", "model ", "give me ", "pls make ")  # fmt: skip


@dataclass(frozen=True)
class Wish:
    """words: with "{}" before the noun for a colour. named: axes of the box whose extent the words name."""

    words: str
    program: Program
    named: str = ""
    more: tuple[Fact, ...] = ()


def sample(rng: random.Random) -> tuple[str, str, Program, tuple[Fact, ...]]:
    """A kind, a request for it, a program that makes it, and the facts that the request names."""
    kind = rng.choice([*WISHES])
    wish = WISHES[kind](rng)
    colour = rng.choice([*COLOURS]) if rng.random() < 0.35 else ""
    program = replace(wish.program, colour=colour)
    said = _coloured(wish.words, colour, rng)
    said = typed(_framed(said, rng), KNOWN, rng)
    return kind, said, program, facts_of(wish, colour, measure(build(program)))


def facts_of(wish: Wish, colour: str, body: Body) -> tuple[Fact, ...]:
    """What the words ask for, measured."""
    facts: list[Fact] = [Pieces(body.pieces), Holes(body.holes), Cavities(body.cavities), *wish.more]
    facts += [Extent(axis, round(body.size["xyz".index(axis)], 2)) for axis in wish.named]
    return (*facts, *([Colour(colour)] if colour else []))


def _coloured(words: str, colour: str, rng: random.Random) -> str:
    if colour and rng.random() < 0.2 and words.endswith("{}"):
        words, colour = f"{words.replace('{}', '')} in {colour}", ""
    said = words.replace("{}", f"{colour} " if colour else "")
    return said.replace("a orange ", "an orange ")


def _framed(words: str, rng: random.Random) -> str:
    if rng.random() < 0.25:
        words = words.removeprefix("a ").removeprefix("an ")
    said = rng.choice(_ASKED) + words
    said += "?" if said.startswith(("can", "could")) else "."
    return said[0].upper() + said[1:]


def _mm(length: float, rng: random.Random) -> str:
    """In mm, or in cm where that is short."""
    if length % 10 == 0 and rng.random() < 0.35:
        return f"{length / 10:g} cm"
    return f"{length:g} mm" if rng.random() < 0.9 else f"{length:g}mm"


def _length(rng: random.Random, low: int, high: int) -> float:
    return float(rng.choice((rng.randrange(low, high), 10 * rng.randrange(-(-low // 10), -(-high // 10)))))


def _number(count: int, rng: random.Random) -> str:
    return rng.choice((NUMBERS[count], str(count)))


def _cube(rng: random.Random) -> Wish:
    side = _length(rng, 5, 120)
    words = rng.choice(("a {}cube of {0}", "a {}cube with {0} sides", "a {}cube, {0}", "a {}cube {0} wide"))
    if rng.random() < 0.3:
        return Wish("a {}cube", make.single("box", SIDE, SIDE, SIDE), more=(Fills(1.0),))
    return Wish(_put(words, _mm(side, rng)), make.single("box", side, side, side), "xyz", (Fills(1.0),))


def _box(rng: random.Random) -> Wish:
    x, y, z = (_length(rng, 5, 121) for _ in range(3))
    noun = rng.choice(("box", "block", "box", "cuboid"))
    if rng.random() < 0.2:
        return Wish(f"a {{}}{noun}", make.single("box", SIDE, 30.0, 20.0), more=(Fills(1.0),))
    words = rng.choice(
        (
            f"a {{}}{noun} {x:g} x {y:g} x {z:g}",
            f"a {{}}{noun} of {x:g}x{y:g}x{z:g} mm",
            f"a {{}}{noun} {_mm(x, rng)} long, {_mm(y, rng)} wide and {_mm(z, rng)} high",
            f"a {{}}{noun} {_mm(x, rng)} wide, {_mm(y, rng)} deep and {_mm(z, rng)} tall",
            f"a {{}}{noun}: {x:g} by {y:g} by {z:g} mm",
        )
    )
    return Wish(words, make.single("box", x, y, z), "xyz", (Fills(1.0),))


def _ball(rng: random.Random) -> Wish:
    wide = _length(rng, 8, 100)
    noun = rng.choice(("ball", "sphere", "ball", "globe"))
    fills = (Fills(0.524),)
    if rng.random() < 0.3:
        return Wish(f"a {{}}{noun}", make.single("sphere", SIDE, SIDE, SIDE), more=fills)
    words = rng.choice(
        (
            f"a {{}}{noun} of {_mm(wide, rng)}",
            f"a {{}}{noun} {_mm(wide, rng)} across",
            f"a {{}}{noun}, diameter {_mm(wide, rng)}",
            f"a {{}}{noun} with a radius of {_mm(wide / 2, rng)}",
            f"a {{}}{noun} {_mm(wide, rng)} wide",
        )
    )
    return Wish(words, make.single("sphere", wide, wide, wide), "xyz", fills)


def _upright(rng: random.Random) -> Wish:
    kind = rng.choice(("cylinder", "cone"))
    wide, high = _length(rng, 8, 100), _length(rng, 8, 120)
    fills = (Fills(0.785 if kind == "cylinder" else 0.262),)
    case = rng.random()
    if case < 0.2:
        return Wish(f"a {{}}{kind}", make.single(kind, SIDE / 2, SIDE / 2, SIDE), more=fills)
    if case < 0.4:
        words = rng.choice(("a {}{1} {0} high", "a {}{1} {0} tall", "a {}{1} with a height of {0}"))
        return Wish(_put(words, _mm(high, rng), kind), make.single(kind, high / 2, high / 2, high), "z", fills)
    if case < 0.5:
        words = rng.choice(("a {}{1} {0} in diameter", "a {}{1} {0} wide", "a {}{1} of {0} in diameter"))
        return Wish(_put(words, _mm(wide, rng), kind), make.single(kind, wide, wide, 2 * wide), "xy", fills)
    words = rng.choice(
        (
            f"a {{}}{kind} {_mm(high, rng)} high and {_mm(wide, rng)} in diameter",
            f"a {{}}{kind}, diameter {wide:g}, height {high:g}",
            f"a {{}}{kind} {_mm(wide, rng)} wide and {_mm(high, rng)} high",
            f"a {{}}{kind} that is {_mm(high, rng)} tall and {_mm(wide, rng)} thick",
            f"a {{}}{kind} with a radius of {_mm(wide / 2, rng)} and a height of {_mm(high, rng)}",
        )
    )
    return Wish(words, make.single(kind, wide, wide, high), "xyz", fills)


def _plate(rng: random.Random) -> Wish:
    count = rng.choice((1, 2, 3, 4, 6))
    number = _number(count, rng)
    holes = "hole" if count == 1 else "holes"
    if rng.random() < 0.35:
        words = rng.choice((f"a {{}}plate with {number} {holes}", f"a flat {{}}plate with {number} {holes} in it"))
        return Wish(words, make.plate(60, SIDE, 5, 6, count))
    hole, thick = float(rng.randrange(3, 11)), float(rng.randrange(2, 11))
    x, y = count * hole * 2 + _length(rng, 10, 40), hole * 4 + _length(rng, 10, 30)
    words = rng.choice(
        (
            f"a {{}}plate {x:g} x {y:g} x {thick:g} mm with {number} {holes} of {hole:g} mm",
            f"a {x:g}x{y:g}x{thick:g} mm {{}}plate with {number} {hole:g} mm {holes}",
            f"a {{}}plate with {number} {holes}, {x:g} x {y:g} x {thick:g} mm, hole diameter {hole:g} mm",
        )
    )
    return Wish(words, make.plate(x, y, thick, hole, count), "xyz")


def _tube(rng: random.Random) -> Wish:
    noun = rng.choice(("tube", "pipe", "ring", "washer"))
    outer, high = _length(rng, 12, 100), _length(rng, 3, 80)
    inner = float(round(outer * rng.uniform(0.3, 0.85)))
    inner += 2 * inner == outer  # else what follows from which couldn't be told
    case = rng.random()
    if case < 0.25:
        return Wish(f"a {{}}{noun}", make.ring(SIDE, SIDE / 2, SIDE if noun in ("tube", "pipe") else SIDE / 4))
    if case < 0.45 and noun in ("ring", "washer"):
        words = f"a {{}}{noun} with an outer diameter of {_mm(outer, rng)} and an inner diameter of {_mm(inner, rng)}"
        return Wish(words, make.ring(outer, inner, outer / 4), "xy")
    how = rng.choice(("long", "high")) if noun in ("tube", "pipe") else rng.choice(("thick", "high"))
    words = rng.choice(
        (
            f"a {{}}{noun} {_mm(high, rng)} {how}, {_mm(outer, rng)} outside and {_mm(inner, rng)} inside",
            f"a {{}}{noun}, {_mm(outer, rng)} outside, {_mm(inner, rng)} inside, {_mm(high, rng)} {how}",
            f"a {{}}{noun} with an outer diameter of {outer:g} mm, an inner diameter of {inner:g} mm, {high:g} mm {how}",
        )
    )
    return Wish(words, make.ring(outer, inner, high), "xyz")


def _cup(rng: random.Random) -> Wish:
    kind, noun = rng.choice((("cylinder", "cup"), ("cylinder", "round cup"), ("box", "open box without a lid"), ("box", "square cup")))  # fmt: skip
    wide, high = _length(rng, 20, 90), _length(rng, 20, 110)
    if noun.startswith("open"):
        noun = "open {}box without a lid"
    else:
        noun = f"{{}}{noun}"
    case = rng.random()
    if case < 0.3:
        return Wish(f"a {noun}", make.cup(kind, SIDE, SIDE, 0.9 * SIDE, SIDE / 10))
    if case < 0.7:
        words = rng.choice((f"a {noun}, {_mm(wide, rng)} wide and {_mm(high, rng)} high", f"a {noun} {_mm(high, rng)} tall and {_mm(wide, rng)} wide"))  # fmt: skip
        return Wish(words, make.cup(kind, wide, high, 0.9 * wide, wide / 10), "xyz")
    wall = float(rng.randrange(2, 6))
    words = f"a {noun}, {_mm(wide, rng)} wide, {_mm(high, rng)} high, walls {rng.choice(('', 'of '))}{wall:g} mm"
    return Wish(words, make.cup(kind, wide, high, wide - 2 * wall, wall), "xyz")


def _hollow(rng: random.Random) -> Wish:
    kind, noun = rng.choice((("box", "cube"), ("sphere", "ball"), ("sphere", "sphere")))
    wide, wall = _length(rng, 20, 90), float(rng.randrange(2, 7))
    case = rng.random()
    if case < 0.3:
        return Wish(f"a hollow {{}}{noun}", make.hollow(kind, SIDE, 0.8 * SIDE))
    if case < 0.6:
        return Wish(f"a hollow {{}}{noun} of {_mm(wide, rng)}", make.hollow(kind, wide, 0.8 * wide), "xyz")
    words = f"a hollow {{}}{noun}, {_mm(wide, rng)}, walls {wall:g} mm thick"
    return Wish(words, make.hollow(kind, wide, wide - 2 * wall), "xyz")


def _bracket(rng: random.Random) -> Wish:
    return Wish(rng.choice(("an L-shaped {}bracket", "an L-shaped {}bracket")), make.bracket(SIDE, 20, SIDE, 5))


def _stairs(rng: random.Random) -> Wish:
    steps = rng.randint(2, 6)
    number = _number(steps, rng)
    if rng.random() < 0.6:
        words = rng.choice(
            (
                f"{{}}stairs with {number} steps",
                f"{{}}stairs of {number} steps",
                f"a {{}}staircase with {number} steps",
                f"{{}}stairs, {number} steps",
                f"{number} {{}}steps going up",
                f"a small {{}}staircase of {number} steps",
            )
        )
        return Wish(words, make.stairs(steps, 20, 10, SIDE), more=(Levels(steps),))
    run, rise, wide = _length(rng, 8, 25), _length(rng, 5, 20), _length(rng, 15, 60)
    words = rng.choice(
        (
            f"{{}}stairs with {number} steps, each {run:g} mm long, {rise:g} mm high and {wide:g} mm wide",
            f"{number} {{}}steps going up, each {run:g} mm long, {rise:g} mm high and {wide:g} mm wide",
        )
    )
    return Wish(words, make.stairs(steps, run, rise, wide), "xyz", (Levels(steps),))


def _table(rng: random.Random) -> Wish:
    x, y, z = _length(rng, 40, 120), _length(rng, 40, 100), _length(rng, 30, 90)
    legs = rng.choice(("", "", " with four legs", " with 4 legs"))
    case = rng.random()
    more = (Legs(4),)
    if case < 0.35:
        return Wish(f"a {{}}table{legs}", make.table(80, 60, 50, 5, 5), more=more)
    if case < 0.65:
        words = rng.choice((f"a {{}}table {_mm(z, rng)} high{legs}", f"a {{}}table{legs}, {_mm(z, rng)} tall"))
        return Wish(words, make.table(2 * z, z, z, z / 10, z / 10), "z", more)
    words = rng.choice(
        (
            f"a {{}}table{legs}, {x:g} x {y:g} mm, {_mm(z, rng)} high",
            f"a {{}}table {_mm(x, rng)} wide, {_mm(y, rng)} deep and {_mm(z, rng)} high",
        )
    )
    return Wish(words, make.table(x, y, z, z / 10, z / 10), "xyz", more)


def _snowman(rng: random.Random) -> Wish:
    count = rng.choice((2, 3))
    if rng.random() < 0.4:
        return Wish("a {}snowman", make.snowman((SIDE, 30, 20), 3))
    if count == 2 and rng.random() < 0.6:
        one = _length(rng, 20, 70)
        two = float(round(one * rng.uniform(0.5, 0.8)))
        words = f"a {{}}snowman of {_number(2, rng)} balls, {one:g} mm and {two:g} mm"
        return Wish(words, make.snowman((one, two), one / 10), "xy")
    words = f"a {{}}snowman {rng.choice(('of', 'made of', 'with'))} {_number(count, rng)} balls"
    return Wish(words, make.snowman((SIDE, 30, 20)[:count], 3))


def _rocket(rng: random.Random) -> Wish:
    wide, high, nose = _length(rng, 10, 50), _length(rng, 20, 100), _length(rng, 10, 50)
    if rng.random() < 0.5:
        words = rng.choice(("a {}rocket", "a {}tower with a pointed roof", "a round {}tower with a pointed roof"))
        return Wish(words, make.rocket(20, SIDE, 20))
    if rng.random() < 0.4:
        words = f"a {{}}rocket, {_mm(wide, rng)} in diameter, body {_mm(high, rng)} high"
        return Wish(words, make.rocket(wide, high, wide), "xy")
    words = rng.choice(
        (
            f"a {{}}rocket, {_mm(wide, rng)} in diameter, {_mm(high, rng)} high body and a {_mm(nose, rng)} tip",
            f"a {{}}tower {_mm(wide, rng)} in diameter and {_mm(high, rng)} high with a roof of {_mm(nose, rng)}",
        )
    )
    return Wish(words, make.rocket(wide, high, nose), "xyz")


def _dumbbell(rng: random.Random) -> Wish:
    ball, bar, long = _length(rng, 20, 50), _length(rng, 5, 15), _length(rng, 60, 140)
    if rng.random() < 0.5:
        return Wish("a {}dumbbell", make.dumbbell(30, 10, 80))
    words = f"a {{}}dumbbell with two balls of {_mm(ball, rng)}, {_mm(long, rng)} apart, and a bar of {_mm(bar, rng)}"
    return Wish(words, make.dumbbell(ball, bar, long), "xyz")


def _frame(rng: random.Random) -> Wish:
    x, z = _length(rng, 40, 120), _length(rng, 40, 120)
    if rng.random() < 0.4:
        return Wish("a {}picture frame", make.frame(80, 60, 5, 64, 48))
    words = rng.choice(("a {}picture frame {0} wide and {1} high", "a {}picture frame, {0} wide, {1} tall"))
    return Wish(_put(words, _mm(x, rng), _mm(z, rng)), make.frame(x, z, x / 10, 0.8 * x, 0.8 * z), "xz")


def _cross(rng: random.Random) -> Wish:
    long, arm = _length(rng, 30, 100), _length(rng, 5, 20)
    noun = rng.choice(("cross", "plus sign", "plus"))
    if rng.random() < 0.5:
        return Wish(f"a {{}}{noun}", make.cross(SIDE, SIDE, 10, 10))
    words = f"a {{}}{noun} {_mm(long, rng)} wide and long, with arms of {_mm(arm, rng)}"
    return Wish(words, make.cross(long, long, arm, arm), "xy")


def _gate(rng: random.Random) -> Wish:
    words = rng.choice(("a {}gate", "a {}gate with a round arch", "a {}gate with an arched passage"))
    return Wish(words, make.gate(60, 20, 50, 30, 20))


def _pair(rng: random.Random) -> Wish:
    kind, noun = rng.choice((("box", "cubes"), ("sphere", "balls")))
    wide, gap = _length(rng, 10, 40), _length(rng, 5, 40)
    two = _number(2, rng)
    case = rng.random()
    if case < 0.4:
        words = rng.choice((f"{two} {{}}{noun} next to each other", f"{two} separate {{}}{noun}", f"{two} {{}}{noun} side by side"))  # fmt: skip
        return Wish(words, make.pair(kind, 20, 10))
    if case < 0.6:
        return Wish(f"{two} {{}}{noun} of {_mm(wide, rng)} side by side", make.pair(kind, wide, wide / 2), "yz")
    return Wish(
        f"{two} {{}}{noun} of {_mm(wide, rng)} with a gap of {_mm(gap, rng)}", make.pair(kind, wide, gap), "xyz"
    )


def _capsule(rng: random.Random) -> Wish:
    wide, long = _length(rng, 10, 40), _length(rng, 50, 120)
    noun = rng.choice(("capsule", "pill", "pill shape"))
    if rng.random() < 0.35:
        return Wish(f"a {{}}{noun}", make.capsule(20, 60))
    words = rng.choice(("a {}{2}, {0} in diameter and {1} long", "a {}{2} {1} long and {0} thick"))
    return Wish(_put(words, _mm(wide, rng), _mm(long, rng), noun), make.capsule(wide, long), "xyz")


def _dome(rng: random.Random) -> Wish:
    wide = _length(rng, 20, 100)
    if rng.random() < 0.3:
        return Wish(rng.choice(("a {}dome", "half a {}ball")), make.dome(SIDE))
    words = rng.choice(
        ("a {}dome of {0}", "half a {}ball, {0} across", "a {}dome {0} in diameter", "half a {}ball of {0}")
    )
    return Wish(_put(words, _mm(wide, rng)), make.dome(wide), "xyz")


def _crossed(rng: random.Random) -> Wish:
    wide = _length(rng, 24, 80)
    three = rng.choice(
        ("three holes, one along each axis", "a hole along each of the three axes", "3 holes, along x, y and z")
    )
    case = rng.random()
    if case < 0.4:
        return Wish(f"a {{}}cube with {three}", make.crossed(SIDE, SIDE / 4))
    if case < 0.7:
        return Wish(f"a {{}}cube of {_mm(wide, rng)} with {three}", make.crossed(wide, wide / 4), "xyz")
    hole = float(round(wide * rng.uniform(0.25, 0.6)))
    words = f"a {{}}cube of {_mm(wide, rng)} with {three.replace('holes', f'holes of {hole:g} mm').replace('a hole ', f'a hole of {hole:g} mm ')}"
    return Wish(words, make.crossed(wide, hole), "xyz")


def _put(words: str, *values: str) -> str:
    for number, value in enumerate(values):
        words = words.replace(f"{{{number}}}", value)
    return words


WISHES: dict[str, Callable[[random.Random], Wish]] = {
    "cube": _cube,
    "box": _box,
    "ball": _ball,
    "upright": _upright,
    "plate": _plate,
    "tube": _tube,
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
    "gate": _gate,
    "pair": _pair,
    "capsule": _capsule,
    "dome": _dome,
    "crossed holes": _crossed,
}
