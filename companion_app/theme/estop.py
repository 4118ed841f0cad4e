"""The emergency stop: one bar in the frame of every screen while a robot is among the devices; it acts when it is touched."""

from __future__ import annotations

from pathlib import Path

from kivy.core.window import Window
from kivy.input.motionevent import MotionEvent
from kivy.lang import Builder
from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from companion_app.theme.accessible import Accessible, Role
from companion_app.theme.widgets import IconText, Toned


class StopAct(IconText):
    """The button: a press counts, and not only its end, whatever list or palette lies over the window.

    room: for its word, in pixels; where there is less than it takes, its letters are as much smaller. natural: what it
    takes as designed. most, letters: the size of its letters as designed, and as it is.
    """

    room = NumericProperty(0.0)
    natural = NumericProperty(0.0)
    most = NumericProperty("19sp")
    letters = NumericProperty("19sp")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        Window.bind(on_touch_down=self._before_all)  # before any widget gets it; Kivy keeps no button alive for that

    def on_kv_post(self, base: Widget) -> None:
        """The rule has made the word."""
        self.bind(room=self._fit, most=self._fit)
        self.ids.words.bind(texture_size=self._fit)
        self._fit()

    def _fit(self, *_: object) -> None:
        words = self.ids.words
        if words.texture_size[0] > 0 and self.room > 0:
            wide = words.texture_size[0] / words.font_size  # for each pixel of the letters' size
            self.natural = wide * self.most
            self.letters = min(self.most, self.room / wide)

    def _before_all(self, window: object, touch: MotionEvent) -> bool:
        there = self.get_root_window() is not None and self.collide_point(*self.to_widget(*touch.pos))
        if not there or touch.is_mouse_scrolling:
            return False
        self.trigger_action(0.1)
        return True


class StopBar(Accessible, Toned, BoxLayout):
    """said: how the stop stands, or which robot it is for."""

    role = Role("group")
    said = StringProperty("")
    stacked = BooleanProperty(False)


Builder.load_file(str(Path(__file__).with_name("estop.kv")))
