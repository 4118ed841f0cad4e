"""The emergency stop: one bar in the frame of every screen while a robot is among the devices; it acts when it is touched."""

from __future__ import annotations

from pathlib import Path

from kivy.core.window import Window
from kivy.input.motionevent import MotionEvent
from kivy.lang import Builder
from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout

from companion_app.theme.accessible import Accessible, Role
from companion_app.theme.widgets import IconText, Toned


class StopAct(IconText):
    """The button: a press counts, and not only its end, whatever list or palette lies over the window."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        Window.bind(on_touch_down=self._before_all)  # before any widget gets it; Kivy keeps no button alive for that

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


Builder.load_file(str(Path(__file__).with_name("estop.kv")))
