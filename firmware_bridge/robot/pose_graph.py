"""Poses that are joined by measured differences, and what they must be so that all of them fit best: gtsam's solver.

A wrong loop must not bend the map: loops count by a robust loss (Cauchy), so that one that contradicts all others hardly does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from firmware_bridge.robot.config import RobotError

Pose = tuple[float, float, float]


@dataclass(frozen=True)
class Edge:
    """Where pose `b` is as seen from pose `a`; covariance: float64 [3, 3]. loop: it may be wrong."""

    a: int
    b: int
    difference: Pose
    covariance: np.ndarray
    loop: bool = False


def between(a: Pose, b: Pose) -> Pose:
    """`b` in the frame of `a`."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    cos, sin = math.cos(a[2]), math.sin(a[2])
    return cos * dx + sin * dy, -sin * dx + cos * dy, (b[2] - a[2] + math.pi) % (2 * math.pi) - math.pi


def compose(a: Pose, difference: Pose) -> Pose:
    """The pose that is `difference` from `a`."""
    cos, sin = math.cos(a[2]), math.sin(a[2])
    x, y = a[0] + cos * difference[0] - sin * difference[1], a[1] + sin * difference[0] + cos * difference[1]
    return x, y, (a[2] + difference[2] + math.pi) % (2 * math.pi) - math.pi


def turned(covariance: np.ndarray, heading: float) -> np.ndarray:
    """A covariance of the map's frame in that of a pose with `heading`."""
    cos, sin = math.cos(heading), math.sin(heading)
    rotation = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    return np.asarray(rotation @ covariance @ rotation.T)


def solve(poses: list[Pose], edges: list[Edge]) -> list[Pose]:
    """The poses that fit all edges best, from these on; the first one stays. Raises RobotError without gtsam."""
    gtsam = _gtsam()
    graph, values = gtsam.NonlinearFactorGraph(), gtsam.Values()
    for at, pose in enumerate(poses):
        values.insert(at, gtsam.Pose2(*pose))
    graph.add(gtsam.PriorFactorPose2(0, gtsam.Pose2(*poses[0]), gtsam.noiseModel.Isotropic.Sigma(3, 1e-4)))
    for edge in edges:
        noise = gtsam.noiseModel.Gaussian.Covariance(edge.covariance)
        if edge.loop:
            noise = gtsam.noiseModel.Robust.Create(gtsam.noiseModel.mEstimator.Cauchy.Create(2.0), noise)
        graph.add(gtsam.BetweenFactorPose2(edge.a, edge.b, gtsam.Pose2(*edge.difference), noise))
    solved = gtsam.LevenbergMarquardtOptimizer(graph, values).optimize()
    return [(p.x(), p.y(), p.theta()) for p in (solved.atPose2(at) for at in range(len(poses)))]


def _gtsam() -> ModuleType:
    try:
        import gtsam
    except ImportError:
        raise RobotError("Closing the loops of a map needs gtsam: pip install 'enigma[slam]'.") from None
    return gtsam
