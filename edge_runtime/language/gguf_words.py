"""The tokenizer of a .gguf file: llama.cpp's own, whatever kind it is, behind the protocol of `TextTokenizer`."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from edge_runtime.engines.language_gguf import GgufLanguageEngine
from edge_runtime.errors import BundleError

# Stands before a text that goes on: no tokenizer joins it with what follows, and the space that SentencePiece puts
# before a text comes before it.
_GUARD = "\x01"


class GgufTokenizer:
    """See `TextTokenizer`. It lives as long as its engine is open."""

    def __init__(self, engine: GgufLanguageEngine) -> None:
        """Raises `BundleError` for a vocabulary in which nothing ends an answer."""
        self._engine = engine
        self.size = engine.vocabulary
        self.special = {engine.name(token): token for token in engine.special_tokens()}
        self._names = {token: name for name, token in self.special.items()}
        self.stops = engine.ends()
        if not self.stops:
            raise BundleError("The file names no token that ends an answer, so none would end; use another file.")
        self._first, self._last, self._begins = engine.edges()
        # SentencePiece reads a text as if a space stood before it, which isn't so where a text only goes on.
        self._spaced = engine.piece((engine.tokenize("a") or [0])[0]).startswith(b" ")

    @property
    def first(self) -> str:
        """The name of the token for a text's beginning, "" for none."""
        return "" if self._first is None else self._engine.name(self._first)

    @property
    def last(self) -> str:
        """The same of the one for its end."""
        return "" if self._last is None else self._engine.name(self._last)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text that goes on where another ended. What spells a special token stays text."""
        if not self._spaced or not text:
            return self._engine.tokenize(text)
        guard, whole = self._guard, self._engine.tokenize(_GUARD + text)
        return whole[len(guard) :] if whole[: len(guard)] == guard else self._engine.tokenize(text)

    def begin(self, text: str, marks: bool = False) -> list[int]:
        """The tokens of a whole text, with the one for its beginning where the file wants one.

        marks: what spells a special token becomes it, as in a chat that a template wrote.
        """
        if not self._begins:
            return self._engine.tokenize(text, marks)
        assert self._first is not None
        if marks:  # the template has written it already
            text = text.removeprefix(self.first)
        return [self._first, *self._engine.tokenize(text, marks)]

    def decode(self, ids: Iterable[int], special: bool = False) -> str:
        """See `TextTokenizer`."""
        names = self._names if special else {}
        return b"".join(names[i].encode() if i in names else self.token_bytes(i) for i in ids).decode(
            "utf-8", "replace"
        )

    def token_bytes(self, number: int) -> bytes:
        """See `TextTokenizer`."""
        if not 0 <= number < self.size:
            raise BundleError(f"The tokenizer has no token {number}, only 0 to {self.size - 1}; it isn't this model's.")
        return self._engine.piece(number)

    def special_id(self, text: str) -> int:
        """See `TextTokenizer`."""
        number = self.special.get(text)
        if number is None:
            raise BundleError(f"The tokenizer has no special token {text}; it doesn't belong to this chat template.")
        return number

    @functools.cached_property
    def _guard(self) -> list[int]:
        return self._engine.tokenize(_GUARD)
