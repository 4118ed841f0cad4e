"""Which font has a character that the one in use lacks: those that come with the app, then the system's. No Kivy here."""

from __future__ import annotations

import os
import struct
import sys
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

FOLDER = Path(__file__).with_name("fonts")


@dataclass(frozen=True)
class Family:
    """Two files of one design."""

    regular: str
    bold: str


BUNDLED = (
    Family(str(FOLDER / "NotoSansArabic-Regular.ttf"), str(FOLDER / "NotoSansArabic-Bold.ttf")),
    # Without colours; where the system has a font with them, see `coloured_emoji`.
    Family(str(FOLDER / "NotoEmoji-Regular.ttf"), str(FOLDER / "NotoEmoji-Regular.ttf")),
)
# What systems bring along, in the order of our liking: (regular, bold). CJK, then single scripts, then all the rest.
SYSTEM = (
    ("NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc"),
    ("PingFang.ttc", "PingFang.ttc"),
    ("Hiragino Sans GB.ttc", "Hiragino Sans GB.ttc"),
    ("msyh.ttc", "msyhbd.ttc"),
    ("YuGothR.ttc", "YuGothB.ttc"),
    ("malgun.ttf", "malgunbd.ttf"),
    ("wqy-microhei.ttc", "wqy-microhei.ttc"),
    ("DroidSansFallbackFull.ttf", "DroidSansFallbackFull.ttf"),
    ("DroidSansFallback.ttf", "DroidSansFallback.ttf"),
    ("AppleSDGothicNeo.ttc", "AppleSDGothicNeo.ttc"),
    ("NotoSansDevanagari-Regular.ttf", "NotoSansDevanagari-Bold.ttf"),
    ("NotoSansDevanagari-VF.ttf", "NotoSansDevanagari-VF.ttf"),
    ("Lohit-Devanagari.ttf", "Lohit-Devanagari.ttf"),
    ("Nirmala.ttf", "NirmalaB.ttf"),
    ("Nirmala.ttc", "Nirmala.ttc"),
    ("DevanagariMT.ttc", "DevanagariMT.ttc"),
    ("NotoSansHebrew-Regular.ttf", "NotoSansHebrew-Bold.ttf"),
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("segoeui.ttf", "segoeuib.ttf"),
    ("seguisym.ttf", "seguisym.ttf"),
    ("Arial Unicode.ttf", "Arial Unicode.ttf"),
    ("FreeSans.ttf", "FreeSansBold.ttf"),
)
# Emoji in colours, as pictures or as layers of shapes.
COLOURED = ("NotoColorEmoji.ttf", "Apple Color Emoji.ttc", "seguiemj.ttf")
# Fonts of one more script each; a system with all of Noto has 200.
MOST_OTHERS = 300


@lru_cache(8192)
def family_with(character: str) -> Family | None:
    """A family that has a character, None where no font on this system has it."""
    for family in BUNDLED:
        if covers(family.regular, character):
            return family
    return next((family for family in _system() if covers(family.regular, character)), None)


def covers(path: str, character: str) -> bool:
    """Whether a font file has a character; one that can't be read has none."""
    starts, ends = _ranges(path)
    at = bisect_right(starts, ord(character)) - 1
    return at >= 0 and ord(character) <= ends[at]


@lru_cache(1)
def coloured_emoji() -> str | None:
    """The system's font of emoji in colours."""
    return next((_files()[name] for name in COLOURED if name in _files()), None)


@lru_cache(1)
def _system() -> tuple[Family, ...]:
    """The system's families: those we know, then what Noto has for single scripts."""
    found = _files()
    known = [Family(found[plain], found.get(bold, found[plain])) for plain, bold in SYSTEM if plain in found]
    others = sorted(name for name in found if name.startswith("NotoSans") and "-Regular." in name)[:MOST_OTHERS]
    return (*known, *(Family(found[name], found.get(name.replace("Regular", "Bold"), found[name])) for name in others))


@lru_cache(1)
def _files() -> dict[str, str]:
    """The system's font files by their names."""
    found: dict[str, str] = {}
    for folder in _folders():
        for place, _, names in os.walk(folder):
            for name in names:
                if name.lower().endswith((".ttf", ".ttc", ".otf")):
                    found.setdefault(name, str(Path(place, name)))
    return found


def _folders() -> tuple[Path, ...]:
    if sys.platform == "win32":
        return (
            Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "Fonts"),
            Path(os.environ.get("LOCALAPPDATA", "C:"), "Microsoft", "Windows", "Fonts"),
        )
    home = Path(os.environ.get("HOME", "/"))
    if sys.platform in ("darwin", "ios"):
        return Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts"
    return (
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        home / ".local" / "share" / "fonts",
        home / ".fonts",
        Path("/system/fonts"),  # Android
    )


@lru_cache(512)
def _ranges(path: str) -> tuple[list[int], list[int]]:
    """First and last code points of the ranges that a font's character map has, sorted (OpenType spec, 'cmap')."""
    try:
        with Path(path).open("rb") as file:
            table = _table(file, b"cmap")
        return _mapped(table)
    except (OSError, struct.error, ValueError):
        return [], []


def _table(file: BinaryIO, tag: bytes) -> bytes:
    """A table of a font file, of the first font where it is a collection."""
    head = file.read(16)
    if head[:4] == b"ttcf":
        file.seek(struct.unpack(">I", head[12:16])[0])
        head = file.read(12)
    else:
        file.seek(12)
    for _ in range(struct.unpack(">H", head[4:6])[0]):
        name, _, offset, length = struct.unpack(">4sIII", file.read(16))
        if name == tag:
            file.seek(offset)
            return file.read(length)
    raise ValueError("no such table")


def _mapped(cmap: bytes) -> tuple[list[int], list[int]]:
    """The ranges of the largest Unicode subtable that we can read: format 12, else 4."""
    ranges: set[tuple[int, int]] = set()
    for at in range(struct.unpack(">H", cmap[2:4])[0]):
        platform, encoding, offset = struct.unpack(">HHI", cmap[4 + 8 * at : 12 + 8 * at])
        if (platform, encoding) not in ((0, 3), (0, 4), (0, 6), (3, 1), (3, 10)):
            continue
        form = struct.unpack(">H", cmap[offset : offset + 2])[0]
        if form == 12:
            count = struct.unpack(">I", cmap[offset + 12 : offset + 16])[0]
            groups = struct.iter_unpack(">III", cmap[offset + 16 : offset + 16 + 12 * count])
            ranges |= {(first, last) for first, last, _ in groups}
        elif form == 4:
            count = struct.unpack(">H", cmap[offset + 6 : offset + 8])[0] // 2
            last = struct.unpack(f">{count}H", cmap[offset + 14 : offset + 14 + 2 * count])
            first = struct.unpack(f">{count}H", cmap[offset + 16 + 2 * count : offset + 16 + 4 * count])
            ranges |= {pair for pair in zip(first, last, strict=True) if pair[0] != 0xFFFF}
    merged: list[list[int]] = []
    for first_, last_ in sorted(ranges):
        if merged and first_ <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last_)
        else:
            merged.append([first_, last_])
    return [first_ for first_, _ in merged], [last_ for _, last_ in merged]
