"""Text whose letters change places or melt together, and emoji, drawn by HarfBuzz; no Kivy here.

Kivy's SDL text draws character by character. Where HarfBuzz (uharfbuzz) isn't installed, as on phones, that is all there is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from uharfbuzz import Font, GlyphInfo, GlyphPosition

    Glyphs = list[tuple[GlyphInfo, GlyphPosition]]

# Scripts of India and its neighbours, Thai to Khmer, Mongolian to Batak, and what has marks over and under its letters.
_SCRIPTS = (
    "\u0900-\u109f\u1700-\u18af\u1950-\u1aaf\u1b00-\u1c4f\u1cd0-\u1cff\ua800-\uaaff\uabc0-\uabff\U00011000-\U000115ff"
)
_MARKS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff"
# What is an emoji by itself (Unicode's Emoji_Presentation outside of its planes for them, and those planes).
_OWN = (
    "\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1\u26aa\u26ab\u26bd\u26be\u26c4"
    "\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757\u2795-\u2797"
    "\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55\U0001f000-\U0001faff"
)
_ONE = (
    f"(?:[{_OWN}]\ufe0f?|[#*0-9\u00a9\u00ae\u203c-\u3299]\ufe0f\u20e3?)[\U0001f3fb-\U0001f3ff]?[\U000e0020-\U000e007f]*"
)
_EMOJI = f"[\U0001f1e6-\U0001f1ff]{{2}}|{_ONE}(?:\u200d{_ONE}|\u200d[\u2190-\u2bff])*"
_FIXED = 64  # HarfBuzz counts in 1/64 of a pixel
MOST_PIXELS = 2**22  # of one word; the largest letters that the app knows need a hundredth

Decode = Callable[[bytes], tuple[int, int, bytes] | None]


class Drawn(NamedTuple):
    """A word as pixels. left, top: of its picture, from the pen and the base line, in pixels, y up; alpha: a byte a pixel, from the top
    down; rgba: the picture's own colours instead, where it has some."""

    left: int
    top: int
    width: int
    height: int
    alpha: bytes
    rgba: bytes


class Measured(NamedTuple):
    """In pixels: how far the pen goes, and what the font leaves above and below the base line."""

    advance: int
    ascent: int
    descent: int


# Compiled when first wanted, which English never does: ten milliseconds of the start.
@lru_cache(1)
def emoji() -> re.Pattern[str]:
    """Finds each emoji, with all that it is joined of."""
    return re.compile(_EMOJI)


@lru_cache(1)
def runs() -> re.Pattern[str]:
    """Finds each emoji (as the group "emoji"), each word of such a script and each letter with marks ("word"), else one character."""
    word = f"[{_SCRIPTS}][{_SCRIPTS}{_MARKS}\u200c\u200d\u25cc]*|\\w[{_MARKS}]+"
    return re.compile(f"(?P<emoji>{_EMOJI})|(?P<word>{word})|(?s:.)")


@lru_cache(1)
def available() -> bool:
    """Whether HarfBuzz can shape and draw here."""
    if find_spec("uharfbuzz") is None:
        return False
    import uharfbuzz

    return hasattr(uharfbuzz, "RasterDraw")


@lru_cache(4096)
def measured(file: str, text: str, size: int) -> Measured:
    """How much room a word takes in a font of `size` pixels."""
    font = _font(file, size)
    advance = sum(position.x_advance for _, position in _glyphs(font, text))
    extents = font.get_font_extents("ltr")
    return Measured(ceil(advance / _FIXED), round(extents.ascender / _FIXED), round(-extents.descender / _FIXED))


@lru_cache(512)
def single(file: str, text: str) -> bool:
    """Whether a font has one glyph for all of an emoji."""
    return len(_glyphs(_font(file, 16), text)) == 1


@lru_cache(512)
def drawn(file: str, text: str, size: int, decode: Decode) -> Drawn | None:
    """A word's picture, None where it has no ink. decode: a PNG as (width, height, RGBA from the top down), None where it can't."""
    font = _font(file, size)
    glyphs = _glyphs(font, text)
    if len(glyphs) == 1:
        coloured = _coloured(font, glyphs[0][0].codepoint, decode)
        if coloured is not None:
            return coloured
    return _plain(font, glyphs)


def _plain(font: Font, glyphs: Glyphs) -> Drawn | None:
    from uharfbuzz import RasterDraw

    draw = RasterDraw()
    draw.scale_factor = _FIXED, _FIXED
    x = y = 0
    for info, position in glyphs:
        draw.transform = 1, 0, 0, 1, x + position.x_offset, y + position.y_offset
        draw.draw_glyph(font, info.codepoint)
        x, y = x + position.x_advance, y + position.y_advance
    image = draw.render()
    if image is None:
        return None
    extents = image.extents
    width, height, stride = extents.width, extents.height, extents.stride
    if not 0 < width * height <= MOST_PIXELS:
        return None
    pixels = image.buffer
    rows = [pixels[at * stride : at * stride + width] for at in range(height - 1, -1, -1)]
    return Drawn(extents.x_origin, extents.y_origin + height, width, height, b"".join(rows), b"")


def _coloured(font: Font, glyph: int, decode: Decode) -> Drawn | None:
    """An emoji in its own colours, from a picture or from layers of shapes; None where the font has none of it."""
    if font.face.has_color_png:
        picture = decode(bytes(font.get_glyph_color_png(glyph).data or b""))
        box = font.get_glyph_extents(glyph)
        if picture is None or box is None or box.width <= 0 or box.height >= 0:
            return None
        width, height = max(1, round(box.width / _FIXED)), max(1, round(-box.height / _FIXED))
        if width * height > MOST_PIXELS:
            return None
        rgba = smaller(*picture, width, height)
        return Drawn(round(box.x_bearing / _FIXED), round(box.y_bearing / _FIXED), width, height, b"", rgba)
    if not (font.face.has_color_paint or font.face.has_color_layers):
        return None
    from uharfbuzz import RasterPaint

    box = font.get_glyph_extents(glyph)
    paint = RasterPaint()
    paint.scale_factor = _FIXED, _FIXED
    if box is None or not paint.set_glyph_extents(box) or not paint.paint_glyph_or_fail(font, glyph):
        return None
    image = paint.render()
    if image is None or not 0 < image.extents.width * image.extents.height <= MOST_PIXELS:
        return None
    extents, pixels = image.extents, image.buffer
    rows = [pixels[at * extents.stride :][: 4 * extents.width] for at in range(extents.height - 1, -1, -1)]
    rgba = _straight(b"".join(rows))
    return Drawn(extents.x_origin, extents.y_origin + extents.height, extents.width, extents.height, b"", rgba)


def smaller(width: int, height: int, rgba: bytes, wide: int, high: int) -> bytes:
    """A picture in another size, each pixel the mean of what it covers."""
    across = [(at * width // wide, max(at * width // wide + 1, (at + 1) * width // wide)) for at in range(wide)]
    down = [(at * height // high, max(at * height // high + 1, (at + 1) * height // high)) for at in range(high)]
    made = bytearray()
    for top, bottom in down:
        rows = [rgba[4 * width * row : 4 * width * (row + 1)] for row in range(top, min(bottom, height))]
        for left, right in across:
            covered = [row[4 * left : 4 * right] for row in rows]
            alphas = [part[3::4] for part in covered]
            total = sum(map(sum, alphas))
            for channel in range(3):
                light = sum(
                    value * alpha
                    for part, own in zip(covered, alphas, strict=True)
                    for value, alpha in zip(part[channel::4], own, strict=True)
                )
                made.append(light // total if total else 0)
            made.append(total // sum(map(len, alphas)))
    return bytes(made)


def _straight(premultiplied: bytes) -> bytes:
    """BGRA whose colours are multiplied by their alpha, as RGBA whose colours aren't."""
    made = bytearray(premultiplied)
    for first, (blue, green, red, alpha) in enumerate(zip(*(premultiplied[n::4] for n in range(4)), strict=True)):
        if alpha:
            made[4 * first : 4 * first + 3] = bytes(min(255, value * 255 // alpha) for value in (red, green, blue))
    return bytes(made)


@lru_cache(32)
def _font(file: str, size: int) -> Font:
    from uharfbuzz import Font

    font = Font(_face(file))
    font.scale = size * _FIXED, size * _FIXED
    return font


@lru_cache(16)
def _face(file: str) -> object:
    from uharfbuzz import Blob, Face

    return Face(Blob.from_file_path(file))  # mapped: what isn't looked at takes no memory


def _glyphs(font: Font, text: str) -> Glyphs:
    from uharfbuzz import Buffer, BufferFlags, shape

    buffer = Buffer()
    buffer.flags = BufferFlags.REMOVE_DEFAULT_IGNORABLES
    buffer.add_str(text)
    buffer.guess_segment_properties()
    shape(font, buffer)
    return list(zip(buffer.glyph_infos, buffer.glyph_positions, strict=True))
