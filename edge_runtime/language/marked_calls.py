"""The answer of a model that writes calls in marks, as others write them: <tool_call>{"name", "arguments"}</tool_call>.

What it wrote may be no call that the tools allow, most often because something required wasn't said. Then it answers once
more, in words: nobody is helped by half a call. And a call that it isn't sure is wanted is asked about instead of made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from edge_runtime.errors import BadRequest
from edge_runtime.language.generate import Piece
from edge_runtime.language.template import TOOL_CALL, TOOL_CALLED, render_tool_calls
from edge_runtime.language.tokenizer import TextTokenizer
from edge_runtime.language.tool_marks import CALL, TOOLS, Reading
from edge_runtime.language.tool_parts import Unreadable, words_of

QUESTION = "Do you want this: "
ACT = "act"  # the manifest's threshold: the least probability of a call that is made


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


def question(calls: Sequence[Mapping[str, object]]) -> str:
    """What is asked before calls are made that may not be wanted."""
    return f"{QUESTION}{'; '.join(map(_spoken, calls))}?"


def _spoken(call: Mapping[str, object]) -> str:
    said = " ".join(word.lower() for word in words_of(str(call["name"])))
    arguments = call["arguments"]
    assert isinstance(arguments, Mapping)
    values = ", ".join(f"{key_words(key)} {spoken_value(value)}" for key, value in arguments.items())
    return f"{said} ({values})" if values else said


def key_words(key: str) -> str:
    """A parameter's name as it is asked about."""
    return key.replace("_", " ")


def spoken_value(value: object) -> str:
    """A value as it is asked about."""
    if isinstance(value, Mapping):
        return " ".join(f"{key} {spoken_value(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return " and ".join(map(spoken_value, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def unmarked(
    pieces: Iterator[Piece],
    reading: Reading,
    begun: str,
    *,
    one: bool,
    again: Callable[[], Iterator[Piece]] | None,
    chance: float | None = None,
    least: float = 0.0,
) -> Iterator[Piece]:
    """The same tokens; the text of a call comes with the last one.

    begun: what the answer was forced to begin with; then its call comes without marks around it. one: keep the first
    call alone. again: answers in words, which takes the place of what can't be called; None: that is marked as broken.
    chance: that a call is wanted, where that is known; below `least` it is asked about, and the last piece is `unsure`.
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
                calls = reading.called(held.split("\n")[0] if one or begun else held)
                if not begun and not all(reading.spoken_of(str(call["name"])) for call in calls):
                    raise Unreadable("The model calls a tool that nobody spoke of.")
            except Unreadable:
                if again is not None and piece.finish == "stop":
                    yield dataclasses.replace(piece, finish=None, usage=None)
                    yield from again()
                    return
                text = f"{TOOL_CALL}{held}{TOOL_CALLED}"
            else:
                text = render_tool_calls(calls)
                if begun:
                    text = text.removeprefix(TOOL_CALL).removesuffix(TOOL_CALLED)
                elif chance is not None:
                    piece = dataclasses.replace(piece, chance=chance, unsure=chance < least)
                    text = question(calls) if piece.unsure else text
            piece = dataclasses.replace(piece, text=text)
        yield piece
