"""Whether training rows hold what a specialist will be examined in: shared runs of words, and near-duplicates.

Runs of `RUN` words that occur in both, as evaluation papers count them (13 in Brown et al. 2020, 8 in Chowdhery et al.
2022); short sentences have none, so near-duplicates by `trainer_host.data.dedup` count too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer_host.data.dedup import between, tokens_of

RUN = 8


@dataclass(frozen=True)
class Hit:
    """train, evaluation: positions of the two texts. how: "the same", "near-duplicate" or the shared run of words."""

    train: int
    evaluation: int
    how: str


def contamination(train: Sequence[str], evaluation: Sequence[str], run: int = RUN) -> list[Hit]:
    """All pairs that share too much, at most one per training text; empty is what one hopes for."""
    found = {
        second: Hit(second, first, _how(train[second], evaluation[first]))
        for first, second in between(evaluation, train)
    }
    owners: dict[tuple[str, ...], int] = {}
    for position, text in enumerate(evaluation):
        for words in _runs(text, run):
            owners.setdefault(words, position)
    for position, text in enumerate(train):
        if position not in found and (shared := next((w for w in _runs(text, run) if w in owners), None)):
            found[position] = Hit(position, owners[shared], f"shares '{' '.join(shared)}'")
    return [found[position] for position in sorted(found)]


def _runs(text: str, run: int) -> list[tuple[str, ...]]:
    words = tokens_of(text)
    return [tuple(words[start : start + run]) for start in range(len(words) - run + 1)]


def _how(train: str, evaluation: str) -> str:
    return "the same" if tokens_of(train) == tokens_of(evaluation) else "near-duplicate"
