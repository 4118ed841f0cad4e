"""An occupancy grid: how sure it is that something stands in each cell, from scans at known poses; and its picture and file."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from firmware_bridge.robot.config import RobotError
from firmware_bridge.robot.scan_match import Pose, placed

CELL = 0.05
HIT, MISS, MOST = (
    0.85,
    -0.4,
    5.0,
)  # log odds of a ray that ends in a cell, of one that goes through, and the most of both
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
        every = np.concatenate([np.array([pose[:2] for pose, _ in made]), *(points for _, points in made)])
        # Half a cell more: a wall along the edge of two cells would always be drawn in the one behind it.
        west, south = every.min(axis=0) - 2.5 * cell
        columns, rows = (np.ceil((every.max(axis=0) - (west, south)) / cell) + 2).astype(int)
        if columns * rows > MOST_CELLS:
            raise RobotError(f"The map would have {columns * rows:,} cells; up to {MOST_CELLS:,} are possible.")
        grid = cls(np.zeros((rows, columns), np.float32), float(west), float(south), cell)
        for pose, points in made:
            grid.add(pose, points)
        return grid

    def add(self, pose: Pose, points: np.ndarray) -> None:
        """One scan's points on the map. A cell counts once, as hit if any ray ends in it."""
        eye = np.array(pose[:2])
        long = np.hypot(*(points - eye).T)
        steps = max(2, math.ceil(float(long.max()) / self.cell))
        parts = (np.arange(steps) + 0.5) / steps
        through = (eye + (points - eye)[:, None] * parts[None, :, None])[
            parts[None] * long[:, None] < long[:, None] - self.cell
        ]
        hit, missed = np.unique(self._flat(points)), np.unique(self._flat(through))
        flat = self.odds.reshape(-1)
        missed = np.setdiff1d(missed, hit, assume_unique=True)
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
        try:
            with np.load(path, allow_pickle=False) as kept:
                odds, corner = kept["odds"], kept["corner"]
        except (OSError, ValueError, KeyError) as error:
            raise RobotError(f"The map {path} can't be read: {error}.") from None
        if (
            odds.ndim != 2
            or odds.size > MOST_CELLS
            or corner.shape != (3,)
            or not (np.isfinite(corner).all() and corner[2] > 0)
        ):
            raise RobotError(f"{path} is no map of enigma-bridge robot map.")
        west, south, cell = corner.tolist()
        return cls(odds.astype(np.float32), west, south, cell)
