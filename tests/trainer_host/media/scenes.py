"""Scenes in few words, for the tests."""

from __future__ import annotations

from edge_runtime.media.scene import Key, Scene, Shape, Track
from trainer_host.tasks import Json


def shape(kind: str, colour: str, x: float, y: float, size: float, **more: object) -> Shape:
    """A shape as wide as high."""
    return Shape(kind, x, y, size, size, colour, **more)  # type: ignore[arg-type]


def picture(*shapes: Shape, background: str = "white", width: int = 200, height: int = 200) -> Scene:
    """A picture."""
    return Scene(width, height, background, shapes)


def film(*shapes: Shape, seconds: float = 2.0, fps: int = 10, width: int = 160, height: int = 120) -> Scene:
    """A film on white."""
    return Scene(width, height, "white", shapes, fps, seconds)


def track(name: str, *values: float, seconds: float = 2.0, start: float = 0.0, ease: str = "linear") -> Track:
    """Values at even times from `start` to `seconds`."""
    step = (seconds - start) / (len(values) - 1)
    return Track(name, ease, tuple(Key(start + step * number, value) for number, value in enumerate(values)))


def json_shape(kind: str, colour: str, x: float, y: float, width: float, height: float | None = None) -> Json:
    """A shape as a teacher writes it."""
    return {
        "kind": kind,
        "x": x,
        "y": y,
        "width": width,
        "height": width if height is None else height,
        "colour": colour,
        "rotation": 0,
        "layer": 0,
    }
