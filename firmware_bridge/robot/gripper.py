"""What takes things and carries them, behind one interface: an arm (`hand`), or the simulator's simple one."""

from __future__ import annotations

import math
from typing import Protocol

from firmware_bridge.robot.things import Sighting, Thing

Pose = tuple[float, float, float]


class Gripper(Protocol):
    """kind: what it is, for people. holds: what it carries. reach: metres from the robot's middle to what it can take."""

    kind: str
    reach: tuple[float, float]
    holds: Thing | None

    async def take(self, thing: Thing, at: Sighting, pose: Pose) -> None:
        """Takes a thing that was seen. Raises RobotError where it isn't held then."""

    async def put(self, pose: Pose) -> tuple[float, float]:
        """Puts down what it holds; where that is, on the map. Raises RobotError: then it is held still."""

    @property
    def tucked(self) -> bool:
        """Whether nothing of it is in the way where the robot drives."""

    async def tuck(self) -> None:
        """Until it is. Raises RobotError."""

    def stop(self) -> None:
        """It stands where it is, and holds what it holds."""

    def clear(self) -> None:
        """Ends a fault of its own, as a person asks for."""


def ahead(pose: Pose, metres: float) -> tuple[float, float]:
    """A point before the robot, on the map."""
    return pose[0] + metres * math.cos(pose[2]), pose[1] + metres * math.sin(pose[2])


def seen_from(pose: Pose, x: float, y: float) -> tuple[float, float]:
    """Metres and rad from the robot's middle and its direction to a point."""
    angle = math.atan2(y - pose[1], x - pose[0]) - pose[2]
    return math.dist(pose[:2], (x, y)), (angle + math.pi) % (2 * math.pi) - math.pi
