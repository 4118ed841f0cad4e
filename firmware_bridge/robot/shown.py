"""What people are shown of a robot, for the screen that follows it: frames of what changes, the plan of its ground, the map.

A frame is an object of JSON, ten a second or so, with the robot's own clock in `t`; scan and path are in it only where they
are new. Whoever drives answers with the `t` that was seen last, so that an order which came late moves nothing.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from firmware_bridge.robot.battery import MISSING
from firmware_bridge.robot.envelope import sentences
from firmware_bridge.robot.grid import CELL, Grid

if TYPE_CHECKING:
    from firmware_bridge.robot.drawn import Drawn
    from firmware_bridge.robot.drive import Driver

AGAIN = 0.5  # seconds between two scans that are drawn into a map that grows
BEYOND = 1.0  # metres around the fence that such a map shows
MOST_CELLS = 1_000_000  # of a picture; larger maps are shown coarser
MOST_RAYS = 360  # of a scan that is shown
SHOWN_ORDERS, SHOWN_POINTS = 5, 200
Json = dict[str, object]


class Scan(NamedTuple):
    """A LaserScan, and from where it was taken."""

    at: float
    pose: tuple[float, float, float]
    first: float
    step: float
    ranges: Sequence[float]


class Tilt(NamedTuple):
    """rad, and rad/s about the vertical axis."""

    roll: float
    pitch: float
    rate: float


class ShownMap:
    """The map that people see: one that was loaded, or one that grows with what is scanned. revision: counts its changes."""

    def __init__(self, grid: Grid | None, grows: bool) -> None:
        self.grid, self.revision = grid, 0 if grid is None else 1
        self._grows, self._at = grows, -math.inf
        self._drawn: tuple[int, bytes] = (0, b"")

    @classmethod
    def around(cls, fence: Sequence[tuple[float, float]]) -> ShownMap:
        """An empty one around the fence; without a fence there is none."""
        if not fence:
            return cls(None, False)
        west, south = (min(corner[axis] for corner in fence) - BEYOND for axis in (0, 1))
        east, north = (max(corner[axis] for corner in fence) + BEYOND for axis in (0, 1))
        cell = max(CELL, math.sqrt((east - west) * (north - south) / MOST_CELLS))
        shape = math.ceil((north - south) / cell), math.ceil((east - west) / cell)
        made = cls(Grid(np.zeros(shape, np.float32), west, south, cell), True)
        made.revision = 0
        return made

    def add(self, now: float, pose: tuple[float, float, float], points: np.ndarray) -> None:
        """What a scan saw, float64 [N, 2] on the map; a map that was loaded stays as it is."""
        if not self._grows or self.grid is None or now - self._at < AGAIN or not len(points):
            return
        self._at = now
        self.grid.add(pose, points)
        self.revision += 1

    def about(self) -> Json | None:
        """Where it lies: its south-west corner and the size of a pixel in metres, and its pixels; None: there is none."""
        if self.grid is None or not self.revision:
            return None
        coarse = self._coarse
        rows, columns = self.grid.odds[::coarse, ::coarse].shape
        return {
            "revision": self.revision,
            "west": self.grid.west,
            "south": self.grid.south,
            "cell": self.grid.cell * coarse,
            "columns": columns,
            "rows": rows,
        }

    def png(self) -> bytes:
        """White where something stands, faint where it is free, clear where nobody knows: a screen gives it its colours.

        Grey with alpha, the northernmost row first.
        """
        if self.grid is None:
            return b""
        if self._drawn[0] != self.revision:
            odds = self.grid.odds[:: self._coarse, :: self._coarse][::-1]
            shade = np.full((*odds.shape, 2), 255, np.uint8)
            shade[..., 1] = np.where(odds > 0.5, 255, np.where(odds < -0.1, 36, 0))
            self._drawn = self.revision, _png(shade)
        return self._drawn[1]

    @property
    def _coarse(self) -> int:
        assert self.grid is not None
        return max(1, math.ceil(math.sqrt(self.grid.odds.size / MOST_CELLS)))


def _png(pixels: np.ndarray) -> bytes:
    """uint8 [rows, columns, 2], grey and alpha."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = pixels.reshape(len(pixels), -1)
    raw = np.concatenate([np.zeros((len(rows), 1), np.uint8), rows], axis=1).tobytes()
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 4, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw, 6)) + chunk(b"IEND", b"")


def plan(driver: Driver, drawn: Drawn) -> Json:
    """What changes seldom: body, limits, fence, zones and places; `drawn`: whether a person may take it away again."""
    robot = driver.robot
    own = {zone.name for zone in drawn.zones}, {place.name for place in drawn.places}
    return {
        "revision": drawn.revision,
        "simulated": driver.simulated,
        "radius": robot.body.radius,
        "most_speed": robot.limits.speed,
        "most_back": robot.limits.back,
        "most_turn": robot.limits.turn,
        "deadman": robot.times.deadman,
        "dock": robot.dock or None,
        "fence": robot.fence,
        "zones": [{"name": z.name, "corners": z.corners, "drawn": z.name in own[0]} for z in robot.zones],
        "places": [
            {"name": p.name, "at": [p.x, p.y, round(math.degrees(p.heading), 1)], "drawn": p.name in own[1]}
            for p in robot.places
        ],
    }


def state(driver: Driver, now: float) -> Json:
    """All of it for people, in plain values."""
    envelope = driver.envelope
    pose = None
    if driver.estimate is not None:
        x, y, heading = driver.estimate.pose
        doubt, turn_doubt = driver.estimate.doubt
        odom, wide = driver.estimate.odom, driver.estimate.odom_doubt
        pose = {
            "x": round(x, 3),
            "y": round(y, 3),
            "degrees": round(math.degrees(heading), 1),
            "v": round(float(driver.estimate.state[3]), 3),
            "w": round(float(driver.estimate.state[4]), 3),
            "doubt": round(doubt, 3),
            "doubt_degrees": round(math.degrees(turn_doubt), 1),
            "missing": driver.estimate.missing(driver.odometer.time(now)),
            # By wheels and gyro alone: it never jumps; and two of its standard deviations, m and degrees.
            "odom": [round(odom[0], 4), round(odom[1], 4), round(math.degrees(odom[2]), 2)],
            "odom_doubt": [round(2 * math.sqrt(wide[0]), 3), round(2 * math.degrees(math.sqrt(wide[1])), 2)],
        }
    return {
        "simulated": driver.simulated,
        "mode": driver.modes.mode.value,
        "armed_seconds": None if driver.arming is None else round(driver.arming.left(now)),
        "stopped": envelope.stopped,
        "fault": envelope.fault or None,
        "board": driver.board.condition.value,
        "pose": pose,
        "speed": {"v": round(envelope.v, 3), "w": round(envelope.w, 3)},
        "why": sentences(envelope.why),
        "battery": None
        if driver.battery is None
        else {
            "charge": round(driver.battery.charge, 3),
            "sure": round(driver.battery.sure, 3),
            "volts": round(driver.battery.volts, 2) if now - driver.battery.measured_at <= MISSING else None,
            "asks": driver.need.value,
        },
        "gripper": None
        if driver.orders.gripper is None
        else {
            "kind": driver.orders.gripper.kind,
            "holds": None if driver.orders.gripper.holds is None else driver.orders.gripper.holds.id,
        },
        "orders": [
            {"place": each.says, "state": each.state, "why": each.why or None}
            for each in (*driver.orders.ended, *driver.orders.queue)
        ],
        "outcomes": list(driver.orders.outcomes),
        "changes": [
            {
                "seconds_ago": round(now - each.at, 2),
                "asked": [round(part, 3) for part in each.asked],
                "given": [round(part, 3) for part in each.given],
                "why": sentences(each.why),
            }
            for each in list(envelope.changes)[-20:]
        ],
    }


def frame(driver: Driver, now: float, revision: int, scanned: float) -> Json:
    """What changes all the time. scanned: when the scan was taken that the reader has already."""
    told = state(driver, now)
    made: Json = {
        "t": round(now, 4),
        **{
            key: told[key]
            for key in ("simulated", "armed_seconds", "mode", "stopped", "fault", "board", "pose", "speed", "why")
        },
        "battery": told["battery"],
        "orders": _latest(driver),
        "path": [[round(x, 2), round(y, 2)] for x, y in driver.orders.path[:SHOWN_POINTS]],
        "limit": driver.speed,
        "plan": revision,
        "map": driver.map.about(),
        "imu": None
        if driver.tilt is None
        else {
            "roll": round(math.degrees(driver.tilt.roll), 1),
            "pitch": round(math.degrees(driver.tilt.pitch), 1),
            "rate": round(math.degrees(driver.tilt.rate), 1),
        },
    }
    scan = driver.latest_scan
    if scan is not None and scan.at > scanned:
        every = max(1, math.ceil(len(scan.ranges) / MOST_RAYS))
        made["scan"] = {
            "t": scan.at,
            "pose": [round(scan.pose[0], 3), round(scan.pose[1], 3), round(math.degrees(scan.pose[2]), 1)],
            "first": round(math.degrees(scan.first), 3),
            "step": round(math.degrees(scan.step) * every, 4),
            # Centimetres; 0: nothing was measured there.
            "cm": [round(each * 100) if 0 < each < 600 else 0 for each in scan.ranges[::every]],
        }
    return made


def _latest(driver: Driver) -> list[Json]:
    every = (*driver.orders.ended, *driver.orders.queue)
    return [{"place": e.says, "state": e.state, "why": e.why or None} for e in every[-SHOWN_ORDERS:]]
