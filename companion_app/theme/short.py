"""A few words that stay whole, however large the letters are."""

from __future__ import annotations

from kivy.uix.boxlayout import BoxLayout
from kivy.uix.label import Label
from kivy.uix.widget import Widget

from companion_app.theme.accessible import Accessible


class Short(Accessible, Label):
    """Words on one line; on several where what they lie in is narrower, as with large letters."""

    def __init__(self, **kwargs: object) -> None:
        self._around: Widget | None = None
        super().__init__(**kwargs)
        self.bind(text=self._anew, font_size=self._anew, texture_size=self._wrap)

    def on_parent(self, widget: Widget, parent: Widget | None) -> None:
        """There is as much room as what it lies in has."""
        if isinstance(self._around, Widget):
            self._around.funbind("width", self._anew)
        self._around = parent
        if isinstance(parent, Widget):
            parent.fbind("width", self._anew)
        self._anew()

    def _anew(self, *_: object) -> None:
        self._set(None)
        self._wrap()

    def _wrap(self, *_: object) -> None:
        around = self._around
        room = around.width if around is not None else 0.0
        if isinstance(around, BoxLayout) and around.orientation == "horizontal":
            room -= around.padding[0] + around.padding[2] + around.spacing * (len(around.children) - 1)
        if self.text_size[0] is None and self.texture_size[0] > room > 0:
            self._set(room)

    def _set(self, width: float | None) -> None:
        self.text_size = width, None
