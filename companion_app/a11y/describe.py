"""From one widget to its role, its name and its state."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kivy.uix.behaviors import ButtonBehavior, FocusBehavior
from kivy.uix.label import Label
from kivy.uix.modalview import ModalView
from kivy.uix.progressbar import ProgressBar
from kivy.uix.slider import Slider
from kivy.uix.switch import Switch
from kivy.uix.textinput import TextInput
from kivy.uix.widget import Widget

from companion_app.a11y.nodes import Edited, Node, Number
from companion_app.i18n import tr
from companion_app.theme.accessible import ROLES, Accessible
from companion_app.theme.focus import shown
from companion_app.theme.slide import STEP, Slide

# Roles of which the text in them is the name, so that it isn't told a second time.
WHOLE = frozenset(ROLES) - {"", "dialog", "form", "group", "list", "listitem", "log", "main", "navigation"}
CHECKED = frozenset(("checkbox", "radio", "switch"))
SELECTED = frozenset(("listitem", "option", "tab", "link"))
# Roles for widgets that aren't of our theme; the first that fits.
_OTHERS = (
    (TextInput, "textbox"),
    (Switch, "switch"),
    (Slider, "slider"),
    (ProgressBar, "progressbar"),
    (ModalView, "dialog"),
    (ButtonBehavior, "button"),
    (Label, "label"),
)
_MARKUP = re.compile(r"\[/?[a-z_]+(?:=[^\]]*)?\]")
# What bidirectional text is steered with has no sound (Unicode, UAX 9).
_STEERING = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))


def role_of(widget: Widget) -> str:
    """What it is, of `theme.accessible.ROLES`."""
    if isinstance(widget, Accessible):
        if widget.role in ("textbox", "searchbox") and getattr(widget, "password", False):
            return "password"
        return str(widget.role)
    return next((role for kind, role in _OTHERS if isinstance(widget, kind)), "")


def is_control(widget: Widget) -> bool:
    """Whether a person can do something with it."""
    return isinstance(widget, FocusBehavior | ButtonBehavior) and bool(role_of(widget))


def name_of(widget: Widget) -> str:
    """What it is called: the words for it, else its text, else the texts in it."""
    spoken = getattr(widget, "spoken", "")
    if spoken:
        return str(spoken)
    if isinstance(widget, TextInput):
        return _hint(widget)
    text = own_text(widget)
    return text or (", ".join(_words(widget)) if role_of(widget) in WHOLE else "")


def _hint(widget: TextInput) -> str:
    """What to type, whole, also where it doesn't fit into the field."""
    return str(getattr(widget, "hint", "") or widget.hint_text)


def own_text(widget: Widget) -> str:
    """The text of a label or a button, as it was before it was set for the eye."""
    text = getattr(widget, "text", "")
    if not isinstance(text, str):
        return ""
    if getattr(widget, "markup", False):
        text = _MARKUP.sub("", text).replace("&bl;", "[").replace("&br;", "]").replace("&amp;", "&")
    return text.translate(_STEERING).strip()


def _words(widget: Widget) -> Iterator[str]:
    for child in reversed(widget.children):
        if not shown(child) or is_control(child):
            continue
        text = str(getattr(child, "spoken", "")) or (own_text(child) if role_of(child) else "")
        if text:
            yield text
        else:
            yield from _words(child)


def describe(widget: Widget, children: tuple[int, ...], shift: tuple[float, float]) -> Node:
    """All that is told of a widget that has a role."""
    role = role_of(widget)
    name, value, placeholder, edited = name_of(widget), "", "", None
    if role == "progressbar" and not name:
        name = tr("Progress")
    if isinstance(widget, TextInput):
        edited = _edited(widget)
        value = edited.shown
        placeholder = _hint(widget)
    elif role == "combobox":
        value = own_text(widget)
    note = getattr(widget, "note", "")
    description = str(getattr(widget, "described", "")) or (note if isinstance(note, str) else "")
    on = bool(getattr(widget, "on", False) or getattr(widget, "here", False) or getattr(widget, "active", False))
    x, y = shift
    return Node(
        role=role,
        name=name,
        value=value,
        description=description,
        placeholder=placeholder,
        box=(widget.x - x, widget.y - y, widget.right - x, widget.top - y),
        shift=shift,
        children=children,
        live=str(getattr(widget, "live", "off")),
        disabled=bool(widget.disabled),
        focusable=isinstance(widget, FocusBehavior) and bool(widget.is_focusable),
        pressable=isinstance(widget, ButtonBehavior) or (role == "switch" and not isinstance(widget, Accessible)),
        checked=on if role in CHECKED else None,
        selected=on if role in SELECTED else None,
        expanded=getattr(widget, "expanded", None),
        invalid=bool(getattr(widget, "wrong", False)),
        modal=role == "dialog",
        edited=edited,
        number=_number(widget, role),
    )


def _edited(widget: TextInput) -> Edited:
    text = str(widget.text)
    shown_text = str(widget.password_mask) * len(text) if widget.password else text
    caret = min(len(text), int(widget.cursor_index()))
    anchor = caret
    if widget.selection_text:
        low, high = sorted((widget.selection_from or 0, widget.selection_to or 0))
        anchor = low if caret == high else high
    return Edited(shown_text, caret, min(len(text), anchor))


def _number(widget: Widget, role: str) -> Number | None:
    if isinstance(widget, Slide):
        return Number(widget.value, 0.0, 1.0, STEP)
    if isinstance(widget, Slider):
        return Number(widget.value, widget.min, widget.max, widget.step or (widget.max - widget.min) / 20)
    if isinstance(widget, ProgressBar):
        return Number(widget.value, 0.0, widget.max)
    if role == "progressbar":
        return Number(min(1.0, max(0.0, float(getattr(widget, "value", 0.0)))), 0.0, 1.0)
    if role == "slider":
        least, most = float(getattr(widget, "min", 0.0)), float(getattr(widget, "max", 1.0))
        step = float(getattr(widget, "step", 0.0)) or (most - least) / 20
        return Number(float(getattr(widget, "value", 0.0)), least, most, step)
    return None
