"""The scene language: a picture, or a film of moving shapes, as a bounded JSON object.

Positions are shares of the canvas, sizes are shares of its shorter side, so that a circle is round on any canvas.
x goes to the right, y down, rotation is clockwise in degrees, time in seconds.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from edge_runtime.media import Json, Rejected, reading
from edge_runtime.media.colours import read_colour
from edge_runtime.media.reading import OUT_OF_RANGE, TOO_MUCH, WRONG_FORM, strict_list, strict_object

PLAIN_KINDS = ("circle", "rectangle", "triangle", "star", "line")
PROPERTIES = ("x", "y", "scale", "rotation")
EASES = ("linear", "ease")

MIN_SIDE = 32
MAX_SIDE = 512  # pixels of a picture
MAX_FILM_SIDE = 256  # a film has up to 150 frames of this: 30 MB of pixels
MAX_SHAPES = 40
MAX_FILM_SHAPES = 12
MAX_POINTS = 24
MAX_TEXT = 40
MAX_FPS = 30
MAX_SECONDS = 10.0
MAX_FRAMES = 150
MAX_KEYS = 32


@dataclass(frozen=True)
class Key:
    """A value at a time, in seconds."""

    t: float
    value: float


@dataclass(frozen=True)
class Track:
    """How one property of a shape changes: `x` and `y` and `rotation` as the shape has them, `scale` of its size.

    ease: "linear" or "ease" (slow, fast, slow) between any two keys; before the first and after the last one the
    value rests.
    """

    property: str
    ease: str
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Shape:
    """kind: one of `PLAIN_KINDS`, "polygon" or "text". points: of a polygon, 0 to 1 within its own box.

    layer: higher ones are drawn later; among equals, later ones of the list.
    """

    kind: str
    x: float
    y: float
    width: float
    height: float
    colour: str
    rotation: float = 0.0
    layer: int = 0
    points: tuple[tuple[float, float], ...] = ()
    text: str = ""
    motion: tuple[Track, ...] = ()


@dataclass(frozen=True)
class Scene:
    """A picture of width x height pixels; a film where `fps` isn't 0."""

    width: int
    height: int
    background: str
    shapes: tuple[Shape, ...]
    fps: int = 0
    seconds: float = 0.0

    @property
    def frames(self) -> int:
        """How many pictures it has."""
        return max(1, round(self.fps * self.seconds))

    @property
    def unit(self) -> int:
        """Pixels of the shorter side."""
        return min(self.width, self.height)


def scene_schema(film: bool) -> Json:
    """JSON Schema of a scene, as strict providers take it."""
    number, integer = reading.NUMBER, reading.INTEGER
    common: Json = {"x": number, "y": number, "width": number, "height": number, "colour": reading.STRING}
    common |= {"rotation": number, "layer": integer}
    if film:
        key = strict_object(t=number, value=number)
        track = strict_object(property=reading.one_of(*PROPERTIES), ease=reading.one_of(*EASES), keys=strict_list(key))
        common |= {"motion": strict_list(track)}
    point = strict_object(x=number, y=number)
    shapes = [
        strict_object(kind=reading.one_of(*PLAIN_KINDS), **common),
        strict_object(kind=reading.one_of("polygon"), **common, points=strict_list(point)),
        strict_object(kind=reading.one_of("text"), **common, text=reading.STRING),
    ]
    parts: Json = {"width": integer, "height": integer, "background": reading.STRING}
    if film:
        parts |= {"fps": integer, "seconds": number}
    return strict_object(**parts, shapes=strict_list({"anyOf": shapes}))


def read_scene(value: object, film: bool) -> Scene:
    """A scene from JSON; raises `Rejected`. Nothing is drawn, and nothing is larger than the bounds above."""
    names = ("width", "height", "background", *(("fps", "seconds") if film else ()), "shapes")
    found = reading.fields(value, "the scene", names)
    most = MAX_FILM_SIDE if film else MAX_SIDE
    seconds = reading.number(found["seconds"], "seconds", 0.5, MAX_SECONDS) if film else 0.0
    fps = reading.integer(found["fps"], "fps", 2, MAX_FPS) if film else 0
    scene = Scene(
        reading.integer(found["width"], "width", MIN_SIDE, most),
        reading.integer(found["height"], "height", MIN_SIDE, most),
        read_colour(found["background"], "background"),
        reading.items(
            found["shapes"],
            "shapes",
            lambda item, where: _shape(item, where, film, seconds),
            MAX_FILM_SHAPES if film else MAX_SHAPES,
            least=1,
        ),
        fps,
        seconds,
    )
    if scene.frames > MAX_FRAMES:
        raise Rejected(TOO_MUCH, f"fps x seconds is {scene.frames} frames; at most {MAX_FRAMES} are allowed")
    return scene


def write_scene(scene: Scene) -> Json:
    """The scene as JSON, numbers rounded to what can be seen; `read_scene` reads it back."""
    shapes: list[object] = []
    for shape in scene.shapes:
        made: Json = {
            "kind": shape.kind,
            "x": _round(shape.x),
            "y": _round(shape.y),
            "width": _round(shape.width),
            "height": _round(shape.height),
            "colour": shape.colour,
            "rotation": _round(shape.rotation),
            "layer": shape.layer,
        }
        if scene.fps:
            made["motion"] = [
                {
                    "property": track.property,
                    "ease": track.ease,
                    "keys": [{"t": _round(key.t), "value": _round(key.value)} for key in track.keys],
                }
                for track in shape.motion
            ]
        if shape.kind == "polygon":
            made["points"] = [{"x": _round(x), "y": _round(y)} for x, y in shape.points]
        if shape.kind == "text":
            made["text"] = shape.text
        shapes.append(made)
    head: Json = {"width": scene.width, "height": scene.height, "background": scene.background}
    if scene.fps:
        head |= {"fps": scene.fps, "seconds": _round(scene.seconds)}
    return {**head, "shapes": shapes}


def _shape(value: object, where: str, film: bool, seconds: float) -> Shape:
    kind = value.get("kind") if isinstance(value, dict) else None
    names = ["kind", "x", "y", "width", "height", "colour", "rotation", "layer"]
    names += ["motion"] if film else []
    names += ["points"] if kind == "polygon" else []
    names += ["text"] if kind == "text" else []
    found = reading.fields(value, where, names)
    reading.choice(kind, f"{where}.kind", (*PLAIN_KINDS, "polygon", "text"))
    return Shape(
        kind=str(kind),
        x=reading.number(found["x"], f"{where}.x", -1, 2),
        y=reading.number(found["y"], f"{where}.y", -1, 2),
        width=reading.number(found["width"], f"{where}.width", 0.005, 3),
        height=reading.number(found["height"], f"{where}.height", 0.005, 3),
        colour=read_colour(found["colour"], f"{where}.colour"),
        rotation=reading.number(found["rotation"], f"{where}.rotation", -360, 360),
        layer=reading.integer(found["layer"], f"{where}.layer", -100, 100),
        points=reading.items(found["points"], f"{where}.points", _point, MAX_POINTS, least=3)
        if kind == "polygon"
        else (),
        text=_text(found["text"], f"{where}.text") if kind == "text" else "",
        motion=_motion(found["motion"], f"{where}.motion", seconds) if film else (),
    )


def _text(value: object, where: str) -> str:
    text = reading.text(value, where, MAX_TEXT)
    if not text.isascii():
        raise Rejected(
            WRONG_FORM, f"{where} may have letters a to z, digits and signs of ASCII; the font has no others"
        )
    return text


def _point(value: object, where: str) -> tuple[float, float]:
    found = reading.fields(value, where, ("x", "y"))
    return reading.number(found["x"], f"{where}.x", 0, 1), reading.number(found["y"], f"{where}.y", 0, 1)


def _motion(value: object, where: str, seconds: float) -> tuple[Track, ...]:
    tracks = reading.items(value, where, lambda item, at: _track(item, at, seconds), len(PROPERTIES))
    names = [track.property for track in tracks]
    if len(set(names)) < len(names):
        raise Rejected(WRONG_FORM, f"{where} moves the same property twice; put all its keys into one list")
    return tracks


_VALUES = {"x": (-1.0, 2.0), "y": (-1.0, 2.0), "scale": (0.02, 10.0), "rotation": (-3600.0, 3600.0)}


def _track(value: object, where: str, seconds: float) -> Track:
    found = reading.fields(value, where, ("property", "ease", "keys"))
    name = reading.choice(found["property"], f"{where}.property", PROPERTIES)
    low, high = _VALUES[name]

    def key(item: object, at: str) -> Key:
        pair = reading.fields(item, at, ("t", "value"))
        return Key(
            reading.number(pair["t"], f"{at}.t", 0, MAX_SECONDS),
            reading.number(pair["value"], f"{at}.value", low, high),
        )

    keys = reading.items(found["keys"], f"{where}.keys", key, MAX_KEYS, least=2)
    if any(after.t <= before.t for before, after in itertools.pairwise(keys)):
        raise Rejected(OUT_OF_RANGE, f"the times of {where}.keys must rise")
    if keys[-1].t > seconds + 1e-6:
        raise Rejected(OUT_OF_RANGE, f"{where}.keys go on to {keys[-1].t:g} s, but the film ends at {seconds:g} s")
    return Track(name, reading.choice(found["ease"], f"{where}.ease", EASES), keys)


def _round(value: float) -> float | int:
    rounded = round(value, 4)
    return int(rounded) if rounded == int(rounded) else rounded
