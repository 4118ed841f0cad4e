"""Reads an arm from a URDF: the joints from its base to its tip, and balls that hold all of its collision shapes.

Balls cover boxes, cylinders and spheres without a gap, so what keeps the balls out of something keeps the arm out of it.
Meshes aren't read: give such a link a simple collision shape.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from firmware_bridge.errors import BridgeError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST_BYTES = 1 << 20
MOST_JOINTS, MOST_BALLS = 12, 2000
CELL = 0.02  # metres: of a piece of a box that one ball covers, where the box isn't thinner
MOVING = ("revolute", "continuous", "prismatic")


class ArmError(BridgeError):
    """An arm, a scene or a request can't be used; the text says what to change."""


@dataclass(frozen=True)
class Joint:
    """origin: float64 [4, 4], from the joint before; axis: float64 [3], of length 1; low, high: rad or m; speed: rad/s or m/s."""

    name: str
    origin: np.ndarray
    axis: np.ndarray
    slides: bool
    low: float
    high: float
    speed: float


@dataclass(frozen=True)
class Chain:
    """joints: from the base on. tip: float64 [4, 4] from the last joint's frame to the tip.

    centres: float64 [m, 3], radii: float64 [m], links: int [m], of the balls: link 0 is the base, link i moves with joint i.
    fingers: joints that slide beyond the tip's link, which is the gripper.
    """

    joints: tuple[Joint, ...]
    tip: np.ndarray
    centres: np.ndarray
    radii: np.ndarray
    links: np.ndarray
    fingers: tuple[Joint, ...]

    @property
    def low(self) -> np.ndarray:
        """float64 [n]."""
        return np.array([joint.low for joint in self.joints])

    @property
    def high(self) -> np.ndarray:
        """float64 [n]."""
        return np.array([joint.high for joint in self.joints])


def load(path: Path, base: str, tip: str) -> Chain:
    """The arm of a URDF file between two of its links. Raises ArmError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArmError(f"{path} can't be read: {error.strerror}.") from None
    return parse(data, base, tip, str(path))


def parse(data: bytes, base: str, tip: str, what: str = "The URDF") -> Chain:
    """The same of its text. Raises ArmError."""
    from xml.etree.ElementTree import ParseError, fromstring

    if len(data) > MOST_BYTES or b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ArmError(f"{what} must be plain XML of up to {MOST_BYTES:,} bytes, without a DOCTYPE.")
    try:
        root = fromstring(data)
    except (ParseError, ValueError) as error:
        raise ArmError(f"{what} isn't XML: {error}.") from None
    if root.tag != "robot":
        raise ArmError(f"{what} isn't a URDF: its root must be <robot>. Expand a xacro first.")
    elements = {each.get("name", ""): each for each in root.findall("link")}
    above: dict[str, Element] = {}
    for joint in root.findall("joint"):
        child = _link(joint, "child")
        if child in above or child not in elements or _link(joint, "parent") not in elements:
            raise ArmError(
                f"{what}: the joint {joint.get('name')!r} must join two links, each of which has one parent."
            )
        above[child] = joint
    for name in (base, tip):
        if name not in elements:
            raise ArmError(f"{what} has no link {name!r}; it has {', '.join(sorted(elements))}.")
    joints: list[Element] = []
    link = tip
    while link != base:
        if link not in above or len(joints) > len(elements):
            raise ArmError(f"{what} has no chain of joints from {base!r} to {tip!r}.")
        joints.append(above[link])
        link = _link(above[link], "parent")
    return _chain(joints[::-1], elements, above, base, what)


def _chain(path: list[Element], elements: dict[str, Element], above: dict[str, Element], base: str, what: str) -> Chain:
    joints: list[Joint] = []
    placed: dict[str, tuple[int, np.ndarray]] = {base: (0, np.eye(4))}  # on which moving link, and where on it
    before = np.eye(4)
    for element in path:
        before = before @ _origin(element, what)
        if element.get("type") in MOVING:
            joints.append(_joint(element, before, what))
            before = np.eye(4)
        elif element.get("type") != "fixed":
            raise ArmError(
                f"{what}: the joint {element.get('name')!r} must be revolute, continuous, prismatic or fixed."
            )
        placed[_link(element, "child")] = (len(joints), before)
    if not 1 <= len(joints) <= MOST_JOINTS:
        raise ArmError(f"{what}: an arm has 1 to {MOST_JOINTS} joints that move.")
    fingers: list[Joint] = []
    balls: list[tuple[int, np.ndarray, float]] = []
    for name in elements:
        for link, frame in _places(name, placed, above, fingers, len(joints), what):
            for shape in elements[name].findall("collision"):
                at = frame @ _origin(shape, what)
                balls += [
                    (link, at[:3, :3] @ centre + at[:3, 3], radius) for centre, radius in _balls(shape, name, what)
                ]
    if not 1 <= len(balls) <= MOST_BALLS:
        raise ArmError(f"{what}: its links need <collision> shapes, which up to {MOST_BALLS} balls cover.")
    seen = {joint.name: joint for joint in fingers}
    return Chain(
        tuple(joints),
        before,
        np.array([centre for _, centre, _ in balls]),
        np.array([radius for *_, radius in balls]),
        np.array([link for link, *_ in balls]),
        tuple(seen.values()),
    )


def _places(
    name: str,
    placed: dict[str, tuple[int, np.ndarray]],
    above: dict[str, Element],
    fingers: list[Joint],
    last: int,
    what: str,
) -> list[tuple[int, np.ndarray]]:
    """Where a link can be: once, or for fingers where they begin, where they end, and between."""
    if name in placed:
        return [placed[name]]
    if name not in above:
        return []  # above the base
    joint = above[name]
    parents = _places(_link(joint, "parent"), placed, above, fingers, last, what)
    at = _origin(joint, what)
    if joint.get("type") == "fixed" or not parents:
        return [(link, frame @ at) for link, frame in parents]
    made = _joint(joint, at, what) if joint.get("type") == "prismatic" else None
    if made is None or any(link != last for link, _ in parents):
        raise ArmError(
            f"{what}: the joint {joint.get('name')!r} branches off the arm; only fingers that slide may, at its tip."
        )
    fingers.append(replace(made, origin=parents[0][1] @ at))
    places = []
    for way in np.linspace(made.low, made.high, max(2, math.ceil((made.high - made.low) / CELL) + 1)):
        slid = np.eye(4)
        slid[:3, 3] = made.axis * way
        places += [(link, frame @ at @ slid) for link, frame in parents]
    return places


def _joint(element: Element, origin: np.ndarray, what: str) -> Joint:
    name, kind = element.get("name", ""), element.get("type")
    where = f"{what}: the joint {name!r}"
    axis_element, limit = element.find("axis"), element.find("limit")
    axis = _numbers("1 0 0" if axis_element is None else axis_element.get("xyz", ""), 3, f"{where}: axis")
    length = float(np.linalg.norm(axis))
    if length < 1e-6:
        raise ArmError(f"{where} needs an axis.")
    if limit is None:
        raise ArmError(f"{where} needs a <limit> with velocity, and lower and upper unless it is continuous.")
    low, high = (
        (-math.pi, math.pi)
        if kind == "continuous"
        else (_number(limit, "lower", where), _number(limit, "upper", where))
    )
    speed = _number(limit, "velocity", where)
    if not (low < high and speed > 0):
        raise ArmError(f"{where}: lower must be below upper, and velocity over zero.")
    return Joint(name, origin, axis / length, kind == "prismatic", low, high, speed)


def _balls(collision: Element, link: str, what: str) -> list[tuple[np.ndarray, float]]:
    """Centres [3] and radii of balls that cover a collision shape, in its own frame."""
    geometry = collision.find("geometry")
    shape = geometry[0] if geometry is not None and len(geometry) else None
    where = f"{what}: the collision shape of {link!r}"
    if shape is not None and shape.tag == "sphere":
        return [(np.zeros(3), _number(shape, "radius", where))]
    if shape is not None and shape.tag == "cylinder":
        radius, length = _number(shape, "radius", where), _number(shape, "length", where)
        pieces = _pieces(length, radius)
        size = length / pieces
        return [
            (np.array([0, 0, (at + 0.5) * size - length / 2]), math.hypot(radius, size / 2)) for at in range(pieces)
        ]
    if shape is not None and shape.tag == "box":
        sides = _numbers(shape.get("size", ""), 3, where)
        if not (sides > 0).all():
            raise ArmError(f"{where} needs a size over zero.")
        counts = [_pieces(side, max(CELL, float(sides.min()))) for side in sides]
        part = sides / counts
        cells = itertools.product(*(range(count) for count in counts))
        return [((np.array(cell) + 0.5) * part - sides / 2, float(np.linalg.norm(part)) / 2) for cell in cells]
    raise ArmError(f"{where} must be a box, a cylinder or a sphere.")


def _pieces(length: float, size: float) -> int:
    if not (0 < length <= 10 and size > 0):
        raise ArmError("A collision shape must be between 0 and 10 m long.")
    return min(MOST_BALLS, math.ceil(length / size - 1e-9))


def _link(joint: Element, which: str) -> str:
    element = joint.find(which)
    return "" if element is None else element.get("link", "")


def _origin(element: Element, what: str) -> np.ndarray:
    origin, made = element.find("origin"), np.eye(4)
    if origin is not None:
        roll, pitch, yaw = _numbers(origin.get("rpy", "0 0 0"), 3, f"{what}: rpy")
        made[:3, :3] = rotation((0, 0, 1), yaw) @ rotation((0, 1, 0), pitch) @ rotation((1, 0, 0), roll)
        made[:3, 3] = _numbers(origin.get("xyz", "0 0 0"), 3, f"{what}: xyz")
    return made


def rotation(axis: tuple[float, float, float] | np.ndarray, angle: float) -> np.ndarray:
    """float64 [3, 3], by Rodrigues' formula; axis of length 1, angle in rad."""
    cross = skew(np.asarray(axis, float))
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


def skew(axis: np.ndarray) -> np.ndarray:
    """float64 [3, 3]: its product with a vector is the cross product with `axis`."""
    x, y, z = axis
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def _number(element: Element, name: str, where: str) -> float:
    return float(_numbers(element.get(name, ""), 1, f"{where}: {name}")[0])


def _numbers(text: str, count: int, where: str) -> np.ndarray:
    try:
        values = np.array([float(part) for part in text.split()])
    except ValueError:
        values = np.array([])
    if len(values) != count or not (np.abs(values) <= 1000).all():  # nan too
        raise ArmError(f"{where} must be {count} numbers, not {text[:60]!r}.")
    return values
