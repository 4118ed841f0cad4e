"""A robot that has something to show, for the app without one; its names are numbers, the same in every language."""

from __future__ import annotations

import struct
import zlib

from companion_app.services.robot_wire import frame_from, plan_from, scan_from
from companion_app.state import robot_actions as act
from companion_app.state.robot import MapLies
from companion_app.state.store import Store

from . import samples
from .words import NUMBERS, Words


def _plan(words: Words) -> dict[str, object]:
    return {
        "revision": 2,
        "simulated": True,
        "radius": 0.18,
        "most_speed": 0.5,
        "most_back": 0.25,
        "most_turn": 1.5,
        "dock": words.dock,
        "fence": [[0, 0], [7, 0], [7, 5], [0, 5]],
        "zones": [
            {"name": words.fixed, "corners": [[5.9, 0], [7, 0], [7, 1], [5.9, 1]], "drawn": False},
            {"name": words.drawn, "corners": [[1, 3], [2, 3], [2, 4]], "drawn": True},
        ],
        "places": [
            {"name": words.dock, "at": [0.5, 0.5, 90], "drawn": False},
            {"name": words.place, "at": [5.5, 4, 0], "drawn": True},
        ],
    }


def _frame(words: Words) -> dict[str, object]:
    return {
        "t": 100.0,
        "simulated": True,
        "mode": "manual",
        "board": "connected",
        "pose": {"x": 2.0, "y": 1.5, "degrees": 40.0, "doubt": 0.05, "missing": ["gyro"]},
        "speed": {"v": 0.2, "w": 0.1},
        "why": [words.why],
        "battery": {"charge": 0.7, "sure": 0.66, "asks": "nothing"},
        "orders": [{"place": words.place, "state": "going", "why": None}],
        "path": [[3.0, 2.4], [5.5, 4.0]],
        "limit": 0.35,
        "plan": 2,
        "imu": {"roll": 1.0, "pitch": -2.0, "rate": 5.0},
    }


SCAN: dict[str, object] = {
    "pose": [2.0, 1.5, 40.0],
    "first": -180,
    "step": 2,
    "cm": [150 + at % 40 for at in range(180)],
}


def furnish_robot(store: Store, address: str = samples.KITCHEN, words: Words = NUMBERS) -> None:
    """A robot beside a device that the state knows."""
    store.dispatch(act.RobotFound(address))
    store.dispatch(act.RobotPlanned(address, plan_from(_plan(words))))
    store.dispatch(act.RobotSeen(address, frame_from(_frame(words)), scan_from(SCAN)))
    store.dispatch(act.RobotPictured(address, MapLies(1, 0.0, 0.0, 0.5, 14, 10), _png(14, 10)))


def _png(columns: int, rows: int) -> bytes:
    """A floor of grey with alpha, with walls around."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(
        b"\0"
        + b"".join(bytes((255, 255 if row in (0, rows - 1) or at in (0, columns - 1) else 36)) for at in range(columns))
        for row in range(rows)
    )
    head = struct.pack(">IIBBBBB", columns, rows, 8, 4, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
