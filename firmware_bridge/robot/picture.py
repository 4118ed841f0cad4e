"""A picture of where a robot is and was: walls, zones, places, things, the way that it went and what is left of it."""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from firmware_bridge.robot.drive import Driver

LONG = 900  # pixels of the longer side
AROUND = 0.3  # metres round the fence
Colour = tuple[int, int, int]
GROUND: Colour = (255, 255, 255)
OUTSIDE: Colour = (225, 225, 225)
WALL: Colour = (30, 30, 30)
ZONE: Colour = (245, 190, 190)
PLACE: Colour = (60, 150, 80)
THING: Colour = (230, 140, 20)
WENT: Colour = (30, 90, 200)
LEFT: Colour = (150, 190, 245)
ROBOT: Colour = (200, 30, 30)


class _Canvas:
    """Metres to pixels; the north is up."""

    def __init__(self, west: float, south: float, east: float, north: float) -> None:
        self.scale = LONG / max(east - west, north - south)
        self._west, self._north = west, north
        self.pixels = np.full(
            (math.ceil((north - south) * self.scale), math.ceil((east - west) * self.scale), 3), OUTSIDE, np.uint8
        )
        rows, columns = np.mgrid[: self.pixels.shape[0], : self.pixels.shape[1]]
        self._xs, self._ys = west + (columns + 0.5) / self.scale, north - (rows + 0.5) / self.scale

    def area(self, corners: Sequence[tuple[float, float]], colour: Colour) -> None:
        """Fills a polygon by the even-odd rule."""
        inside = np.zeros(self._xs.shape, bool)
        for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
            if y0 != y1:
                crosses = (y0 > self._ys) != (y1 > self._ys)
                inside ^= crosses & (self._xs < x0 + (self._ys - y0) * (x1 - x0) / (y1 - y0))
        self.pixels[inside] = colour

    def dots(self, points: np.ndarray, metres: float, colour: Colour) -> None:
        """Squares of a side in metres; points: float64 [N, 2]."""
        half = max(1, round(metres * self.scale / 2))
        columns = np.floor((points[:, 0] - self._west) * self.scale).astype(int)
        rows = np.floor((self._north - points[:, 1]) * self.scale).astype(int)
        reach = np.arange(-half, half + 1)
        for row in reach:
            for column in reach:
                r, c = rows + row, columns + column
                good = (r >= 0) & (r < self.pixels.shape[0]) & (c >= 0) & (c < self.pixels.shape[1])
                self.pixels[r[good], c[good]] = colour

    def line(self, points: Sequence[tuple[float, float]], metres: float, colour: Colour) -> None:
        """Straight from each point to the next."""
        for a, b in itertools.pairwise(points):
            parts = np.linspace(0, 1, max(2, math.ceil(math.dist(a, b) * self.scale)))[:, None]
            self.dots(np.array(a) + parts * (np.array(b) - np.array(a)), metres, colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle."""
        self.pixels[(self._xs - x) ** 2 + (self._ys - y) ** 2 < radius**2] = colour

    def png(self) -> bytes:
        """The file."""

        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        rows = self.pixels.reshape(len(self.pixels), -1)
        raw = np.concatenate([np.zeros((len(rows), 1), np.uint8), rows], axis=1).tobytes()
        head = struct.pack(">IIBBBBB", self.pixels.shape[1], self.pixels.shape[0], 8, 2, 0, 0, 0)
        body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw, 6)) + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + body


def picture(driver: Driver) -> bytes:
    """A PNG: free ground white, walls black, no-go zones pink, places green, things orange, people brown.

    The way that the robot went is blue, what is left of it light blue, the robot red.
    """
    robot, trail = driver.robot, list(driver.trail)
    known = [*robot.fence, *trail]
    if driver.orders.built is not None:
        known += [tuple(each) for each in driver.orders.built.tolist()]
    known = known or [(0.0, 0.0)]
    low, high = np.min(known, axis=0) - AROUND, np.max(known, axis=0) + AROUND
    canvas = _Canvas(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    if robot.fence:
        canvas.area(robot.fence, GROUND)
    for zone in robot.zones:
        canvas.area(zone.corners, ZONE)
    if driver.orders.built is not None:
        canvas.dots(driver.orders.built, driver.map.grid.cell if driver.map.grid is not None else 0.05, WALL)
    for place in robot.places:
        canvas.disc(place.x, place.y, 0.08, PLACE)
    canvas.line(trail, 0.02, WENT)
    if driver.estimate is not None:
        canvas.line([driver.estimate.pose[:2], *driver.orders.path], 0.02, LEFT)
    for thing in driver.orders.things.known.values():
        if (seen := driver.orders.things.where(thing)) is not None:
            canvas.disc(seen.x, seen.y, 0.06, (120, 80, 50) if thing.person else THING)
    if driver.estimate is not None:
        x, y, heading = driver.estimate.pose
        canvas.disc(x, y, robot.body.radius, ROBOT)
        nose = robot.body.radius * 0.6
        canvas.disc(x + nose * math.cos(heading), y + nose * math.sin(heading), robot.body.radius / 4, GROUND)
    return canvas.png()
