"""robot.toml: how a robot is built, what it may do, and where. Every key has bounds; one that isn't known is a mistake."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

from firmware_bridge.errors import BridgeError

MOST_BYTES = 1 << 20
MOST_ZONES, MOST_CORNERS = 500, 2000  # of a zone; more is a mistake of the program that drew it
FAR = 10_000.0  # metres from the map's origin


class RobotError(BridgeError):
    """robot.toml, a zone, a map or an order can't be used; the text says what to change."""


@dataclass(frozen=True)
class Bounds:
    """What a key may be, and its unit."""

    low: float
    high: float
    unit: str = ""


Speed = Annotated[float, Bounds(0.01, 5, "m/s")]
Seconds = Annotated[float, Bounds(0.01, 10, "s")]
Metres = Annotated[float, Bounds(0, 10, "m")]
Part = Annotated[float, Bounds(0, 1)]


@dataclass(frozen=True)
class Body:
    """[body]: a circle of `radius` round the middle of the axle holds all of the robot; two wheels `track` apart."""

    radius: Annotated[float, Bounds(0.02, 2, "m")]
    track: Annotated[float, Bounds(0.02, 3, "m")]
    wheel_speed: Speed  # of a wheel at full power
    counts_per_metre: Annotated[float, Bounds(1, 1e6, "1/m")]
    swap: bool = False  # the left motor is the board's right one


@dataclass(frozen=True)
class Limits:
    """[limits]: of the robot's speed along and about; `brake` is what it can slow down with for sure."""

    speed: Speed = 0.5
    back: Speed = 0.25
    turn: Annotated[float, Bounds(0.05, 10, "rad/s")] = 1.5
    acceleration: Annotated[float, Bounds(0.02, 10, "m/s2")] = 0.5
    jerk: Annotated[float, Bounds(0.05, 100, "m/s3")] = 2.0
    brake: Annotated[float, Bounds(0.05, 20, "m/s2")] = 1.0
    turn_acceleration: Annotated[float, Bounds(0.05, 50, "rad/s2")] = 3.0
    turn_jerk: Annotated[float, Bounds(0.1, 500, "rad/s3")] = 12.0
    turn_brake: Annotated[float, Bounds(0.1, 100, "rad/s2")] = 6.0
    creep: Annotated[float, Bounds(0.005, 0.2, "m/s")] = 0.05


@dataclass(frozen=True)
class Times:
    """[times]: after how long without an order the motors stop, how late an order may act, how old what is sensed may be."""

    deadman: Annotated[float, Bounds(0.05, 1, "s")] = 0.25
    latency: Annotated[float, Bounds(0.0, 0.5, "s")] = 0.05
    pose: Annotated[float, Bounds(0.05, 2, "s")] = 0.3
    scan: Annotated[float, Bounds(0.05, 2, "s")] = 0.5
    imu: Annotated[float, Bounds(0.05, 5, "s")] = 0.5


@dataclass(frozen=True)
class Proximity:
    """[proximity]: somebody nearer than `slow` slows it down, nearer than `stop` it doesn't go there; from its edge."""

    stop: Metres = 0.2
    slow: Metres = 1.2
    person: Annotated[float, Bounds(0, 3, "m/s")] = 1.6  # how fast one comes: ISO 13855


@dataclass(frozen=True)
class Tilt:
    """[tilt]: over `slow` it creeps, over `stop` it stands until cleared."""

    slow: Annotated[float, Bounds(1, 60, "degrees")] = 8.0
    stop: Annotated[float, Bounds(2, 80, "degrees")] = 15.0


@dataclass(frozen=True)
class Current:
    """[current]: over `most` for `seconds` it stands until cleared; read from one of the board's analogue inputs."""

    most: Annotated[float, Bounds(0.1, 500, "A")]
    input: str = "a1"
    amperes_per_volt: Annotated[float, Bounds(0.01, 1000, "A/V")] = 10.0
    seconds: Annotated[float, Bounds(0, 10, "s")] = 0.5


@dataclass(frozen=True)
class Battery:
    """[battery]: what it holds, and when the robot saves or goes home."""

    cells: Annotated[int, Bounds(1, 32)]
    capacity: Annotated[float, Bounds(0.1, 1000, "Wh")]
    chemistry: str = "lithium-ion"
    resistance: Annotated[float, Bounds(0, 2, "ohm")] = 0.1
    idle: Annotated[float, Bounds(0.1, 500, "W")] = 5.0
    driving: Annotated[float, Bounds(0.1, 2000, "W")] = 20.0
    reserve: Part = 0.15  # of the capacity that is left when it comes home
    save: Part = 0.3  # below it sheds what it can


@dataclass(frozen=True)
class Map:
    """[map]: how far the estimate of a place may be off; `image` is an occupancy grid that navigation goes by."""

    margin: Annotated[float, Bounds(0, 1, "m")] = 0.05
    grid: str = ""  # an .npz of `enigma-bridge robot map`, beside this file
    clearance: Annotated[float, Bounds(0, 1, "m")] = 0.05  # paths keep from walls besides the radius


Off = Annotated[float, Bounds(-2, 2, "m")]


@dataclass(frozen=True)
class Mount:
    """[arm]: the arm of `file`, beside this one, whose base is x before, y left of and z over the middle of the axle on the floor."""

    file: str
    x: Off
    y: Off = 0.0
    z: Off = 0.0
    degrees: Annotated[float, Bounds(-180, 180, "degrees")] = 0.0  # that it is turned to the left


@dataclass(frozen=True)
class Camera:
    """[camera]: z over the floor, x before and y left of the middle of the axle; what it sees is told with `boxes`."""

    z: Annotated[float, Bounds(0.01, 3, "m")]
    x: Off = 0.0
    y: Off = 0.0
    degrees: Annotated[float, Bounds(-180, 180, "degrees")] = 0.0  # that it is turned to the left
    down: Annotated[float, Bounds(-45, 80, "degrees")] = 0.0  # that it looks down
    view: Annotated[float, Bounds(10, 150, "degrees")] = 60.0  # from the picture's left edge to its right one


@dataclass(frozen=True)
class Zone:
    """[[zones]]: nobody and nothing drives it in there. corners: (x, y) in metres."""

    name: str
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Place:
    """[[places]]: somewhere with a name. heading: rad."""

    name: str
    x: float
    y: float
    heading: float = 0.0


@dataclass(frozen=True)
class Robot:
    """All of robot.toml. fence: the corners of the ground that it may be on; without one it drives by hand only."""

    body: Body
    limits: Limits = field(default_factory=Limits)
    times: Times = field(default_factory=Times)
    proximity: Proximity | None = None
    tilt: Tilt | None = None
    current: Current | None = None
    battery: Battery | None = None
    map: Map = field(default_factory=Map)
    arm: Mount | None = None
    camera: Camera | None = None
    fence: tuple[tuple[float, float], ...] = ()
    zones: tuple[Zone, ...] = ()
    places: tuple[Place, ...] = ()
    dock: str = ""

    def place(self, name: str) -> Place:
        """By its name, in any case. Raises RobotError."""
        wanted = " ".join(name.lower().replace("_", " ").split())
        for each in self.places:
            if each.name.lower() == wanted:
                return each
        known = ", ".join(each.name for each in self.places) or "none"
        raise RobotError(f"There is no place {name[:64]!r}; robot.toml names {known}.")


def load(path: Path) -> Robot:
    """Reads robot.toml. Raises RobotError, naming the key."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RobotError(f"{path} can't be read: {error.strerror}.") from None
    if len(data) > MOST_BYTES:
        raise RobotError(f"{path} has {len(data):,} bytes; up to {MOST_BYTES:,} are read.")
    try:
        return parse(tomllib.loads(data.decode("utf-8")))
    except (ValueError, RecursionError) as error:  # of decode and of tomllib
        raise RobotError(f"{path} isn't TOML: {error}.") from None
    except RobotError as error:
        raise RobotError(f"{path}: {error}") from None


def parse(raw: Mapping[str, object]) -> Robot:
    """The same of what is in it. Raises RobotError."""
    rest = dict(raw)
    made: dict[str, Any] = {}
    for name, kind in _SECTIONS.items():
        if name in rest:
            made[name] = section(kind, rest.pop(name), f"[{name}]")
        elif name == "body":
            raise RobotError("[body] is missing: radius, track, wheel_speed and counts_per_metre.")
    made["fence"] = _corners(rest.pop("fence"), "fence") if "fence" in rest else ()
    made["zones"] = zones_of(rest)
    made["places"] = places_of(rest)
    made["dock"] = _text(rest.pop("dock", ""), "dock")
    if rest:
        raise RobotError(f"{sorted(rest)[0]} isn't a key of robot.toml.")
    robot = Robot(**made)
    agree(robot)
    return robot


def zones_of(rest: dict[str, object]) -> tuple[Zone, ...]:
    """Takes `zones` out of a table, and checks them. Raises RobotError."""
    return tuple(_zone(table, at) for at, table in enumerate(_tables(rest, "zones")))


def places_of(rest: dict[str, object]) -> tuple[Place, ...]:
    """Takes `places` out of a table, and checks them. Raises RobotError."""
    return tuple(_place(table, at) for at, table in enumerate(_tables(rest, "places")))


_SECTIONS: dict[str, type] = {
    "body": Body,
    "limits": Limits,
    "times": Times,
    "proximity": Proximity,
    "tilt": Tilt,
    "current": Current,
    "battery": Battery,
    "map": Map,
    "arm": Mount,
    "camera": Camera,
}
CHEMISTRIES = ("lithium-ion", "lifepo4", "lead")
INPUTS = ("a1", "a2", "a3")
S = TypeVar("S")


def section(kind: type[S], raw: object, where: str) -> S:
    if not isinstance(raw, dict):
        raise RobotError(f"{where} must be a table.")
    hints = get_type_hints(kind, include_extras=True)
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    for name in raw:
        if name not in names:
            raise RobotError(f"{where} has no key {name}; it has {', '.join(sorted(names))}.")
    values: dict[str, object] = {}
    for each in fields(kind):  # type: ignore[arg-type]
        if each.name in raw:
            values[each.name] = _value(raw[each.name], hints[each.name], f"{each.name} in {where}")
        elif each.default is each.default_factory:  # both are MISSING
            raise RobotError(f"{each.name} is missing in {where}.")
    return kind(**values)


def _value(value: object, hint: Any, where: str) -> object:
    if hint is bool:
        if not isinstance(value, bool):
            raise RobotError(f"{where} must be true or false.")
        return value
    if hint is str:
        return _text(value, where)
    bounds: Bounds = hint.__metadata__[0]
    whole = hint.__origin__ is int
    kinds: Any = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds) or not bounds.low <= value <= bounds.high:
        number = "a whole number" if whole else "a number"
        raise RobotError(
            f"{where} must be {number} from {bounds.low:g} to {bounds.high:g} {bounds.unit}".rstrip() + "."
        )
    return value if whole else float(value)  # type: ignore[arg-type]


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or len(value) > 200 or (value and not value.isprintable()):
        raise RobotError(f"{where} must be a text on one line.")
    return value


def _tables(rest: dict[str, object], name: str) -> list[dict[str, object]]:
    raw = rest.pop(name, [])
    if not isinstance(raw, list) or not all(isinstance(each, dict) for each in raw) or len(raw) > MOST_ZONES:
        raise RobotError(f"{name} must be up to {MOST_ZONES} tables, each begun by [[{name}]].")
    return raw


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= FAR:  # nan too
        raise RobotError(f"{where} must be a number from {-FAR:g} to {FAR:g}, not {value!r}.")
    return float(value)


def _corners(raw: object, where: str) -> tuple[tuple[float, float], ...]:
    if not isinstance(raw, list) or not 3 <= len(raw) <= MOST_CORNERS:
        raise RobotError(f"{where} must be a list of 3 to {MOST_CORNERS} corners, each [x, y] in metres.")
    made = []
    for at, corner in enumerate(raw):
        if not isinstance(corner, list) or len(corner) != 2:
            raise RobotError(f"{where}: corner {at} must be [x, y] in metres.")
        made.append((_number(corner[0], f"{where}: corner {at}"), _number(corner[1], f"{where}: corner {at}")))
    return tuple(made)


def _named(table: dict[str, object], where: str, others: frozenset[str]) -> str:
    for key in table:
        if key not in others:
            raise RobotError(f"{where} has no key {key}; it has {', '.join(sorted(others))}.")
    for key in sorted(others):
        if key not in table:
            raise RobotError(f"{key} is missing in {where}.")
    name = _text(table["name"], f"name in {where}")
    if not name.strip() or len(name) > 64:
        raise RobotError(f"name in {where} must be a name of up to 64 characters.")
    return " ".join(name.split())


def _zone(table: dict[str, object], at: int) -> Zone:
    name = _named(table, f"zones[{at}]", frozenset({"name", "corners"}))
    return Zone(name, _corners(table["corners"], f"the zone {name!r}"))


def _place(table: dict[str, object], at: int) -> Place:
    name = _named(table, f"places[{at}]", frozenset({"name", "at"}))
    raw = table["at"]
    if not isinstance(raw, list) or len(raw) not in (2, 3):
        raise RobotError(f"the place {name!r}: at must be [x, y] or [x, y, heading in degrees].")
    values = [_number(each, f"the place {name!r}") for each in raw]
    return Place(name, values[0], values[1], math.radians(values[2]) if len(values) == 3 else 0.0)


def agree(robot: Robot) -> None:
    """What single keys can't tell. Raises RobotError."""
    for kind, names in (
        ("zone", [each.name.lower() for each in robot.zones]),
        ("place", [each.name.lower() for each in robot.places]),
    ):
        for name in names:
            if names.count(name) > 1:
                raise RobotError(f"Two {kind}s are called {name!r}.")
    if robot.limits.speed > robot.body.wheel_speed:
        raise RobotError("speed in [limits] is more than wheel_speed in [body].")
    if robot.proximity is not None and robot.proximity.slow <= robot.proximity.stop:
        raise RobotError("slow in [proximity] must be more than stop.")
    if robot.tilt is not None and robot.tilt.stop <= robot.tilt.slow:
        raise RobotError("stop in [tilt] must be more than slow.")
    if robot.battery is not None and robot.battery.chemistry not in CHEMISTRIES:
        raise RobotError(f"chemistry in [battery] must be {', '.join(CHEMISTRIES[:-1])} or {CHEMISTRIES[-1]}.")
    if robot.current is not None and robot.current.input not in INPUTS:
        raise RobotError(f"input in [current] must be {', '.join(INPUTS[:-1])} or {INPUTS[-1]}.")
    if robot.dock:
        robot.place(robot.dock)
    if robot.zones and not robot.fence:
        raise RobotError("Zones need a fence: the corners of the ground that the robot may be on.")
