"""The arm of a robot in MuJoCo: its links and weights by the URDF, servos that hold its joints, fingers that grip by friction."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from firmware_bridge.arm.config import Arm
from firmware_bridge.arm.joints import Told
from firmware_bridge.arm.urdf import ArmError
from firmware_bridge.robot.config import Robot

if TYPE_CHECKING:
    from firmware_bridge.robot.physics import MujocoWorld

PREFIX = "arm "
UNSEEN = 4  # of MuJoCo's groups: the arm, and what it may carry; the scanner doesn't see them
JOINT, FINGER = (400.0, 12.0), (800.0, 20.0)  # stiffness and damping of the servos, N m/rad and N/m
GRIP = 6.0  # N of a finger
ARMATURE = 0.01  # kg m2 of gears, which damps what is stiff
TELLS = 0.02  # seconds
RUBBER = [1.2, 0.02, 0.001]  # friction of fingers
# Seconds and damping by which contacts of fingers settle. At MuJoCo's usual .02 s what they hold creeps out of them, the more the
# longer its steps are.
CONTACT = [0.005, 1.0]
# MuJoCo's friction creeps, and what is held for a minute would slide out: its options against that.
STIFFER, NO_SLIP = 10, 5


def attach(mujoco: Any, spec: Any, base: Any, arm: Arm, robot: Robot) -> None:
    """Adds the arm to the robot's body. Raises ArmError where MuJoCo can't read the URDF."""
    mount = robot.arm
    assert mount is not None and arm.path is not None
    try:
        child = mujoco.MjSpec.from_string(_unfused(arm.path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ArmError(f"MuJoCo can't use {arm.path.name}: {str(error).splitlines()[0][:160]}.") from None
    for body in child.bodies:
        for geom in body.geoms:
            # With floor, walls and things, and within itself; not with the robot's hull, on which it is bolted.
            geom.contype = geom.conaffinity = 2
            geom.group, geom.friction, geom.condim, geom.solref = UNSEEN, RUBBER, 4, CONTACT
    for joint in child.joints:
        joint.armature = ARMATURE
    half = math.radians(mount.degrees) / 2
    frame = base.add_frame(
        pos=[mount.x, mount.y, mount.z - float(base.pos[2])], quat=[math.cos(half), 0, 0, math.sin(half)]
    )
    spec.attach(child, prefix=PREFIX, frame=frame)
    spec.option.impratio, spec.option.noslip_iterations = STIFFER, NO_SLIP
    for joint in arm.chain.joints:
        _servo(mujoco, spec, joint.name, JOINT)
    for finger in arm.chain.fingers:
        _servo(mujoco, spec, finger.name, FINGER).forcerange = [-GRIP, GRIP]


def rest(model: Any, data: Any, arm: Arm) -> None:
    """Puts the arm where it rests, before anything moves."""
    for joint, value in zip(arm.chain.joints, arm.home.tolist(), strict=True):
        data.qpos[model.joint(PREFIX + joint.name).qposadr[0]] = value
        data.ctrl[model.actuator(PREFIX + joint.name).id] = value
    for finger in arm.chain.fingers:
        data.qpos[model.joint(PREFIX + finger.name).qposadr[0]] = finger.high
        data.ctrl[model.actuator(PREFIX + finger.name).id] = finger.high


class MujocoJoints:
    """The `Joints` of an arm in a world."""

    silent = "in the simulator."

    def __init__(self, world: MujocoWorld, arm: Arm) -> None:
        model = world.model
        names = [each.name for each in (*arm.chain.joints, *arm.chain.fingers)]
        self._world = world
        self._at = {name: int(model.joint(PREFIX + name).qposadr[0]) for name in names}
        self._servos = {name: int(model.actuator(PREFIX + name).id) for name in names}
        self._telling: asyncio.Task[None] | None = None

    async def begin(self, told: Told, stop: Callable[[], None]) -> None:
        """See `Joints`."""
        self._telling = asyncio.create_task(self._tell(told))

    async def end(self) -> None:
        """See `Joints`."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)

    def go(self, places: Mapping[str, float], speeds: Mapping[str, float], within: float) -> None:
        """See `Joints`."""
        for name, place in places.items():
            self._world.servo(self._servos[name], place, within)

    def grip(self, places: Mapping[str, float], within: float) -> None:
        """See `Joints`."""
        self.go(places, {}, within)

    async def _tell(self, told: Told) -> None:
        while True:
            told({name: float(self._world.data.qpos[at]) for name, at in self._at.items()})
            await asyncio.sleep(TELLS)


def _servo(mujoco: Any, spec: Any, name: str, strength: tuple[float, float]) -> Any:
    actuator = spec.add_actuator(name=PREFIX + name, target=PREFIX + name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    actuator.set_to_position(kp=strength[0], kv=strength[1])
    return actuator


def _unfused(urdf: str) -> str:
    """The URDF with MuJoCo's own section, so that fixed links keep their names."""
    at = urdf.index(">", urdf.index("<robot")) + 1
    own = '<mujoco><compiler fusestatic="false" discardvisual="false" strippath="false"/></mujoco>'
    return urdf[:at] + own + urdf[at:]
