"""What a robot tells, as messages of ROS 2: fields by name, from the frames of `shown`.

Frames of reference as in REP 105: base_link in odom is by wheels and gyro alone, so it drifts and never jumps; odom in map is what
scans and people have set right.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np

from firmware_bridge.robot.estimate import between_frames

Json = dict[str, Any]
NEAR, REACH = 0.03, 6.0  # metres that a shown scan can hold; beyond and 0: nothing was measured there
LEVELS = {"ok": 0, "warn": 1, "error": 2, "stale": 3}  # diagnostic_msgs/msg/DiagnosticStatus


class Frames:
    """Names of frames of reference, of one robot among several by its prefix, as in r1/base_link."""

    def __init__(self, prefix: str = "") -> None:
        before = f"{prefix}/" if prefix else ""
        self.map, self.odom, self.base = "map", f"{before}odom", f"{before}base_link"


def stamp(seconds: float) -> Json:
    """A time since 1970, s."""
    nanoseconds = round(seconds * 1e9)
    return {"sec": nanoseconds // 10**9, "nanosec": nanoseconds % 10**9}


def header(seconds: float, frame: str) -> Json:
    """A std_msgs/msg/Header."""
    return {"stamp": stamp(seconds), "frame_id": frame}


def turned(heading: float) -> Json:
    """A quaternion about the vertical axis; rad."""
    return {"x": 0.0, "y": 0.0, "z": math.sin(heading / 2), "w": math.cos(heading / 2)}


def heading_of(quaternion: Any) -> float | None:
    """The turn about the vertical axis, rad; None where it is no turn, or not about that axis alone."""
    x, y, z, w = (float(getattr(quaternion, name)) for name in "xyzw")
    if not abs(x * x + y * y + z * z + w * w - 1) < 0.02 or math.hypot(x, y) > 0.1:
        return None
    return 2 * math.atan2(z, w)


def odometry(at: float, pose: Json, frames: Frames) -> Json:
    """nav_msgs/msg/Odometry: place in odom and measured speed, with the variances of place and heading."""
    place, turn = (pose["odom_doubt"][0] / 2) ** 2, math.radians(pose["odom_doubt"][1] / 2) ** 2
    x, y, degrees = pose["odom"]
    covariance = np.zeros((6, 6))
    covariance[[0, 1], [0, 1]], covariance[5, 5] = place, turn
    return {
        "header": header(at, frames.odom),
        "child_frame_id": frames.base,
        "pose": {
            "pose": {"position": _point(x, y), "orientation": turned(math.radians(degrees))},
            "covariance": covariance.ravel(),
        },
        "twist": {"twist": {"linear": {"x": float(pose["v"])}, "angular": {"z": float(pose["w"])}}},
    }


def transforms(at: float, pose: Json, frames: Frames) -> Json:
    """tf2_msgs/msg/TFMessage: map to odom, and odom to base_link."""
    x, y, degrees = pose["odom"]
    odom = x, y, math.radians(degrees)
    made = []
    for parent, child, (px, py, heading) in (
        (frames.map, frames.odom, in_map(pose)),
        (frames.odom, frames.base, odom),
    ):
        about = {"translation": _point(px, py), "rotation": turned(heading)}
        made.append({"header": header(at, parent), "child_frame_id": child, "transform": about})
    return {"transforms": made}


def in_map(pose: Json) -> tuple[float, float, float]:
    """Where odom lies in map: metres and rad."""
    x, y, degrees = pose["odom"]
    return between_frames(
        (float(pose["x"]), float(pose["y"]), math.radians(pose["degrees"])), (float(x), float(y), math.radians(degrees))
    )


def scan(at: float, told: Json, every: float, frames: Frames) -> Json:
    """sensor_msgs/msg/LaserScan; 0 is below `range_min`, and means that nothing was measured."""
    metres = np.asarray(told["cm"], np.float32) / 100
    first, step = math.radians(told["first"]), math.radians(told["step"])
    return {
        "header": header(at, frames.base),
        "angle_min": first,
        "angle_max": first + step * max(len(metres) - 1, 0),
        "angle_increment": step,
        "scan_time": every,
        "range_min": NEAR,
        "range_max": REACH,
        "ranges": metres,
    }


def battery(at: float, told: Json, frames: Frames, unknown: float) -> Json:
    """sensor_msgs/msg/BatteryState: the charge that is there for sure. unknown: of what isn't measured, NaN by its definition."""
    unmeasured = ("temperature", "current", "charge", "capacity", "design_capacity")
    return {
        "header": header(at, frames.base),
        "voltage": unknown if told["volts"] is None else float(told["volts"]),
        "percentage": float(told["sure"]),
        "present": True,
        **dict.fromkeys(unmeasured, unknown),
    }


def path(at: float, points: list[list[float]], frames: Frames) -> Json:
    """nav_msgs/msg/Path: what is left of the way."""
    head = header(at, frames.map)
    return {"header": head, "poses": [{"header": head, "pose": {"position": _point(*each)}} for each in points]}


def grid(at: float, about: Json, png: bytes, frames: Frames) -> Json:
    """nav_msgs/msg/OccupancyGrid of a map as `ShownMap.png` draws it: 100 occupied, 0 free, -1 unknown."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        alpha = np.asarray(picture.convert("LA"))[::-1, :, 1]  # the southernmost row first
    rows, columns = alpha.shape
    data = np.where(alpha == 255, 100, np.where(alpha == 0, -1, 0)).astype(np.int8)
    return {
        "header": header(at, frames.map),
        "info": {
            "map_load_time": stamp(at),
            "resolution": float(about["cell"]),
            "width": columns,
            "height": rows,
            "origin": {"position": _point(about["west"], about["south"])},
        },
        "data": data.ravel(),
    }


def diagnostics(at: float, frame: Json, name: str) -> Json:
    """diagnostic_msgs/msg/DiagnosticArray: mode, board, faults, why it isn't as fast as asked, and orders."""
    fault = frame["fault"] or ("The emergency stop is on." if frame["stopped"] else "")
    silent = frame["pose"]["missing"] if frame["pose"] else ["place"]
    words = fault or "; ".join(frame["why"]) or "as asked for"
    values = {
        "mode": frame["mode"],
        "board": frame["board"],
        "simulated": str(bool(frame["simulated"])).lower(),
        "emergency_stop": str(bool(frame["stopped"])).lower(),
        "silent": ", ".join(silent),
        "battery_asks": frame["battery"]["asks"] if frame["battery"] else "",
        "orders": "; ".join(
            f"{each['place']}: {each['state']}" + (f" ({each['why']})" if each["why"] else "")
            for each in frame["orders"]
        ),
    }
    status = {
        "level": LEVELS["error" if fault else "warn" if silent else "ok"],
        "name": name,
        "message": words,
        "hardware_id": "simulated" if frame["simulated"] else "robot",
        "values": [{"key": key, "value": str(value)} for key, value in values.items()],
    }
    return {"header": header(at, ""), "status": [status]}


def _point(x: float, y: float) -> Json:
    return {"x": float(x), "y": float(y), "z": 0.0}
