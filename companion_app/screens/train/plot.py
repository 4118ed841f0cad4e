"""A curve, drawn on our own canvas: of each column of pixels the least and the greatest value, so that any length is quick."""

from __future__ import annotations

from kivy.app import App
from kivy.core.text import Label as CoreLabel
from kivy.graphics import Color, Ellipse, Line, Rectangle
from kivy.graphics.texture import Texture
from kivy.metrics import dp, sp
from kivy.properties import ObjectProperty
from kivy.uix.widget import Widget

from companion_app.state.curves import min_max, shortly, ticks
from companion_app.state.train_words import curve_line
from companion_app.state.training import Curve
from companion_app.theme.accessible import Accessible, Role

_GAP = 8  # dp between an axis and its numbers


class CurvePlot(Accessible, Widget):
    """A `state.training.Curve` over its steps; in words for those who don't see it."""

    role = Role("image")
    curve = ObjectProperty(None, allownone=True)

    def __init__(self, **kwargs: object) -> None:
        self._words: dict[tuple[str, str], Texture] = {}
        super().__init__(**kwargs)
        palette = App.get_running_app().palette
        palette.bind(name=self._dye)
        self.bind(curve=self._draw, pos=self._draw, size=self._draw)
        self._draw()

    def _dye(self, *_: object) -> None:
        self._words.clear()
        self._draw()

    def _draw(self, *_: object) -> None:
        curve: Curve | None = self.curve
        self.spoken = curve_line(curve)
        self.canvas.clear()
        if curve is None or not curve.values or self.width < dp(80) or self.height < dp(60):
            return
        palette = App.get_running_app().palette
        marks = ticks(min(curve.values), max(curve.values))
        low, high = marks[0], marks[-1]
        names = [self._word(shortly(mark)) for mark in marks]
        left = self.x + max(name.width for name in names) + dp(_GAP)
        bottom, right, top = self.y + names[0].height + dp(_GAP), self.right - dp(6), self.top - names[0].height / 2
        first, last = curve.steps[0], max(curve.steps[-1], curve.steps[0] + 1)
        wide, tall = (right - left) / (last - first), (top - bottom) / (high - low)
        with self.canvas:
            Color(rgba=palette.line)
            for mark in marks:
                y = bottom + (mark - low) * tall
                Line(points=(left, y, right, y), width=1)
            Color(1, 1, 1, 1)
            for mark, name in zip(marks, names, strict=True):
                y = bottom + (mark - low) * tall
                Rectangle(texture=name, pos=(left - dp(_GAP) - name.width, y - name.height / 2), size=name.size)
            self._steps(first, last, left, wide, right)
            points = min_max(curve.steps, curve.values, max(2, int(right - left) // 2))
            flat = [
                place
                for step, value in points
                for place in (left + (step - first) * wide, bottom + (value - low) * tall)
            ]
            Color(rgba=palette.accent)
            if len(flat) > 2:
                Line(points=flat, width=dp(1.1), joint="bevel", cap="none")
            x, y = flat[-2:]
            Ellipse(pos=(x - dp(3.5), y - dp(3.5)), size=(dp(7), dp(7)))

    def _steps(self, first: int, last: int, left: float, wide: float, right: float) -> None:
        end = left
        for mark in ticks(first, last):
            name = self._word(shortly(mark))
            x = left + (mark - first) * wide - name.width / 2
            if first <= mark <= last and x >= end - 1 and x + name.width <= right + dp(6):
                Rectangle(texture=name, pos=(x, self.y), size=name.size)
                end = x + name.width + dp(_GAP)

    def _word(self, text: str) -> Texture:
        colour = App.get_running_app().palette.muted
        key = text, str((*colour, sp(12)))
        if key not in self._words:
            if len(self._words) > 60:
                self._words.clear()
            label = CoreLabel(text=text, font_size=sp(12), color=colour)
            label.refresh()
            self._words[key] = label.texture
        return self._words[key]
