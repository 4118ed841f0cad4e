"""Tables with boxes at random, a thing among them and a place for it; and the example's arm, drawn by plain trigonometry.

The arm here knows nothing of `firmware_bridge.arm`: cylinders of docs/examples/arm.urdf as lines of points with a radius, so that
what the planner says is free is looked at by other means.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from firmware_bridge.arm.config import Arm, load
from firmware_bridge.arm.space import Box

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "arm.toml"
APART = 0.11  # metres between the middles of the thing or its goal and a box's edge: fingers and palm need that


def example() -> Arm:
    return load(EXAMPLE)


def scene(arm: Arm, rng: np.random.Generator) -> tuple[Arm, tuple[float, float, float]]:
    """Three to six boxes on the table, a thing within reach, and where it is to go."""
    size = (float(rng.uniform(0.02, 0.04)), float(rng.uniform(0.02, 0.04)), float(rng.uniform(0.04, 0.06)))
    while True:
        at, to = _spot(rng), _spot(rng)
        if math.dist(at, to) > 0.12:
            break
    boxes: list[Box] = []
    wanted = int(rng.integers(3, 7))
    while len(boxes) < wanted:
        x, y = rng.uniform(-0.42, 0.42, 2)
        sides = rng.uniform([0.03, 0.03, 0.05], [0.12, 0.12, 0.3])
        near = min(
            math.hypot(max(abs(x - px) - sides[0] / 2, 0), max(abs(y - py) - sides[1] / 2, 0)) for px, py in (at, to)
        )
        if near > APART and math.hypot(max(abs(x) - sides[0] / 2, 0), max(abs(y) - sides[1] / 2, 0)) > 0.12:
            boxes.append(Box(f"box {len(boxes)}", (float(x), float(y), float(sides[2] / 2)), tuple(sides.tolist())))
    thing = Box("cube", (*at, size[2] / 2), size)
    made = replace(arm, boxes=tuple(boxes), objects=(thing,))
    if made.space().clearance(arm.home[None])[0] < arm.build.margin + 0.005:
        return scene(arm, rng)  # something stands where the arm is
    return made, (*to, 0.0)


def _spot(rng: np.random.Generator) -> tuple[float, float]:
    away, angle = rng.uniform(0.17, 0.31), rng.uniform(-2.6, 2.6)
    return float(away * math.cos(angle)), float(away * math.sin(angle))


def lines(q: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Lines of points [k, 3] with radii that are within the arm's cylinders; between the fingers a thin one."""
    turn, shoulder, elbow, wrist = q
    along = np.array([math.cos(turn), math.sin(turn), 0])
    up = np.array([0, 0, 1.0])

    def way(pitch: float) -> np.ndarray:
        return math.sin(pitch) * along + math.cos(pitch) * up

    at = 0.14 * up
    made = []
    for pitch, length, radius in (
        (shoulder, 0.2, 0.025), (shoulder + elbow, 0.18, 0.022), (shoulder + elbow + wrist, 0.125, 0.008),
    ):  # fmt: skip
        inner = np.linspace(radius, length - radius, 24)[:, None]
        made.append((at + inner * way(pitch), radius))
        at = at + length * way(pitch)
    return made


def tip(q: np.ndarray) -> np.ndarray:
    """Where the tip is."""
    points, radius = lines(q)[-1]
    along = (points[-1] - points[0]) / (0.125 - 2 * radius)
    return np.asarray(points[0] + (0.11 - radius) * along)


def room(q: np.ndarray, boxes: tuple[Box, ...], table: bool = True) -> float:
    """Metres from the moving cylinders to the nearest box, and to the table."""
    least = math.inf
    for points, radius in lines(q):
        least = min(least, float(points[:, 2].min()) - radius if table and radius < 0.025 else math.inf)
        for box in boxes:
            out = np.abs(points - box.at) - np.array(box.size) / 2
            away = np.linalg.norm(np.maximum(out, 0), axis=1) + np.minimum(out.max(1), 0)
            least = min(least, float(away.min()) - radius)
    return least
