"""Whether a message wants anything done: a request, or a question, a report, a prohibition or talk about the same things.

A model of a million numbers learns in few steps which tool is meant, and in far more how a sentence is meant. A weighted sum
over the words around the tools' own learns that in seconds: words in a row, words before and behind the first one of a
tool, how the sentence begins and ends (logistic regression over hashed features, Weinberger et al. 2009, arXiv 0902.2206).
The tools' own words count only as such, so that it holds for tools that nobody had yet.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import BundleError

if TYPE_CHECKING:
    from edge_runtime.language.tool_marks import Reading

BUCKETS = 1 << 15  # of hashed features
WANTED = 0.5  # from which chance on a message is read as a request
_TOOL, _VALUE = "T", "X"  # in the place of a tool's word, and of a value or a parameter's name
_NUMBER = re.compile(r"[-−]?\d[\d.,]*")
_ENDS = ".!?"
_ENDINGS = ("ing", "ed", "s")  # of a tool's word: they tell "lock" from "locked"


class Wishes:
    """weights: float32 [BUCKETS + 1], the last one is added to every sum."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights

    @staticmethod
    def read(path: Path) -> Wishes:
        """From a file; raises `BundleError`."""
        try:
            weights = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise BundleError(f"{path.name} of the bundle can't be read; build it again.") from None
        if (
            not isinstance(weights, np.ndarray)
            or weights.shape != (BUCKETS + 1,)
            or weights.dtype.kind != "f"
            or not np.isfinite(weights).all()
        ):
            raise BundleError(f"{path.name} of the bundle isn't of this kind; build it again.")
        return Wishes(weights.astype(np.float32))

    def chance(self, reading: Reading) -> float:
        """The probability that the last message of a conversation wants something done."""
        return self.chance_of(features(reading))

    def chance_of(self, found: np.ndarray) -> float:
        """The same of a message's `features`."""
        total = float(self.weights[found].sum() + self.weights[-1])
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, total))))


def features(reading: Reading) -> np.ndarray:
    """int64 [features], each once, ascending: where the weights of a message are."""
    return np.unique([zlib.crc32(one.encode()) % BUCKETS for one in _features(_symbols(reading))])


def _symbols(reading: Reading) -> list[str]:
    """The words of the last message, with one symbol for a tool's word, and one for values in a row."""
    made: list[str] = []
    for part in reading.parts(reading.last):
        if part.small:
            made.append(part.text.lower())
            continue
        word, tool = part.text.lower(), any(len(mark) == 1 for mark in part.marks)
        chosen = any("=" in mark for mark in part.marks)
        if part.quoted or chosen or (part.marks and not tool) or _NUMBER.fullmatch(word):
            if made[-1:] != [_VALUE]:
                made.append(_VALUE)
        elif tool:
            made.append(_TOOL + next((ending for ending in _ENDINGS if word.endswith(ending)), ""))
        else:
            made.append(word)
    return made


def _features(symbols: Sequence[str]) -> Iterator[str]:
    row = ["^", *symbols, "$"]
    for size in (1, 2, 3):
        for at in range(len(row) - size + 1):
            yield " ".join(row[at : at + size])
    for first, _, last in zip(row, row[1:], row[2:], strict=False):
        yield f"{first} _ {last}"
    main = _main(symbols)
    for size in (1, 2, 3):
        yield f"begin {' '.join(main[:size])}"
    if main and main[-1] in _ENDS:
        yield f"end {main[-1]}"
        yield f"ends {main[0]} {main[-1]}"
    tool = next((at for at, symbol in enumerate(main) if symbol.startswith(_TOOL)), len(main))
    before = main[:tool]
    for at, word in enumerate(before):
        yield f"before {word}"
        for other in before[at + 1 : at + 5]:
            yield f"before {word} {other}"
    yield f"last {' '.join(before[-3:])}"
    yield f"tool {' '.join([*before[-2:], *main[tool : tool + 1]])}"
    for word in main[tool + 1 :]:
        yield f"behind {word}"
    yield f"before {min(len(before), 6)}"


def _main(symbols: Sequence[str]) -> list[str]:
    """The sentence that has most of the tools' words and values."""
    sentences: list[list[str]] = [[]]
    for symbol in symbols:
        sentences[-1].append(symbol)
        if symbol in _ENDS:
            sentences.append([])
    return max(sentences, key=lambda some: sum(one == _VALUE or one.startswith(_TOOL) for one in some))
