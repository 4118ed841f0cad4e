"""Turns per-token labels into clauses: one action each, with the phrases that it speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_runtime.home.lexicon import ACTIONS, KINDS, TAGS


@dataclass(frozen=True)
class TokenLabels:
    """Labels of a sentence, one per token; indices into ACTIONS, TAGS and KINDS."""

    begins: list[bool]
    actions: list[int]
    tags: list[int]
    excluded: list[bool]
    kinds: list[int]


@dataclass(frozen=True)
class Span:
    """A tagged run of tokens, e.g. AREA "living room". `at` is its first token's position."""

    slot: str
    words: tuple[str, ...]
    kind: str
    excluded: bool
    at: int


@dataclass
class Clause:
    """One request: what to do (`action`), with which kind of thing, and the phrases said."""

    action: str
    kind: str
    spans: list[Span] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    start: int = 0  # position of its first token in the sentence

    def words(self, slot: str) -> list[str]:
        """All words of a slot in this clause, in order, exclusions left out."""
        return [word for span in self.spans if span.slot == slot and not span.excluded for word in span.words]

    def has(self, slot: str) -> bool:
        return any(span.slot == slot and not span.excluded for span in self.spans)


_SLOTS = [(tag[2:], tag.startswith("B-")) for tag in TAGS]  # of a tag: its slot, "" outside, and whether one begins


def _majority(values: list[int]) -> int:
    different = set(values)
    if len(different) < 2:
        return values[0] if values else 0
    return max(sorted(different), key=values.count)


def clauses_of(tokens: list[str], labels: TokenLabels, names: Sequence[str] = ACTIONS) -> list[Clause]:
    """Group labelled tokens to clauses; a clause's action and kind are the most frequent of its tokens.

    names: the actions that labels.actions are indices into.
    """
    starts = [i for i in range(len(tokens)) if i == 0 or labels.begins[i]]
    clauses: list[Clause] = []
    for start, stop in zip(starts, [*starts[1:], len(tokens)], strict=True):
        if stop <= start:
            continue
        clause = Clause(
            action=names[_majority(labels.actions[start:stop])],
            kind=KINDS[_majority(labels.kinds[start:stop])],
            tokens=tokens[start:stop],
            start=start,
        )
        open_slot, begin = "", start
        for i in range(start, stop + 1):
            slot, begins = _SLOTS[labels.tags[i]] if i < stop else ("", False)
            joins = slot and slot == open_slot and not begins and labels.excluded[i] == labels.excluded[begin]
            if open_slot and not joins:
                kind = KINDS[_majority(labels.kinds[begin:i])]
                clause.spans.append(Span(open_slot, tuple(tokens[begin:i]), kind, labels.excluded[begin], begin))
            if slot and not joins:
                begin = i
            open_slot = slot
        before = clauses[-1] if clauses else None
        if before and clause.spans and before.spans and all(span.excluded for span in clause.spans):
            before.spans.extend(clause.spans)  # "..., but not the kitchen" belongs to what it takes from
            before.tokens.extend(clause.tokens)
            continue
        clauses.append(clause)
    return clauses
