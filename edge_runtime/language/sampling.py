"""Chooses the next token from logits: greedy, or drawn after temperature, top-k, top-p, min-p and a penalty."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_runtime.errors import BadRequest, EngineError

_NOT_A_NUMBER = "The model's output isn't a number, so no token can follow; use another precision of this bundle."


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. Raises `BadRequest` with the bounds.

    temperature: 0 takes the likeliest token. top_k: only the k likeliest (0: all). top_p: only the likeliest that
    together have this probability (arXiv 1904.09751). min_p: only those with at least this part of the likeliest's
    probability (arXiv 2407.01082). repetition: divides the logits of tokens seen before (arXiv 1909.05858; 1: off).
    seed: the same seed draws the same tokens; None draws others each time.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise BadRequest("temperature must be from 0 to 100.")
        if self.top_k < 0:
            raise BadRequest("top_k must be 0 (all tokens) or more.")
        if not 0 < self.top_p <= 1:
            raise BadRequest("top_p must be over 0 and at most 1.")
        if not 0 <= self.min_p <= 1:
            raise BadRequest("min_p must be from 0 to 1.")
        if not 0 < self.repetition <= 100:
            raise BadRequest("The repetition penalty must be over 0 and at most 100.")


class Sampler:
    """Draws tokens one after the other; its state is that of the random numbers."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self._random = random.Random(sampling.seed)

    def choose(self, logits: np.ndarray, recent: Sequence[int] = (), allowed: np.ndarray | None = None) -> int:
        """The next token. logits: float32 [V]; recent: tokens that the penalty is for; allowed: bool [V] or shorter.

        The logits aren't changed. Raises `BadRequest` where nothing is allowed, `EngineError` for NaN or infinity.
        """
        if self.sampling.temperature == 0:
            scores = adjusted(self.sampling, logits, recent, allowed)
            likeliest = int(np.argmax(scores))
            if not np.isfinite(scores[likeliest]):
                raise EngineError(_NOT_A_NUMBER)
            return likeliest
        tokens, chances = candidates(self.sampling, logits, recent, allowed)
        return self.draw(tokens, chances)

    def draw(self, tokens: np.ndarray, chances: np.ndarray) -> int:
        """One of `tokens` with these chances, which add up to 1."""
        sums = np.cumsum(chances)
        at = int(np.searchsorted(sums, self._random.random() * sums[-1], side="right"))
        return int(tokens[min(at, len(tokens) - 1)])

    def uniform(self) -> float:
        """A number from 0 to below 1 of the same sequence, for accepting a draft's tokens."""
        return self._random.random()


def adjusted(
    sampling: Sampling, logits: np.ndarray, recent: Sequence[int] = (), allowed: np.ndarray | None = None
) -> np.ndarray:
    """The logits [V] after the penalty and the mask (-inf where not allowed); the same array where nothing changes."""
    if sampling.repetition != 1 and len(recent):
        seen = np.unique(np.asarray(recent, dtype=np.int64))
        logits = logits.copy()
        logits[seen] = np.where(
            logits[seen] < 0, logits[seen] * sampling.repetition, logits[seen] / sampling.repetition
        )
    if allowed is not None:
        if not allowed.any():
            raise BadRequest("No token can follow under this constraint; change the schema.")
        masked = np.full_like(logits, -np.inf)
        chosen = np.flatnonzero(allowed)
        masked[chosen] = logits[chosen]
        logits = masked
    return logits


def candidates(
    sampling: Sampling, logits: np.ndarray, recent: Sequence[int] = (), allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(tokens int64 [n], chances float64 [n]): what a draw chooses from.

    The steps come in transformers' order: penalty, temperature, top-k, top-p, min-p. Behind top-k and top-p the likeliest
    token is the first, else they lie as in the vocabulary: sorting 49,152 takes 5 ms. A temperature of 0 gives one.
    """
    scores = adjusted(sampling, logits, recent, allowed)
    if sampling.temperature == 0:
        return np.array([np.argmax(scores)]), np.ones(1)
    tokens = np.arange(len(scores)) if allowed is None else np.flatnonzero(allowed)
    values = scores[tokens].astype(np.float64) / sampling.temperature
    if 0 < sampling.top_k < len(values):
        keep = np.argpartition(values, -sampling.top_k)[-sampling.top_k :]
        tokens, values = tokens[keep], values[keep]
    chances = np.exp(values - values.max())
    if sampling.min_p and sampling.top_p == 1:
        # Before sorting, so that 49,152 tokens become a few: what min-p keeps doesn't depend on the order.
        keep = np.flatnonzero(chances >= sampling.min_p)
        tokens, chances = tokens[keep], chances[keep]
    chances /= chances.sum()
    if sampling.top_p < 1:
        # Tokens less likely than this add up to less than what is cut anyway, so they needn't be sorted.
        keep = np.flatnonzero(chances > (1 - sampling.top_p) / len(chances))
        tokens, chances = tokens[keep], chances[keep]
    if sampling.top_k > 0 or sampling.top_p < 1:
        order = np.argsort(-chances, kind="stable")
        tokens, chances = tokens[order], chances[order]
    if sampling.top_p < 1:
        before = np.cumsum(chances) - chances
        keep_count = max(1, int(np.searchsorted(before, sampling.top_p, side="left")))
        tokens, chances = tokens[:keep_count], chances[:keep_count]
        if sampling.min_p:
            keep_count = int(np.count_nonzero(chances >= sampling.min_p * chances[0]))
            tokens, chances = tokens[:keep_count], chances[:keep_count]
    total = chances.sum()
    if not math.isfinite(total) or total <= 0:
        raise EngineError(_NOT_A_NUMBER)
    return tokens, chances / total
