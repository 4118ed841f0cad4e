"""The answer of a model that writes calls in marks, as others write them: <tool_call>{"name", "arguments"}</tool_call>.

What it wrote may be no call that the tools allow, most often because something required wasn't said. Then it answers once
more, in words: nobody is helped by half a call.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from edge_runtime.errors import BadRequest
from edge_runtime.language.generate import Piece
from edge_runtime.language.template import TOOL_CALL, TOOL_CALLED, render_tool_calls
from edge_runtime.language.tokenizer import TextTokenizer
from edge_runtime.language.tool_marks import CALL, TOOLS, Reading, Unreadable


def forced(reading: Reading, choice: str) -> str:
    """How an answer begins that must call a tool, "required", or one of this name; raises `BadRequest`."""
    if choice == "required":
        return CALL
    for mark, tool in zip(TOOLS, reading.tools, strict=False):
        if tool.name == choice:
            return CALL + mark
    raise BadRequest(f"There is no tool '{choice[:64]}' among the tools.")


class InWords:
    """A constraint: the answer doesn't begin with a call."""

    done = False

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._said = False

    def mask(self) -> np.ndarray | None:
        """See `Constraint`."""
        if self._said:
            return None
        tokens = (self._tokenizer.token_bytes(token).lstrip() for token in range(self._tokenizer.size))
        return np.array([bool(text) and not text.startswith(CALL.encode()) for text in tokens])

    def accept(self, token: int) -> None:
        """See `Constraint`."""
        self._said = True


def unmarked(
    pieces: Iterator[Piece], reading: Reading, begun: str, *, one: bool, again: Callable[[], Iterator[Piece]] | None
) -> Iterator[Piece]:
    """The same tokens; the text of a call comes with the last one.

    begun: what the answer was forced to begin with; then its call comes without marks around it. one: keep the first
    call alone. again: answers in words, which takes the place of what can't be called; None: that is marked as broken.
    """
    held = begun
    calling: bool | None = True if begun else None  # not known before the first character
    for piece in pieces:
        if calling is None and (start := (held + piece.text).lstrip()):
            calling = start.startswith(CALL)
            piece, held = (dataclasses.replace(piece, text=""), start) if calling else (piece, "")
        elif calling:
            piece, held = dataclasses.replace(piece, text=""), held + piece.text
        if piece.finish and piece.finish != "cancelled" and calling:
            try:
                if piece.finish == "length":
                    raise Unreadable("The model's call is cut.")
                text = _rendered(reading, held, bare=bool(begun), one=one)
            except Unreadable:
                if again is not None and piece.finish == "stop":
                    yield dataclasses.replace(piece, finish=None, usage=None)
                    yield from again()
                    return
                text = f"{TOOL_CALL}{held}{TOOL_CALLED}"
            piece = dataclasses.replace(piece, text=text)
        yield piece


def _rendered(reading: Reading, text: str, *, bare: bool, one: bool) -> str:
    calls = reading.called(text.split("\n")[0] if one or bare else text)
    said = render_tool_calls(calls)
    return said.removeprefix(TOOL_CALL).removesuffix(TOOL_CALLED) if bare else said
