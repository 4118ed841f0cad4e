"""Teaches Kivy's text to draw every script: a font for each character, and lines in the order of their language.

It changes Kivy's own text provider, so it holds for labels, buttons and text fields alike. Words of scripts whose characters
change places or melt together (Devanagari, Thai, Khmer), and emoji, are drawn by `shaped`, and character by character where
that can't be. What has a style of its own in Kivy's markup is put into order by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeVar

from kivy.core.image import ImageData
from kivy.core.text import Label
from kivy.core.text.markup import MarkupLabel

from companion_app import i18n
from companion_app.i18n import bidi
from companion_app.theme import shaped
from companion_app.theme.fonts import coloured_emoji, covers, family_with

# Kivy's own fonts have these, and no rule of direction moves them in a line that begins from the left.
_SIMPLE = re.compile("[\t\n -~\u00a0-\u017f–—‘’“”•…]*")
_LETTER = re.compile("[A-Za-z\u00c0-\u017f]")
_TAG = re.compile(r"\[[^\]]*\]")
# An alef before a lam, drawn from the left, is a lam before an alef to the font, which would melt them.
_MELTS = re.compile("[\ufedf\ufee0][\ufe82\ufe84\ufe88\ufe8e]")

Result = TypeVar("Result")


class Piece(NamedTuple):
    """A part of a text in one font; shaped: drawn by `shaped`."""

    file: str
    text: str
    shaped: bool = False


class Placed(NamedTuple):
    """A picture of a word on its label: its left and top, in pixels from the label's upper left; ink: red to alpha, 0 to 1."""

    word: shaped.Drawn
    left: int
    top: int
    ink: tuple[float, float, float, float]


def install() -> None:
    """Call it once, before the first label is drawn."""
    if getattr(Label, "draws_every_script", False):
        return
    Label.draws_every_script = True
    Label.find_base_direction = staticmethod(lambda text: "rtl" if i18n.right_to_left() else "ltr")
    extents = Label.get_extents
    Label.get_extents = _extents_by(extents)
    Label._render_text = _rendering_by(Label._render_text, extents)
    Label._render_begin, Label._render_end = _begin(Label._render_begin), _end(Label._render_end)
    Label.render = _aligning(Label.render)
    MarkupLabel.render = _aligning(MarkupLabel.render)
    MarkupLabel._pre_render = _ordering(MarkupLabel._pre_render)


@lru_cache(8192)
def pieces(text: str, font: str, bold: bool) -> tuple[Piece, ...]:
    """A text in pieces of one font each."""
    found: list[Piece] = []
    for run in shaped.runs().finditer(text):
        whole = run.group()
        if run.lastgroup is not None and shaped.available():
            file = _font_of(whole, font, bold, run.lastgroup == "emoji")
            if file is not None:
                found.append(Piece(file, whole, True))
                continue
        for character in bidi.unseen(whole):
            file = font
            if not covers(font, character):
                family = family_with(character)
                if family is not None:
                    file = family.bold if bold else family.regular
            last = found[-1] if found else None
            if last and not last.shaped and last.file == file and not _MELTS.fullmatch(last.text[-1] + character):
                found[-1] = Piece(file, last.text + character)
            else:
                found.append(Piece(file, character))
    return tuple(found)


def _font_of(whole: str, font: str, bold: bool, emoji: bool) -> str | None:
    """The font that has all characters of a word or an emoji; None where no single one has them."""
    coloured = coloured_emoji() if emoji else None
    if coloured is not None and covers(coloured, whole[0]) and shaped.single(coloured, whole):
        return coloured
    signs = [sign for sign in bidi.unseen(whole) if not "\U000e0020" <= sign <= "\U000e007f"]
    if emoji and len(signs) == 1:
        return None  # Kivy draws it as well
    files = [] if emoji else [font]
    for sign in signs:
        family = family_with(sign)
        if family is not None:
            files.append(family.bold if bold else family.regular)
    return next((file for file in dict.fromkeys(files) if all(covers(file, sign) for sign in signs)), None)


def _simple(text: str) -> bool:
    if _SIMPLE.fullmatch(text) is None:
        return False
    return not i18n.right_to_left() or _LETTER.search(text) is not None


def _pieces(label: Label, text: str) -> tuple[Piece, ...]:
    return pieces(text, label.options["font_name_r"], bool(label.options["bold"]))


def _extents_by(plain: Callable[[Label, str], tuple[int, int]]) -> Callable[[Label, str], tuple[int, int]]:
    def get_extents(self: Label, text: str) -> tuple[int, int]:
        if _SIMPLE.fullmatch(text) is not None:
            return plain(self, text)
        sizes = [_size(self, piece, plain) for piece in _pieces(self, bidi.drawn(text))]
        if not sizes:
            return plain(self, "")
        return sum(width for width, _ in sizes), max(height for _, height in sizes)

    return get_extents


def _rendering_by(
    plain: Callable[[Label, str, float, float], None], extents: Callable[[Label, str], tuple[int, int]]
) -> Callable[[Label, str, float, float], None]:
    def _render_text(self: Label, text: str, x: float, y: float) -> None:
        if _simple(text):
            plain(self, text, x, y)
            return
        whole = _TAG.sub("", self.text) if isinstance(self, MarkupLabel) else self.text
        parts = _pieces(self, bidi.drawn(text, _paragraph(whole, text)))
        ascents = [_ascent(self, part) for part in parts]
        for part, ascent in zip(parts, ascents, strict=True):
            # On one base line, whatever the fonts leave above their letters.
            if part.shaped:
                word = shaped.drawn(part.file, part.text, _pixels(self), _decoded)
                if word is not None:
                    place = round(x) + word.left, round(y + max(ascents)) - word.top
                    self._words.append(Placed(word, *place, tuple(self.options["color"])))
            else:
                _with_font(self, part.file, plain, part.text, x, y + max(ascents) - ascent)
            x += _size(self, part, extents)[0]

    return _render_text


def _size(label: Label, piece: Piece, plain: Callable[[Label, str], tuple[int, int]]) -> tuple[int, int]:
    if not piece.shaped:
        return _with_font(label, piece.file, plain, piece.text)
    room = shaped.measured(piece.file, piece.text, _pixels(label))
    return room.advance, room.ascent + room.descent


def _ascent(label: Label, piece: Piece) -> float:
    if not piece.shaped:
        return float(_with_font(label, piece.file, Label.get_ascent))
    return shaped.measured(piece.file, piece.text, _pixels(label)).ascent


def _pixels(label: Label) -> int:
    return max(1, int(label.options["font_size"]))


def _begin(plain: Callable[[Label], None]) -> Callable[[Label], None]:
    def _render_begin(self: Label) -> None:
        self._words = []
        plain(self)

    return _render_begin


def _end(plain: Callable[[Label], ImageData]) -> Callable[[Label], ImageData]:
    def _render_end(self: Label) -> ImageData:
        made, words = plain(self), self._words
        if not words:
            return made
        pixels = bytearray(made.data)
        for word in words:
            _put(pixels, made.width, made.height, word)
        return ImageData(made.width, made.height, made.fmt, bytes(pixels))

    return _render_end


def _put(pixels: bytearray, width: int, height: int, placed: Placed) -> None:
    """Draw a word onto a label's RGBA, from the top down; what doesn't fit is cut."""
    word = placed.word
    red, green, blue, alpha = (round(255 * part) for part in placed.ink)
    first, end = max(0, -placed.left), min(word.width, width - placed.left)
    for row in range(max(0, -placed.top), min(word.height, height - placed.top)):
        if first >= end:
            return
        if word.rgba:
            line = bytearray(word.rgba[4 * (row * word.width + first) : 4 * (row * word.width + end)])
        else:
            line = bytearray(bytes((red, green, blue, 0)) * (end - first))
            line[3::4] = word.alpha[row * word.width + first : row * word.width + end]
        if alpha < 255:
            line[3::4] = bytes(part * alpha // 255 for part in line[3::4])
        begin = 4 * ((placed.top + row) * width + placed.left + first)
        under = pixels[begin : begin + len(line)]
        if any(under[3::4]):
            for at in range(3, len(line), 4):
                if under[at] > line[at]:
                    line[at - 3 : at + 1] = under[at - 3 : at + 1]
        pixels[begin : begin + len(line)] = line


def _decoded(png: bytes) -> tuple[int, int, bytes] | None:
    from kivy.core.image.img_sdl2 import _img_sdl2

    loaded = _img_sdl2.load_from_memory(png)
    if loaded is None or loaded[2] != "rgba":
        return None
    width, height, _, pixels, *_ = loaded
    return width, height, bytes(pixels)


def _aligning(plain: Callable[..., object]) -> Callable[..., object]:
    sides = {"left": "right", "right": "left"}

    def render(self: Label, real: bool = False) -> object:
        chosen = self.options["halign"]
        if not i18n.right_to_left() or chosen not in sides:
            return plain(self, real)
        # "left" means where a line begins.
        self.options["halign"] = sides[chosen]
        try:
            return plain(self, real)
        finally:
            self.options["halign"] = chosen

    return render


def _ordering(plain: Callable[[MarkupLabel], tuple[int, int]]) -> Callable[[MarkupLabel], tuple[int, int]]:
    def _pre_render(self: MarkupLabel) -> tuple[int, int]:
        size = plain(self)
        base = bidi.base_direction(_TAG.sub("", self.text))
        for line in self._cached_lines:
            words = line.words
            if len(words) > 1 and (base == "R" or any(bidi.has_right_to_left(word.text) for word in words)):
                line.words = [words[at] for at in bidi.ordered([word.text for word in words], base)]
        return size

    return _pre_render


def _with_font(label: Label, file: str, call: Callable[..., Result], *arguments: object) -> Result:
    options = label.options
    before = options["font_name_r"]
    options["font_name_r"] = file
    try:
        return call(label, *arguments)
    finally:
        options["font_name_r"] = before


def _paragraph(text: str, line: str) -> str:
    """What a line was wrapped from."""
    return next((part for part in text.split("\n") if line.strip() in part), line)
