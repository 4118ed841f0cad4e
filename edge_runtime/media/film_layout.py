"""Finds places and times for the things of a film's plan, so that each moves in a part of the canvas of its own.

The same plan gives the same film on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_runtime.media.colours import rgb
from edge_runtime.media.film_plan import DIRECTIONS, Actor, FilmPlan, Motion
from edge_runtime.media.forms import Box, form, formed, is_clear, sides
from edge_runtime.media.picture_layout import ground_for
from edge_runtime.media.scene import MAX_FPS, MAX_FRAMES, MAX_SECONDS, Key, Scene, Shape, Track

_SIDE = 192  # pixels of the canvas
_SECONDS = 2.0  # where the prompt doesn't say
_FPS = 12
_EDGE = 0.02  # of the canvas, around each zone
_MIDDLE: Box = (0.31, 0.31, 0.69, 0.69)  # what stands within the path of a thing that circles
_PAUSE = 0.16  # of a film, between one thing's end and another's begin
_ROUND = 24  # straight pieces of a round path: as many as keys are few
_A_SWING = 5  # frames from one turning point to the next
_A_TURN = 20.0  # degrees from frame to frame
_SMALL, _LARGE = 0.034, 0.125  # of the canvas; asked are at most 0.04 and at least 0.12, counted in pixels
_WIDEST = 0.46  # of its zone, for a large thing that crosses it
_ACROSS = ("moves right", "moves left", "sways")
_PROPERTIES = {"bounces": "y", "sways": "x", "resizes": "scale", "turns": "rotation", "circles": "xy"}


@dataclass(frozen=True)
class _Place:
    """Where and when an actor is: its zone, its seconds, where on the circle it begins (radians)."""

    zone: Box
    start: float
    end: float
    begin: float = 0.0


def lay_out_film(plan: FilmPlan) -> tuple[Scene, bool]:
    """The film, and whether it shows all that the plan says; where that can't be, it keeps what it can."""
    background = plan.background or ground_for([actor.colour for actor in plan.actors])
    seen = all(rgb(actor.colour) != rgb(background) for actor in plan.actors)
    levels, ordered = _levels(plan)
    parts = max((level or 0 for level in levels), default=0) + 1
    seconds, fps, enough = _pace(plan, levels, parts)
    zones, apart = _zones(plan.actors)
    shapes: list[Shape] = []
    possible = True
    turning = [number for number, actor in enumerate(plan.actors) if _does(actor, "circles")]
    for number, (actor, zone) in enumerate(zip(plan.actors, zones, strict=True)):
        start, end = _span(levels[number], parts, seconds)
        begin = 2 * math.pi * (turning.index(number) / len(turning) if number in turning else 0) - math.pi / 2
        shape, clear = _moved(actor, _Place(zone, start, end, begin))
        shapes.append(shape)
        possible = possible and clear
    scene = Scene(_SIDE, _SIDE, background, tuple(shapes), fps, seconds)
    return scene, seen and ordered and enough and apart and possible


def _does(actor: Actor, *names: str) -> bool:
    return any(motion.name in names or f"{motion.name} {motion.value}" in names for motion in actor.motions)


def _levels(plan: FilmPlan) -> tuple[list[int | None], bool]:
    """Which part of the film is whose, None for those who may take all of it; and whether no one waits for itself."""
    levels: list[int | None] = [None] * len(plan.actors)
    for _ in range(len(plan.actors) + 1):
        before = list(levels)
        for one, other in plan.orders:
            levels[one] = levels[one] or 0
            levels[other] = max(levels[other] or 0, (levels[one] or 0) + 1)
        if levels == before:
            return levels, True
    return [None] * len(plan.actors), False


def _pace(plan: FilmPlan, levels: Sequence[int | None], parts: int) -> tuple[float, int, bool]:
    """(seconds, frames a second, whether each motion has the frames that show it)."""
    need = 0.0  # frames of the whole film
    for number, actor in enumerate(plan.actors):
        share = 1.0 if levels[number] is None else _part(parts)
        for motion in actor.motions:
            if motion.name in ("bounces", "sways"):
                need = max(need, 2 * int(motion.value) * _A_SWING / share)
            if motion.name == "turns":
                need = max(need, abs(float(motion.value)) / _A_TURN / share)
    seconds = plan.seconds or min(MAX_SECONDS, max(_SECONDS * (1 + (parts - 1) / 2), math.ceil(2 * need / MAX_FPS) / 2))
    fps = min(MAX_FPS, max(_FPS, math.ceil(need / seconds)), int(MAX_FRAMES / seconds))
    return seconds, fps, fps * seconds >= 0.6 * need


def _part(parts: int) -> float:
    """The share of the film that one of so many parts takes."""
    return (1 - _PAUSE * (parts - 1)) / parts if parts < 5 else 0.5 / parts


def _span(level: int | None, parts: int, seconds: float) -> tuple[float, float]:
    if level is None:
        return 0.0, seconds
    length = _part(parts)
    start = level * (1 - length) / max(1, parts - 1)
    return round(start * seconds, 3), round((start + length) * seconds, 3)


def _zones(actors: Sequence[Actor]) -> tuple[list[Box], bool]:
    """A zone for each actor, and whether each can do in it what it is to do.

    Those that go sideways lie one above the other, those that go up and down side by side; the rest where there is
    room. Those that circle have the canvas, and the others its middle.
    """
    whole: Box = (0.0, 0.0, 1.0, 1.0)
    around = [number for number, actor in enumerate(actors) if _does(actor, "circles")]
    ways = {motion.value for number in around for motion in actors[number].motions if motion.name == "circles"}
    others = [number for number in range(len(actors)) if number not in around]
    across = [number for number in others if _does(actors[number], *_ACROSS)]
    up_down = [n for n in others if n not in across and _does(actors[n], "moves up", "moves down", "bounces")]
    for number in others:
        if number not in across and number not in up_down:
            (across if len(across) >= len(up_down) else up_down).append(number)
    room = _MIDDLE if around else whole
    middle = (room[0] + room[2]) / 2 if across and up_down else (room[2] if across else room[0])
    placed: dict[int, Box] = {number: whole for number in around}
    only_still = not any(_does(actors[number], *_ACROSS) for number in across)
    columns = math.ceil(math.sqrt(len(across))) if only_still and not up_down else 1
    rows = math.ceil(len(across) / columns) if across else 0
    for at, number in enumerate(sorted(across)):
        placed[number] = _cell((room[0], room[1], middle, room[3]), at % columns, columns, at // columns, rows)
    for at, number in enumerate(sorted(up_down)):
        placed[number] = _cell((middle, room[1], room[2], room[3]), at, len(up_down), 0, 1)
    moving = any(_does(actors[number], *(f"moves {way}" for way in DIRECTIONS)) for number in others)  # too far
    possible = len(ways) < 2 and len(around) < 7 and not (around and moving)
    return [placed[number] for number in range(len(actors))], possible


def _cell(room: Box, column: int, columns: int, row: int, rows: int) -> Box:
    x0, y0, x1, y1 = room
    wide, high = (x1 - x0) / columns, (y1 - y0) / rows
    return x0 + wide * column, y0 + high * row, x0 + wide * (column + 1), y0 + high * (row + 1)


def _moved(actor: Actor, place: _Place) -> tuple[Shape, bool]:
    """The shape with the keys of its motions, within its zone; and whether it can be told and has no two in one."""
    x0, y0, x1, y1 = (place.zone[0] + _EDGE, place.zone[1] + _EDGE, place.zone[2] - _EDGE, place.zone[3] - _EDGE)
    wide, high = (x1 - x0) * _SIDE, (y1 - y0) * _SIDE
    across, up_down = _does(actor, *_ACROSS), _does(actor, "moves up", "moves down", "bounces")
    share = _WIDEST if actor.size == "large" else 0.3
    if _does(actor, "circles"):
        size = 0.24 * min(wide, high)
    else:
        size = min(wide * (share if across else 0.62), high * (share if up_down else 0.62))
    pixels, sized = _sized(actor, sides(actor.kind, size, size))
    half_x, half_y = (0.54 * side / _SIDE for side in pixels)
    if _does(actor, "turns"):
        half_x = half_y = 0.5 * math.hypot(*pixels) / _SIDE
    reach = (x0 + half_x, x1 - half_x, y0 + half_y, y1 - half_y)
    tracks: list[Track] = []
    for motion in actor.motions:
        tracks += _tracks(motion, reach, place)
        if motion.name == "resizes" and float(motion.value) > 1:
            pixels = (pixels[0] / float(motion.value), pixels[1] / float(motion.value))
    named = [track.property for track in tracks]
    tracks = [track for at, track in enumerate(tracks) if track.property not in named[:at]]
    first = {track.property: track.keys[0].value for track in tracks}
    centre = (first.get("x", (x0 + x1) / 2), first.get("y", (y0 + y1) / 2))
    shape = formed(actor.kind, actor.colour, centre, pixels, _SIDE)
    clear = sized and len(named) == len(tracks) and is_clear(actor.kind, *pixels)
    return replace(shape, motion=tuple(tracks)), clear


def _sized(actor: Actor, pixels: tuple[float, float]) -> tuple[tuple[float, float], bool]:
    """The sides of a thing that is to be small or large, and whether it can be so; it is as it is in its zone else."""
    area = form(actor.kind).area * pixels[0] * pixels[1] / _SIDE**2
    if not actor.size:
        return pixels, True
    if _does(actor, "resizes"):
        return pixels, False  # it is of many sizes
    if actor.size == "large":
        return pixels, area >= _LARGE
    scale = min(1.0, (_SMALL / area) ** 0.5)
    return (pixels[0] * scale, pixels[1] * scale), True


def _tracks(motion: Motion, reach: Box, place: _Place) -> list[Track]:
    """The tracks of a motion. reach: lowest and highest x and y of the shape's centre."""
    left, right, top, bottom = reach

    def track(name: str, values: Sequence[float], ease: str = "ease") -> Track:
        steps = max(1, len(values) - 1)
        times = [place.start + (place.end - place.start) * at / steps for at in range(len(values))]
        return Track(name, ease, tuple(Key(round(t, 3), round(v, 4)) for t, v in zip(times, values, strict=True)))

    match motion.name:
        case "moves":
            low, high = (left, right) if motion.value in ("left", "right") else (top, bottom)
            ends = (low, high) if motion.value in ("right", "down") else (high, low)
            return [track("x" if motion.value in ("left", "right") else "y", ends)]
        case "bounces":
            times = int(motion.value)
            ups = [top + (bottom - top) * 0.35 * at / times for at in range(times + 1)]  # each as high, or lower
            return [track("y", [value for up in ups for value in (up, bottom)][:-1])]
        case "sways":
            return [track("x", [right if at % 2 else left for at in range(2 * int(motion.value) + 1)])]
        case "resizes":
            return [track("scale", (1.0, float(motion.value)))]
        case "turns":
            return [track("rotation", (0.0, float(motion.value)), "linear")]
        case "circles":
            way = 1 if motion.value == "clockwise" else -1
            angles = [place.begin + way * 2 * math.pi * at / _ROUND for at in range(_ROUND + 1)]
            wide, high = (right - left) / 2, (bottom - top) / 2
            return [
                track("x", [0.5 + wide * math.cos(angle) for angle in angles], "linear"),
                track("y", [0.5 + high * math.sin(angle) for angle in angles], "linear"),
            ]
        case _:
            return []
