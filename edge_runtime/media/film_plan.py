"""The plan of a film: which things it shows and how each moves; not where they are.

Written as one line, `P 2s ; A moves right ; small B bounces 3 ; C turns -90 ; A before B`, with the marks of the prompt (see
`edge_runtime.media.prompts`) or, where it has none, `red circle moves right`; "-" where the prompt leaves the
background or the length open. `edge_runtime.media.film_layout` finds places and times.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_runtime.media import Json, Rejected
from edge_runtime.media.picture_plan import OPEN, SIZES, colour_of, colours_for, open_thing, read_thing
from edge_runtime.media.prompts import Prompt, parts_of
from edge_runtime.media.scene import MAX_FILM_SHAPES, MAX_SECONDS

DIRECTIONS = ("right", "left", "down", "up")
WAYS = ("clockwise", "anticlockwise")
# The motions and what follows their names: of facts, and how a plan writes it.
_VALUES = {
    "moves": rf"(?:{'|'.join(DIRECTIONS)})",
    "bounces": r"\d{1,2}",
    "sways": r"\d{1,2}",
    "resizes": r"\d{1,2}(?:\.\d{1,2})?",
    "turns": r"-?\d{1,4}",
    "circles": rf"(?:{'|'.join(WAYS)})",
    "stays": "",
}
_MOTION = re.compile(
    "|".join(f"({name})(?: ({value}))?" if value else f"({name})()" for name, value in _VALUES.items())
)
_BOUNDS = {"bounces": (1, 10), "sways": (1, 10), "resizes": (0.1, 10), "turns": (-1080, 1080)}
_THING = r"[A-Z]|[#\w]+ [a-z]+"
_MOVED = re.compile(rf"(?:({'|'.join(SIZES)}) )?({_THING}) ((?:{'|'.join(_VALUES)})\b.*)")
_BEFORE = re.compile(rf"({_THING}) before ({_THING})")
_LENGTH = re.compile(r"(\d{1,2}(?:\.\d{1,2})?)s")


@dataclass(frozen=True)
class Motion:
    """name: of a fact about motions, "moves". value: what its plan says of it, "right", "3", "-90", "clockwise"."""

    name: str
    value: str = ""


@dataclass(frozen=True)
class Actor:
    """One thing and what it does; nothing stays. colour: "" where open. size: of `SIZES`, "" where open."""

    kind: str
    colour: str
    motions: tuple[Motion, ...] = ()
    size: str = ""


@dataclass(frozen=True)
class FilmPlan:
    """background: "" where open. seconds: 0 where open. orders: (who has stopped, before whom), by number."""

    background: str
    seconds: float
    actors: tuple[Actor, ...]
    orders: tuple[tuple[int, int], ...] = ()


def film_plan_of(shows: Sequence[Json]) -> FilmPlan:
    """The plan of a film of which all these facts are true; a fact's form: `trainer_host.media.film_facts`."""
    actors: dict[tuple[str, str], Actor] = {}
    orders = []
    background, seconds = "", 0.0
    for fact in shows:
        name = str(fact["fact"])
        if name == "count":
            actors[open_thing(fact["of"])] = Actor(*open_thing(fact["of"]))
        elif name == "background":
            background = str(fact["colour"])
        elif name == "lasts":
            seconds = float(str(fact["seconds"]))
        elif name == "before":
            orders.append((open_thing(fact["of"]), open_thing(fact["than"])))
        elif name in _VALUES:
            actor = actors.setdefault(open_thing(fact["of"]), Actor(*open_thing(fact["of"])))
            actors[open_thing(fact["of"])] = replace(actor, motions=(*actor.motions, Motion(name, _value(fact))))
    for fact in shows:
        if fact["fact"] == "size":
            thing = open_thing(fact["of"])
            actors[thing] = replace(actors.get(thing, Actor(*thing)), size=str(fact["size"]))
    numbers = {thing: number for number, thing in enumerate(actors)}
    return FilmPlan(
        background,
        seconds,
        tuple(actors.values()),
        tuple((numbers[one], numbers[other]) for one, other in orders if {one, other} <= numbers.keys()),
    )


def write_film_plan(plan: FilmPlan, prompt: Prompt) -> str:
    """The plan as one line."""

    def named(number: int) -> str:
        return prompt.thing_mark(plan.actors[number].kind, plan.actors[number].colour)

    ground = prompt.ground_mark(plan.background) if plan.background else OPEN
    parts = [f"{ground} {f'{plan.seconds:g}s' if plan.seconds else OPEN}"]
    for number, actor in enumerate(plan.actors):
        motions = actor.motions or (Motion("stays"),)
        said = " , ".join(f"{motion.name} {motion.value}".strip() for motion in motions)
        parts.append(f"{actor.size} {named(number)} {said}".strip())
    parts += [f"{named(one)} before {named(other)}" for one, other in plan.orders]
    return " ; ".join(parts)


def read_film_plan(text: str, prompt: Prompt) -> tuple[FilmPlan, bool]:
    """The plan that a line stands for, and whether all of the line could be read; what can't be is left out.

    Raises `Rejected` where nothing is left that could be drawn.
    """
    head, *parts = parts_of(text)
    ground, _, length = head.partition(" ")
    background = colour_of(prompt.ground(ground))
    found = _LENGTH.fullmatch(length)
    seconds = float(found[1]) if found else 0.0
    whole = (ground == OPEN or background is not None) and (length == OPEN or 0.5 <= seconds <= MAX_SECONDS)
    actors: dict[tuple[str, str], Actor] = {}
    said: list[tuple[tuple[str, str] | None, tuple[str, str] | None]] = []
    for part in parts:
        moved, before = _MOVED.fullmatch(part), _BEFORE.fullmatch(part)
        thing = read_thing(moved[2], prompt) if moved else None
        if moved and thing and thing not in actors and len(actors) < MAX_FILM_SHAPES:
            motions = [_read_motion(piece.strip()) for piece in moved[3].split(" , ")]
            known = tuple(motion for motion in motions if motion is not None)
            whole = whole and len(known) == len(motions)
            actors[thing] = Actor(*thing, known, moved[1] or "")
        elif before:
            said.append((read_thing(before[1], prompt), read_thing(before[2], prompt)))
        else:
            whole = False
    if not actors:
        raise Rejected("no plan", "the text names nothing that could be drawn")
    numbers = {thing: number for number, thing in enumerate(actors)}
    orders = tuple(
        (numbers[one], numbers[other]) for one, other in said if one in numbers and other in numbers and one != other
    )
    bare = [thing for thing in actors if not thing[1]]
    taken = [*(colour for _, colour in actors), background or "white"]
    for thing, colour in zip(bare, colours_for(len(bare), taken), strict=True):
        actors[thing] = replace(actors[thing], colour=colour)
    plan = FilmPlan(background or "", seconds if 0.5 <= seconds <= MAX_SECONDS else 0.0, tuple(actors.values()), orders)
    return plan, whole and len(orders) == len(said)


def _read_motion(text: str) -> Motion | None:
    found = _MOTION.fullmatch(text)
    if not found:
        return None
    name, value = next(
        (found[at], found[at + 1] or "") for at in range(1, 2 * len(_VALUES), 2) if found[at] is not None
    )
    if not value and name != "stays":
        return None
    low, high = _BOUNDS.get(name, (0, 0))
    if name in _BOUNDS and (not low <= float(value) <= high or float(value) == 0):
        return None
    return Motion(name, value)


def _value(fact: Json) -> str:
    """What a plan writes behind the name of a fact's motion."""
    match fact["fact"]:
        case "moves":
            return str(fact["direction"])
        case "bounces" | "sways":
            return str(fact["times"])
        case "resizes":
            return f"{float(str(fact['factor'])):g}"
        case "turns":
            return str(fact["degrees"])
        case "circles":
            return WAYS[0] if fact["clockwise"] else WAYS[1]
        case _:
            return ""
