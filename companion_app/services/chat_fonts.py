"""Fonts for a text in any script as a PDF needs them: files, the one that comes with Kivy first."""

from __future__ import annotations

import unicodedata
from importlib.util import find_spec
from pathlib import Path

from companion_app.theme.fonts import covers, family_with


def own_font(name: str = "DejaVuSans.ttf") -> Path:
    """A font that comes with Kivy: Latin, Greek, Cyrillic, Arabic, Hebrew, many symbols. Raises FileNotFoundError."""
    spec = find_spec("kivy")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (found := Path(folder) / "data" / "fonts" / name).is_file():
            return found
    raise FileNotFoundError(name)


def fonts_for(text: str) -> tuple[list[Path], set[str]]:
    """(files of fonts that draw the text together, letters that no font of this machine has). Blocks.

    Of a collection, the first font is meant.
    """
    base = own_font()
    found: dict[Path, None] = {base: None}
    lacking: set[str] = set()
    for letter in sorted({letter for letter in text if _drawn(letter)}):
        if any(covers(str(file), letter) for file in found):
            continue
        family = family_with(letter)
        if family is None:
            lacking.add(letter)
        else:
            found[Path(family.regular)] = None
    return list(found), lacking


def _drawn(letter: str) -> bool:
    """Whether a letter needs a glyph: joiners, selectors and line ends don't."""
    return unicodedata.category(letter) not in ("Cf", "Cc", "Cs") and not 0xFE00 <= ord(letter) <= 0xFE0F
