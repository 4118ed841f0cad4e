"""What tools and messages are made of, as a very small model reads them; see `edge_runtime.language.tool_marks`."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_runtime.errors import BadRequest

PLACES = "123456789abcdefghijklmnopqrstuvwxyz"  # of a parameter in its tool, and of a choice in its list


@dataclass(frozen=True)
class Parameter:
    """One value of a call. path: its keys, several for one inside an object. kind: of JSON Schema, or "enum", or "other".

    items: whether it is a list of such.
    """

    path: tuple[str, ...]
    kind: str
    choices: tuple[object, ...] = ()
    items: bool = False
    required: bool = False
    words: frozenset[str] = frozenset()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Tool:
    """A tool as the model meets it; words: of its name and description, stemmed."""

    name: str
    shown: str
    words: frozenset[str]
    parameters: tuple[Parameter, ...]
    required: frozenset[str] = frozenset()


@dataclass(eq=False)
class Unit:
    """A word, number or quoted text that can be pointed at; start and end: in its message."""

    message: int
    start: int
    end: int
    text: str
    quoted: bool = False
    marks: list[str] = field(default_factory=list)


class Unreadable(BadRequest):
    """What the model wrote is no call that the tools allow."""

    code = "unreadable_tools"
