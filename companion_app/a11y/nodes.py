"""What an assistive technology is told of one widget; imports neither Kivy nor accesskit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edited:
    """Text that can be typed into. shown: as drawn, so dots for a key. caret, anchor: between which characters the
    selection ends and begins, both the same where nothing is selected."""

    shown: str
    caret: int
    anchor: int


@dataclass(frozen=True, slots=True)
class Number:
    """A value between two others, and how far one step of an arrow key goes; 0 where it can't be changed."""

    value: float
    least: float
    most: float
    step: float = 0.0


@dataclass(frozen=True, slots=True)
class Node:
    """One widget.

    role: of `theme.accessible.ROLES`; "" is what only holds others. box: left, bottom, right, top in pixels, upwards.
    shift: added to its own places and to those of what it holds: how far a page is scrolled. children: ids, in
    reading order. checked, selected, expanded: None where it makes no sense.
    """

    role: str
    name: str = ""
    value: str = ""
    description: str = ""
    placeholder: str = ""
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    shift: tuple[float, float] = (0.0, 0.0)
    children: tuple[int, ...] = ()
    live: str = "off"
    disabled: bool = False
    focusable: bool = False
    pressable: bool = False
    checked: bool | None = None
    selected: bool | None = None
    expanded: bool | None = None
    invalid: bool = False
    modal: bool = False
    edited: Edited | None = None
    number: Number | None = None
