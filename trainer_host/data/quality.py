"""Scores a dataset's rows from 0 to 1, each with its reasons, and keeps those above a threshold.

A row that its task's verifier refuses scores 0: code that doesn't run, a sum that is wrong, a refusal, a text that was
cut off. What passes loses for signs that a person would frown at, each measured on the row and its dataset.
"""

from __future__ import annotations

import math
import statistics
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from trainer_host.data.dataset import Dataset, Json, Row
from trainer_host.data.pii import texts_of
from trainer_host.tasks import Example, Rejected, TaskSpec

DEFAULT_THRESHOLD = 0.5
SHORT_OF_MEDIAN, LONG_OF_MEDIAN = 0.2, 5.0  # outside, a text is unlike its dataset
MIN_ROWS_FOR_MEDIAN = 20
COMPRESSIBLE = 0.35  # zlib makes natural sentences of a few hundred characters no smaller than that
MIN_TO_COMPRESS = 200
FEW_LETTERS = 0.5
_LONGEST_NAME = 80  # bytes of a file's in a dataset, which its hash gives


@dataclass(frozen=True)
class Quality:
    """score 0 to 1; reasons: why it isn't 1, each as (what, how much it costs)."""

    score: float
    reasons: tuple[tuple[str, float], ...]

    def told(self) -> str:
        """The reasons in words."""
        return ", ".join(f"{reason} (-{cost:.2g})" for reason, cost in self.reasons) or "nothing to complain about"


@dataclass(frozen=True)
class Usual:
    """What is usual in a dataset: the median length of its texts in characters, None for too few rows."""

    length: float | None


def usual(rows: Sequence[Row]) -> Usual:
    """Measured over all rows of a dataset."""
    lengths = [_length(row) for row in rows]
    return Usual(statistics.median(lengths) if len(lengths) >= MIN_ROWS_FOR_MEDIAN else None)


def assess(spec: TaskSpec, row: Row, among: Usual, files: dict[str, bytes] | None = None) -> Quality:
    """Score one row; `files` are those that it names. A pure function, so processes may share the work."""
    try:
        spec.check(Example(row.input, row.output, files or {}))
    except Rejected as cause:
        return Quality(0.0, ((cause.reason, 1.0),))
    reasons: list[tuple[str, float]] = []
    length = _length(row)
    if among.length is not None:
        if length < SHORT_OF_MEDIAN * among.length:
            reasons.append(("much shorter than its dataset", 0.3))
        elif length > LONG_OF_MEDIAN * among.length:
            reasons.append(("much longer than its dataset", 0.2))
    text = " ".join(texts_of(_free(row)))
    if len(text) >= MIN_TO_COMPRESS:
        share = len(zlib.compress(text.encode())) / len(text.encode())
        if share < COMPRESSIBLE:
            reasons.append(("says the same again and again", round(min(0.6, 2 * (COMPRESSIBLE - share) + 0.2), 2)))
    letters = sum(char.isalpha() or char.isspace() for char in text)
    if text and letters < FEW_LETTERS * len(text) and spec.name in ("chat", "router", "avatar", "robot"):
        reasons.append(("hardly any letters", 0.4))
    if len(text) > 20 and text.isupper():
        reasons.append(("all capitals", 0.1))
    level = row.meta.get("judge")
    if isinstance(level, int) and level < 5:
        reasons.append((f"judged {level} of 5", round((5 - level) * 0.15, 2)))
    if row.meta.get("repaired"):
        reasons.append(("mended after a first refusal", 0.05))
    return Quality(round(max(0.0, 1 - math.fsum(cost for _, cost in reasons)), 4), tuple(reasons))


def files_of(dataset: Dataset, row: Row) -> dict[str, bytes]:
    """The files of a dataset that a row names."""
    found: dict[str, bytes] = {}
    fields = [*row.input.values(), *row.output.values()]
    for value in [one for field in fields for one in (field if isinstance(field, list) else [field])]:
        if (
            isinstance(value, str)
            and "/" not in value
            and len(value) <= _LONGEST_NAME
            and (path := dataset.folder / "files" / value).is_file()
        ):
            found[value] = path.read_bytes()
    return found


def _free(row: Row) -> list[Json]:
    """The parts of a row that somebody wrote; an inventory is context."""
    return [{key: value for key, value in row.input.items() if key != "inventory"}, row.output]


def _length(row: Row) -> int:
    return sum(map(len, texts_of(_free(row))))
