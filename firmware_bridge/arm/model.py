"""An arm, and what stands round it, as roboplan knows them: the same chain and the same balls that `Space` looks at."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from firmware_bridge.arm.urdf import Chain
from firmware_bridge.errors import BridgeError

if TYPE_CHECKING:
    from roboplan.core import Scene

    from firmware_bridge.arm.space import Space

GROUP, TIP = "arm", "tip"
THICK = 100.0  # metres of the walls round the workspace


def scene(chain: Chain, parts: Sequence[str] = (), apart: Sequence[tuple[str, str]] = ()) -> Scene:
    """The joints j0, j1, ... of an arm with more links, in URDF; pairs `apart` may overlap. Raises BridgeError without roboplan."""
    try:
        from roboplan.core import Scene, loadUrdfSceneDescriptionFromXml
    except ImportError:
        raise BridgeError("Ways of an arm are planned with roboplan: pip install 'enigma[arm]'.") from None

    links = ['<robot name="arm"><link name="l0"/>']
    for at, joint in enumerate(chain.joints):
        limit = f'lower="{joint.low!r}" upper="{joint.high!r}" velocity="{joint.speed!r}" effort="1"'
        kind = "prismatic" if joint.slides else "revolute"
        more = f'<axis xyz="{_text(joint.axis)}"/><limit {limit}/>'
        links.append(
            f'<link name="l{at + 1}"/>' + _joint(f"j{at}", kind, at, f"l{at + 1}", more + _origin(joint.origin))
        )
    links.append(f'<link name="{TIP}"/>' + _fixed(TIP, len(chain.joints), chain.tip))
    made = Scene("arm", loadUrdfSceneDescriptionFromXml("".join([*links, *parts, "</robot>"])))
    made.addGroup(GROUP, names(chain))
    if apart:
        made.setCollisions(apart, False)
    return made


def names(chain: Chain) -> list[str]:
    """Of its joints in a scene."""
    return [f"j{at}" for at in range(len(chain.joints))]


def room(space: Space, keep: float, part: float, apart: float) -> Scene:
    """A scene in which nothing overlaps where `keep` metres of room are left, and `apart` metres between the arm's own links.

    What is added to boxes has corners, not round ones, so a little more room is asked for at edges; with less than all of it,
    `part`, a little less.
    """
    swollen, kin = apart / 2, space.kinematics
    links = {link: at for link in range(len(kin.chain.joints) + 1) if len(at := np.nonzero(space.links == link)[0])}
    parts = []
    for link, at in links.items():
        balls = [
            _collision(space.centres[ball], f'<sphere radius="{float(space.radii[ball]) + swollen!r}"/>') for ball in at
        ]
        parts.append(f'<link name="b{link}">{"".join(balls)}</link>' + _fixed(f"b{link}", link))
    more = keep * part - swollen
    boxes = [(np.array(box.at), np.array(box.size) + 2 * more) for box in space.boxes]
    for axis, (side, at) in itertools.product(range(3), ((-1, space.low), (1, space.high))):
        middle = (space.low + space.high) / 2
        middle[axis] = at[axis] + side * (THICK / 2 - keep + swollen)
        boxes.append((middle, np.full(3, THICK)))
    shapes = [_collision(at, f'<box size="{_text(size)}"/>') for at, size in boxes]
    parts.append(f'<link name="room">{"".join(shapes)}</link>' + _fixed("room", 0))
    together = [
        (f"b{a}", f"b{b}") for a, b in itertools.combinations(links, 2) if b - a == 1 or space.near & {(a, b), (b, a)}
    ]
    return scene(kin.chain, parts, together)


def _joint(name: str, kind: str, above: int, below: str, more: str = "") -> str:
    return f'<joint name="{name}" type="{kind}"><parent link="l{above}"/><child link="{below}"/>{more}</joint>'


def _fixed(link: str, above: int, origin: np.ndarray | None = None) -> str:
    return _joint(f"to {link}", "fixed", above, link, "" if origin is None else _origin(origin))


def _origin(frame: np.ndarray) -> str:
    return f'<origin xyz="{_text(frame[:3, 3])}" rpy="{_text(_angles(frame))}"/>'


def _collision(at: np.ndarray, shape: str) -> str:
    return f'<collision><origin xyz="{_text(at)}"/><geometry>{shape}</geometry></collision>'


def _text(values: np.ndarray) -> str:
    return " ".join(repr(value) for value in np.asarray(values, float).tolist())


def _angles(frame: np.ndarray) -> np.ndarray:
    """Roll, pitch and yaw of a frame, rad."""
    pitch = math.atan2(-frame[2, 0], math.hypot(frame[2, 1], frame[2, 2]))
    if abs(math.cos(pitch)) < 1e-9:  # roll and yaw turn about one axis: all of it is roll
        return np.array([math.atan2(-frame[1, 2], frame[1, 1]), pitch, 0.0])
    return np.array([math.atan2(frame[2, 1], frame[2, 2]), pitch, math.atan2(frame[1, 0], frame[0, 0])])
