"""Where an arm's joints put it, many poses at once: what its envelope goes by. Which joints put its tip somewhere: `inverse`."""

from __future__ import annotations

import numpy as np

from firmware_bridge.arm.urdf import Chain, skew


class Kinematics:
    """One chain. Angles are rad, lengths metres; q: float64 [k, n] for k poses of n joints."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
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

    def moves(self, a: np.ndarray, b: np.ndarray) -> float:
        """Metres that any part of the arm goes at most on the straight way of the joints from a [n] to b [n]."""
        return float(np.abs(b - a) @ self.reach)
