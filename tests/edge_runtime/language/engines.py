"""Engines without a model: one with random but repeatable logits, one that writes what a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge_runtime.engines.language import LanguageEngine
from edge_runtime.errors import EngineError
from edge_runtime.language.tokenizer import Tokenizer

MERGES = ("t h", "th e", "i n", "a n", "o n", "e r", "> {", '>{ "')
SPECIALS = ("<|im_start|>", "<|im_end|>", "<|task:chat|>", "<|task:math|>")


class NumpyEngine:
    """A language engine whose logits `predict` gives, [vocabulary] for all tokens so far."""

    runtime, version = "numpy", np.__version__
    unfilled = 0

    def __init__(self, predict: Callable[[Sequence[int]], np.ndarray], vocabulary: int, context: int = 256) -> None:
        self.context, self.vocabulary = context, vocabulary
        self.cache: list[int] = []
        self.fed: list[int] = []  # how many tokens at each call
        self._predict = predict
        self.text_bytes = 8 * context
        self.others: list[NumpyEngine] = []  # that were opened over the same model
        self.closed = False

    @property
    def length(self) -> int:
        return len(self.cache)

    def feed(self, tokens: Sequence[int], wanted: int = 1) -> np.ndarray:
        if not tokens or not 0 <= wanted <= len(tokens) or self.length + len(tokens) > self.context:
            raise EngineError("The engine can't take these tokens.")
        self.fed.append(len(tokens))
        made = np.empty((wanted, self.vocabulary), np.float32)
        for i, token in enumerate(tokens):
            self.cache.append(int(token))
            if (row := i - (len(tokens) - wanted)) >= 0:
                made[row] = self._predict(self.cache)
        return made

    def rewind(self, length: int) -> None:
        if not 0 <= length <= self.length:
            raise EngineError("The engine can't go there.")
        del self.cache[length:]

    def another(self) -> LanguageEngine:
        made = type(self)(self._predict, self.vocabulary, self.context)
        self.others.append(made)
        return made  # type: ignore[return-value]

    def close(self) -> None:
        self.cache.clear()
        self.closed = True


def random_engine(vocabulary: int, order: int = 2, context: int = 256, seed: int = 0) -> NumpyEngine:
    """The next token depends on the last `order` ones alone, so that a greedy text soon repeats itself."""

    def predict(tokens: Sequence[int]) -> np.ndarray:
        return np.random.default_rng([seed, *tokens[-order:]]).normal(0, 2, vocabulary).astype(np.float32)

    return NumpyEngine(predict, vocabulary, context)


def writing_engine(tokenizer: Tokenizer, prompt: int, script: Sequence[int], context: int = 256) -> NumpyEngine:
    """Behind a prompt of so many tokens it would write `script`, by places, whatever else was written."""

    def predict(tokens: Sequence[int]) -> np.ndarray:
        logits = np.linspace(0, 1, tokenizer.size, dtype=np.float32)
        at = len(tokens) - prompt
        logits[script[at] if 0 <= at < len(script) else tokenizer.special["<|im_end|>"]] = 10
        return logits

    return NumpyEngine(predict, tokenizer.size, context)


def tokenizer_table() -> dict[str, object]:
    """A tokenizer.json of all bytes, a few merges and the special tokens."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in plain]
    alphabet = [chr(byte) for byte in plain] + [chr(0x100 + i) for i in range(len(rest))]
    vocabulary = {char: i for i, char in enumerate([*alphabet, *(merge.replace(" ", "") for merge in MERGES)])}
    added = [{"id": len(vocabulary) + i, "content": text, "special": True} for i, text in enumerate(SPECIALS)]
    return {
        "model": {"type": "BPE", "vocab": vocabulary, "merges": list(MERGES)},
        "added_tokens": added,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
    }


def write_tokenizer(path: Path) -> Tokenizer:
    """The same as a file."""
    path.write_text(json.dumps(tokenizer_table()))
    return Tokenizer.read(path)
