"""Statements about a body ("40 x 30 x 5 mm", "four holes"), each checked on the mesh that its STL file holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from edge_runtime.media import reading
from edge_runtime.media.colours import COLOURS
from trainer_host.media.body import Body, section
from trainer_host.tasks import Json, Rejected

if TYPE_CHECKING:
    import numpy as np

MAX_FACTS = 24
LENGTH_OFF, LENGTH_OFF_MM = 0.02, 0.2  # round surfaces are of flat pieces, and a mesh is of 32-bit numbers
AREA_OFF = 0.03
VOLUME_OFF = 0.03


@dataclass(frozen=True)
class Size:
    """Its extent along x, y and z, in millimetres."""

    x: float
    y: float
    z: float


@dataclass(frozen=True)
class Volume:
    """In cubic millimetres; it tells the size of holes and hollows."""

    volume: float


@dataclass(frozen=True)
class Holes:
    """How many times one can reach through it: 1 for a ring, 0 for a cup."""

    holes: int


@dataclass(frozen=True)
class Pieces:
    """How many bodies that don't touch each other it has."""

    pieces: int


@dataclass(frozen=True)
class Cavities:
    """How many closed hollows it has inside."""

    cavities: int


@dataclass(frozen=True)
class Section:
    """How it is where it is cut level at a height above its lowest point, in millimetres.

    x, y: the cut's extent. dx, dy: how far the cut's middle is from the middle of the body's box. area: of the cut,
    without holes, in square millimetres.
    """

    height: float
    x: float
    y: float
    dx: float
    dy: float
    area: float


@dataclass(frozen=True)
class Grounded:
    """It stands on z = 0."""


@dataclass(frozen=True)
class Extent:
    """How long it is along one axis, in millimetres; the others may be anything."""

    axis: str
    length: float


@dataclass(frozen=True)
class Sides:
    """The three sides of its box, whichever way it lies, in millimetres."""

    a: float
    b: float
    c: float


@dataclass(frozen=True)
class Fills:
    """How much of its box it fills: all of it as a box does, 0.785 as a cylinder, 0.524 as a ball, 0.262 as a cone."""

    share: float


@dataclass(frozen=True)
class Levels:
    """On how many flat heights one could stand, as on the steps of stairs."""

    levels: int


@dataclass(frozen=True)
class Legs:
    """On how many separate feet it stands."""

    legs: int


@dataclass(frozen=True)
class Colour:
    """The colour of the whole body."""

    colour: str


Fact = Size | Volume | Holes | Pieces | Cavities | Section | Grounded | Extent | Sides | Fills | Levels | Legs | Colour

_NAMES: dict[str, type[Fact]] = {
    "size": Size,
    "volume": Volume,
    "holes": Holes,
    "pieces": Pieces,
    "cavities": Cavities,
    "section": Section,
    "grounded": Grounded,
    "extent": Extent,
    "sides": Sides,
    "fills": Fills,
    "levels": Levels,
    "legs": Legs,
    "colour": Colour,
}
_REASONS: dict[type[Fact], str] = {
    Size: "wrong size",
    Volume: "wrong volume",
    Holes: "wrong holes",
    Pieces: "wrong pieces",
    Cavities: "wrong cavities",
    Section: "wrong form",
    Grounded: "not on the ground",
    Extent: "wrong size",
    Sides: "wrong size",
    Fills: "wrong form",
    Levels: "wrong levels",
    Legs: "wrong legs",
    Colour: "wrong colour",
}


def write_fact(fact: Fact) -> Json:
    """A fact as JSON."""
    return {"fact": next(name for name, made in _NAMES.items() if isinstance(fact, made)), **asdict(fact)}


def read_facts(value: object, where: str = "shows") -> tuple[Fact, ...]:
    """Facts from JSON; raises `Rejected`."""
    return reading.items(value, where, _read_fact, MAX_FACTS)


def unmet(facts: Sequence[Fact], body: Body, colour: str = "") -> list[Rejected]:
    """The facts that don't hold, each with its sentence. colour: the program's."""
    problems = [(fact, _problem(fact, body, colour)) for fact in facts]
    return [Rejected(_REASONS[type(fact)], sentence) for fact, sentence in problems if sentence is not None]


def near(length: float, wanted: float) -> bool:
    """The same length, as exactly as a mesh can have it."""
    return abs(length - wanted) <= max(LENGTH_OFF_MM, LENGTH_OFF * wanted)


def _problem(fact: Fact, body: Body, colour: str) -> str | None:
    match fact:
        case Size():
            wanted = (fact.x, fact.y, fact.z)
            if not all(map(near, body.size, wanted)):
                return f"it must be {_sides(wanted)} mm (x, y, z), but is {_sides(body.size)}"
        case Volume():
            if abs(body.volume / fact.volume - 1) > VOLUME_OFF:
                return f"it must have {fact.volume:.0f} cubic mm, but has {body.volume:.0f}"
        case Holes():
            if body.holes != fact.holes:
                return f"it must have {fact.holes} through holes, but has {body.holes}"
        case Pieces():
            if body.pieces != fact.pieces:
                return f"it must be of {fact.pieces} pieces that don't touch, but is of {body.pieces}"
        case Cavities():
            if body.cavities != fact.cavities:
                return f"it must have {fact.cavities} closed hollows inside, but has {body.cavities}"
        case Section():
            return _section(fact, body)
        case Grounded():
            if abs(body.low[2]) > LENGTH_OFF_MM:
                return f"it must stand on z = 0, but its lowest point is at {body.low[2]:.4g} mm"
        case Extent():
            length = body.size["xyz".index(fact.axis)]
            if not near(length, fact.length):
                return f"it must be {fact.length:.4g} mm along {fact.axis}, but is {length:.4g} mm"
        case Sides():
            wanted = (fact.a, fact.b, fact.c)
            if not all(map(near, sorted(body.size), sorted(wanted))):
                return f"its sides must be {_sides(wanted)} mm, but are {_sides(body.size)}"
        case Fills():
            share = body.volume / (body.size[0] * body.size[1] * body.size[2])
            if abs(share / fact.share - 1) > VOLUME_OFF:
                return f"it must fill {fact.share:.0%} of its box, but fills {share:.0%}"
        case Levels():
            if (levels := _levels(body)) != fact.levels:
                return f"it must have {fact.levels} flat levels, but has {levels}"
        case Legs():
            if (legs := _legs(body)) != fact.legs:
                return f"it must stand on {fact.legs} legs, but stands on {legs}"
        case Colour():
            if colour != fact.colour:
                return f"it must be {fact.colour}, but is {colour or 'of no colour'}"
    return None


def _upward(body: Body) -> np.ndarray:
    """The triangles that lie flat and face up: their heights, float64 [n], and areas, float64 [n], as one [n, 2]."""
    import numpy as np

    one, two = body.triangles[:, 1] - body.triangles[:, 0], body.triangles[:, 2] - body.triangles[:, 0]
    normals = np.cross(one, two)
    lengths = np.linalg.norm(normals, axis=1)
    flat = normals[:, 2] > 0.999 * np.maximum(lengths, 1e-12)
    return np.stack([body.triangles[flat, 0, 2], lengths[flat] / 2], axis=1)


def _levels(body: Body) -> int:
    import numpy as np

    found = _upward(body)
    heights = np.unique(np.round(found[:, 0], 1))
    large = [height for height in heights if found[np.abs(found[:, 0] - height) < 0.06, 1].sum() > 1]
    return len(large)


def _legs(body: Body) -> int:
    """Pieces of its lowest twentieth: triangles there that share corners."""
    import numpy as np

    low = body.triangles[(body.triangles[:, :, 2] < body.low[2] + 0.05 * body.size[2]).all(axis=1)]
    _, corners = np.unique(np.round(low.reshape(-1, 3), 3), axis=0, return_inverse=True)
    label = np.arange(corners.max() + 1) if len(low) else np.zeros(0, dtype=np.int64)
    groups = corners.reshape(-1, 3)
    while True:  # each pass, every triangle takes its corners' smallest label
        least = label[groups].min(axis=1)
        wider = label.copy()
        np.minimum.at(wider, groups.reshape(-1), np.repeat(least, 3))
        if np.array_equal(wider, label):
            return len(np.unique(label))
        label = wider


def _section(fact: Section, body: Body) -> str | None:
    cut = section(body, fact.height)
    wanted = f"cut at a height of {fact.height:g} mm it must be {_sides((fact.x, fact.y))} mm (x, y)"
    if cut is None or not (near(cut.x, fact.x) and near(cut.y, fact.y)):
        return f"{wanted}, but {'there is nothing' if cut is None else f'it is {_sides((cut.x, cut.y))}'}"
    off = max(LENGTH_OFF_MM, LENGTH_OFF * max(body.size))
    if abs(cut.dx - fact.dx) > off or abs(cut.dy - fact.dy) > off:
        return f"{wanted} and lie {fact.dx:g}, {fact.dy:g} mm from the middle, but it lies {cut.dx:.4g}, {cut.dy:.4g} from it"
    if abs(cut.area / fact.area - 1) > AREA_OFF:
        return f"cut at a height of {fact.height:g} mm, {fact.area:.0f} square mm must be solid, but {cut.area:.0f} are"
    return None


def _sides(lengths: Sequence[float]) -> str:
    return " x ".join(f"{length:.4g}" for length in lengths)


def _read_fact(value: object, where: str) -> Fact:
    name = reading.choice(value.get("fact") if isinstance(value, dict) else None, f"{where}.fact", _NAMES)
    made = _NAMES[name]
    found = reading.fields(value, where, ("fact", *made.__dataclass_fields__))
    read: dict[str, float | str] = {}
    for field in made.__dataclass_fields__:
        at = f"{where}.{field}"
        if field in ("axis", "colour"):
            read[field] = reading.choice(found[field], at, "xyz" if field == "axis" else COLOURS)
        elif field in ("holes", "pieces", "cavities", "levels", "legs"):
            read[field] = reading.integer(found[field], at, 0, 100)
        elif field in ("dx", "dy"):
            read[field] = reading.number(found[field], at, -1000, 1000)
        else:
            read[field] = reading.number(found[field], at, 0.01, 1e9)
    return made(**read)  # type: ignore[arg-type]
