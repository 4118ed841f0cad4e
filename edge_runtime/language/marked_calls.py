"""The answer of a model that writes calls in marks, as others write them: <tool_call>{"name", "arguments"}</tool_call>."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from edge_runtime.errors import BadRequest
from edge_runtime.language.generate import Piece
from edge_runtime.language.template import TOOL_CALL, TOOL_CALLED, render_tool_calls
from edge_runtime.language.tool_marks import CALL, TOOLS, Reading, Unreadable


def forced(reading: Reading, choice: str) -> str:
    """How an answer begins that must call a tool, "required", or one of this name; raises `BadRequest`."""
    if choice == "required":
        return CALL
    for mark, tool in zip(TOOLS, reading.tools, strict=False):
        if tool.name == choice:
            return CALL + mark
    raise BadRequest(f"There is no tool '{choice[:64]}' among the tools.")


def unmarked(pieces: Iterator[Piece], reading: Reading, begun: str, *, one: bool) -> Iterator[Piece]:
    """The same tokens; the text of a call comes with the last one, and what can't be called is marked as broken.

    begun: what the answer was forced to begin with; then its call comes without marks around it. one: keep the first
    call alone.
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
            piece = dataclasses.replace(piece, text=_rendered(reading, held, bare=bool(begun), one=one))
        yield piece


def _rendered(reading: Reading, text: str, *, bare: bool, one: bool) -> str:
    try:
        calls = reading.called(text.split("\n")[0] if one or bare else text)
    except Unreadable:
        return f"{TOOL_CALL}{text}{TOOL_CALLED}"
    said = render_tool_calls(calls)
    return said.removeprefix(TOOL_CALL).removesuffix(TOOL_CALLED) if bare else said
