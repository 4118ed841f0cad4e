"""Guesses at the next tokens, which the model then checks several at a time (speculative decoding, arXiv 2211.17192).

A guess never changes what is written: each token is drawn from the model's own logits, and a guess that isn't that
token is dropped. So a text is the same with any draft, greedy or with a seed, and only its speed differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from edge_runtime.engines.language import LanguageEngine

# A run of tokens that stood in the text before is taken as a sign of what follows; longer ones are tried first.
_LONGEST_RUN, _SHORTEST_RUN = 4, 2
MOST_GUESSED = 8
_PAUSE = 16  # tokens without a guess after two in a row that were wrong from their first token on


class Draft(Protocol):
    """Something that guesses."""

    def propose(self, tokens: Sequence[int], most: int) -> list[int]:
        """At most `most` tokens that may follow; none where it has no idea. tokens: the whole text so far."""


class PromptLookup:
    """Guesses that a run of tokens goes on as it did before in the same text (Saxena 2023, "prompt lookup decoding").

    Costs nearly nothing, and helps where an answer repeats its question: code, extraction, summaries, tool calls.
    """

    def __init__(self) -> None:
        self._ends: dict[tuple[int, ...], int] = {}  # a run of tokens -> the place behind its last occurrence
        self._read: list[int] = []

    def propose(self, tokens: Sequence[int], most: int) -> list[int]:
        """See `Draft`."""
        if list(tokens[: len(self._read)]) != self._read:
            self._ends, self._read = {}, []
        # The text's own end is looked up, so it isn't entered before more follows it.
        for end in range(len(self._read), len(tokens)):
            for size in range(_SHORTEST_RUN, min(_LONGEST_RUN, end) + 1):
                self._ends[tuple(tokens[end - size : end])] = end
        self._read = list(tokens)
        for size in range(min(_LONGEST_RUN, len(tokens)), _SHORTEST_RUN - 1, -1):
            if (at := self._ends.get(tuple(tokens[-size:]))) is not None:
                return list(tokens[at : at + most])
        return []


class DraftModel:
    """Guesses by a smaller model of the same tokenizer, greedily."""

    def __init__(self, engine: LanguageEngine) -> None:
        self._engine = engine
        self._fed: list[int] = []

    @property
    def text_bytes(self) -> int:
        """See `LanguageEngine`."""
        return self._engine.text_bytes

    def another(self) -> DraftModel:
        """One for another text, over the same model; raises `EngineError`."""
        return DraftModel(self._engine.another())

    def close(self) -> None:
        """Free its cache."""
        self._engine.close()

    def propose(self, tokens: Sequence[int], most: int) -> list[int]:
        """See `Draft`; none once the text is longer than the smaller model's context."""
        most = min(most, self._engine.context - len(tokens))
        if most < 1:
            return []
        rewind_to(self._engine, self._fed, min(common_prefix(self._fed, tokens), len(tokens) - 1))
        made: list[int] = []
        following = list(tokens[len(self._fed) :])
        while len(made) < most:
            logits = self._engine.feed(following, 1)[0]
            self._fed += following
            made.append(int(logits.argmax()))
            following = made[-1:]
        return made


class Patient:
    """Asks a draft as often as it pays: longer guesses after right ones, and a pause after wrong ones."""

    def __init__(self, draft: Draft, most: int = MOST_GUESSED) -> None:
        self._draft = draft
        self._most = most
        self._size = most
        self._wrong = self._pause = 0

    def propose(self, tokens: Sequence[int], most: int) -> list[int]:
        """See `Draft`."""
        if self._pause:
            self._pause -= 1
            return []
        return self._draft.propose(tokens, min(most, self._size)) if most > 0 else []

    def learn(self, guessed: int, right: int) -> None:
        """How many of the guessed tokens were right, from the first on."""
        if not guessed:
            return
        self._size = min(self._most, 2 * self._size) if right == guessed else max(1, min(self._size, right + 1))
        self._wrong = 0 if right else self._wrong + 1
        if self._wrong >= 2:
            self._wrong, self._pause, self._size = 0, _PAUSE, max(1, self._most // 2)


def common_prefix(some: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two texts have in common at their beginning."""
    most = min(len(some), len(other))
    if some[:most] == other[:most]:  # the usual case, at the speed of C
        return most
    return next(i for i in range(most) if some[i] != other[i])


def rewind_to(engine: LanguageEngine, fed: list[int], length: int) -> None:
    """Forget what was fed from `length` on, or more where the engine can't go back so far. `fed` is what is known of
    the cache, and cut first: an interruption between the two leaves it a beginning of what the cache holds.
    """
    del fed[length:]
    engine.rewind(length)
    del fed[engine.length :]
