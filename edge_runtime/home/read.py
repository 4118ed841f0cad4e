"""Reads a sentence with a token labeller: where its clauses begin, and what each of them says, in the sentence and alone.

A model that reads two commands at once mixes them up more often than it misreads either. So each clause is read once
more without the others, and where a clause may or may not begin, both are tried. A sentence of one clause that nothing
is doubtful in is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import numpy as np

from edge_runtime.home.lexicon import ACTIONS, TAGS
from edge_runtime.home.parse import Clause, TokenLabels, clauses_of
from edge_runtime.home.words import similar

Logits = dict[str, np.ndarray]  # "begin", "action", "tag", "excluded" and "kind": float [tokens, classes] each
Label = Callable[[int, int], Logits]  # labels the tokens from the first place to before the second, as if alone

CLAUSE_LEAST = 2  # tokens of a clause that is read alone
_MOST = 6  # clauses that are read alone; what has more is read once, which bounds what a sentence may cost
_ALONE = 0.6  # weight of what was read alone; it doesn't know what "it" is
_DOUBT = 3.0  # log odds of a beginning within which both are tried (one in twenty)
_DOUBTED = 2  # places that are tried: four ways to cut a sentence
# Weights of the surest action, and of the surest tags, against the log odds of the beginnings.
_ACTION, _TAG = 0.6, 0.3
_JOINERS = frozenset({"and", ",", "then", "but", ".", ";", "also", "plus", "while", "&", "!", "?"})
# Nothing is left out where no such word was said before: doing less than was asked for goes unseen.
_EXCLUDING = frozenset({
    "except", "excepting", "exception", "exclude", "excluding", "excluded", "but", "not", "without", "besides", "beside",
    "bar", "barring", "minus", "save", "apart", "aside", "other", "leave", "leaving", "keep", "keeping", "skip",
    "skipping", "spare", "sparing", "omit", "ignore", "exempt", "unless", "don't", "dont", "never",
})  # fmt: skip


def read(tokens: list[str], label: Label, names: Sequence[str] = ACTIONS) -> tuple[list[Clause], float]:
    """Clauses and their confidence (0..1); at least one token. names: of the actions that are labelled."""
    n = len(tokens)
    known: dict[tuple[int, int], Logits] = {}

    def chances(start: int, stop: int) -> Logits:
        """Their logarithms."""
        if (start, stop) not in known:
            known[start, stop] = {head: _log_softmax(rows) for head, rows in label(start, stop).items()}
        return known[start, stop]

    whole = chances(0, n)
    begins = _begins(tokens, whole["begin"].argmax(axis=-1).tolist(), np.exp(whole["action"]))
    starts = _likeliest([i for i in range(n) if begins[i]], whole["begin"], chances)
    said = {head: rows.copy() for head, rows in whole.items()}
    if 1 < len(starts) <= _MOST:
        for start, stop in pairwise([*starts, n]):
            if stop - start >= CLAUSE_LEAST:
                alone = chances(start, stop)
                for head in ("action", "tag", "excluded", "kind"):
                    mixed = (1 - _ALONE) * said[head][start:stop] + _ALONE * alone[head]
                    said[head][start:stop] = _log_softmax(mixed)
    return _clauses(tokens, starts, said, names)


def _clauses(tokens: list[str], starts: list[int], said: Logits, names: Sequence[str]) -> tuple[list[Clause], float]:
    n = len(tokens)
    sure = np.exp(said["tag"].max(axis=-1))
    actions, confidence = [0] * n, 1.0
    for start, stop in pairwise([*starts, n]):
        rows = said["action"][start:stop]
        action = int(rows.sum(axis=0).argmax())
        actions[start:stop] = [action] * (stop - start)
        tags = sure[start:stop]
        confidence = min(confidence, float(_mean(np.exp(rows))[action]) * float(np.sqrt(tags.min() * _mean(tags))))
    excluded = _excluded(tokens, said["excluded"].argmax(axis=-1).tolist())
    begins = [i in set(starts) for i in range(n)]
    tags_said = _valid(said["tag"].argmax(axis=-1).tolist())
    labels = TokenLabels(begins, actions, tags_said, excluded, said["kind"].argmax(axis=-1).tolist())
    return clauses_of(tokens, labels, names), confidence


def _likeliest(starts: list[int], begin: np.ndarray, chances: Callable[[int, int], Logits]) -> list[int]:
    """Of the ways to begin or not where that is doubtful, the one by which the clauses, read alone, say most surely what.

    begin: log chances float [tokens, 2].
    """
    n = len(begin)
    odds = np.abs(begin[:, 1] - begin[:, 0])
    doubtful = sorted((float(odds[i]), i) for i in range(1, n) if odds[i] < _DOUBT)[:_DOUBTED]
    if not doubtful or len(starts) > _MOST:
        return starts
    ways = [frozenset(starts)]
    for _, at in doubtful:
        ways += [way ^ {at} for way in ways]

    def worth(way: frozenset[int]) -> float:
        begun = sum(float(begin[i, int(i in way)]) for i in range(1, n))
        for start, stop in pairwise([*sorted(way), n]):
            alone = chances(start, stop)
            begun += _ACTION * float(alone["action"].sum(axis=0).max()) + _TAG * float(alone["tag"].max(axis=-1).sum())
        return begun

    best: frozenset[int] = max(ways, key=worth)  # the first of equals, so the same on each run
    return sorted(best)


def _excluded(tokens: list[str], said: list[int]) -> list[bool]:
    """Which tokens are excluded: those that the model says are, behind a word that excludes."""
    if not any(said):
        return [False] * len(said)
    out, met = [], False
    for token, excluded in zip(tokens, said, strict=True):
        met = met or token in _EXCLUDING or any(similar(token, word) for word in _EXCLUDING)
        out.append(met and bool(excluded))
    return out


def _begins(tokens: list[str], said: list[int], chances: np.ndarray) -> list[bool]:
    """Where clauses begin: where the model says so, and at joining words between which the action surely changes.

    chances: of each action, float32 [tokens, actions].
    """
    n = len(tokens)
    begins = [i == 0 or bool(say) for i, say in enumerate(said)]
    start = 0
    for i in range(1, n):
        if begins[i]:
            start = i
        elif tokens[i] in _JOINERS and i - start >= 2:
            stop = next((j for j in range(i + 1, n) if begins[j] or (tokens[j] in _JOINERS and j > i + 2)), n)
            if stop - i < 3:
                continue
            left, right = _mean(chances[start:i]), _mean(chances[i:stop])
            if left.argmax() != right.argmax() and min(left.max(), right.max()) > 0.5:
                begins[i] = True
                start = i
    return begins


def _valid(tags: list[int]) -> list[int]:
    """Tags in which no I- opens a span: such an I- is read as its B-."""
    out: list[int] = []
    for tag in tags:
        name = TAGS[tag]
        if name.startswith("I-") and (not out or TAGS[out[-1]][2:] != name[2:]):
            tag = TAGS.index(f"B-{name[2:]}")
        out.append(tag)
    return out


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    rows = logits.astype(np.float32, copy=False)
    rows = rows - rows.max(axis=-1, keepdims=True)
    return cast(np.ndarray, rows - np.log(np.exp(rows).sum(axis=-1, keepdims=True)))


def _mean(rows: np.ndarray) -> np.ndarray:
    return cast(np.ndarray, rows.sum(axis=0) / len(rows))
