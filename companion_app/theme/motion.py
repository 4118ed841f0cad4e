"""What moves by itself, and whether it may: nothing else in the app imports Kivy's animations."""

from __future__ import annotations

from kivy.animation import Animation
from kivy.effects.scroll import ScrollEffect
from kivy.event import EventDispatcher
from kivy.properties import BooleanProperty, NumericProperty
from kivy.uix.widget import Widget


class Motion(EventDispatcher):
    """reduced: a person asked for stillness: nothing slides, fades, springs back or blinks."""

    reduced = BooleanProperty(False)


motion = Motion()


class Still(ScrollEffect):
    """A page stops when the finger does, and doesn't spring at its ends."""

    friction = NumericProperty(1.0)


def move(widget: Widget, seconds: float, **values: float) -> None:
    """Bring properties of a widget to these values: within so many seconds, or at once where nothing may move."""
    Animation.cancel_all(widget, *values)
    if motion.reduced:
        for name, value in values.items():
            setattr(widget, name, value)
    else:
        Animation(duration=seconds, transition="out_quad", **values).start(widget)
