"""What a screen reader can do with a widget, by the ways that a finger and the keys take."""

from __future__ import annotations

from kivy.uix.behaviors import ButtonBehavior, FocusBehavior
from kivy.uix.slider import Slider
from kivy.uix.switch import Switch
from kivy.uix.textinput import TextInput
from kivy.uix.widget import Widget

from companion_app.theme.focus import reveal_on_page
from companion_app.theme.slide import Slide


def press(widget: Widget) -> None:
    """As a finger would."""
    if widget.disabled:
        return
    if isinstance(widget, Switch):
        widget.active = not widget.active
    elif isinstance(widget, ButtonBehavior):
        take_focus(widget)
        widget.trigger_action(0)
    else:
        take_focus(widget)


def take_focus(widget: Widget) -> None:
    """As Tab would."""
    if isinstance(widget, FocusBehavior) and widget.is_focusable and not widget.disabled:
        widget.focus = True


def step(widget: Widget, direction: int) -> None:
    """As an arrow key would."""
    if widget.disabled:
        return
    if isinstance(widget, Slide):
        widget.step(direction)
    elif isinstance(widget, Slider):
        by = widget.step or (widget.max - widget.min) / 20
        widget.value = min(widget.max, max(widget.min, widget.value + direction * by))
    elif hasattr(widget, "nudge"):
        widget.nudge(direction)


def set_value(widget: Widget, value: object) -> None:
    """Write a text, or set a number."""
    if widget.disabled:
        return
    if isinstance(widget, Slide) and isinstance(value, int | float):
        # Nobody says yes with one number either: each brings it a step nearer.
        widget.step(1 if value > widget.value else -1)
    elif isinstance(widget, TextInput) and isinstance(value, str):
        widget.text = value
    elif isinstance(widget, Slider) and isinstance(value, int | float):
        widget.value = min(widget.max, max(widget.min, value))


def scroll_to(widget: Widget) -> None:
    """Bring it into sight."""
    reveal_on_page(widget)
