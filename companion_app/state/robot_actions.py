"""What can happen with robots, as data."""

from __future__ import annotations

from dataclasses import dataclass

from companion_app.state.robot import Camera, Frame, MapLies, Plan, Point, Scan, Tool


@dataclass(frozen=True)
class RobotFound:
    """A device has a robot beside it, or has it again."""

    address: str


@dataclass(frozen=True)
class RobotGone:
    """A device has none, or was forgotten."""

    address: str


@dataclass(frozen=True)
class RobotAway:
    """The robot can't be reached, with one sentence why."""

    address: str
    sentence: str


@dataclass(frozen=True)
class RobotPlanned:
    """Its plan: fence, zones, places."""

    address: str
    plan: Plan


@dataclass(frozen=True)
class RobotSeen:
    """How it is now. scan: where there is a new one."""

    address: str
    frame: Frame
    scan: Scan | None = None


@dataclass(frozen=True)
class RobotPictured:
    """Its map."""

    address: str
    lies: MapLies
    picture: bytes


@dataclass(frozen=True)
class RobotRefused:
    """It doesn't do what it was asked for, with its sentence; empty: it does again."""

    address: str
    sentence: str


@dataclass(frozen=True)
class StopSent:
    """A person asked for the emergency stop."""

    address: str
    number: int


@dataclass(frozen=True)
class StopAnswered:
    """The robot has it. board: whether its board said that it stands; ms: since the person asked."""

    address: str
    number: int
    board: bool
    ms: float


@dataclass(frozen=True)
class StopFailed:
    """It came through on no way yet; `tries` were made."""

    address: str
    number: int
    sentence: str
    tries: int


@dataclass(frozen=True)
class ToolPicked:
    """Another meaning of a finger on the map; what was begun is dropped."""

    tool: Tool


@dataclass(frozen=True)
class CameraTold:
    """What the shown robot's camera sees, or why nothing is seen."""

    camera: Camera


@dataclass(frozen=True)
class CornerAdded:
    """A corner of the zone that is drawn."""

    point: Point


@dataclass(frozen=True)
class CornerTakenBack:
    """The last corner wasn't meant."""


@dataclass(frozen=True)
class DrawingDropped:
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
