"""Statements about a film ("moves from left to right", "turns once"), each checked on the shapes' measured paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from edge_runtime.media import reading
from edge_runtime.media.film_words import FILM_READING, motions_said
from edge_runtime.media.prompts import marked
from trainer_host.media import picture_facts
from trainer_host.media.film import Path, Watched, turned
from trainer_host.media.picture_facts import Background, Canvas, Count, NothingElse, Size, Thing, read_thing
from trainer_host.tasks import Json, Rejected

if TYPE_CHECKING:
    import numpy as np

MAX_FACTS = 24
DIRECTIONS = ("right", "left", "down", "up")
TRAVEL = 0.3  # of the canvas: a move that everyone sees
STRAY = 0.1  # of the canvas, to the side
SWING = 0.12  # of the canvas, between two turning points
BACKWARDS = 0.05  # of a path may go the other way
REST = 0.03  # of the canvas; what stays within it hasn't moved
SEEN = 0.9  # share of the frames
FACTORS = (0.33, 0.5, 2.0, 3.0)
FACTOR_OFF = 0.2
TURNS = (90, 180, 360, 720)
TURN_OFF = 0.12
MOVING = 0.02  # of its pixels change from one frame to the next


@dataclass(frozen=True)
class Moves:
    """From one side towards another, straight."""

    of: Thing
    direction: str


@dataclass(frozen=True)
class Bounces:
    """Falls and comes up again, so many times."""

    of: Thing
    times: int


@dataclass(frozen=True)
class Sways:
    """Goes sideways and back, so many times."""

    of: Thing
    times: int


@dataclass(frozen=True)
class Resizes:
    """Grows (factor above 1) or shrinks to so many times its width and height."""

    of: Thing
    factor: float


@dataclass(frozen=True)
class Turns:
    """Rotates by so many degrees, clockwise where positive."""

    of: Thing
    degrees: int


@dataclass(frozen=True)
class Circles:
    """Goes once around the middle of the picture."""

    of: Thing
    clockwise: bool


@dataclass(frozen=True)
class Stays:
    """Neither moves nor changes its size."""

    of: Thing


@dataclass(frozen=True)
class Before:
    """One thing has stopped when the other begins."""

    of: Thing
    than: Thing


@dataclass(frozen=True)
class Lasts:
    """The film's length."""

    seconds: float


Motion = Moves | Bounces | Sways | Resizes | Turns | Circles | Stays
Fact = Count | Background | NothingElse | Canvas | Size | Motion | Before | Lasts

_MOTIONS: dict[str, type[Motion | Before | Lasts]] = {
    "moves": Moves,
    "bounces": Bounces,
    "sways": Sways,
    "resizes": Resizes,
    "turns": Turns,
    "circles": Circles,
    "stays": Stays,
    "before": Before,
    "lasts": Lasts,
}
_PICTURED = ("count", "background", "nothing else", "canvas", "size")  # their names
_PICTURE = (Count, Background, NothingElse, Canvas, Size)


def write_fact(fact: Fact) -> Json:
    """A fact as JSON."""
    if isinstance(fact, _PICTURE):
        return picture_facts.write_fact(fact)
    return {"fact": next(name for name, made in _MOTIONS.items() if isinstance(fact, made)), **asdict(fact)}


def read_facts(value: object, where: str = "shows") -> tuple[Fact, ...]:
    """Facts from JSON; raises `Rejected`."""
    return reading.items(value, where, _read_fact, MAX_FACTS)


def unmet(facts: Sequence[Fact], watched: Watched) -> list[Rejected]:
    """The facts that don't hold, each with its sentence."""
    pictured = in_picture(facts)
    found = []
    for fact in facts:
        problem = _unmet(fact, watched, pictured)
        if problem is not None:
            found.append(problem)
    return found


def _unmet(fact: Fact, watched: Watched, pictured: Sequence[picture_facts.Fact]) -> Rejected | None:
    if isinstance(fact, Lasts):
        if abs(watched.seconds - fact.seconds) > 0.05 * fact.seconds:
            return Rejected("wrong length", f"the film must last {fact.seconds:g} s, not {watched.seconds:g} s")
        return None
    if isinstance(fact, _PICTURE) and (problem := picture_facts.problem(fact, watched.middle, pictured)):
        return problem
    if isinstance(fact, Background | NothingElse | Canvas | Size):
        return None
    sentence = _problem(fact, watched)
    if sentence is None:
        return None
    return Rejected("leaves the picture" if isinstance(fact, Count) else "wrong motion", sentence)


def in_picture(facts: Sequence[Fact]) -> list[picture_facts.Fact]:
    """Those about single pictures."""
    return [fact for fact in facts if isinstance(fact, _PICTURE)]


def motions_of(watched: Watched) -> tuple[Fact, ...]:
    """What a film shows for certain, for films that say nothing: its things, and which way each moves or that it stays."""
    found: list[Fact] = []
    for fact in picture_facts.facts_of(watched.middle):
        if not isinstance(fact, Count) or fact.count > 1:
            continue
        found.append(fact)
        tries: list[Motion] = [Moves(fact.of, direction) for direction in DIRECTIONS]
        tries += [Bounces(fact.of, times) for times in range(1, 6)] + [Sways(fact.of, times) for times in range(1, 6)]
        tries += [Resizes(fact.of, factor) for factor in FACTORS]
        tries += [Turns(fact.of, way * turn) for turn in TURNS for way in (1, -1)]
        tries += [Circles(fact.of, True), Circles(fact.of, False), Stays(fact.of)]
        found += [motion for motion in tries if not unmet([motion], watched)]
    return tuple(found[:MAX_FACTS])


def path_of(watched: Watched, thing: Thing) -> Path | None:
    """The path of the one shape of that kind and colour; None where there is none, or more than one."""
    found = [path for shape, path in zip(watched.middle.shapes, watched.paths, strict=True) if thing.fits(shape)]
    return found[0] if len(found) == 1 else None


def _problem(fact: Count | Motion | Before, watched: Watched) -> str | None:
    if isinstance(fact, Before):
        return _order(fact, watched)
    path = path_of(watched, fact.of)
    if path is None:
        # Of several the middle frame's count is all that is asked; the count itself tells where there is none.
        return None if isinstance(fact, Count) else f"there must be one {fact.of} to follow"
    match fact:
        case Count():
            if path.clear < SEEN:
                return f"the {fact.of} can be seen in {path.clear:.0%} of the frames; it must stay on the canvas, uncovered"
        case Moves():
            return _moves(fact, path)
        case Bounces():
            lows = _bounces(path)
            if lows != fact.times:
                return f"the {fact.of} must come down and up again {fact.times} times, but does so {lows} times"
        case Sways():
            times = _sways(path)
            if times != fact.times:
                return f"the {fact.of} must go sideways and back {fact.times} times, but does so {times} times"
        case Resizes():
            return _resizes(fact, path)
        case Turns():
            turn = 0.0 if path.angle is None else float(path.angle[-1])
            if abs(turn - fact.degrees) > max(12, TURN_OFF * abs(fact.degrees)):
                return f"the {fact.of} must turn by {fact.degrees} degrees (clockwise is positive), but turns by {turn:.0f}"
        case Circles():
            turn = turned(path.x, path.y)
            near = bool(((path.x - 0.5) ** 2 + (path.y - 0.5) ** 2 < 0.1**2).any())
            wanted = 1 if fact.clockwise else -1
            if near or turn * wanted < 320 or turn * wanted > 400:
                way = "clockwise" if fact.clockwise else "anticlockwise"
                return f"the {fact.of} must go once around the middle of the picture, {way}"
        case Stays():
            if _range(path.x) > REST or _range(path.y) > REST or _range(path.area) > 0.1 * path.area.max():
                return f"the {fact.of} must stay where and as it is"
    return None


def _bounces(path: Path) -> int:
    """How often it comes down and up again; what also goes sideways and back doesn't bounce, it circles."""
    return 0 if max(_extremes(path.x)) else _extremes(path.y)[0]


def _sways(path: Path) -> int:
    """How often it goes sideways and back."""
    return 0 if max(_extremes(path.y)) else max(_extremes(path.x))


def _moves(fact: Moves, path: Path) -> str | None:
    along, across = (path.x, path.y) if fact.direction in ("left", "right") else (path.y, path.x)
    along = along if fact.direction in ("right", "down") else -along
    travel = float(along[-1] - along[0])
    back = float(_backwards(along))
    if travel < TRAVEL:
        return f"the {fact.of} must go {fact.direction} by {TRAVEL:.0%} of the canvas or more, but goes {travel:.0%}"
    if back > BACKWARDS * travel or _range(across) > STRAY:
        return f"the {fact.of} must go straight {fact.direction}, without turning back"
    return None


def _resizes(fact: Resizes, path: Path) -> str | None:
    side = path.area**0.5
    factor = float(side[-1] / max(1.0, side[0]))
    if abs(factor / fact.factor - 1) > FACTOR_OFF:
        return f"the {fact.of} must end at {fact.factor:g} times its size, but ends at {factor:.2g} times"
    steady = side if fact.factor > 1 else -side
    if _backwards(steady) > BACKWARDS * _range(side):
        return f"the {fact.of} must {'grow' if fact.factor > 1 else 'shrink'} all the time"
    return None


def _order(fact: Before, watched: Watched) -> str | None:
    import numpy as np

    first, second = path_of(watched, fact.of), path_of(watched, fact.than)
    if first is None or second is None:
        return f"there must be one {fact.of} and one {fact.than}"
    moves, others = np.flatnonzero(first.changes > MOVING), np.flatnonzero(second.changes > MOVING)
    if not len(moves) or not len(others) or moves[-1] > others[0] + 1:
        return f"the {fact.of} must have stopped before the {fact.than} begins"
    return None


def _extremes(values: np.ndarray) -> tuple[int, int]:
    """Inner turning points, maxima and minima, that the values leave by `SWING` or more on both sides."""
    maxima = minima = 0
    low = high = float(values[0])
    rising: bool | None = None  # not known before the first swing
    for value in map(float, values):
        low, high = min(low, value), max(high, value)
        if rising is not True and value - low >= SWING:
            minima += rising is False
            rising, high = True, value
        elif rising is not False and high - value >= SWING:
            maxima += rising is True
            rising, low = False, value
    return maxima, minima


def _range(values: np.ndarray) -> float:
    return float(values.max() - values.min())


def _backwards(values: np.ndarray) -> float:
    """How much they fall, all falls together."""
    steps = values[1:] - values[:-1]
    return float(-steps[steps < 0].sum())


def _read_fact(value: object, where: str) -> Fact:
    name = value.get("fact") if isinstance(value, dict) else None
    if isinstance(name, str) and name in _PICTURED:
        [made] = picture_facts.read_facts([value], where)
        assert isinstance(made, _PICTURE)
        return made
    kind = _MOTIONS[reading.choice(name, f"{where}.fact", (*_MOTIONS, *_PICTURED))]
    found = reading.fields(value, where, ("fact", *kind.__dataclass_fields__))
    read: dict[str, object] = {}
    for field in kind.__dataclass_fields__:
        at, given = f"{where}.{field}", found[field]
        if field in ("of", "than"):
            read[field] = read_thing(given, at)
        elif field == "direction":
            read[field] = reading.choice(given, at, DIRECTIONS)
        elif field == "times":
            read[field] = reading.integer(given, at, 1, 10)
        elif field == "degrees":
            read[field] = reading.integer(given, at, -1080, 1080)
        elif field == "clockwise":
            read[field] = reading.truth(given, at)
        else:
            read[field] = reading.number(given, at, 0.1, 10)
    return kind(**read)  # type: ignore[arg-type]


# What a prompt may say, and what of it must be seen of at least one shape.
_SAID: dict[str, type[Motion]] = {
    "bounces": Bounces,
    "sways": Sways,
    "resizes": Resizes,
    "turns": Turns,
    "circles": Circles,
    "moves": Moves,
}


def spoken(prompt: str, facts: Sequence[Fact], watched: Watched) -> None:
    """Compare the words of a prompt about motion with the film; raises `Rejected`."""
    said = motions_said(marked(prompt, FILM_READING).plain)
    for name, kind in _SAID.items():
        if (
            name in said
            and not any(isinstance(fact, kind) for fact in facts)
            and not any(map(_DOES[kind], watched.paths))
        ):
            raise Rejected("not as asked", f"the prompt speaks of what {name}, but nothing in the film does so")
    for fact in facts:
        if isinstance(fact, Motion) and not isinstance(fact, Stays) and _named(fact) not in said:
            raise Rejected("not asked for", f"the film's {fact.of} has a motion that the prompt doesn't ask for")


def _named(motion: Motion) -> str:
    return next(name for name, kind in _SAID.items() if isinstance(motion, kind))


def _travels(path: Path) -> bool:
    return max(_range(path.x), _range(path.y)) >= TRAVEL


_DOES: dict[type[Motion], Callable[[Path], bool]] = {
    Bounces: lambda path: _bounces(path) > 0,
    Sways: lambda path: _sways(path) > 0,
    Resizes: lambda path: _range(path.area) > 0.3 * path.area.max(),
    Turns: lambda path: path.angle is not None and _range(path.angle) > 45,
    Circles: lambda path: abs(turned(path.x, path.y)) > 320,
    Moves: _travels,
}
