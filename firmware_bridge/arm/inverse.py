"""Which joints put an arm's tip somewhere, the tool free about its axis: roboplan's projection onto what is asked, from many starts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from firmware_bridge.arm import model
from firmware_bridge.arm.kinematics import Kinematics
from firmware_bridge.arm.urdf import ArmError

if TYPE_CHECKING:
    from roboplan.rrt import ConstraintProjector

STARTS = 100  # random joints from which it is tried
MORE = 5  # tries for other joints that do the same, once there are some
NEAR, STRAIGHT = 1e-4, math.radians(0.1)  # metres and rad that count as there
OTHER = 0.05  # rad or m between joints that aren't the same
ROUNDS = 100  # steps of one try
FREE = 100.0  # rad: any angle
FARTHER = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # metres off that are tried, to say how near it comes


class Inverse:
    """Of one arm. q: float64 [n], the joints. Raises BridgeError without roboplan."""

    def __init__(self, kinematics: Kinematics) -> None:
        self._kinematics = kinematics
        self._scene = model.scene(kinematics.chain)

    def solve(
        self, at: np.ndarray, rng: np.random.Generator, tool: np.ndarray | None = None, first: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """Joints that put the tip at `at` [3] with its z axis along `tool` [3], if that is given; each once, those near
        `first` first. Raises ArmError where none does: it is out of reach."""
        found = self._found(at, rng, tool, first, NEAR)
        if not found:
            where = ", ".join(f"{value:.3f}" for value in at)
            how = "" if tool is None else " with the tool as asked"
            raise ArmError(f"The arm doesn't reach {where} m{how}.")
        if first is not None:
            found.sort(key=lambda q: self._kinematics.moves(first, q))
        return found

    def nearest(self, at: np.ndarray, rng: np.random.Generator, tool: np.ndarray | None = None) -> float | None:
        """Metres within which the tip comes to where `solve` finds nothing, roughly; None: it isn't near."""
        return next((off for off in FARTHER if self._found(at, rng, tool, None, off)), None)

    def follow(self, q: np.ndarray, at: np.ndarray, tool: np.ndarray) -> np.ndarray:
        """As `solve`, the joints next to q. Raises ArmError."""
        made = self._try(self._projector(at, tool, NEAR), q)
        if made is None:
            raise ArmError("The arm doesn't reach that from where it is.")
        return made

    def _found(
        self, at: np.ndarray, rng: np.random.Generator, tool: np.ndarray | None, first: np.ndarray | None, near: float
    ) -> list[np.ndarray]:
        chain, projector = self._kinematics.chain, self._projector(at, tool, near)
        found: list[np.ndarray] = []
        starts = [] if first is None else [np.clip(first, chain.low, chain.high)]
        starts += [(chain.low + chain.high) / 2, *rng.uniform(chain.low, chain.high, (STARTS, len(chain.low)))]
        since = 0
        for start in starts:
            since += bool(found)
            if since > MORE:
                break
            q = self._try(projector, start)
            if q is not None and all(np.abs(q - other).max() > OTHER for other in found):
                found.append(q)
        return found

    def _try(self, projector: ConstraintProjector, q: np.ndarray) -> np.ndarray | None:
        chain, made = self._kinematics.chain, projector.project(q)
        if made is None or ((made < chain.low - 1e-9) | (made > chain.high + 1e-9)).any():
            return None
        return np.clip(made, chain.low, chain.high)

    def _projector(self, at: np.ndarray, tool: np.ndarray | None, near: float) -> ConstraintProjector:
        """Onto joints whose tip is within `near` metres."""
        from roboplan.rrt import ConstraintProjector, ConstraintProjectorOptions, PoseConstraint

        frame, free = np.eye(4), np.zeros(6)
        frame[:3, 3] = at
        free[3:] = FREE
        if tool is not None:
            z = tool / np.linalg.norm(tool)
            x = np.cross(np.eye(3)[int(np.abs(z).argmin())], z)
            x /= np.linalg.norm(x)
            frame[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
            free[3:5] = 0.0
        pose = PoseConstraint(
            self._scene, model.GROUP, model.TIP, -free, free, np.asfortranarray(frame), "", near, STRAIGHT
        )
        options = ConstraintProjectorOptions(max_iters=ROUNDS, convergence_ratio=0.1 if near == NEAR else 1.0)
        return ConstraintProjector(self._scene, model.GROUP, [pose], options)
