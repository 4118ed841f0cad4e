"""Pictures of ROS 2 (sensor_msgs/msg/Image) as JPEG, which the device's API takes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from firmware_bridge.errors import BadValue, RosError

# Encoding -> bytes a pixel, and how its channels become red, green and blue (sensor_msgs/image_encodings.hpp).
_CHANNELS: dict[str, tuple[int, tuple[int, ...]]] = {
    "rgb8": (3, (0, 1, 2)),
    "bgr8": (3, (2, 1, 0)),
    "rgba8": (4, (0, 1, 2)),
    "bgra8": (4, (2, 1, 0)),
    "mono8": (1, (0, 0, 0)),
    "8UC1": (1, (0, 0, 0)),
    "8UC3": (3, (2, 1, 0)),
}
MAX_SIDE = 4096


def pixels(message: Any) -> np.ndarray:
    """A picture as uint8 of shape (height, width, 3). Raises BadValue."""
    size, order = _CHANNELS.get(message.encoding, (0, ()))
    if not size:
        raise BadValue(f"Pictures in '{message.encoding[:20]}' can't be used; {', '.join(_CHANNELS)} can.")
    height, width, step = message.height, message.width, message.step
    if not (
        0 < height <= MAX_SIDE and width * size <= step and 0 < width <= MAX_SIDE and len(message.data) >= height * step
    ):
        raise BadValue(f"A picture of {width} x {height} in rows of {step} bytes can't have {len(message.data)} bytes.")
    rows = np.frombuffer(message.data, np.uint8, height * step).reshape(height, step)[:, : width * size]
    return rows.reshape(height, width, size)[:, :, list(order)]


def jpeg(message: Any, side: int | None = None) -> bytes:
    """A picture as JPEG, at most `side` pixels wide and high. Raises BadValue, RosError."""
    try:
        from PIL import Image
    except ImportError as error:
        raise RosError("Pictures need Pillow: pip install 'enigma[ros2]'.") from error
    picture = Image.fromarray(pixels(message))
    if side is not None:
        picture.thumbnail((side, side))
    made = io.BytesIO()
    picture.save(made, "JPEG", quality=85)
    return made.getvalue()
