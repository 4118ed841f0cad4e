"""Text that is written from the right, in the order in which it is drawn; imports no Kivy.

Kivy's SDL text draws characters one after the other from the left, each in its isolated form. So a line is shaped
(Arabic letters take the form of their place in a word) and reordered (Unicode Standard Annex 9) before it is drawn, after
the wrapping: the order is that of a line.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from companion_app import i18n
from companion_app.theme import shaped

# Hebrew, Arabic and their neighbours, their presentation forms, and the marks that begin such a run.
_FROM_RIGHT = re.compile(
    "[\u0590-\u08ff\u200f\u202b\u202e\u2067\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
# Controls of the algorithm and selectors of a glyph: they have no shape of their own.
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")

_HELD = 0xF0000  # private characters, in the places of emoji

# Two letters that may join.
_ARABIC = re.compile("[\u0620-\u06ff]{2}")
_OPENING = {"(": ")", "[": "]", "{": "}"}
# Python-bidi stops at characters that Unicode has not assigned, as a model may write them, and at isolates.
_UNKNOWN = frozenset({"", "LRI", "RLI", "FSI", "PDI"})

# What python-bidi keeps of a line.
Storage = dict[str, Any]


def has_right_to_left(text: str) -> bool:
    """Whether a text holds characters of a script that is written from the right."""
    return _FROM_RIGHT.search(text) is not None


def base_direction(text: str) -> str:
    """ "R" or "L": that of the first letter (rules P2 and P3), else that of the language in use."""
    for sign in text:
        kind = unicodedata.bidirectional(sign)
        if kind in ("R", "AL"):
            return "R"
        if kind == "L":
            return "L"
    return "R" if i18n.right_to_left() else "L"


def drawn(line: str, paragraph: str | None = None) -> str:
    """A line as it is drawn from left to right. paragraph: what it was wrapped from, which decides its direction.

    Where nothing is written from the right, joiners of letters and emoji are still in it.
    """
    base = base_direction(line if paragraph is None else paragraph)
    if base == "L" and not has_right_to_left(line):
        return line
    emoji = list(dict.fromkeys(shaped.emoji().findall(line)))
    for number, one in enumerate(emoji):  # their parts stay in their order
        line = line.replace(one, chr(_HELD + number))
    ordered = unseen(_drawn(line, base))
    for number, one in enumerate(emoji):
        ordered = ordered.replace(chr(_HELD + number), one)
    return ordered


def ordered(parts: list[str], base: str) -> list[int]:
    """The places of a line's parts (of one style each) as they are drawn from left to right; each part is one direction."""
    levels = []
    for part in parts:
        strong = next((kind for sign in part if (kind := unicodedata.bidirectional(sign)) in ("L", "R", "AL")), base)
        levels.append((0 if strong == "L" else 1) if base == "L" else (2 if strong == "L" else 1))
    runs = _reversed_by_level([(at, at + 1, level) for at, level in enumerate(levels)])
    return [start for start, _, _ in runs]


def unseen(text: str) -> str:
    """Without the characters that have no shape."""
    return _UNSEEN.sub("", text)


def caret(line: str, column: int, width: Callable[[str], float]) -> float:
    """Where the caret before character `column` of a line is, from the line's left end.

    width: of a text, as it is drawn.
    """
    base = base_direction(line)
    if not line or (base == "L" and not has_right_to_left(line)):
        return width(line[:column])
    left = 0.0
    at = max(0, column - 1)
    for start, end, level in _visual_runs(line, base):
        text = line[start:end]
        if start <= at < end:
            before = width(_cut(text, column - start)) if column else 0.0
            return left + (width(text) - before if level % 2 else before)
        left += width(text)
    return left


def _cut(text: str, length: int) -> str:
    """The beginning of a text, its last letter as it is drawn within the whole: joined to the next one."""
    joined = length < len(text) and _ARABIC.fullmatch(text[length - 1 : length + 1]) is not None
    return text[:length] + ("\u200d" if joined else "")


@lru_cache(4096)
def _shaped(text: str) -> str:
    # Here and below: what English and Spanish never need isn't loaded.
    import arabic_reshaper

    return str(arabic_reshaper.reshape(text)) if has_right_to_left(text) else text


@lru_cache(4096)
def _drawn(line: str, base: str) -> str:
    from bidi import algorithm

    storage = _resolved(_shaped(line), base)
    algorithm.reorder_resolved_levels(storage, False)
    algorithm.apply_mirroring(storage, False)
    return "".join(char["ch"] for char in storage["chars"])


@lru_cache(256)
def _visual_runs(line: str, base: str) -> tuple[tuple[int, int, int], ...]:
    """The runs of one level as (start, end, level), from left to right (rule L2)."""
    levels = _levels(line, base)
    runs: list[tuple[int, int, int]] = []
    for at, level in enumerate(levels):
        if runs and runs[-1][2] == level:
            runs[-1] = (runs[-1][0], at + 1, level)
        else:
            runs.append((at, at + 1, level))
    return tuple(_reversed_by_level(runs))


def _reversed_by_level(runs: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Runs (start, end, level) in the order of drawing: from the highest level down, what is at it or above is turned."""
    for level in range(max((level for _, _, level in runs), default=0), 0, -1):
        start = 0
        while start < len(runs):
            end = start
            while end < len(runs) and runs[end][2] >= level:
                end += 1
            runs[start:end] = runs[start:end][::-1]
            start = max(end, start + 1)
    return runs


def _levels(line: str, base: str) -> list[int]:
    """The embedding level of each character."""
    # With these controls characters would be dropped, and columns would be off.
    line = re.sub("[\u202a-\u202e]", "\u200b", line)
    return [char["level"] for char in _resolved(line, base)["chars"]]


def _resolved(line: str, base: str) -> Storage:
    """Every character with its level: python-bidi's steps, and N0 for brackets, which its version of the rules lacks."""
    from bidi import algorithm

    storage: Storage = algorithm.get_empty_storage()
    storage["base_level"], storage["base_dir"] = (1, "R") if base == "R" else (0, "L")
    algorithm.get_embedding_levels(line, storage)
    for char in storage["chars"]:
        if char["type"] in _UNKNOWN or ord(char["ch"]) >= _HELD:
            char["type"] = "ON"
    algorithm.explicit_embed_and_overrides(storage)
    algorithm.resolve_weak_types(storage)
    for run in storage["runs"]:
        _resolve_brackets(storage["chars"][run["start"] : run["start"] + run["length"]], run["sor"])
    algorithm.resolve_neutral_types(storage, False)
    algorithm.resolve_implicit_levels(storage, False)
    return storage


def _resolve_brackets(chars: list[dict[str, Any]], before: str) -> None:
    """Give both brackets of a pair the direction of what is in them, or around them (rule N0). before: sor."""
    strong = {"L": "L", "R": "R", "AL": "R", "EN": "R", "AN": "R"}
    opened: list[tuple[str, int]] = []
    pairs = []
    for at, char in enumerate(chars):
        if char["ch"] in _OPENING:
            opened.append((_OPENING[char["ch"]], at))
        elif any(closing == char["ch"] for closing, _ in opened):
            while opened[-1][0] != char["ch"]:
                opened.pop()
            pairs.append((opened.pop()[1], at))
    for begin, end in sorted(pairs):
        along = "R" if chars[begin]["level"] % 2 else "L"
        within = {strong[char["type"]] for char in chars[begin + 1 : end] if char["type"] in strong}
        if not within:
            continue
        chosen = along
        if along not in within:
            context = next((strong[char["type"]] for char in chars[:begin][::-1] if char["type"] in strong), before)
            chosen = context if context != along else along
        chars[begin]["type"] = chars[end]["type"] = chosen
