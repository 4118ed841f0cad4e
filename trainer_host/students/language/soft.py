"""A teacher's probabilities for pieces of an answer, as targets for a student with another tokenizer.

A row's meta has, by byte of the answer, what the teacher might have written there (`trainer_host.teacher.soft`). Where a token
of the student begins with a piece, the ways in which the answer might have gone on there are known: each alternative to the
pieces that the token covers, behind those before it. Each counts for the token that it begins with: a distribution over first
tokens, with nothing assumed of either vocabulary. A token that begins inside a piece has itself alone as a target. The
likeliest few are all that a provider tells, so their probabilities are made to sum to 1, as in other distillations from
a provider's top k (ms-swift's GKD, https://swift.readthedocs.io). Soft targets and not weights for whole rows: a row's
confidence says how common an answer is, and not how good; and what passed the verifier needn't be doubted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Chances = list[tuple[str, float]]  # what might stand in a place, with what does first; "" is the end
SHARE = 0.7  # of the teacher's probabilities; the rest is for the written token, as with a teacher that is at hand
MOST = 8  # targets of a token: the written one, and the likeliest others


class Pieces(Protocol):
    """What a tokenizer tells besides ids."""

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""

    def sizes(self, ids: Sequence[int]) -> list[int]:
        """Bytes that each token stands for."""


class Text(Protocol):
    """What an `Encoded` text has of this."""

    @property
    def mask(self) -> np.ndarray:
        """bool [length], whether a token is learnt."""

    @property
    def soft(self) -> Targets | None:
        """Its targets."""


@dataclass(frozen=True, eq=False)
class Targets:
    """For each token of a text, what is to be learnt in its place: ids int32 [length, MOST], shares float32 of the same shape.

    A row sums to 1; places that aren't used are 0. soft: how many tokens have more than themselves.
    """

    ids: np.ndarray
    shares: np.ndarray
    soft: int


def soft_targets(
    meta: object, said: str, ids: np.ndarray, mask: np.ndarray, tokenizer: Pieces, share: float = SHARE
) -> Targets | None:
    """Targets of a text whose last learnt tokens are `said` and an end mark; None where they aren't, or none is soft.

    meta: as a row keeps it. ids: int32 [length]; mask: bool [length], whether a token is learnt.
    """
    at = _read(meta)
    if not at or not mask.any():
        return None
    last = int(np.flatnonzero(mask)[-1])
    first = last
    while first > 0 and mask[first - 1]:
        first -= 1
    answer = ids[first:last].tolist()  # without the end mark
    sizes = tokenizer.sizes(answer)
    whole = said.encode()
    if sum(sizes) != len(whole) or tokenizer.encode(said) != answer:
        return None  # it is read otherwise than it was said, as calls in marks are
    made = np.zeros((len(ids), MOST), np.int32)
    shares = np.zeros((len(ids), MOST), np.float32)
    made[:, 0], shares[:, 0] = ids, 1.0
    count = start = 0
    for place, size in zip(range(first, last + 1), [*sizes, 0], strict=True):
        found = _token_chances(at, start, whole[start : start + size], int(ids[place]), tokenizer, int(ids[last]))
        if found is not None:
            likely = sorted(found.items(), key=lambda pair: (pair[0] != ids[place], -pair[1]))[:MOST]
            total = sum(chance for _, chance in likely)
            made[place, : len(likely)] = [token for token, _ in likely]
            shares[place, : len(likely)] = [share * chance / total for _, chance in likely]
            shares[place, 0] += 1 - share
            count += 1
        start += size
    return Targets(made, shares, count) if count else None


def soft_share(texts: Iterable[Text]) -> float:
    """Of the learnt tokens, those with a teacher's probabilities."""
    soft = learnt = 0
    for text in texts:
        learnt += int(text.mask[1:].sum())
        soft += 0 if text.soft is None else text.soft.soft
    return round(soft / max(1, learnt), 4)


def _token_chances(
    at: Mapping[int, Chances], start: int, spelled: bytes, token: int, tokenizer: Pieces, end: int
) -> dict[int, float] | None:
    """Probability by first token; None where the teacher's pieces don't hold all of the student's token."""
    found = _candidates(at, start, spelled)
    if found is None:
        return None
    made: dict[int, float] = {token: 0.0}
    for text, chance, written in found:
        if written or (text and spelled.startswith(text.encode())):
            other = token  # a shorter text may go on as the answer does
        else:
            other = tokenizer.encode(text)[0] if text else end
        made[other] = made.get(other, 0.0) + chance
    return made if sum(made.values()) > 0 else None


def _candidates(at: Mapping[int, Chances], start: int, spelled: bytes) -> list[tuple[str, float, bool]] | None:
    """(how the answer might go on from a byte, probability, whether it does) for pieces up to a token's end."""
    made: list[tuple[str, float, bool]] = []
    before, chance = "", 1.0
    while True:
        chances = at.get(start + len(before.encode()))
        if chances is None:
            return None
        written, likely = chances[0]
        made += [(before + text, chance * p, False) for text, p in chances[1:]]
        before, chance = before + written, chance * likely
        reached = before.encode()
        if reached.startswith(spelled) and (spelled or not written):
            return [*made, (before, chance, True)]
        if not written or not spelled.startswith(reached):
            return None


def _read(meta: object) -> dict[int, Chances]:
    """By offset; what can't be read is left out, for rows may come from other hands."""
    found = meta.get("at") if isinstance(meta, Mapping) else None
    made: dict[int, Chances] = {}
    for entry in found if isinstance(found, list) else []:
        match entry:
            case [int(offset), [*pairs]] if pairs and all(_is_chance(pair) for pair in pairs):
                made[offset] = [(str(text), float(chance)) for text, chance in pairs]
    return made


def _is_chance(pair: object) -> bool:
    match pair:
        case [str(), int() | float() as chance]:
            return 0 <= chance <= 1.01
    return False
