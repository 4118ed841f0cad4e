"""Where a point of the map is on the screen, and the other way round; imports no Kivy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from companion_app.state.robot import Point

LEAST, MOST = 4.0, 400.0  # pixels of a metre
ROOM = 0.92  # of the view that what is fitted takes


@dataclass(frozen=True)
class View:
    """middle: the point that is shown in the middle (mx, my, pixels); scale: pixels of a metre."""

    middle: Point = (0.0, 0.0)
    scale: float = 60.0

    def there(self, point: Point, at: Point) -> Point:
        """A point in pixels. at: the middle of the widget, pixels."""
        return (
            at[0] + (point[0] - self.middle[0]) * self.scale,
            at[1] + (point[1] - self.middle[1]) * self.scale,
        )

    def here(self, pixel: Point, at: Point) -> Point:
        """A pixel in metres."""
        return (
            self.middle[0] + (pixel[0] - at[0]) / self.scale,
            self.middle[1] + (pixel[1] - at[1]) / self.scale,
        )

    def moved(self, dx: float, dy: float) -> View:
        """Drawn along by so many pixels."""
        return View((self.middle[0] - dx / self.scale, self.middle[1] - dy / self.scale), self.scale)

    def zoomed(self, by: float, pixel: Point, at: Point) -> View:
        """Larger by a factor, while what is at a pixel stays there."""
        scale = min(MOST, max(LEAST, self.scale * by))
        x, y = self.here(pixel, at)
        return View((x - (pixel[0] - at[0]) / scale, y - (pixel[1] - at[1]) / scale), scale)


def fitted(points: Sequence[Point], width: float, height: float) -> View:
    """All points in a widget of this size."""
    if not points or width <= 0 or height <= 0:
        return View()
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    south, north = min(y for _, y in points), max(y for _, y in points)
    scale = ROOM * min(width / max(east - west, 0.5), height / max(north - south, 0.5))
    return View(((west + east) / 2, (south + north) / 2), min(MOST, max(LEAST, scale)))
