"""arm.toml: an arm, what it may do, what stands round it, and what it can pick. Every key has bounds."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from firmware_bridge.arm.kinematics import Kinematics
from firmware_bridge.arm.space import Box, Space
from firmware_bridge.arm.urdf import ArmError, Chain
from firmware_bridge.arm.urdf import load as load_urdf
from firmware_bridge.errors import BridgeError
from firmware_bridge.robot.config import MOST_BYTES, Bounds, section

MOST_BOXES = 200
FAR = 10.0  # metres from the base


@dataclass(frozen=True)
class Build:
    """[arm]: its URDF, beside the file, and the links between which it is; `margin` is kept from all that stands there."""

    urdf: str
    base: str
    tip: str
    margin: Annotated[float, Bounds(0.004, 0.2, "m")] = 0.01
    near: str = ""  # "link link, ...": numbers of links that may come near to each other


@dataclass(frozen=True)
class Limits:
    """[limits]: speed is a part of the URDF's; the others of each joint, m instead of rad where it slides."""

    speed: Annotated[float, Bounds(0.01, 1)] = 0.5
    acceleration: Annotated[float, Bounds(0.05, 50, "rad/s2")] = 3.0
    jerk: Annotated[float, Bounds(0.5, 1000, "rad/s3")] = 30.0


@dataclass(frozen=True)
class Times:
    """[times]: an order counts for `deadman`; what the joints tell, for `state`."""

    deadman: Annotated[float, Bounds(0.05, 2, "s")] = 0.25
    state: Annotated[float, Bounds(0.05, 2, "s")] = 0.3


@dataclass(frozen=True)
class Tracking:
    """[tracking]: joints that are farther from where they should be for `seconds` are a fault: something blocks them."""

    most: Annotated[float, Bounds(0.01, 1, "rad")] = 0.15
    seconds: Annotated[float, Bounds(0.05, 5, "s")] = 0.4


@dataclass(frozen=True)
class Gripper:
    """[gripper]: how wide its fingers are open, as the sum of their ways, and how far beyond a thing's width they close."""

    open: Annotated[float, Bounds(0.001, 0.5, "m")]
    squeeze: Annotated[float, Bounds(0, 0.02, "m")] = 0.004
    gap: Annotated[float, Bounds(0, 0.2, "m")] = 0.0  # between the fingers where their ways are 0
    seconds: Annotated[float, Bounds(0.1, 10, "s")] = 1.0


@dataclass(frozen=True)
class Ros:
    """[ros]: topics of ros2_control's joint_trajectory_controller; the gripper's may be the same one's."""

    commands: str = "/joint_trajectory_controller/joint_trajectory"
    gripper: str = "/gripper_controller/joint_trajectory"
    states: str = "/joint_states"


@dataclass(frozen=True)
class Arm:
    """All of arm.toml. home: float64 [n], the joints where it rests. objects: what it can pick. spots: x, y, z by name."""

    build: Build
    chain: Chain
    home: np.ndarray
    low: np.ndarray
    high: np.ndarray
    limits: Limits = field(default_factory=Limits)
    times: Times = field(default_factory=Times)
    tracking: Tracking = field(default_factory=Tracking)
    gripper: Gripper | None = None
    ros: Ros = field(default_factory=Ros)
    boxes: tuple[Box, ...] = ()
    objects: tuple[Box, ...] = ()
    spots: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    path: Path | None = None  # of its URDF

    @property
    def speed(self) -> np.ndarray:
        """float64 [n]: each joint's most, rad/s or m/s."""
        return np.array([joint.speed for joint in self.chain.joints]) * self.limits.speed

    def space(self) -> Space:
        """Its room, with all boxes and objects in it."""
        near = frozenset(
            (int(a), int(b)) for a, b in (pair.split() for pair in self.build.near.split(",") if pair.strip())
        )
        kinematics = Kinematics(self.chain)
        return Space(kinematics, (*self.boxes, *self.objects), self.low, self.high, self.build.margin, near)

    def object(self, name: str) -> Box:
        """What it can pick, by its name in any case. Raises ArmError."""
        wanted = " ".join(name.lower().split())
        for each in self.objects:
            if each.name.lower() in (wanted, wanted.removeprefix("the ")):
                return each
        known = ", ".join(each.name for each in self.objects) or "nothing"
        raise ArmError(f"There is no {name[:64]!r} to pick; arm.toml names {known}.")


SECTIONS: dict[str, type] = {"limits": Limits, "times": Times, "tracking": Tracking, "gripper": Gripper, "ros": Ros}


def load(path: Path) -> Arm:
    """Reads arm.toml and its URDF. Raises ArmError, naming the key."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArmError(f"{path} can't be read: {error.strerror}.") from None
    if len(data) > MOST_BYTES:
        raise ArmError(f"{path} has {len(data):,} bytes; up to {MOST_BYTES:,} are read.")
    try:
        return parse(tomllib.loads(data.decode("utf-8")), path.parent)
    except (ValueError, RecursionError) as error:  # of decode and of tomllib
        raise ArmError(f"{path} isn't TOML: {error}.") from None
    except BridgeError as error:
        raise ArmError(f"{path}: {error}") from None


def parse(raw: Mapping[str, object], folder: Path) -> Arm:
    """The same of what is in it; `folder` holds the URDF. Raises ArmError."""
    rest = dict(raw)
    if "arm" not in rest:
        raise ArmError("[arm] is missing: urdf, base and tip.")
    build = section(Build, rest.pop("arm"), "[arm]")
    made: dict[str, Any] = {
        name: section(kind, rest.pop(name), f"[{name}]") for name, kind in SECTIONS.items() if name in rest
    }
    chain = load_urdf(folder / build.urdf, build.base, build.tip)
    count = len(chain.joints)
    for pair in (each.split() for each in build.near.split(",") if each.strip()):
        if len(pair) != 2 or not all(each.isdigit() and int(each) <= count for each in pair):
            raise ArmError(f"near in [arm] must be pairs of links from 0 to {count}, as in '0 2, 1 3'.")
    home = _numbers(rest.pop("home", None), count, "home", math.tau)
    if not ((chain.low <= home) & (home <= chain.high)).all():
        raise ArmError("home is outside the joints' limits.")
    workspace = rest.pop("workspace", None)
    if not isinstance(workspace, dict) or workspace.keys() != {"low", "high"}:
        raise ArmError("[workspace] must hold low and high, the corners [x, y, z] of the room that the arm may be in.")
    low, high = (_numbers(workspace[key], 3, f"{key} in [workspace]", FAR) for key in ("low", "high"))
    if not (low < high).all():
        raise ArmError("low in [workspace] must be below high.")
    boxes, objects = (_boxes(rest.pop(name, []), name) for name in ("boxes", "objects"))
    spots = {name: at for name, at, _ in _places(rest.pop("spots", []), "spots", ("name", "at"))}
    if rest:
        raise ArmError(f"{sorted(rest)[0]} isn't a key of arm.toml.")
    if made.get("gripper") is not None and not chain.fingers:
        raise ArmError("[gripper] needs fingers in the URDF: joints that slide, beyond the tip's link.")
    arm = Arm(
        build, chain, home, low, high, boxes=boxes, objects=objects, spots=spots, path=folder / build.urdf, **made
    )
    space = arm.space()
    if space.clearance(home[None])[0] < build.margin:
        raise ArmError(
            f"At home the arm is too near to {space.why(home)}: name pairs of links in near, or another home."
        )
    return arm


def _boxes(raw: object, what: str) -> tuple[Box, ...]:
    made = [Box(name, at, size) for name, at, size in _places(raw, what, ("name", "at", "size"))]
    for box in made:
        if not all(0 < side <= FAR for side in box.size):
            raise ArmError(f"{box.name!r} in [[{what}]]: a size is over 0 and up to {FAR:g} m.")
    return tuple(made)


Triple = tuple[float, float, float]


def _places(raw: object, what: str, keys: tuple[str, ...]) -> list[tuple[str, Triple, Triple]]:
    if not isinstance(raw, list) or len(raw) > MOST_BOXES:
        raise ArmError(f"{what} must be up to {MOST_BOXES} tables, each begun by [[{what}]].")
    made: list[tuple[str, Triple, Triple]] = []
    for at, table in enumerate(raw):
        if not isinstance(table, dict) or table.keys() != set(keys):
            raise ArmError(f"{what}[{at}] must hold {', '.join(keys)}.")
        name = table["name"]
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name.strip()) <= 64:
            raise ArmError(f"name in {what}[{at}] must be a name of up to 64 characters.")
        if name.lower() in (other.lower() for other, *_ in made):
            raise ArmError(f"Two {what} are called {name!r}.")
        values = [
            tuple(_numbers(table.get(key, [1, 1, 1]), 3, f"{key} of {name!r}", FAR).tolist()) for key in ("at", "size")
        ]
        made.append((" ".join(name.split()), values[0], values[1]))
    return made


def _numbers(raw: object, count: int, what: str, most: float) -> np.ndarray:
    numbers = raw if isinstance(raw, list) and len(raw) == count else []
    if not numbers or not all(type(each) in (int, float) and abs(each) <= most for each in numbers):  # nan too
        raise ArmError(f"{what} must be {count} numbers from {-most:g} to {most:g}.")
    return np.array(numbers, float)
