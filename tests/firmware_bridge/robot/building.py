"""A building that is drawn at random, a walk through it, and what a scanner and slipping wheels say on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from firmware_bridge.robot.pose_graph import Pose, between, compose
from firmware_bridge.robot.room import cast


@dataclass
class Walk:
    """poses: the truth. odometry: what wheels say. ranges: float64 [N, rays], inf where nothing is in reach."""

    walls: np.ndarray
    poses: list[Pose]
    odometry: list[Pose]
    ranges: np.ndarray
    first: float
    step: float


def building(rng: np.random.Generator, wide: float = 18.0, high: float = 13.0, corridor: float = 2.0) -> np.ndarray:
    """Segments float64 [S, 2, 2]: a corridor round a block, rooms with furniture outside of it, doors between."""
    room = 3.5
    segments: list[list[list[float]]] = []

    def box(x0: float, y0: float, x1: float, y1: float) -> None:
        corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
        segments.extend([[corners[i], corners[(i + 1) % 4]] for i in range(4)])

    box(corridor, corridor, wide - corridor, high - corridor)
    box(-room, -room, wide + room, high + room)
    for side in range(4):  # the corridor's outer walls, with doors, and walls between rooms
        long = wide if side % 2 == 0 else high
        at = 0.0

        def place(along: float, out: float, side: int = side) -> list[float]:
            return [[along, -out], [wide + out, along], [wide - along, high + out], [-out, high - along]][side]

        while at < long:
            width = min(float(rng.uniform(2.5, 4.5)), long - at)
            if width < 2:
                segments.append([place(at, 0), place(long, 0)])
                break
            door = at + float(rng.uniform(0.4, width - 1.4))
            segments.append([place(at, 0), place(door, 0)])
            segments.append([place(door + 0.9, 0), place(at + width, 0)])
            segments.append([place(at, 0), place(at, room)])
            x, y = place(at + float(rng.uniform(0.5, width - 1)), float(rng.uniform(1.5, room - 0.8)))
            box(x, y, x + 0.6, y + float(rng.uniform(0.3, 0.7)))
            at += width
    return np.array(segments)


def walk(seed: int, rounds: float = 2.0, stride: float = 0.6, rays: int = 180) -> Walk:
    """Goes round the corridor, and looks into rooms now and then."""
    rng = np.random.default_rng(seed)
    walls = building(rng)
    corners = [(1.0, 1.0), (17.0, 1.0), (17.0, 12.0), (1.0, 12.0)]
    line: list[tuple[float, float]] = []
    for leg in range(round(4 * rounds)):
        (x0, y0), (x1, y1) = corners[leg % 4], corners[(leg + 1) % 4]
        for part in np.arange(0, math.dist((x0, y0), (x1, y1)), stride):
            share = part / math.dist((x0, y0), (x1, y1))
            line.append((x0 + (x1 - x0) * share, y0 + (y1 - y0) * share))
    places = np.array(line) + rng.normal(0, 0.08, (len(line), 2))
    poses: list[Pose] = []
    for at, (x, y) in enumerate(places.tolist()):
        ahead = places[min(at + 1, len(places) - 1)]
        poses.append((x, y, math.atan2(ahead[1] - y, ahead[0] - x) if at + 1 < len(places) else poses[-1][2]))
        if rng.random() < 0.12:  # it turns to a side, and back
            side = float(rng.choice([-1, 1]))
            poses += [(x, y, poses[-1][2] + side * part) for part in (0.5, 1.0, 1.5, 0.8)]
    odometry = [poses[0]]
    bias = rng.normal(0, 0.02)
    for a, b in pairwise(poses):
        dx, dy, turn = between(a, b)
        way = math.hypot(dx, dy)
        said = (
            dx * (1 + rng.normal(0, 0.05)),
            dy + rng.normal(0, 0.02),
            turn * (1 + rng.normal(0, 0.08)) + bias * way + rng.normal(0, 0.01),
        )
        odometry.append(compose(odometry[-1], said))
    first, step = -math.pi / 2, math.pi / rays
    angles = first + step * np.arange(rays)
    ranges = np.array([cast(walls, pose, angles, 20.0) for pose in poses])
    return Walk(walls, poses, odometry, ranges + rng.normal(0, 0.015, ranges.shape), first, step)
