"""Colours by name and as #rrggbb, and the name that a person would give to a colour seen."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from edge_runtime.media import Rejected
from edge_runtime.media.reading import WRONG_FORM

if TYPE_CHECKING:
    import numpy as np

Rgb = tuple[int, int, int]

# The basic colour terms of English (Berlin and Kay 1969) and cyan, which people tell apart from blue and green.
COLOURS: dict[str, str] = {
    "red": "#e02020",
    "orange": "#ff8c00",
    "yellow": "#ffe119",
    "green": "#22a037",
    "blue": "#1f4fe0",
    "purple": "#8a2be2",
    "pink": "#ff85c0",
    "brown": "#8b4a1b",
    "black": "#000000",
    "white": "#ffffff",
    "grey": "#888888",
    "cyan": "#16c8d8",
}
_ALIASES = {"gray": "grey"}
_HEX = re.compile(r"#[0-9a-fA-F]{6}")

# What people call those names, as colours of CSS (css-color-4, section 6.1): a colour gets the name of the nearest one.
_SEEN: dict[str, tuple[str, ...]] = {
    "red": ("#ff0000", "#dc143c", "#b22222", "#8b0000", "#cd5c5c"),
    "orange": ("#ffa500", "#ff8c00", "#ff7f50", "#ff6a00", "#f4a460"),
    "yellow": ("#ffff00", "#ffd700", "#f0e68c", "#ffffe0"),
    "green": ("#008000", "#00ff00", "#228b22", "#32cd32", "#006400", "#90ee90", "#2e8b57", "#6b8e23"),
    "blue": ("#0000ff", "#4169e1", "#1e90ff", "#000080", "#87ceeb", "#4682b4", "#add8e6"),
    "purple": ("#800080", "#4b0082", "#9400d3", "#ba55d3", "#9370db", "#dda0dd"),
    "pink": ("#ffc0cb", "#ff69b4", "#ff1493", "#ffb6c1"),
    "brown": ("#8b4513", "#a0522d", "#a52a2a", "#5c3317", "#d2691e"),
    "black": ("#000000", "#1c1c1c"),
    "white": ("#ffffff", "#f5f5f5"),
    "grey": ("#808080", "#a9a9a9", "#c0c0c0", "#696969"),
    "cyan": ("#00ffff", "#40e0d0", "#008b8b", "#afeeee"),
}


def read_colour(value: object, where: str) -> str:
    """A colour's name, or #rrggbb in small letters; raises `Rejected`."""
    if isinstance(value, str):
        name = _ALIASES.get(value, value)
        if name in COLOURS:
            return name
        if _HEX.fullmatch(value):
            return value.lower()
    raise Rejected(WRONG_FORM, f"{where} must be #rrggbb or one of {', '.join(COLOURS)}")


def rgb(colour: str) -> Rgb:
    """Red, green and blue, 0 to 255, of what `read_colour` gave."""
    code = COLOURS.get(colour, colour)
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


def lab(pixels: np.ndarray) -> np.ndarray:
    """sRGB uint8 [..., 3] as CIELAB float64 [..., 3] under D65 (IEC 61966-2-1; CIE 15:2004)."""
    import numpy as np

    level = pixels.astype(np.float64) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How different two colours look, CIE76: about 2.3 is just noticeable. uint8 [..., 3] each, float64 [...]."""
    import numpy as np

    return np.linalg.norm(lab(one) - lab(other), axis=-1)


def name_of(colour: Rgb) -> str:
    """What a person would call it."""
    import numpy as np

    names, known = _known()
    return names[int(np.linalg.norm(known - lab(np.array(colour, dtype=np.uint8)), axis=-1).argmin())]


@functools.cache
def _known() -> tuple[list[str], np.ndarray]:
    import numpy as np

    pairs = [(name, rgb(code)) for name, codes in _SEEN.items() for code in (*codes, COLOURS[name])]
    return [name for name, _ in pairs], lab(np.array([code for _, code in pairs], dtype=np.uint8))
