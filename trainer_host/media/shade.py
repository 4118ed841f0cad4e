"""A small picture of a body, from above, the front and the right, in parallel projection with a z-buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

SIDE = 240  # pixels
_SMOOTH = 2
_TURN, _TILT = 35.0, 28.0  # degrees: three faces of a box can be told apart
_LIGHT = (-0.35, -0.5, 0.8)  # from the front, the left and above
_GROUND, PAINT = (245, 245, 245), (70, 130, 200)
_DARKEST = 45  # of a paint's levels: the sides of a black body couldn't be told apart


def picture(triangles: np.ndarray, paint: tuple[int, int, int] = PAINT) -> Image.Image:
    """float64 [n, 3 corners, 3] -> an RGB picture of `SIDE` pixels a side; paint: the body's colour, RGB."""
    import numpy as np
    from PIL import Image

    side = SIDE * _SMOOTH
    turn, tilt = np.radians(_TURN), np.radians(_TILT)
    right = np.array([np.cos(turn), np.sin(turn), 0])
    back = np.array([-np.sin(turn), np.cos(turn), 0]) * np.cos(tilt) - np.array([0, 0, 1]) * np.sin(tilt)
    up = np.cross(right, back)
    seen = triangles @ np.stack([right, up, back], axis=1)  # x to the right, y up, z away from the eye
    low, high = seen.reshape(-1, 3).min(axis=0), seen.reshape(-1, 3).max(axis=0)
    scale = 0.86 * side / max(high[0] - low[0], high[1] - low[1])
    middle = (low + high) / 2
    flat = (seen - middle) * np.array([scale, -scale, scale]) + np.array([side / 2, side / 2, 0])
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    light = np.array(_LIGHT) / np.linalg.norm(_LIGHT)
    brightness = 0.35 + 0.65 * np.clip(normals @ light, 0, 1)
    facing = normals @ back < 0
    canvas = np.full((side, side, 3), _GROUND, dtype=np.uint8)
    depth = np.full((side, side), np.inf)
    for corners, shine in zip(flat[facing], brightness[facing], strict=True):
        _fill(canvas, depth, corners, np.clip(np.maximum(paint, _DARKEST) * shine * 1.15, 0, 255).astype(np.uint8))
    return Image.fromarray(canvas).reduce(_SMOOTH)


def _fill(canvas: np.ndarray, depth: np.ndarray, corners: np.ndarray, colour: np.ndarray) -> None:
    """Paint a triangle where it is nearer than what is there; corners: float64 [3, (x, y, depth)], pixels."""
    import numpy as np

    (x0, y0), (x1, y1) = (
        np.floor(corners[:, :2].min(axis=0)).astype(int),
        np.ceil(corners[:, :2].max(axis=0)).astype(int),
    )
    a, b, c = corners
    area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
    if abs(area) < 1e-9:
        return
    xs, ys = np.meshgrid(np.arange(x0, x1 + 1) + 0.5, np.arange(y0, y1 + 1) + 0.5)
    of_b = ((xs - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (ys - a[1])) / area
    of_c = ((b[0] - a[0]) * (ys - a[1]) - (xs - a[0]) * (b[1] - a[1])) / area
    inside = (of_b >= -1e-9) & (of_c >= -1e-9) & (of_b + of_c <= 1 + 1e-9)
    away = a[2] + of_b * (b[2] - a[2]) + of_c * (c[2] - a[2])
    window = (slice(y0, y1 + 1), slice(x0, x1 + 1))
    nearer = inside & (away < depth[window])
    depth[window][nearer] = away[nearer]
    canvas[window][nearer] = colour
