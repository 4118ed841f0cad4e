"""An occupancy grid: how sure it is that something stands in each cell, from scans at known poses; and its picture and file."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from firmware_bridge.robot.config import RobotError
from firmware_bridge.robot.npz import read_arrays
from firmware_bridge.robot.scan_match import Pose, placed

CELL = 0.05
HIT, MISS, MOST = (
    0.85,
    -0.3,
    5.0,
)  # log odds of a ray that ends in a cell, of one that goes through, and the most of both
# Cells each way around a point whose rays make a line, how many those are at least, and how thick it may be, in cells.
AROUND, LEAST, THIN = 3, 3, 0.4
PASSES = 3  # the second finds more lines, whose points the first made thinner
APART, STRAIGHT = 0.6, 0.03  # metres between rays that end on one wall, and that the next may end beside it
MOST_CELLS = 50_000_000


class Grid:
    """odds: float32 [rows, columns], log odds that a cell is occupied, 0: unknown; row 0 is south. west, south: its corner, m."""

    def __init__(self, odds: np.ndarray, west: float, south: float, cell: float = CELL) -> None:
        self.odds, self.west, self.south, self.cell = odds, west, south, cell

    @classmethod
    def of(cls, scans: Iterable[tuple[Pose, np.ndarray]], cell: float = CELL) -> Grid:
        """From poses and points (robot's frame). Raises RobotError where there are none or they are too far apart."""
        made = [(pose, placed(points, pose)) for pose, points in scans if len(points)]
        if not made:
            raise RobotError("There are no scans to make a map of.")
        eyes, ends = np.array([pose[:2] for pose, _ in made]), np.concatenate([points for _, points in made])
        # What is too far apart is refused before anything as large as the map is made.
        _check_size(*np.ceil(np.ptp(np.concatenate([eyes, ends]), axis=0) / cell))
        for _ in range(PASSES):
            ends = on_walls(ends, cell)
        starts = np.cumsum([0, *(len(points) for _, points in made)])
        every = np.concatenate([eyes, ends])
        # Most walls are to run along the middles of cells: along an edge, noise draws them on both sides of it.
        phase = np.angle(np.exp(2j * np.pi * ends / cell).mean(axis=0)) / (2 * np.pi) - 0.5
        west, south = (np.floor(every.min(axis=0) / cell - phase) - 2 + phase) * cell
        columns, rows = (np.ceil((every.max(axis=0) - (west, south)) / cell) + 2).astype(int)
        _check_size(columns, rows)
        grid = cls(np.zeros((rows, columns), np.float32), float(west), float(south), cell)
        for (pose, _), first, last in zip(made, starts, starts[1:], strict=False):
            grid.add(pose, ends[first:last])
        return grid

    def add(self, pose: Pose, points: np.ndarray) -> None:
        """One scan's points on the map, in the order of its rays. A cell counts once, as hit if any ray ends in it.

        Rays that graze a wall go through cells of it: between two rays that end on the same wall, they say nothing.
        """
        eye = np.array(pose[:2])
        long = np.hypot(*(points - eye).T)
        steps = max(2, math.ceil(float(long.max()) / self.cell))
        parts = (np.arange(steps) + 0.5) / steps
        through = (eye + (points - eye)[:, None] * parts[None, :, None])[
            parts[None] * long[:, None] < long[:, None] - self.cell
        ]
        hit, missed = np.unique(self._flat(points)), np.unique(self._flat(through))
        flat = self.odds.reshape(-1)
        missed = np.setdiff1d(missed, np.union1d(hit, self._flat(between_ends(points, self.cell))), assume_unique=True)
        flat[missed] = np.maximum(flat[missed] + MISS, -MOST)
        flat[hit] = np.minimum(flat[hit] + HIT, MOST)

    def _flat(self, points: np.ndarray) -> np.ndarray:
        cells = np.floor((points - (self.west, self.south)) / self.cell).astype(np.int64)
        rows, columns = self.odds.shape
        inside = (cells >= 0).all(axis=1) & (cells[:, 0] < columns) & (cells[:, 1] < rows)
        return np.asarray(cells[inside, 1] * columns + cells[inside, 0])

    def walls(self) -> np.ndarray:
        """Middles of the cells where something stands: float64 [N, 2]."""
        rows, columns = np.nonzero(self.odds > 0.5)
        return np.column_stack([self.west + (columns + 0.5) * self.cell, self.south + (rows + 0.5) * self.cell])

    def picture(self, path: Path, way: np.ndarray | None = None) -> None:
        """A PNG: walls black, free ground white, unknown grey; `way` (float64 [N, 2], metres) red."""
        shade = (255 / (1 + np.exp(np.clip(self.odds, -8, 8)))).astype(np.uint8)
        pixels = np.stack([np.where(self.odds == 0, 205, shade).astype(np.uint8)] * 3, axis=-1)
        if way is not None:
            flat = self._flat(np.asarray(way)[:, :2])
            pixels.reshape(-1, 3)[flat] = (220, 30, 30)
        pixels = pixels[::-1]
        raw = np.concatenate([np.zeros((len(pixels), 1), np.uint8), pixels.reshape(len(pixels), -1)], axis=1).tobytes()

        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
        body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)

    def save(self, path: Path) -> None:
        """An .npz that `load` reads."""
        with path.open("wb") as file:
            np.savez_compressed(file, odds=self.odds, corner=np.array([self.west, self.south, self.cell]))

    @classmethod
    def load(cls, path: Path) -> Grid:
        """Raises RobotError where it is no map."""
        odds, corner = read_arrays(path, "map of enigma-bridge robot map", "odds", "corner")
        if (
            odds.ndim != 2
            or odds.size > MOST_CELLS
            or corner.shape != (3,)
            or not (np.isfinite(corner).all() and corner[2] > 0)
        ):
            raise RobotError(f"{path} is no map of enigma-bridge robot map.")
        west, south, cell = corner.tolist()
        return cls(odds.astype(np.float32), west, south, cell)


def _check_size(columns: float, rows: float) -> None:
    if columns * rows > MOST_CELLS:
        raise RobotError(f"The map would have {columns * rows:,.0f} cells; up to {MOST_CELLS:,} are possible.")


def on_walls(points: np.ndarray, cell: float) -> np.ndarray:
    """Ends of rays, float64 [N, 2], moved onto the lines that those around them lie on: the scanner's noise goes, corners stay."""
    low = points.min(axis=0)
    at = np.floor((points - low) / cell).astype(np.int64)
    rows, columns = at.max(axis=0) + 1
    flat = at[:, 0] * columns + at[:, 1]
    x, y = (points - low).T

    def around(each: np.ndarray) -> np.ndarray:
        """The sum over a point's cell and those round it."""
        sums = np.pad(np.bincount(flat, each, rows * columns).reshape(rows, columns), AROUND)
        for axis in (0, 1):
            sums = np.lib.stride_tricks.sliding_window_view(sums, 2 * AROUND + 1, axis).sum(axis=-1)
        return np.asarray(sums.reshape(-1)[flat])

    many = around(np.ones(len(x)))
    mx, my = around(x) / many, around(y) / many
    xx, xy, yy = around(x * x) / many - mx**2, around(x * y) / many - mx * my, around(y * y) / many - my**2
    half, more = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    across, along = np.maximum(half - more, 0), half + more  # variances
    turn = np.arctan2(2 * xy, xx - yy) / 2
    way = (x - mx) * np.cos(turn) + (y - my) * np.sin(turn)
    there = np.column_stack([mx + way * np.cos(turn), my + way * np.sin(turn)]) + low
    straight = (many >= LEAST) & (across < (THIN * cell) ** 2) & (across < along / 8)
    return np.where(straight[:, None], there, points)


def between_ends(points: np.ndarray, cell: float) -> np.ndarray:
    """Points along what lies between each two rays of a scan that end on one straight wall: float64 [N, 2]."""
    ways = np.diff(points, axis=0)
    long = np.hypot(*ways.T)
    along = ways / np.maximum(long, 1e-9)[:, None]
    bend = np.abs(along[:-1, 0] * ways[1:, 1] - along[:-1, 1] * ways[1:, 0])
    same = (bend < STRAIGHT) & ((along[:-1] * along[1:]).sum(axis=1) > 0.9)
    wall = (np.append(same, False) | np.append(False, same)) & (long < APART)
    parts = np.linspace(0, 1, math.ceil(2 * APART / cell) + 1)
    return np.asarray(points[:-1][wall][:, None] + ways[wall][:, None] * parts[None, :, None]).reshape(-1, 2)
