"""A `World` whose bodies MuJoCo moves: wheels that grip the floor or slip, walls that are hit, things with weight, rays of a scanner.

Where the robot has an arm, it is there by its URDF, and holds things by friction alone (`physics_arm`). Else the gripper is no
hand: what it takes hangs on the robot by a stiff constraint. Things lie low and don't touch the robot.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from firmware_bridge.arm.config import Arm
from firmware_bridge.errors import BridgeError
from firmware_bridge.robot.config import Robot
from firmware_bridge.robot.physics_arm import UNSEEN, attach, rest
from firmware_bridge.robot.room import FIRST, RAYS, REACH, STEP, Room
from firmware_bridge.robot.simulator import DEADMAN, GRIPS, LAG, LEG, LEG_APART, PIECE, World

STEPS = 4  # of MuJoCo in a piece of time: what fingers hold needs steps of about a millisecond
WHEEL, WIDE = 0.04, 0.012  # metres: radius of a wheel, and half of its width
MASS = 4.0  # kg of the robot; a wheel has a tenth of it
HIGH, THICK = 0.25, 0.01  # metres: half of a wall's height and thickness
EYE = 0.2  # metres over the floor that the scanner is
CARRIED = 0.15  # metres over the floor that the gripper holds
SIDE, GRAMS = 0.025, 0.05  # metres of half a thing's edge, where nobody says how large it is; kg


class MujocoWorld(World):
    """What is simulated. Raises BridgeError where MuJoCo isn't installed.

    arm: the one that robot.toml's [arm] names; model, data: MuJoCo's.
    """

    def __init__(
        self,
        robot: Robot,
        room: Room,
        x: float,
        y: float,
        heading: float,
        seed: int = 0,
        arm: Arm | None = None,
    ) -> None:
        super().__init__(robot, room, x, y, heading, seed)
        mujoco = _mujoco()
        self._mujoco, self.arm = mujoco, arm
        spec = _spec(mujoco, robot, room, (x, y, heading), arm)
        self.model: Any = spec.compile()
        self.data: Any = mujoco.MjData(self.model)
        if arm is not None:
            rest(self.model, self.data, arm)
        self._robot_id = self._id("body", "robot")
        self._hull = self._id("geom", "hull")
        self._wheel_at = [self.model.jnt_dofadr[self._id("joint", name)] for name in ("left", "right")]
        self._legs = {name: self.model.body_mocapid[self._id("body", f"person {name}")] for name in room.people}
        self._lies = {name: self._id("body", f"thing {name}") for name in room.things}
        self._driven = [0.0, 0.0]
        self._servos: dict[int, tuple[float, float]] = {}  # where each is to be, and when
        self._pose_of = x, y, heading
        for _ in range(80):  # it settles on its wheels
            mujoco.mj_step(self.model, self.data)

    @property
    def speed(self) -> tuple[float, float]:
        """m/s along, rad/s about, as its body moves."""
        velocity = self.data.qvel[:6]
        heading = self.pose[2]
        return float(velocity[0] * math.cos(heading) + velocity[1] * math.sin(heading)), float(velocity[5])

    def servo(self, actuator: int, place: float, within: float) -> None:
        """A servo of the arm goes evenly to a place, in so many seconds, as controllers do."""
        self._servos[actuator] = place, self.time + within

    def take(self, name: str) -> bool:
        """See `World`."""
        held = super().take(name)
        if held:
            self.data.eq_active[self._id("equality", f"held {name}")] = 1
        return held

    def put(self) -> tuple[float, float]:
        """See `World`."""
        name = self.held
        there = super().put()
        self.data.eq_active[self._id("equality", f"held {name}")] = 0
        at = self.model.jnt_qposadr[self.model.body_jntadr[self._lies[name]]]
        self.data.qpos[at : at + 7] = [*there, SIDE, 1, 0, 0, 0]
        dof = self.model.jnt_dofadr[self.model.body_jntadr[self._lies[name]]]
        self.data.qvel[dof : dof + 6] = 0
        return there

    def _piece(self) -> None:
        self.time += PIECE
        body, data = self.robot.body, self.data
        alive = not self.latched and self.time - self._told_at <= DEADMAN
        share = 1 - math.exp(-PIECE / LAG)
        for wheel, duty in enumerate(self._duties):
            self._driven[wheel] += ((duty if alive else 0.0) * body.wheel_speed - self._driven[wheel]) * share
            data.ctrl[wheel] = self._driven[wheel] / WHEEL
        for name, (x, y) in self.people().items():
            data.mocap_pos[self._legs[name]] = x, y, 0.0
        for actuator, (place, until) in self._servos.items():
            data.ctrl[actuator] += (place - data.ctrl[actuator]) * PIECE / max(PIECE, until - self.time + PIECE)
        for _ in range(STEPS):
            self._mujoco.mj_step(self.model, data)
        x, y = float(data.qpos[0]), float(data.qpos[1])
        w, _, _, z = data.qpos[3:7]
        turn = 2 * math.atan2(float(z), float(w))
        heading = self.pose[2] + (turn - self.pose[2] + math.pi) % (2 * math.pi) - math.pi
        self.pose = (x, y, heading)
        self._speeds = [float(data.qvel[at]) * WHEEL for at in self._wheel_at]
        for wheel in (0, 1):
            self.counts[wheel] += self._speeds[wheel] * PIECE * body.counts_per_metre
        touched = data.contact.geom[: data.ncon]
        self.bumped = self.bumped or bool((touched == self._hull).any())
        for name, at in self._lies.items():
            self.things[name] = float(data.xpos[at, 0]), float(data.xpos[at, 1])
        if math.dist(self.trail[-1], (x, y)) > 0.01:
            self.trail.append((x, y))
        self._power()

    def _rays(self) -> np.ndarray:
        angles = self.pose[2] + FIRST + STEP * np.arange(RAYS)
        ways = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(RAYS)]).reshape(-1, 1)
        hit, away = np.full((RAYS, 1), -1, np.int32), np.zeros((RAYS, 1))
        seen = np.array([group != UNSEEN for group in range(6)], np.uint8)
        eye = np.array([[self.pose[0]], [self.pose[1]], [EYE]])
        self._mujoco.mj_multiRay(
            self.model, self.data, eye, ways, seen, True, self._robot_id, hit, away, None, RAYS, REACH
        )
        return np.where(hit[:, 0] >= 0, away[:, 0], np.inf)

    def _id(self, kind: str, name: str) -> int:
        made = int(self._mujoco.mj_name2id(self.model, getattr(self._mujoco.mjtObj, f"mjOBJ_{kind.upper()}"), name))
        assert made >= 0, name
        return made


def _mujoco() -> Any:
    try:
        import mujoco
    except ImportError:
        raise BridgeError("MuJoCo isn't installed: pip install 'enigma[sim]', or leave out --physics mujoco.") from None
    return mujoco


def _spec(mujoco: Any, robot: Robot, room: Room, pose: tuple[float, float, float], arm: Arm | None) -> Any:
    """The house with the robot, its things and people. Bits of what collides: 1 the robot with walls, 2 things with floor and walls."""
    geom, spec = mujoco.mjtGeom, mujoco.MjSpec()
    spec.option.timestep = PIECE / STEPS
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    world = spec.worldbody
    world.add_geom(name="floor", type=geom.mjGEOM_PLANE, size=[50, 50, 0.1], contype=3, conaffinity=3)
    for number, ((x0, y0), (x1, y1)) in enumerate(room.walls.tolist()):
        world.add_geom(
            name=f"wall {number}",
            type=geom.mjGEOM_BOX,
            pos=[(x0 + x1) / 2, (y0 + y1) / 2, HIGH],
            size=[math.dist((x0, y0), (x1, y1)) / 2, THICK, HIGH],
            quat=_about(math.atan2(y1 - y0, x1 - x0)),
            contype=3,
            conaffinity=3,
        )
    body, x, y = robot.body, *pose[:2]
    base = world.add_body(name="robot", pos=[x, y, WHEEL], quat=_about(pose[2]))
    base.add_freejoint()
    base.add_geom(
        name="hull", type=geom.mjGEOM_CYLINDER, size=[body.radius, 0.03, 0], pos=[0, 0, 0.06], mass=0.8 * MASS
    )
    for along in (
        -0.7,
        0.7,
    ):  # two balls that slide keep it from tipping; they hang a little over the floor, as wheels need the weight
        base.add_geom(
            type=geom.mjGEOM_SPHERE, size=[0.015, 0, 0], pos=[along * body.radius, 0, 0.015 - WHEEL + 0.0005], mass=0.01,
            condim=1, friction=[0, 0, 0], priority=1,  # or the floor's friction would count
        )  # fmt: skip
    for name, side in (("left", 0.5), ("right", -0.5)):
        wheel = base.add_body(name=f"{name} wheel", pos=[0, side * body.track, 0])
        wheel.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0, 1, 0], damping=0.002, armature=0.002)
        wheel.add_geom(
            type=geom.mjGEOM_CYLINDER, size=[WHEEL, WIDE, 0], quat=[math.sqrt(0.5), math.sqrt(0.5), 0, 0],
            mass=0.1 * MASS, friction=[1.2, 0.005, 0.0001],
        )  # fmt: skip
        actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_velocity(kv=2.0)
    if arm is not None:
        attach(mujoco, spec, base, arm, robot)
    sizes = {} if arm is None else {each.name.lower(): each.size for each in arm.objects}
    for name, (px, py) in room.things.items():
        size = sizes.get(name.lower(), (2 * SIDE,) * 3)
        thing = world.add_body(name=f"thing {name}", pos=[px, py, size[2] / 2])
        thing.add_freejoint()
        shape = {"type": geom.mjGEOM_BOX, "size": [side / 2 for side in size]}
        if name.lower() in sizes:  # round and upright, so that it is as wide however fingers come to it
            shape = {"type": geom.mjGEOM_CYLINDER, "size": [min(size[:2]) / 2, size[2] / 2, 0]}
        thing.add_geom(
            **shape, mass=GRAMS, contype=2, conaffinity=2, group=UNSEEN, condim=4, friction=[1.2, 0.02, 0.001]
        )
        held = spec.add_equality(
            name=f"held {name}", type=mujoco.mjtEq.mjEQ_WELD, name1="robot", name2=f"thing {name}",
            objtype=mujoco.mjtObj.mjOBJ_BODY, active=False,
        )  # fmt: skip
        held.data[:11] = [0, 0, 0, GRIPS, 0, CARRIED - WHEEL, 1, 0, 0, 0, 1]
    for name, way in room.people.items():
        person = world.add_body(name=f"person {name}", pos=[*way[0], 0], mocap=True)
        for side in (-LEG_APART, LEG_APART):
            person.add_geom(type=geom.mjGEOM_CYLINDER, size=[LEG, 0.4, 0], pos=[0, side, 0.4])
    return spec


def _about(angle: float) -> list[float]:
    """A quaternion about the vertical axis."""
    return [math.cos(angle / 2), 0.0, 0.0, math.sin(angle / 2)]
