"""A square map: the stronger the colour, the more; a touch or the arrow keys choose a cell, which is told in words."""

from __future__ import annotations

from kivy.app import App
from kivy.core.text import Label as CoreLabel
from kivy.graphics import Color, Line, Rectangle
from kivy.graphics.texture import Texture
from kivy.input.motionevent import MotionEvent
from kivy.metrics import dp, sp
from kivy.properties import ListProperty, ObjectProperty, StringProperty
from kivy.uix.widget import Widget

from companion_app.state.train_words import heat_cell
from companion_app.state.training import Heat
from companion_app.theme.accessible import Role
from companion_app.theme.widgets import Pressable

NAMED = 24  # rows up to here have their names beside them
_ARROWS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


class HeatMap(Pressable, Widget):
    """A `state.training.Heat`, square and as wide as there is room. told: the chosen cell in words."""

    role = Role("image")
    heat = ObjectProperty(None, allownone=True)
    cell = ListProperty([0, 0])
    told = StringProperty("")

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        App.get_running_app().palette.bind(name=self._draw)
        self.bind(heat=self._fresh, cell=self._draw, pos=self._draw, size=self._draw, focus=self._draw)

    def _fresh(self, *_: object) -> None:
        self.cell = [0, 0]
        self._draw()

    def on_touch_down(self, touch: MotionEvent) -> bool:
        heat, (left, bottom, side) = self.heat, self._box()
        if heat is not None and left <= touch.x < left + side and bottom <= touch.y < bottom + side:
            count = len(heat.names)
            self.cell = [count - 1 - int((touch.y - bottom) * count / side), int((touch.x - left) * count / side)]
        return bool(super().on_touch_down(touch))

    def keyboard_on_key_down(
        self, window: object, keycode: tuple[int, str], text: str | None, modifiers: list[str]
    ) -> bool:
        if keycode[1] in _ARROWS and self.heat is not None:
            most = len(self.heat.names) - 1
            self.cell = [min(most, max(0, a + b)) for a, b in zip(self.cell, _ARROWS[keycode[1]], strict=True)]
            return True
        return bool(super().keyboard_on_key_down(window, keycode, text, modifiers))

    def _box(self) -> tuple[float, float, float]:
        """Left, bottom and side of the map in the window."""
        heat: Heat | None = self.heat
        named = heat is not None and len(heat.names) <= NAMED
        margin = min(dp(110), self.width * 0.3) if named else 0.0
        side = max(1.0, min(self.width - margin, self.height - (sp(12) + dp(6))))
        return self.x + margin, self.top - side, side

    def _draw(self, *_: object) -> None:
        heat: Heat | None = self.heat
        self.canvas.clear()
        if heat is None:
            self.told = ""
            return
        palette, count = App.get_running_app().palette, len(heat.names)
        row, column = self.cell
        self.told = self.spoken = heat_cell(heat.names, heat.rows, heat.counts, (row, column))
        left, bottom, side = self._box()
        low, high = palette.raised, palette.accent
        most = max((value for line in heat.rows for value in line), default=1.0) or 1.0
        shades = [
            bytes(round(255 * (a + (b - a) * n / 255)) for a, b in zip(low[:3], high[:3], strict=True))
            for n in range(256)
        ]
        pixels = b"".join(
            # The root makes small shares visible; the words below say the exact one.
            shades[round(255 * (value / most) ** 0.5)]
            for line in reversed(heat.rows)
            for value in line
        )
        texture = Texture.create(size=(count, count), colorfmt="rgb")
        texture.mag_filter = texture.min_filter = "nearest"
        texture.blit_buffer(pixels, colorfmt="rgb", bufferfmt="ubyte")
        step = side / count
        with self.canvas:
            Color(1, 1, 1, 1)
            Rectangle(texture=texture, pos=(left, bottom), size=(side, side))
            if count <= NAMED and step >= sp(11):
                for place, name in enumerate(heat.names):
                    self._name(name, left, bottom + (count - 1 - place + 0.5) * step, place == row)
            Color(rgba=palette.accent if self.focus else palette.outline)
            Line(rectangle=(left, bottom, side, side), width=dp(1.4) if self.focus else 1)
            Color(rgba=palette.text)
            Line(rectangle=(left + column * step, bottom + (count - 1 - row) * step, step, step), width=dp(1.3))

    def _name(self, name: str, left: float, middle: float, chosen: bool) -> None:
        palette = App.get_running_app().palette
        shown = name.replace("\n", "⏎").replace(" ", "·") if name.strip() != name or "\n" in name else name
        room = left - self.x - dp(6)
        label = CoreLabel(
            text=shown, font_size=sp(12), bold=chosen, color=palette.text if chosen else palette.muted,
            text_size=(room, None), shorten=True, shorten_from="right", halign="right",
        )  # fmt: skip
        label.refresh()
        Color(1, 1, 1, 1)
        size = label.texture.size
        Rectangle(texture=label.texture, pos=(left - dp(6) - size[0], middle - size[1] / 2), size=size)
