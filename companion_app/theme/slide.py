"""A yes that nobody says by accident: a thumb that is drawn from one end to the other, by a finger or by arrow keys."""

from __future__ import annotations

from pathlib import Path

from kivy.input.motionevent import MotionEvent
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from companion_app.i18n import right_to_left
from companion_app.theme.accessible import Accessible, Role
from companion_app.theme.focus import Reachable

FAR_ENOUGH = 0.98  # of the way; a finger ends a little before the edge
STEP = 0.2  # of an arrow key: five are deliberate, and not tiring


class Slide(Reachable, Accessible, BoxLayout):
    """`on_confirm` when the thumb was drawn to the end and let go there. value: how far it is, 0 to 1.

    travel: how far the thumb can go, in pixels; it is as wide as the slide is high.
    """

    role = Role("slider")
    text = StringProperty("")
    value = NumericProperty(0.0)
    dragged = BooleanProperty(False)
    travel = NumericProperty(1.0)

    def __init__(self, **kwargs: object) -> None:
        self.register_event_type("on_confirm")
        super().__init__(**kwargs)
        self.bind(size=lambda *_: setattr(self, "travel", max(1.0, self.width - self.height)))
        self.bind(focus=lambda *_: self._back(), disabled=lambda *_: self._back())

    def on_confirm(self) -> None:
        """It was meant."""

    def on_touch_down(self, touch: MotionEvent) -> bool:
        # A page first waits whether the finger scrolls it, so the finger may be further than where it began.
        along = self.right - touch.ox if right_to_left() else touch.ox - self.x
        begun = 0 <= along <= self.height + dp(12) and self.y <= touch.oy <= self.top
        if self.disabled or not begun:
            return bool(super().on_touch_down(touch))
        touch.grab(self)
        self.dragged = True
        self._follow(touch)
        return True

    def on_touch_move(self, touch: MotionEvent) -> bool:
        if touch.grab_current is not self:
            return bool(super().on_touch_move(touch))
        self._follow(touch)
        return True

    def on_touch_up(self, touch: MotionEvent) -> bool:
        if touch.grab_current is not self:
            return bool(super().on_touch_up(touch))
        touch.ungrab(self)
        self._follow(touch)
        there = self.value >= FAR_ENOUGH
        self._back()
        if there:
            self.dispatch("on_confirm")
        return True

    def keyboard_on_key_down(
        self, window: object, keycode: tuple[int, str], text: str | None, modifiers: list[str]
    ) -> bool:
        if keycode[1] in ("left", "right") and not self.disabled:
            self.step(1 if (keycode[1] == "right") is not right_to_left() else -1)
            return True
        return bool(super().keyboard_on_key_down(window, keycode, text, modifiers))

    def step(self, direction: int) -> None:
        """Draw it by a fifth of the way, forwards (1) or back (-1); the last one confirms."""
        self.value = min(1.0, max(0.0, self.value + direction * STEP))
        if self.value >= FAR_ENOUGH:
            self._back()
            self.dispatch("on_confirm")

    def _follow(self, touch: MotionEvent) -> None:
        self.value = min(1.0, max(0.0, (touch.x - touch.ox) * (-1 if right_to_left() else 1) / self.travel))

    def _back(self) -> None:
        self.value, self.dragged = 0.0, False


Builder.load_file(str(Path(__file__).with_name("slide.kv")))
