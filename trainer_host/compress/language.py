"""How well a decoder's file predicts texts in the device's runtime, and what int8, int4 or an int8 cache cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainer_host.errors import DataError
from trainer_host.export.language_onnx import CacheScales

if TYPE_CHECKING:
    from edge_runtime.engines.language import LanguageEngine
    from trainer_host.students.language.model import LanguageModel


@dataclass(frozen=True)
class Text:
    """Token ids, and which of them count (default: all that something comes before); see `encode_chat`'s mask."""

    tokens: Sequence[int]
    counted: Sequence[bool] | None = None


@dataclass(frozen=True)
class Comparison:
    """One engine beside another on the same tokens.

    reference, other: perplexities. largest: the largest difference of two logits. agreement: how often both find the
    same token most likely, 0 to 1. tokens: how many were predicted.
    """

    reference: float
    other: float
    largest: float
    agreement: float
    tokens: int

    @property
    def ratio(self) -> float:
        """The other's perplexity over the reference's; 1.02 is 2 % worse."""
        return self.other / self.reference


def perplexity(engine: LanguageEngine, texts: Sequence[Text]) -> float:
    """exp of the mean negative log-likelihood of the counted tokens; raises `DataError` where none can be predicted.

    A text longer than the engine's context is read in pieces of it, each without what came before.
    """
    loss, tokens = 0.0, 0
    for piece, counted in pieces(texts, engine.context):
        loss += float(-_of_next(_logits(engine, piece), piece)[counted].sum())
        tokens += int(counted.sum())
    return _perplexity(loss, tokens)


def compare(reference: LanguageEngine, other: LanguageEngine, texts: Sequence[Text]) -> Comparison:
    """Both engines on the counted tokens of the same texts; raises `DataError` as `perplexity` does.

    They may come from files of any precision, but must have the same vocabulary.
    """
    if reference.vocabulary != other.vocabulary:
        raise DataError(
            f"One model has {reference.vocabulary} tokens and the other {other.vocabulary}; compare files of one model."
        )
    losses, largest, same, tokens = [0.0, 0.0], 0.0, 0, 0
    for piece, counted in pieces(texts, min(reference.context, other.context)):
        first, second = _logits(reference, piece)[counted], _logits(other, piece)[counted]
        after = [token for token, counts in zip(piece[1:], counted, strict=True) if counts]
        losses[0] -= float(_of_next(first, [0, *after]).sum())
        losses[1] -= float(_of_next(second, [0, *after]).sum())
        largest = max(largest, float(np.abs(first - second).max(initial=0)))
        same += int((first.argmax(-1) == second.argmax(-1)).sum())
        tokens += len(after)
    ours, theirs = (_perplexity(loss, tokens) for loss in losses)
    return Comparison(ours, theirs, largest, same / tokens, tokens)


def cache_scales(model: LanguageModel, texts: Sequence[Text]) -> CacheScales:
    """Scales of an int8 cache: the largest key and value of each of a head's dimensions in these texts, over 127.

    Keys are measured as they are cached, with their positions turned in. Raises `DataError` where there is no text.
    """
    import torch

    from trainer_host.students.language.model import Cache

    config = model.config
    largest = torch.zeros(2, config.layers, config.kv_heads, config.head)
    was_training = model.training
    model.eval()
    read = 0
    with torch.no_grad():
        for piece, _ in pieces(texts, config.context):
            cache = Cache(config.layers)
            model.hidden(torch.tensor([piece]), cache=cache)
            for part, kept in enumerate((cache.keys, cache.values)):
                found = torch.stack([layer[0].float().abs().amax(1) for layer in kept if layer is not None])
                largest[part] = torch.maximum(largest[part], found)
            read += len(piece)
    model.train(was_training)
    if not read:
        raise DataError("There are no texts to measure the cache on; give some that the model will meet.")
    # A dimension that is always zero needs any scale but zero.
    keys, values = (largest.clamp_min(1e-6) / 127).numpy()
    return CacheScales(keys, values)


def pieces(texts: Sequence[Text], context: int) -> Iterator[tuple[list[int], np.ndarray]]:
    """Parts of at most `context` tokens; bool [tokens - 1]: which of those after the first one count."""
    for text in texts:
        counted = np.ones(len(text.tokens), bool) if text.counted is None else np.asarray(text.counted, bool)
        if len(counted) != len(text.tokens):
            raise DataError(f"A text has {len(text.tokens)} tokens and a mask of {len(counted)}; they belong together.")
        for start in range(0, len(text.tokens), context):
            piece = [int(token) for token in text.tokens[start : start + context]]
            if len(piece) > 1 and counted[start + 1 : start + len(piece)].any():
                yield piece, counted[start + 1 : start + len(piece)]


def _logits(engine: LanguageEngine, piece: Sequence[int]) -> np.ndarray:
    """Float32 [tokens - 1, vocabulary]: what the engine expects after each token but the last."""
    engine.rewind(0)
    return engine.feed(piece[:-1], len(piece) - 1)


def _of_next(logits: np.ndarray, piece: Sequence[int]) -> np.ndarray:
    """Log-likelihood of each token after the first."""
    largest = logits.max(-1, keepdims=True)
    total = np.log(np.exp(logits - largest).sum(-1, dtype=np.float64)) + largest[:, 0]
    return logits[np.arange(len(piece) - 1), list(piece[1:])] - total


def _perplexity(loss: float, tokens: int) -> float:
    if not tokens:
        raise DataError("No token of these texts can be predicted; give texts of two tokens and more.")
    return math.exp(min(loss / tokens, 700.0))  # beyond this a float has no number for it
