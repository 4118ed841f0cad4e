"""What of an answer may be shown, and what must stand between its marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edge_runtime.language.template import THINK, THOUGHT, TOOL_CALL, TOOL_CALLED, ReasoningSplitter
from edge_runtime.language.tokenizer import StreamDecoder, TextTokenizer

if TYPE_CHECKING:
    from edge_runtime.language.generate import Bracketed, Constraint

MARKS = (THINK, THOUGHT, TOOL_CALL, TOOL_CALLED)


class Shown:
    """From tokens to the text that may be shown: whole characters, thoughts apart, stop strings held back."""

    def __init__(self, tokenizer: TextTokenizer, stops: tuple[str, ...], thinking: bool) -> None:
        self._decoder = StreamDecoder(tokenizer)
        # A tokenizer may have the marks as special tokens, which stand for no text elsewhere.
        self._marks = marks_of(tokenizer)
        self._splitter = ReasoningSplitter(thinking)
        self._stops = stops
        self._held = ""
        self.stopped = False

    @property
    def thinking(self) -> bool:
        """Whether the answer is within a thought."""
        return self._splitter.thinking

    def push(self, token: int) -> tuple[str, str]:
        """(more of the thought, more of the answer)."""
        mark = self._marks.get(token)
        thought, text = self._splitter.push(self._decoder.push(token) if mark is None else mark)
        return thought, self._until_stop(text)

    def finish(self) -> tuple[str, str]:
        """What was held back, now that nothing follows; after a stop string, nothing."""
        if self.stopped:
            return "", ""
        thought, text = self._splitter.push(self._decoder.finish())
        more, rest = self._splitter.finish()
        shown = self._until_stop(text + rest)
        held, self._held = ("" if self.stopped else self._held), ""
        return thought + more, shown + held

    def _until_stop(self, text: str) -> str:
        if not self._stops:
            return text
        self._held += text
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            shown, self._held = self._held[: min(found)], ""
            return shown
        keep = max(_begun(self._held, stop) for stop in self._stops)
        shown = self._held[: len(self._held) - keep]
        self._held = self._held[len(shown) :]
        return shown


class Bracket:
    """Watches for the first mark, gives the constraint for what follows, and then forces the second mark."""

    def __init__(self, rule: Bracketed, tokenizer: TextTokenizer) -> None:
        self._rule = rule
        self._tokenizer = tokenizer
        self._marks = {number: text.encode() for number, text in marks_of(tokenizer).items()}
        self._tail = b""
        self.constraint: Constraint | None = None

    def within(self, token: int) -> tuple[int, list[int]]:
        """The token, or what takes its place and must follow where it would go on behind the first mark.

        A tokenizer may have joined the mark's end with what follows; the constraint must see that from its beginning.
        """
        if self.constraint is not None or token in self._marks:
            return token, []
        begin = self._rule.begin.encode()
        text = self._tail + self._tokenizer.token_bytes(token)
        at = text.find(begin)
        if at < 0 or at + len(begin) == len(text):
            return token, []
        first, *rest = self._tokenizer.encode(text[len(self._tail) : at + len(begin)].decode("utf-8", "replace"))
        return first, rest

    def take(self, token: int) -> list[int]:
        """Note a token; the tokens that must follow, where it completes what stands between the marks."""
        if self.constraint is not None:
            self.constraint.accept(token)
            if not self.constraint.done:
                return []
            self.constraint = None
            return self._tokenizer.encode(self._rule.end)
        begin = self._rule.begin.encode()
        self._tail += self._marks.get(token) or self._tokenizer.token_bytes(token)
        if self._tail.endswith(begin):
            self._tail, self.constraint = b"", self._rule.make()
        self._tail = self._tail[-len(begin) + 1 :]
        return []


def marks_of(tokenizer: TextTokenizer) -> Mapping[int, str]:
    """The marks of thoughts and calls that a tokenizer has as special tokens, by their ids."""
    return {tokenizer.special[mark]: mark for mark in MARKS if mark in tokenizer.special}


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of `text` may be the beginning of `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
