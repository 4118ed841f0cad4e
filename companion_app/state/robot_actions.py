"""What can happen with robots, as data."""

from __future__ import annotations

from typing import NamedTuple

from companion_app.state.robot import Camera, Frame, MapLies, Plan, Point, Scan, Tool


class RobotFound(NamedTuple):
    """A device has a robot beside it, or has it again."""

    address: str


class RobotGone(NamedTuple):
    """A device has none, or was forgotten."""

    address: str


class RobotAway(NamedTuple):
    """The robot can't be reached, with one sentence why."""

    address: str
    sentence: str


class RobotPlanned(NamedTuple):
    """Its plan: fence, zones, places."""

    address: str
    plan: Plan


class RobotSeen(NamedTuple):
    """How it is now. scan: where there is a new one."""

    address: str
    frame: Frame
    scan: Scan | None = None


class RobotPictured(NamedTuple):
    """Its map."""

    address: str
    lies: MapLies
    picture: bytes


class RobotRefused(NamedTuple):
    """It doesn't do what it was asked for, with its sentence; empty: it does again."""

    address: str
    sentence: str


class StopSent(NamedTuple):
    """A person asked for the emergency stop."""

    address: str
    number: int


class StopAnswered(NamedTuple):
    """The robot has it. board: whether its board said that it stands; ms: since the person asked."""

    address: str
    number: int
    board: bool
    ms: float


class StopFailed(NamedTuple):
    """It came through on no way yet; `tries` were made."""

    address: str
    number: int
    sentence: str
    tries: int


class ToolPicked(NamedTuple):
    """Another meaning of a finger on the map; what was begun is dropped."""

    tool: Tool


class CameraTold(NamedTuple):
    """What the shown robot's camera sees, or why nothing is seen."""

    camera: Camera


class CornerAdded(NamedTuple):
    """A corner of the zone that is drawn."""

    point: Point


class CornerTakenBack(NamedTuple):
    """The last corner wasn't meant."""


class DrawingDropped(NamedTuple):
    """The zone that was begun is finished or not wanted."""


RobotAction = (
    RobotFound
    | RobotGone
    | RobotAway
    | RobotPlanned
    | RobotSeen
    | RobotPictured
    | RobotRefused
    | StopSent
    | StopAnswered
    | StopFailed
    | CameraTold
    | ToolPicked
    | CornerAdded
    | CornerTakenBack
    | DrawingDropped
)
