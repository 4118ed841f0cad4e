"""Where an arm's joints put it, and which joints put its tip somewhere: forward and inverse kinematics, many poses at once."""

from __future__ import annotations

import math

import numpy as np

from firmware_bridge.arm.urdf import ArmError, Chain, skew

ROUNDS, STARTS = 60, 24  # steps of one search, and how many searches from random joints
MORE = 5  # searches for other joints that do the same, once there are some
STUCK = 12  # steps in a row that come no nearer end a search
NEAR, STRAIGHT = 2e-4, math.radians(0.3)  # metres and rad that count as there
DAMPING = 0.02  # of the least squares; Wampler (1986), Nakamura and Hanafusa (1986)
LEVER = 0.1  # metres: how much a rad of the tool's tilt counts in the search
LONGEST = 0.4  # rad or m of one step


class Kinematics:
    """One chain. Angles are rad, lengths metres; q: float64 [k, n] for k poses of n joints."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._axes = np.array([joint.axis for joint in chain.joints])
        self._slides = np.array([joint.slides for joint in chain.joints])
        self._cross = np.array([skew(joint.axis) for joint in chain.joints])
        self._square = self._cross @ self._cross
        # How far one rad of a joint can move anything that hangs on it, at most.
        beyond = float(np.linalg.norm(chain.tip[:3, 3]))
        at_last = float(
            (np.linalg.norm(chain.centres, axis=1) + chain.radii)[chain.links == len(chain.joints)].max(initial=0)
        )
        reach, self.reach = max(beyond, at_last), np.zeros(len(chain.joints))
        for at in reversed(range(len(chain.joints))):
            joint = chain.joints[at]
            on = (np.linalg.norm(chain.centres, axis=1) + chain.radii)[chain.links == at + 1].max(initial=0.0)
            reach = max(reach, float(on))
            self.reach[at] = 1.0 if joint.slides else reach
            reach += float(np.linalg.norm(joint.origin[:3, 3])) + (
                max(abs(joint.low), abs(joint.high)) if joint.slides else 0
            )

    def frames(self, q: np.ndarray) -> np.ndarray:
        """float64 [k, n + 1, 4, 4]: the base's frame and each joint's."""
        made = np.empty((len(q), len(self.chain.joints) + 1, 4, 4))
        made[:, 0] = np.eye(4)
        for at, joint in enumerate(self.chain.joints):
            moved = np.zeros((len(q), 4, 4))
            moved[:, 3, 3] = 1
            moved[:, :3, :3] = np.eye(3)
            if joint.slides:
                moved[:, :3, 3] = q[:, at, None] * joint.axis
            else:
                sine, versine = np.sin(q[:, at]), 1 - np.cos(q[:, at])
                moved[:, :3, :3] += sine[:, None, None] * self._cross[at] + versine[:, None, None] * self._square[at]
            made[:, at + 1] = made[:, at] @ joint.origin @ moved
        return made

    def tip(self, q: np.ndarray) -> np.ndarray:
        """float64 [4, 4] of one pose q [n]."""
        return self.frames(q[None])[0, -1] @ self.chain.tip

    def jacobian(self, q: np.ndarray) -> np.ndarray:
        """float64 [6, n]: the tip's speed (3) and turning (3) per speed of each joint, at q [n]."""
        frames = self.frames(q[None])[0]
        return self._jacobian(frames, (frames[-1] @ self.chain.tip)[:3, 3])

    def _jacobian(self, frames: np.ndarray, tip: np.ndarray) -> np.ndarray:
        axes = np.einsum("nij,nj->ni", frames[1:, :3, :3], self._axes)
        columns = np.zeros((6, len(axes)))
        columns[:3] = np.where(self._slides, axes.T, np.cross(axes, tip - frames[1:, :3, 3]).T)
        columns[3:] = np.where(self._slides, 0.0, axes.T)
        return columns

    def moves(self, a: np.ndarray, b: np.ndarray) -> float:
        """Metres that any part of the arm goes at most on the straight way of the joints from a [n] to b [n]."""
        return float(np.abs(b - a) @ self.reach)

    def solve(
        self, at: np.ndarray, rng: np.random.Generator, tool: np.ndarray | None = None, first: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """Joints [n] that put the tip at `at` [3] with its z axis along `tool` [3], if that is given; each once, those near
        `first` first. Raises ArmError where none does: it is out of reach."""
        chain = self.chain
        found: list[np.ndarray] = []
        low, high = chain.low, chain.high
        starts = [] if first is None else [first]
        starts += [(low + high) / 2, *rng.uniform(low, high, (STARTS, len(low)))]
        nearest, since = math.inf, 0
        for start in starts:
            since += bool(found)
            if since > MORE:
                break
            q, away = self._descend(np.clip(start, low, high), at, tool)
            nearest = min(nearest, away)
            if away <= NEAR and all(np.abs(q - other).max() > 0.05 for other in found):
                found.append(q)
        if not found:
            where = ", ".join(f"{value:.3f}" for value in at)
            how = "" if tool is None else " with the tool as asked"
            raise ArmError(
                f"The arm doesn't reach {where} m{how}: the nearest it comes is {1000 * nearest:.0f} mm from it."
            )
        if first is not None:
            found.sort(key=lambda q: self.moves(first, q))
        return found

    def follow(self, q: np.ndarray, at: np.ndarray, tool: np.ndarray) -> np.ndarray:
        """As `solve`, the joints next to q [n]. Raises ArmError."""
        made, away = self._descend(q, at, tool)
        if away > NEAR:
            raise ArmError("The arm doesn't reach that from where it is.")
        return made

    def _descend(self, q: np.ndarray, at: np.ndarray, tool: np.ndarray | None) -> tuple[np.ndarray, float]:
        """Damped least squares within the joints' limits; the joints, and metres that are left (tilt counted in)."""
        low, high = self.chain.low, self.chain.high
        best, least, since = q, math.inf, 0
        for _ in range(ROUNDS):
            frames = self.frames(q[None])[0]
            tip = frames[-1] @ self.chain.tip
            error = at - tip[:3, 3]
            away, jacobian = float(np.linalg.norm(error)), self._jacobian(frames, tip[:3, 3])
            rows = jacobian[:3]
            if tool is not None:
                tilt = np.cross(tip[:3, 2], tool)
                if tip[:3, 2] @ tool < 0:  # the wrong way round: any axis across turns it
                    tilt = tilt / max(np.linalg.norm(tilt), 1e-9) if np.linalg.norm(tilt) > 1e-6 else tip[:3, 0]
                angle = math.acos(max(-1.0, min(1.0, float(tip[:3, 2] @ tool))))
                away = max(away, angle * NEAR / STRAIGHT)
                error, rows = np.concatenate([error, LEVER * tilt]), np.vstack([rows, LEVER * jacobian[3:]])
            since = 0 if away < 0.99 * least else since + 1
            if away < least:
                best, least = q, away
            if away <= NEAR / 4 or since > STUCK:
                break
            damping = DAMPING**2 * min(1.0, away / 0.05)
            step = rows.T @ np.linalg.solve(rows @ rows.T + (damping + 1e-9) * np.eye(len(rows)), error)
            q = np.clip(q + step * min(1.0, LONGEST / max(np.abs(step).max(), 1e-9)), low, high)
        return best, least
