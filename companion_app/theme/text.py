"""Teaches Kivy's text to draw every script: a font for each character, and lines in the order of their language.

It changes Kivy's own text provider, so it holds for labels, buttons and text fields alike. What it can't do: scripts
whose characters change places or melt together (Devanagari, Thai, Khmer) are drawn character by character, emoji
without colours and without their joins, and what has a style of its own in Kivy's markup is put into order by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from kivy.core.text import Label
from kivy.core.text.markup import MarkupLabel

from companion_app import i18n
from companion_app.i18n import bidi
from companion_app.theme.fonts import covers, family_with

# Kivy's own fonts have these, and no rule of direction moves them in a line that begins from the left.
_SIMPLE = re.compile("[\t\n -~\u00a0-\u017f–—‘’“”•…]*")
_LETTER = re.compile("[A-Za-z\u00c0-\u017f]")
_TAG = re.compile(r"\[[^\]]*\]")
# An alef before a lam, drawn from the left, is a lam before an alef to the font, which would melt them.
_MELTS = re.compile("[\ufedf\ufee0][\ufe82\ufe84\ufe88\ufe8e]")

Piece = tuple[str, str]
Result = TypeVar("Result")


def install() -> None:
    """Call it once, before the first label is drawn."""
    if getattr(Label, "draws_every_script", False):
        return
    Label.draws_every_script = True
    Label.find_base_direction = staticmethod(lambda text: "rtl" if i18n.right_to_left() else "ltr")
    extents = Label.get_extents
    Label.get_extents = _extents_by(extents)
    Label._render_text = _rendering_by(Label._render_text, extents)
    Label.render = _aligning(Label.render)
    MarkupLabel.render = _aligning(MarkupLabel.render)
    MarkupLabel._pre_render = _ordering(MarkupLabel._pre_render)


@lru_cache(8192)
def pieces(text: str, font: str, bold: bool) -> tuple[Piece, ...]:
    """A text in pieces of one font each, as (font file, piece)."""
    found: list[Piece] = []
    for character in text:
        file = font
        if not covers(font, character):
            family = family_with(character)
            if family is not None:
                file = family.bold if bold else family.regular
        if found and found[-1][0] == file and not _MELTS.fullmatch(found[-1][1][-1] + character):
            found[-1] = (file, found[-1][1] + character)
        else:
            found.append((file, character))
    return tuple(found)


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
        sizes = [_with_font(self, file, plain, piece) for file, piece in _pieces(self, bidi.drawn(text))]
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
        ascents: list[float] = [_with_font(self, file, Label.get_ascent) for file, _ in parts]
        for (file, piece), ascent in zip(parts, ascents, strict=True):
            # On one base line, whatever the fonts leave above their letters.
            _with_font(self, file, plain, piece, x, y + max(ascents) - ascent)
            x += _with_font(self, file, extents, piece)[0]

    return _render_text


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
