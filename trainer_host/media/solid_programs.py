"""Programs of the bodies that the built-in teacher knows, by their measures in millimetres."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.media.solid import Join, Part, Primitive, Program, Vector

_ORIGIN: Vector = (0.0, 0.0, 0.0)


def shape(name: str, kind: str, size: Vector, at: Vector, turn: Vector = _ORIGIN) -> Primitive:
    """A primitive."""
    return Primitive(name, kind, size, at, turn)


def join(name: str, how: str, *of: str) -> Join:
    """A join that moves nothing."""
    return Join(name, how, of, 1.0, _ORIGIN, _ORIGIN)


def single(kind: str, x: float, y: float, z: float) -> Program:
    """One primitive that stands on the ground."""
    return Program((shape(kind, kind, (x, y, z), (0, 0, z / 2)),))


def plate(x: float, y: float, thick: float, hole: float, count: int) -> Program:
    """With so many holes, in two rows where there are four or six."""
    rows = 2 if count in (4, 6) else 1
    columns = count // rows
    parts: list[Part] = [shape("plate", "box", (x, y, thick), (0, 0, thick / 2))]
    names = []
    for number in range(count):
        at_x = x * ((number % columns + 0.5) / columns - 0.5)
        at_y = y * ((number // columns + 0.5) / rows - 0.5)
        names.append(f"hole{number + 1}")
        parts.append(shape(names[-1], "cylinder", (hole, hole, thick * 2), (at_x, at_y, thick / 2)))
    return Program((*parts, join("body", "difference", "plate", *names)))


def ring(outer: float, inner: float, high: float) -> Program:
    """A ring or an upright tube."""
    return Program(
        (
            shape("outside", "cylinder", (outer, outer, high), (0, 0, high / 2)),
            shape("inside", "cylinder", (inner, inner, high * 2), (0, 0, high / 2)),
            join("ring", "difference", "outside", "inside"),
        )
    )


def cup(kind: str, wide: float, high: float, inner: float, floor: float) -> Program:
    """Open at the top. kind: "box" or "cylinder"."""
    return Program(
        (
            shape("outside", kind, (wide, wide, high), (0, 0, high / 2)),
            shape("inside", kind, (inner, inner, high), (0, 0, floor + high / 2)),
            join("cup", "difference", "outside", "inside"),
        )
    )


def hollow(kind: str, wide: float, inner: float) -> Program:
    """A closed hollow ball or cube. kind: "sphere" or "box"."""
    return Program(
        (
            shape("outside", kind, (wide,) * 3, (0, 0, wide / 2)),
            shape("inside", kind, (inner,) * 3, (0, 0, wide / 2)),
            join("shell", "difference", "outside", "inside"),
        )
    )


def bracket(x: float, y: float, z: float, thick: float) -> Program:
    """L-shaped, its wall at the lowest x."""
    return Program(
        (
            shape("floor", "box", (x, y, thick), (0, 0, thick / 2)),
            shape("wall", "box", (thick, y, z), (thick / 2 - x / 2, 0, z / 2)),
            join("bracket", "union", "floor", "wall"),
        )
    )


def stairs(steps: int, run: float, rise: float, wide: float) -> Program:
    """Solid, going up towards higher x."""
    parts: list[Part] = []
    for number in range(steps):
        long, high = run * (steps - number), rise * (number + 1)
        parts.append(shape(f"step{number + 1}", "box", (long, wide, high), (run * steps - long / 2, 0, high / 2)))
    return Program((*parts, join("stairs", "union", *(part.name for part in parts))))


def table(x: float, y: float, z: float, leg: float, top: float) -> Program:
    """With four square legs, flush with the corners."""
    parts: list[Part] = [shape("top", "box", (x, y, top), (0, 0, z - top / 2))]
    for number, (side, end) in enumerate(((1, 1), (1, -1), (-1, 1), (-1, -1)), start=1):
        at = (side * (x - leg) / 2, end * (y - leg) / 2, z / 2)
        parts.append(shape(f"leg{number}", "box", (leg, leg, z), at))
    return Program((*parts, join("table", "union", *(part.name for part in parts))))


def snowman(diameters: Sequence[float], sunk: float) -> Program:
    """Balls one on top of the other, each sunk so far into the one beneath."""
    parts: list[Part] = []
    base = 0.0
    for number, diameter in enumerate(diameters, start=1):
        parts.append(shape(f"ball{number}", "sphere", (diameter,) * 3, (0, 0, base + diameter / 2)))
        base += diameter - sunk
    return Program((*parts, join("snowman", "union", *(part.name for part in parts))))


def rocket(wide: float, high: float, nose: float) -> Program:
    """A cylinder with a cone on top."""
    return Program(
        (
            shape("body", "cylinder", (wide, wide, high), (0, 0, high / 2)),
            shape("tip", "cone", (wide, wide, nose), (0, 0, high + nose / 2)),
            join("rocket", "union", "body", "tip"),
        )
    )


def dumbbell(ball: float, bar: float, long: float) -> Program:
    """Two balls whose middles are so far apart along x, joined by a bar."""
    return Program(
        (
            shape("left", "sphere", (ball,) * 3, (-long / 2, 0, ball / 2)),
            shape("right", "sphere", (ball,) * 3, (long / 2, 0, ball / 2)),
            shape("bar", "cylinder", (bar, bar, long), (0, 0, ball / 2), (0, 90, 0)),
            join("dumbbell", "union", "left", "right", "bar"),
        )
    )


def frame(x: float, z: float, thick: float, open_x: float, open_z: float) -> Program:
    """Upright, with a rectangular opening."""
    return Program(
        (
            shape("outside", "box", (x, thick, z), (0, 0, z / 2)),
            shape("opening", "box", (open_x, thick * 2, open_z), (0, 0, z / 2)),
            join("frame", "difference", "outside", "opening"),
        )
    )


def cross(x: float, y: float, arm: float, high: float) -> Program:
    """Two flat bars."""
    return Program(
        (
            shape("along-x", "box", (x, arm, high), (0, 0, high / 2)),
            shape("along-y", "box", (arm, y, high), (0, 0, high / 2)),
            join("cross", "union", "along-x", "along-y"),
        )
    )


def gate(x: float, y: float, z: float, wide: float, straight: float) -> Program:
    """A box with an arched passage along y."""
    return Program(
        (
            shape("block", "box", (x, y, z), (0, 0, z / 2)),
            shape("passage", "box", (wide, y * 2, straight * 2), (0, 0, 0)),
            shape("arch", "cylinder", (wide, wide, y * 2), (0, 0, straight), (90, 0, 0)),
            join("gate", "difference", "block", "passage", "arch"),
        )
    )


def pair(kind: str, wide: float, gap: float) -> Program:
    """Two cubes or balls side by side along x. kind: "box" or "sphere"."""
    at = (wide + gap) / 2
    return Program(
        (
            shape("left", kind, (wide,) * 3, (-at, 0, wide / 2)),
            shape("right", kind, (wide,) * 3, (at, 0, wide / 2)),
            join("pair", "union", "left", "right"),
        )
    )


def capsule(wide: float, long: float) -> Program:
    """Upright."""
    return Program(
        (
            shape("middle", "cylinder", (wide, wide, long - wide), (0, 0, long / 2)),
            shape("lower", "sphere", (wide,) * 3, (0, 0, wide / 2)),
            shape("upper", "sphere", (wide,) * 3, (0, 0, long - wide / 2)),
            join("capsule", "union", "middle", "lower", "upper"),
        )
    )


def dome(wide: float) -> Program:
    """The upper half of a ball."""
    return Program(
        (
            shape("ball", "sphere", (wide,) * 3, _ORIGIN),
            shape("upper", "box", (wide * 2, wide * 2, wide), (0, 0, wide / 2)),
            join("dome", "intersection", "ball", "upper"),
        )
    )


def crossed(wide: float, hole: float) -> Program:
    """A cube with a round hole along each axis."""
    middle = (0.0, 0.0, wide / 2)
    drill = (hole, hole, wide * 2)
    return Program(
        (
            shape("cube", "box", (wide,) * 3, middle),
            shape("along-z", "cylinder", drill, middle),
            shape("along-x", "cylinder", drill, middle, (0, 90, 0)),
            shape("along-y", "cylinder", drill, middle, (90, 0, 0)),
            join("body", "difference", "cube", "along-z", "along-x", "along-y"),
        )
    )
