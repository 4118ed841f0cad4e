"""The language of bodies: primitives, moved, turned and joined (constructive solid geometry), as a bounded list.

Millimetres and degrees. x goes to the right, y to the back, z up. Each part may join parts named before it, and the
last one is the body: a tree without recursion, which not every provider's schemas have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from edge_runtime.media import Json, Rejected, reading
from edge_runtime.media.colours import read_colour
from edge_runtime.media.reading import TOO_MUCH, WRONG_FORM, strict_list, strict_object

SHAPES = ("box", "sphere", "cylinder", "cone")
JOINS = ("union", "difference", "intersection")

MAX_PARTS = 32
MAX_DEPTH = 10
MAX_NAME = 24
SIZES = (0.1, 1000.0)
PLACES = (-2000.0, 2000.0)
SCALES = (0.05, 20.0)
SEGMENTS = 48  # of a circle; a multiple of 4, so that its extent along x and y is exact
MAX_TRIANGLES = 60_000  # before joining; a part that is used twice counts twice
# Triangles of one primitive with `SEGMENTS`: a box, a sphere of 8 x 12^2, a cylinder of two fans and a wall, a cone.
_TRIANGLES = {"box": 12, "sphere": 1152, "cylinder": 188, "cone": 94}

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Primitive:
    """A shape whose box is `size`, turned about its middle (about x, then y, then z), its middle moved to `at`.

    A cone's point is up. A sphere with three sizes is an ellipsoid.
    """

    name: str
    shape: str
    size: Vector
    at: Vector
    turn: Vector


@dataclass(frozen=True)
class Join:
    """Parts put together, then scaled, turned and moved as a whole about the origin.

    A difference takes all others from the first.
    """

    name: str
    join: str
    of: tuple[str, ...]
    scale: float
    at: Vector
    turn: Vector


Part = Primitive | Join


@dataclass(frozen=True)
class Program:
    """Parts in the order of their making; the last one is the body. colour: of the whole body, "" where none is asked."""

    parts: tuple[Part, ...]
    colour: str = ""


def _vector_schema() -> Json:
    return strict_object(x=reading.NUMBER, y=reading.NUMBER, z=reading.NUMBER)


def program_schema(coloured: bool = False) -> Json:
    """JSON Schema of a program, as strict providers take it. coloured: it may have a "colour", which they don't write."""
    vector = _vector_schema()
    primitive = strict_object(name=reading.STRING, shape=reading.one_of(*SHAPES), size=vector, at=vector, turn=vector)
    join = strict_object(
        name=reading.STRING,
        join=reading.one_of(*JOINS),
        of=strict_list(reading.STRING),
        scale=reading.NUMBER,
        at=vector,
        turn=vector,
    )
    made = strict_object(parts=strict_list({"anyOf": [primitive, join]}))
    if coloured:
        made = {**made, "properties": {**cast(Json, made["properties"]), "colour": reading.STRING}}
    return made


def read_program(value: object) -> Program:
    """A program from JSON; raises `Rejected`. Nothing is built, and nothing gets larger than the bounds above."""
    found = reading.fields(value, "the program", ("parts",), optional=("colour",))
    colour = read_colour(found["colour"], "the program.colour") if "colour" in found else ""
    parts = reading.items(found["parts"], "parts", _part, MAX_PARTS, least=1)
    depths: dict[str, int] = {}
    triangles: dict[str, int] = {}
    used: set[str] = set()
    for part in parts:
        if part.name in depths:
            raise Rejected(WRONG_FORM, f"two parts are named '{part.name}'; give each its own name")
        if isinstance(part, Primitive):
            depths[part.name], triangles[part.name] = 1, _TRIANGLES[part.shape]
            continue
        for name in part.of:
            if name not in depths:
                raise Rejected("unknown part", f"'{part.name}' uses '{name}', which no part before it is named")
        used.update(part.of)
        depths[part.name] = 1 + max(depths[name] for name in part.of)
        triangles[part.name] = sum(triangles[name] for name in part.of)
        if depths[part.name] > MAX_DEPTH:
            raise Rejected(
                TOO_MUCH, f"'{part.name}' is joined {depths[part.name]} levels deep; at most {MAX_DEPTH} are allowed"
            )
        if triangles[part.name] > MAX_TRIANGLES:
            raise Rejected(TOO_MUCH, f"'{part.name}' joins too many round parts; use fewer")
    unused = [part.name for part in parts[:-1] if part.name not in used]
    if unused:
        raise Rejected("unused part", f"'{unused[0]}' isn't part of the body; join it, or leave it out")
    return Program(parts, colour)


def write_program(program: Program) -> Json:
    """The program as JSON; `read_program` reads it back."""
    parts: list[object] = []
    for part in program.parts:
        if isinstance(part, Primitive):
            made: Json = {"name": part.name, "shape": part.shape, "size": _write_vector(part.size)}
        else:
            made = {"name": part.name, "join": part.join, "of": list(part.of), "scale": _round(part.scale)}
        parts.append({**made, "at": _write_vector(part.at), "turn": _write_vector(part.turn)})
    return {"parts": parts, **({"colour": program.colour} if program.colour else {})}


def _part(value: object, where: str) -> Part:
    joined = isinstance(value, dict) and "join" in value
    own = ("join", "of", "scale") if joined else ("shape", "size")
    found = reading.fields(value, where, ("name", *own, "at", "turn"))
    name = reading.text(found["name"], f"{where}.name", MAX_NAME)
    at = _vector(found["at"], f"{where}.at", *PLACES)
    turn = _vector(found["turn"], f"{where}.turn", -360, 360)
    if not joined:
        shape = reading.choice(found["shape"], f"{where}.shape", SHAPES)
        return Primitive(name, shape, _vector(found["size"], f"{where}.size", *SIZES), at, turn)
    return Join(
        name,
        reading.choice(found["join"], f"{where}.join", JOINS),
        reading.items(
            found["of"], f"{where}.of", lambda item, place: reading.text(item, place, MAX_NAME), MAX_PARTS, 1
        ),
        reading.number(found["scale"], f"{where}.scale", *SCALES),
        at,
        turn,
    )


def _vector(value: object, where: str, low: float, high: float) -> Vector:
    found = reading.fields(value, where, ("x", "y", "z"))
    x, y, z = (reading.number(found[axis], f"{where}.{axis}", low, high) for axis in "xyz")
    return x, y, z


def _write_vector(vector: Vector) -> Json:
    return {axis: _round(value) for axis, value in zip("xyz", vector, strict=True)}


def _round(value: float) -> float | int:
    rounded = round(value, 3)
    return int(rounded) if rounded == int(rounded) else rounded
