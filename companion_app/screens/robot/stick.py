"""The stick: a knob that is drawn from its middle, or keys that are held; let go, the robot stands."""

from __future__ import annotations

import math

from kivy.app import App
from kivy.graphics import Color, Ellipse, InstructionGroup, Line
from kivy.input.motionevent import MotionEvent
from kivy.metrics import dp
from kivy.properties import BooleanProperty, NumericProperty
from kivy.uix.widget import Widget

from companion_app.theme.accessible import Accessible, Role
from companion_app.theme.focus import Reachable

DEAD = 0.12  # of the way: a finger that trembles doesn't drive
TURNING = 0.6  # of the fastest turn: all of it is too quick for a finger
# What each key adds, along and about.
KEYS = {
    "up": (1, 0),
    "down": (-1, 0),
    "left": (0, 1),
    "right": (0, -1),
    "w": (1, 0),
    "s": (-1, 0),
    "a": (0, 1),
    "d": (0, -1),
}


class Stick(Reachable, Accessible, Widget):
    """along, about: where it is, -1 to 1; about is positive to the left, as the robot counts."""

    role = Role("group")
    along = NumericProperty(0.0)
    about = NumericProperty(0.0)
    held = BooleanProperty(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._keys: set[str] = set()
        self._layer = InstructionGroup()
        self.canvas.add(self._layer)
        App.get_running_app().palette.bind(name=self._draw)
        self.bind(pos=self._draw, size=self._draw, along=self._draw, about=self._draw, focus=self._draw)
        self._draw()

    def press(self, key: str) -> bool:
        """A key went down; whether it drives."""
        if key not in KEYS:
            return False
        self._keys.add(key)
        self._by_keys()
        return True

    def lift(self, key: str) -> bool:
        """A key came up; whether it drove."""
        if key not in self._keys:
            return False
        self._keys.discard(key)
        self._by_keys()
        return True

    def let_go(self) -> None:
        """Nobody drives: another screen, another window, an emergency stop."""
        self._keys.clear()
        self.along = self.about = 0.0
        self.held = False

    def on_touch_down(self, touch: MotionEvent) -> bool:
        if self.disabled or touch.is_mouse_scrolling or not self.collide_point(*touch.pos):
            return bool(super().on_touch_down(touch))
        touch.grab(self)
        self._to(touch)
        return True

    def on_touch_move(self, touch: MotionEvent) -> bool:
        if touch.grab_current is not self:
            return bool(super().on_touch_move(touch))
        self._to(touch)
        return True

    def on_touch_up(self, touch: MotionEvent) -> bool:
        if touch.grab_current is not self:
            return bool(super().on_touch_up(touch))
        touch.ungrab(self)
        self.let_go()
        return True

    @property
    def reach(self) -> float:
        """Pixels from the middle to where it is drawn out all the way."""
        return float(min(self.width, self.height) / 2 * 0.62)

    def _to(self, touch: MotionEvent) -> None:
        along, about = (touch.y - self.center_y) / self.reach, (self.center_x - touch.x) / self.reach
        far = math.hypot(along, about)
        if far > 1:
            along, about = along / far, about / far
        self.along = along if abs(along) > DEAD else 0.0
        self.about = about if abs(about) > DEAD else 0.0
        self.held = True

    def _by_keys(self) -> None:
        along = sum(KEYS[key][0] for key in self._keys)
        about = sum(KEYS[key][1] for key in self._keys)
        self.along, self.about = float(max(-1, min(1, along))), float(max(-1, min(1, about)))
        self.held = bool(self._keys)

    def _draw(self, *_: object) -> None:
        palette, layer = App.get_running_app().palette, self._layer
        layer.clear()
        side = min(self.width, self.height)
        x, y = self.center
        layer.add(Color(rgba=(*palette.surface[:3], 0.92)))
        layer.add(Ellipse(pos=(x - side / 2, y - side / 2), size=(side, side)))
        layer.add(Color(rgba=palette.accent if self.focus else palette.outline))
        layer.add(Line(circle=(x, y, side / 2 - dp(1)), width=dp(2) if self.focus else dp(1.2)))
        layer.add(Color(rgba=palette.muted))
        for turn in range(4):
            a = turn * math.pi / 2
            tip, low = side * 0.44, side * 0.38
            for sign in (-1, 1):
                b = a + sign * 0.12
                points = [x + tip * math.cos(a), y + tip * math.sin(a), x + low * math.cos(b), y + low * math.sin(b)]
                layer.add(Line(points=points, width=dp(1.3)))
        knob = side * 0.2
        kx, ky = x - self.about * self.reach, y + self.along * self.reach
        layer.add(Color(rgba=palette.muted if self.disabled else palette.accent))
        layer.add(Ellipse(pos=(kx - knob, ky - knob), size=(2 * knob, 2 * knob)))
