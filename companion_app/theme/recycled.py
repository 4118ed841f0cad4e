"""A long list in a page that has widgets only for the rows that are seen, and takes them again for others."""

from __future__ import annotations

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import ListProperty, NumericProperty, ObjectProperty
from kivy.uix.floatlayout import FloatLayout

from companion_app.theme.accessible import Accessible, Role
from companion_app.theme.widgets import Column, Page

# Rows beyond either edge, so that Tab finds the next one and a quick finger sees no gap.
BEYOND = 2


class Recycled(Accessible, FloatLayout):
    """data: one dict of properties for each row, with a "key" that is its own. make: makes an empty row, a `Column`.

    Every row is as high as the highest of those that are seen, and `gap` from the next; both in pixels.
    """

    role = Role("list")
    data = ListProperty([])
    make = ObjectProperty(None)
    row_height = NumericProperty(100.0)
    gap = NumericProperty(0.0)

    def __init__(self, **kwargs: object) -> None:
        self._rows: dict[object, Column] = {}
        self._spare: list[Column] = []
        self._page: Page | None = None
        super().__init__(size_hint_y=None, height=0, **kwargs)
        self._place = Clock.create_trigger(self._fill, -1)
        self._measured = Clock.create_trigger(self._measure, -1)
        for name in ("data", "row_height", "gap", "pos", "size"):
            self.fbind(name, self._place)
        self.bind(parent=self._find_page)

    def _find_page(self, *_: object) -> None:
        above = self.parent
        while above is not None and not isinstance(above, Page):
            above = above.parent if above.parent is not above else None
        if above is not self._page:
            if self._page is not None:
                self._page.unbind(scroll_y=self._place, height=self._place)
                self._page.column.unbind(height=self._place)
            self._page = above
            if above is not None:
                above.bind(scroll_y=self._place, height=self._place)
                above.column.bind(height=self._place)
        self._place()

    def _fill(self, *_: object) -> None:
        if App.get_running_app() is None:  # it ended before this frame came
            return
        step = self.row_height + self.gap
        self.height = max(0.0, len(self.data) * step - self.gap)
        shown = range(*self._seen(step))
        wanted = {self.data[at]["key"]: at for at in shown}
        for key in [key for key in self._rows if key not in wanted]:
            row = self._rows.pop(key)
            self.remove_widget(row)
            self._spare.append(row)
        for key, at in wanted.items():
            known = self._rows.get(key)
            row = known or (self._spare.pop() if self._spare else self._made())
            for name, value in self.data[at].items():
                if name != "key":
                    setattr(row, name, value)
            row.size_hint = (None, None)
            row.size = (self.width, self.row_height)
            row.pos = (self.x, self.top - at * step - self.row_height)
            if known is None:
                self._rows[key] = row
                self.add_widget(row, index=self._below(at, wanted))

    def _made(self) -> Column:
        row: Column = self.make()
        row.fbind("minimum_height", self._measured)
        return row

    def _measure(self, *_: object) -> None:
        tall = max((row.minimum_height for row in self._rows.values()), default=0.0)
        if tall > 0:
            self.row_height = tall
        self._place()  # a row took its own height meanwhile

    def _below(self, at: int, wanted: dict[object, int]) -> int:
        """Where in `children`, which begins with the last, a row belongs, so that Tab goes from the top down."""
        return sum(wanted[key] > at for key in self._rows if key in wanted and wanted[key] != at)

    def _seen(self, step: float) -> tuple[int, int]:
        """The first row that is seen, and the one after the last."""
        page, most = self._page, len(self.data)
        if page is None or not page.children:
            return 0, min(most, BEYOND)
        room = max(0.0, page.children[0].height - page.height)
        bottom = page.scroll_y * room
        first = int((self.top - bottom - page.height) // step) - BEYOND
        last = int((self.top - bottom) // step) + 1 + BEYOND
        return max(0, min(most, first)), max(0, min(most, last))
