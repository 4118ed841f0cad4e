"""The places of a question's numbers, ① for the first to ㊿ for the fiftieth: each is one token of a model that learns them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_runtime.arithmetic.expressions import UNREADABLE, Unreadable

_PLACES = "".join(map(chr, (*range(0x2460, 0x2474), *range(0x3251, 0x3260), *range(0x32B1, 0x32C0))))
MOST = len(_PLACES)
PLACE = re.compile(f"[{_PLACES}]")


def place(at: int) -> str:
    """The place of the number `at`, from 0 to `MOST` - 1."""
    return _PLACES[at]


def index(text: str) -> int:
    """Which number a place means, from 0."""
    return _PLACES.index(text)


def unplaced(text: str) -> str:
    """A text whose own circled numbers are plain ones."""
    return PLACE.sub(lambda found: str(index(found[0]) + 1), text)


def filled(text: str, numbers: Sequence[str]) -> str:
    """A text with numbers at their places; raises `Unreadable` for a place beyond them."""

    def number(found: re.Match[str]) -> str:
        if index(found[0]) >= len(numbers):
            raise Unreadable(UNREADABLE, f"The question has no number {found[0]}.")
        return numbers[index(found[0])]

    return PLACE.sub(number, text)
