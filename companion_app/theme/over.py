"""What lies over the window, at most one thing at a time: the command palette, the dialog for files."""

from __future__ import annotations

from kivy.core.window import Window
from kivy.input.motionevent import MotionEvent
from kivy.uix.anchorlayout import AnchorLayout
from kivy.uix.widget import Widget

from companion_app.theme.accessible import Accessible, Role


class Overlay(Accessible, AnchorLayout):
    """Lies over the window, with a card that has the id `card`. `on_close` when a person is done with it."""

    role = Role("dialog")

    def __init__(self, **kwargs: object) -> None:
        self.register_event_type("on_close")
        super().__init__(**kwargs)

    def on_close(self) -> None:
        """It isn't needed any more."""

    def gone(self) -> None:
        """It was taken away."""

    def on_touch_down(self, touch: MotionEvent) -> bool:
        """Beside the card, a touch closes it; nothing behind it hears of any."""
        if not self.ids.card.collide_point(*touch.pos):
            self.dispatch("on_close")
        else:
            super().on_touch_down(touch)
        return True


class Over:
    """Shows an overlay; gives the focus back when it goes."""

    def __init__(self) -> None:
        self.shown: Overlay | None = None
        self._before: Widget | None = None

    def show(self, made: Overlay, focused: Widget | None) -> None:
        """Put it on the window."""
        self.close()
        self.shown, self._before = made, focused
        made.bind(on_close=lambda *_: self.close())
        Window.add_widget(made)

    def close(self) -> bool:
        """Take it away; whether there was one."""
        made, before = self.shown, self._before
        if made is None:
            return False
        self.shown = self._before = None
        Window.remove_widget(made)
        made.gone()
        if before is not None and before.get_root_window() is not None:
            before.focus = True
        return True
