"""Fonts of this machine for a text in any script: the one that comes with the app, and others for what it lacks."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

MOST_FILES = 400  # opened for one text; a machine can have thousands
_SUFFIXES = (".ttf", ".otf", ".ttc")
_HAN = ("cjk", "han", "pingfang", "hiragino", "yahei", "msyh", "gothic", "wqy", "fallback")
# The first word of a letter's Unicode name, and what else fonts for it are called.
_CALLED = {"cjk": _HAN, "hiragana": _HAN, "katakana": _HAN, "hangul": (*_HAN, "malgun", "nanum"), "fullwidth": _HAN}
_PICTURES = ("emoji", "symbol", "dejavu")


def own_font(name: str = "DejaVuSans.ttf") -> Path:
    """A font that comes with Kivy: Latin, Greek, Cyrillic, Arabic, Hebrew, many symbols. Raises FileNotFoundError."""
    spec = find_spec("kivy")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (found := Path(folder) / "data" / "fonts" / name).is_file():
            return found
    raise FileNotFoundError(name)


def font_folders() -> tuple[Path, ...]:
    """Where the system keeps fonts."""
    home = Path.home()
    if sys.platform == "darwin":
        return Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"
    if sys.platform == "win32":
        return (Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts",)
    return (
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        Path("/system/fonts"),  # Android
        home / ".local/share/fonts",
        home / ".fonts",
    )


def fonts_for(text: str, folders: Iterable[Path] | None = None) -> tuple[list[tuple[Path, int]], set[str]]:
    """((file, number within it) of each font, ours first; letters that none of them has).

    Blocks, and opens other fonts only where ours lacks a letter.
    """
    base = own_font()
    lacking = {letter for letter in text if _drawn(letter)} - letters_of(base)
    found = [(base, 0)]
    files: list[Path] | None = None
    opened: dict[Path, set[str]] = {}
    for letter in sorted(lacking):
        if letter not in lacking:
            continue  # a font of before has it
        if files is None:
            files = list(_files(font_folders() if folders is None else folders))
        for file in sorted(files, key=lambda file: _rank(file.name.lower(), letter)):
            if file not in opened:
                if len(opened) >= MOST_FILES:
                    break
                opened[file] = letters_of(file)
            if letter in opened[file]:
                found.append((file, 0))
                lacking -= opened[file]
                break
    return found, lacking


def letters_of(file: Path) -> set[str]:
    """The letters that a font draws; none where it can't be read. Of a collection, the first font's."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(file, fontNumber=0, lazy=True) as font:
            return {chr(code) for code in font.getBestCmap() or ()}
    except (TTLibError, OSError, KeyError, ValueError, AssertionError, IndexError):
        return set()  # fonts of a system may be damaged, or of a kind that isn't known


def _drawn(letter: str) -> bool:
    """Whether a letter needs a glyph: joiners, selectors and line ends don't."""
    return unicodedata.category(letter) not in ("Cf", "Cc", "Cs") and not 0xFE00 <= ord(letter) <= 0xFE0F


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield from sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES)


def _rank(name: str, letter: str) -> tuple[bool, bool, bool, str]:
    """Fonts that are called like the letter's script come first, plain ones before bold ones."""
    script = unicodedata.name(letter, "?").split()[0].lower()
    called = _CALLED.get(script, (script,))
    if unicodedata.category(letter) in ("So", "Sk") and script not in _CALLED:
        called = _PICTURES
    styled = any(word in name for word in ("bold", "italic", "oblique", "light", "thin", "black"))
    return not any(word in name for word in called), styled, "sans" not in name, name
