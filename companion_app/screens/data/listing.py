"""A list of any length: only the rows that are seen are widgets, and they are used again while it scrolls."""

from __future__ import annotations

from collections.abc import Callable

from kivy.effects.scroll import ScrollEffect
from kivy.graphics import Color, RoundedRectangle, StencilPop, StencilPush, StencilUnUse, StencilUse
from kivy.graphics.vertex_instructions import Rectangle
from kivy.input.motionevent import MotionEvent
from kivy.metrics import dp, sp
from kivy.properties import NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.floatlayout import FloatLayout

from companion_app.theme.accessible import Accessible, Role
from companion_app.theme.focus import Reachable
from companion_app.theme.widgets import Pressable

_WHEEL = 1.5  # rows per notch
_BAR = 5  # dp
_GRIP = 28  # dp at the right edge, where a finger takes the bar


class RowView(Pressable, BoxLayout):
    """One row as it is seen."""

    role = Role("listitem")
    place = NumericProperty(-1)
    text = StringProperty("")
    answer = StringProperty("")
    about = StringProperty("")
    mark = StringProperty("")
    tone = StringProperty("plain")


class RowList(Reachable, Accessible, FloatLayout):
    """`count` rows of one height. fill: brings a `RowView` in line with its place; need: hears the place of rows that come
    into view; pressed: hears the place of one that is pressed."""

    role = Role("list")
    count = NumericProperty(0)
    offset = NumericProperty(0.0)  # of the first row that is seen, in rows; a float of 32 bits would not do for pixels

    def __init__(self, **kwargs: object) -> None:
        self.fill: Callable[[RowView, int], None] = lambda row, place: None
        self.need: Callable[[int], None] = lambda place: None
        self.pressed: Callable[[int], None] = lambda place: None
        self._views: list[RowView] = []
        super().__init__(**kwargs)
        with self.canvas.before:
            StencilPush()
            self._window = Rectangle()
            StencilUse()
        with self.canvas.after:
            StencilUnUse()
            Rectangle(size=(0, 0))
            StencilPop()
            self._bar_colour = Color(0.5, 0.5, 0.5, 0.7)
            self._bar = RoundedRectangle(radius=[dp(_BAR) / 2])
        self._effect = ScrollEffect(min=0, max=0)
        self._effect.bind(scroll=self._slid)
        self._dragging: str = ""
        self.bind(pos=self.refresh, size=self.refresh, offset=self.refresh, count=self._fit)

    @property
    def row_height(self) -> float:
        """Of every row, in pixels; grows with the letters."""
        return float(sp(58) + dp(26))

    @property
    def most(self) -> float:
        """The last offset."""
        return max(0.0, self.count - self.height / self.row_height)

    def scroll_to(self, place: float) -> None:
        """Bring a row to the top."""
        self.offset = min(self.most, max(0.0, place))

    def refresh(self, *_: object) -> None:
        """Place and fill the rows that are seen."""
        self._window.pos, self._window.size = self.pos, self.size
        tall = self.row_height
        wanted = min(self.count, int(self.height / tall) + 2) if self.height > 0 else 0
        while len(self._views) < wanted:
            view = RowView(size_hint=(None, None))
            view.bind(on_release=lambda view: self.pressed(view.place))
            self._views.append(view)
            self.add_widget(view)
        while len(self._views) > wanted:
            self.remove_widget(self._views.pop())
        first = int(self.offset)
        for number in range(wanted):
            place = first + number
            # A row keeps its widget as long as it is seen, so a press that began on it ends on it.
            view = self._views[place % wanted]
            view.size = self.width - dp(_BAR) - dp(4), tall - dp(8)
            view.pos = self.x, self.top - (place - self.offset + 1) * tall + dp(4)
            view.place, view.disabled = place, place >= self.count
            view.opacity = 0 if view.disabled else 1
            if place < self.count:
                self.fill(view, place)
        if wanted:
            self.need(first)
            self.need(min(self.count - 1, first + wanted - 1))
        share = self.height / max(1.0, self.height, self.count * tall)
        length = max(dp(40), self.height * share)
        top = self.top - (self.height - length) * (self.offset / self.most if self.most else 0)
        self._bar.size = dp(_BAR), length if share < 1 else 0
        self._bar.pos = self.right - dp(_BAR), top - length

    def on_touch_down(self, touch: MotionEvent) -> bool:
        if not self.collide_point(*touch.pos):
            return bool(super().on_touch_down(touch))
        if touch.is_mouse_scrolling:
            self.scroll_to(self.offset + (_WHEEL if touch.button == "scrollup" else -_WHEEL))
            return True
        self._dragging = "bar" if touch.x > self.right - dp(_GRIP) and self.most else "list"
        if self._dragging == "bar":
            touch.grab(self)
            self._to_bar(touch.y)
            return True
        self._effect.max = self.most * self.row_height
        self._effect.value = self._effect.scroll = self.offset * self.row_height
        self._effect.start(touch.y)
        touch.grab(self)
        touch.ud["list_moved"] = False
        super().on_touch_down(touch)
        return True

    def on_touch_move(self, touch: MotionEvent) -> bool:
        if touch.grab_current is not self:
            return bool(super().on_touch_move(touch))
        if self._dragging == "bar":
            self._to_bar(touch.y)
        elif touch.ud.get("list_moved") or abs(touch.y - touch.oy) > dp(12):
            if not touch.ud.get("list_moved"):
                touch.ud["list_moved"] = True
                for view in self._views:  # what is dragged isn't pressed
                    if view.state == "down":
                        touch.ungrab(view)
                        view.state = "normal"
            self._effect.update(touch.y)
        return True

    def on_touch_up(self, touch: MotionEvent) -> bool:
        if touch.grab_current is self:
            touch.ungrab(self)
            if self._dragging == "list" and touch.ud.get("list_moved"):
                self._effect.stop(touch.y)
            return True
        return bool(super().on_touch_up(touch))

    def keyboard_on_key_down(
        self, window: object, keycode: tuple[int, str], text: str | None, modifiers: list[str]
    ) -> bool:
        page = max(1.0, self.height / self.row_height - 1)
        steps = {"down": 1.0, "up": -1.0, "pagedown": page, "pageup": -page}
        if keycode[1] in steps:
            self.scroll_to(self.offset + steps[keycode[1]])
        elif keycode[1] == "home":
            self.scroll_to(0)
        elif keycode[1] == "end":
            self.scroll_to(self.most)
        else:
            return bool(super().keyboard_on_key_down(window, keycode, text, modifiers))
        return True

    def _slid(self, *_: object) -> None:
        if self._dragging == "list":
            self.scroll_to(self._effect.scroll / self.row_height)

    def _to_bar(self, y: float) -> None:
        self.scroll_to(self.most * min(1.0, max(0.0, (self.top - y) / max(1.0, self.height))))

    def _fit(self, *_: object) -> None:
        self.offset = min(self.offset, self.most)
        self.refresh()
