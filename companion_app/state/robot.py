"""What the app knows of robots, as frozen dataclasses: one for each device that has one beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from companion_app.state.phase import Phase

Point = tuple[float, float]  # metres on the map


@dataclass(frozen=True)
class Pose:
    """Metres and degrees; doubt: how far it may be off, metres."""

    x: float
    y: float
    degrees: float
    doubt: float = 0.0


@dataclass(frozen=True)
class Scan:
    """A LaserScan, and from where it was taken. first, step: degrees; metres: of each ray, 0 where nothing was measured."""

    pose: Pose
    first: float
    step: float
    metres: tuple[float, ...]


@dataclass(frozen=True)
class MapLies:
    """Where a map's picture lies: its south-west corner and the side of a pixel in metres, and its pixels."""

    revision: int
    west: float
    south: float
    cell: float
    columns: int
    rows: int


@dataclass(frozen=True)
class Battery:
    """charge: what is likely in it, sure: what is in it for sure, 0 to 1; asks: what it asks for."""

    charge: float
    sure: float
    asks: str


@dataclass(frozen=True)
class Imu:
    """Degrees, and degrees a second."""

    roll: float
    pitch: float
    rate: float


@dataclass(frozen=True)
class Order:
    """Somewhere that it was sent; state: waiting, going, done, failed or dropped."""

    place: str
    state: str
    why: str


@dataclass(frozen=True)
class Frame:
    """How a robot is now; t: its own clock, s; armed: seconds for which real motors may turn yet, None: there is nothing to arm."""

    t: float
    mode: str
    stopped: bool = False
    fault: str = ""
    simulated: bool = False
    board: str = ""
    armed: float | None = None
    pose: Pose | None = None
    missing: tuple[str, ...] = ()
    v: float = 0.0
    w: float = 0.0
    why: tuple[str, ...] = ()
    battery: Battery | None = None
    orders: tuple[Order, ...] = ()
    path: tuple[Point, ...] = ()
    limit: float = 0.0
    plan: int = -1
    map: MapLies | None = None
    imu: Imu | None = None


@dataclass(frozen=True)
class Zone:
    """Where it never drives. drawn: a person drew it, and may take it away."""

    name: str
    corners: tuple[Point, ...]
    drawn: bool = False


@dataclass(frozen=True)
class Place:
    """Somewhere with a name; degrees: how it stands there."""

    name: str
    x: float
    y: float
    degrees: float = 0.0
    drawn: bool = False


@dataclass(frozen=True)
class Plan:
    """What changes seldom. radius in metres, speeds in m/s and rad/s."""

    revision: int
    simulated: bool
    radius: float
    most_speed: float
    most_back: float
    most_turn: float
    fence: tuple[Point, ...] = ()
    zones: tuple[Zone, ...] = ()
    places: tuple[Place, ...] = ()
    dock: str = ""


class StopPhase(StrEnum):
    """How an emergency stop that a person asked for stands."""

    NONE = "none"
    SENDING = "sending"
    STANDS = "stands"  # the robot's board said so
    SILENT = "silent"  # the robot has it, and its board doesn't answer: its deadman stops it
    UNDELIVERED = "undelivered"  # nobody took it yet; it is tried again and again


@dataclass(frozen=True)
class Stop:
    """number: which one; ms: from the press until the answer; tries: how often it was sent."""

    phase: StopPhase = StopPhase.NONE
    number: int = 0
    ms: float = 0.0
    tries: int = 0
    why: str = ""


@dataclass(frozen=True)
class Robot:
    """One robot. address: its device's. picture: the map as a PNG, of revision `pictured`."""

    address: str
    phase: Phase = Phase.CONNECTING
    plan: Plan | None = None
    frame: Frame | None = None
    scan: Scan | None = None
    picture: bytes = field(default=b"", repr=False)
    lies: MapLies | None = None
    error: str = ""
    refused: str = ""
    stop: Stop = Stop()

    @property
    def stopped(self) -> bool:
        """Whether its emergency stop is on, as far as is known."""
        return self.frame is not None and self.frame.stopped

    @property
    def simulated(self) -> bool:
        """Whether there is no real robot."""
        return bool((self.frame and self.frame.simulated) or (self.plan and self.plan.simulated))


class Tool(StrEnum):
    """What a finger on the map does."""

    LOOK = "look"
    GO = "go"
    ZONE = "zone"


@dataclass(frozen=True)
class Drawing:
    """What is drawn on the map. corners: of the zone that is begun; moved: the zone one of whose corners is dragged."""

    tool: Tool = Tool.LOOK
    corners: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Camera:
    """What the camera of the shown robot sees. pipeline: that shows it; picture: a JPEG; looked: whether it was asked for."""

    address: str = ""
    pipeline: str = ""
    picture: bytes = field(default=b"", repr=False)
    problem: str = ""
    looked: bool = False


@dataclass(frozen=True)
class Robots:
    """All of them, by their devices' addresses, and what is drawn on the map of the one that is shown."""

    known: tuple[Robot, ...] = ()
    drawing: Drawing = Drawing()
    camera: Camera = Camera()

    def of(self, address: str | None) -> Robot | None:
        """The robot of a device."""
        return next((robot for robot in self.known if robot.address == address), None)
