"""Scenes as one line of few tokens: `256x160 white ; circle red 30 50 35 35 ; star blue 70 50 30 30 r15 l1`.

A shape's numbers are its centre's x and y and its width and height, all of 100; then `r` its degrees, `l` its layer,
where they aren't 0. A polygon's points follow a colon, a text stands in quotes or is a mark of the prompt's. Films say
`10fps 2s` after the background, and of what moves `x 0-200 20 80`: from 0.00 to 2.00 seconds in even steps, or
`x 0:20 50:80 200:20` in others; a `~` after the property's name for "ease".

What it loses against JSON is what two digits can't say: half a hundredth of the canvas.
"""

from __future__ import annotations

import math
import re

from edge_runtime.media import Json, Rejected
from edge_runtime.media.draw import regular
from edge_runtime.media.prompts import Prompt, parts_of
from edge_runtime.media.reading import WRONG_FORM
from edge_runtime.media.scene import MAX_KEYS, MAX_SHAPES, PLAIN_KINDS, Scene, Shape, Track, read_scene

_REGULAR = {"pentagon": 5, "hexagon": 6}
_HEAD = re.compile(r"(\d{1,3})x(\d{1,3}) (\S+)(?: (\d{1,2})fps (\d{1,2}(?:\.\d{1,2})?)s)?")
_SHAPE = re.compile(
    r"([a-z]+) (\S+) (-?\d{1,3}) (-?\d{1,3}) (\d{1,3}) (\d{1,3})(?: r(-?\d{1,3}))?(?: l(-?\d{1,3}))?(.*)"
)
_TRACK = re.compile(r" (x|y|scale|rotation)(~?)((?: -?\d{1,4}(?:[:-]-?\d{1,4})?)+)")
_SAID = re.compile(r" (\[\d\]|\"[^\"]*\")")
_SPAN = re.compile(r"(\d{1,4})-(\d{1,4})")
_TURN = "rotation"  # in degrees; the other properties in hundredths


def is_scene(text: str) -> bool:
    """Whether a text is meant to be a scene in this notation."""
    return re.match(r"\d+x\d+ ", text) is not None


def write_line(scene: Scene, prompt: Prompt) -> str:
    """The scene as one line."""
    head = f"{scene.width}x{scene.height} {scene.background}"
    if scene.fps:
        head += f" {scene.fps}fps {scene.seconds:.2f}".rstrip("0").rstrip(".") + "s"
    return " ; ".join([head, *(_written(shape, prompt) for shape in scene.shapes)])


def read_line(text: str, prompt: Prompt, film: bool) -> tuple[Scene, bool]:
    """The scene of a line, and whether all of it could be read; shapes that can't be are left out.

    Raises `Rejected` where nothing is left that could be drawn, and for what `read_scene` does.
    """
    head, *parts = parts_of(text)
    found = _HEAD.fullmatch(head)
    if not found or (found[4] is not None) != film:
        raise Rejected(WRONG_FORM, "the line doesn't begin with the canvas")
    made: Json = {"width": int(found[1]), "height": int(found[2]), "background": found[3]}
    if film:
        made |= {"fps": int(found[4]), "seconds": float(found[5])}
    shapes: list[Json] = []
    whole = len(parts) <= MAX_SHAPES
    for part in parts[:MAX_SHAPES]:
        try:
            shape = _read(part, prompt, film)
            read_scene({**made, "shapes": [shape]}, film)
            shapes.append(shape)
        except Rejected:
            whole = False
    return read_scene({**made, "shapes": shapes}, film), whole


def _written(shape: Shape, prompt: Prompt) -> str:
    kind = next((name for name in _REGULAR if shape.kind == "polygon" and _is_regular(shape, name)), shape.kind)
    numbers = [_whole(value) for value in (shape.x, shape.y, shape.width, shape.height)]
    # What is thinner than half a hundredth stays visible.
    numbers[2:] = [str(max(1, int(number))) for number in numbers[2:]]
    parts = [kind, shape.colour, *numbers]
    parts += [f"r{round(shape.rotation)}"] if round(shape.rotation) else []
    parts += [f"l{shape.layer}"] if shape.layer else []
    if kind == "polygon":
        parts += [":", *(_whole(value) for point in shape.points for value in point)]
    if kind == "text":
        parts.append(prompt.quote_mark(shape.text))
    return " ".join([*parts, *(_moving(track) for track in shape.motion)])


def _moving(track: Track) -> str:
    values = [str(round(key.value)) if track.property == _TURN else _whole(key.value) for key in track.keys]
    times = [round(key.t * 100) for key in track.keys]
    # Keys that are closer than a hundredth of a second would be one.
    kept = [0, *(at for at in range(1, len(times)) if times[at] > times[at - 1])]
    values, times = [values[at] for at in kept], [times[at] for at in kept]
    step = (times[-1] - times[0]) / max(1, len(times) - 1)
    name = f"{track.property}{'~' if track.ease == 'ease' else ''}"
    if all(abs(t - times[0] - step * at) <= 1 for at, t in enumerate(times)):
        return " ".join([name, f"{times[0]}-{times[-1]}", *values])
    return " ".join([name, *(f"{t}:{value}" for t, value in zip(times, values, strict=True))])


def _read(part: str, prompt: Prompt, film: bool) -> Json:
    found = _SHAPE.fullmatch(part)
    if not found:
        raise Rejected(WRONG_FORM, "this isn't a shape")
    kind, rest = found[1], found[9]
    x, y, width, height = (int(found[at]) / 100 for at in (3, 4, 5, 6))
    made: Json = {"kind": kind, "x": x, "y": y, "width": width, "height": height, "colour": found[2]}
    made |= {"rotation": int(found[7] or 0), "layer": int(found[8] or 0)}
    if kind == "text":
        said = _SAID.match(rest)
        text = prompt.quote(said[1]) if said else None
        if said is None or text is None:
            raise Rejected(WRONG_FORM, "a text must be in quotes")
        made["text"] = text
        rest = rest[said.end() :]
    if film:
        made["motion"] = [_track(track) for track in _TRACK.finditer(rest)]
        rest = _TRACK.sub("", rest)
    if kind in _REGULAR:
        made |= {"kind": "polygon", "points": _points(_regular(kind))}
    elif kind == "polygon" and rest.startswith(" : "):
        numbers = [int(number) / 100 for number in re.findall(r"\d{1,3}", rest)]
        if len(numbers) % 2:
            raise Rejected(WRONG_FORM, "a point has two numbers")
        made["points"] = _points(_pairs(numbers))
        rest = ""
    elif kind not in (*PLAIN_KINDS, "text"):
        raise Rejected(WRONG_FORM, "there is no such kind")
    if rest.strip():
        raise Rejected(WRONG_FORM, "something follows that isn't known")
    return made


def _track(found: re.Match[str]) -> Json:
    first, *rest = found[3].split()
    scale = 1 if found[1] == _TURN else 100
    span = _SPAN.fullmatch(first)
    keys: list[tuple[float, str]]
    if span:
        low, high = int(span[1]), int(span[2])
        keys = [(low + (high - low) * at / max(1, len(rest) - 1), value) for at, value in enumerate(rest)]
    else:
        keys = [(float(t), value) for t, _, value in (pair.partition(":") for pair in found[3].split())]
    if len(keys) > MAX_KEYS or not all(re.fullmatch(r"-?\d+", value) for _, value in keys):
        raise Rejected(WRONG_FORM, "a motion is times and values")
    return {
        "property": found[1],
        "ease": "ease" if found[2] else "linear",
        "keys": [{"t": round(t / 100, 4), "value": int(value) / scale} for t, value in keys],
    }


def _regular(kind: str) -> list[tuple[float, float]]:
    return [(round(x + 0.5, 4), round(y + 0.5, 4)) for x, y in regular(_REGULAR[kind])]


def _is_regular(shape: Shape, kind: str) -> bool:
    corners = _regular(kind)
    return len(corners) == len(shape.points) and all(
        math.dist(one, other) < 0.01 for one, other in zip(corners, shape.points, strict=True)
    )


def _pairs(numbers: list[float]) -> list[tuple[float, float]]:
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _points(points: list[tuple[float, float]]) -> list[Json]:
    return [{"x": x, "y": y} for x, y in points]


def _whole(value: float) -> str:
    return str(round(value * 100))
