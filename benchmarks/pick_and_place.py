"""Picks and places in 100 random scenes in MuJoCo: a world that knows the arm by its URDF and its physics, not by our balls.

    python benchmarks/pick_and_place.py [--scenes 100] [--seed 100] [--json FILE]

It needs the extras arm, sim and dev. Position servos hold the joints, gravity pulls, fingers hold the thing by friction alone.
A scene is done when the thing stands within 2 cm of its place and no part of the arm touched a box, the table or itself on the
way (the fingers may touch the thing). Plans are made and carried out by `firmware_bridge.arm`, by a clock that doesn't wait.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import mujoco
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from firmware_bridge.arm.config import Arm
from firmware_bridge.arm.joints import Told
from firmware_bridge.arm.pick import Step, pick_and_place
from firmware_bridge.arm.run import TICK, ArmDriver
from firmware_bridge.arm.urdf import ArmError
from tests.firmware_bridge.arm.scenes import EXAMPLE, example, scene
from tests.firmware_bridge.robot.quick import QuickLoop

NEAR = 0.02  # metres from its place that count as put there
# Seconds and damping by which contacts settle. With MuJoCo's usual .02 s what fingers hold creeps out of them, 26, 29 and 120 mm in
# three scenes at steps of 2 ms, and 7, 9 and 11 mm at .5 ms; so it is the steps' doing.
CONTACT = [0.005, 1]
JOINTS = ("turn", "shoulder", "elbow", "wrist")
FINGERS = ("left_finger", "right_finger")


class World:
    """One scene. `touched`: what the arm touched besides the thing."""

    def __init__(self, arm: Arm) -> None:
        urdf = EXAMPLE.with_suffix(".urdf").read_text()
        compiler = '<mujoco><compiler fusestatic="false" discardvisual="false" strippath="false"/></mujoco>'
        spec = mujoco.MjSpec.from_string(
            urdf.replace('<link name="base_link">', f'{compiler}<link name="base_link">', 1)
        )
        spec.option.timestep, spec.option.integrator = 0.002, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        spec.option.cone, spec.option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 10
        for body in spec.bodies:
            body.gravcomp = 1.0 if body.name not in ("world", "thing") else 0.0
            for geom in body.geoms:
                geom.friction = [1.2, 0.02, 0.001]
        table = spec.worldbody.add_geom(name="table", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[2, 2, 0.1])
        table.friction = [0.8, 0.02, 0.001]
        for box in arm.boxes:
            half = [side / 2 for side in box.size]
            spec.worldbody.add_geom(name=box.name, type=mujoco.mjtGeom.mjGEOM_BOX, pos=list(box.at), size=half)
        thing = arm.objects[0]
        body = spec.worldbody.add_body(name="thing", pos=list(thing.at))
        body.add_freejoint()
        # Upright, so that it is as wide however the fingers come to it.
        size = [min(thing.size[:2]) / 2, thing.size[2] / 2, 0]
        geom = body.add_geom(name="thing", type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=size, mass=0.05)
        geom.friction, geom.condim = [1.2, 0.02, 0.001], 4
        for name in (*JOINTS, *FINGERS):
            stiff, damped = (400.0, 12.0) if name in JOINTS else (800.0, 20.0)
            actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
            actuator.set_to_position(kp=stiff, kv=damped)
            if name in FINGERS:
                actuator.forcerange = [-6, 6]
        for joint in spec.joints:
            if joint.name in (*JOINTS, *FINGERS):
                joint.armature = 0.01
        for geom in spec.geoms:
            geom.solref = CONTACT
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self.touched: set[str] = set()
        for name, value in zip(JOINTS, arm.home.tolist(), strict=True):
            self.data.joint(name).qpos = self.data.actuator(name).ctrl = value
        names = [self.model.body(number).name for number in range(self.model.nbody)]
        self._arm = np.array([name not in ("world", "thing", "base_link") for name in names])
        self._thing, self._fingers = (
            np.array([name in wanted for name in names]) for wanted in (["thing"], ["left", "right"])
        )
        mujoco.mj_forward(self.model, self.data)

    def told(self) -> dict[str, float]:
        """Where joints and fingers are."""
        return {name: float(self.data.joint(name).qpos[0]) for name in (*JOINTS, *FINGERS)}

    @property
    def thing(self) -> np.ndarray:
        return self.data.body("thing").xpos.copy()

    def step(self, orders: Mapping[str, float]) -> None:
        """One tick, with servos to be where they are told."""
        for name, place in orders.items():
            self.data.actuator(name).ctrl = place
        for _ in range(round(TICK / self.model.opt.timestep)):
            mujoco.mj_step(self.model, self.data)
            contacts, count = self.data.contact, self.data.ncon
            bodies = self.model.geom_bodyid[contacts.geom[:count]]
            bad = self._arm[bodies].any(1) & ~self._thing[bodies].any(1) & ~self._fingers[bodies].all(1)
            for pair in contacts.geom[:count][bad & (contacts.dist[:count] < 0)]:
                names = [
                    self.model.geom(geom).name or self.model.body(self.model.geom_bodyid[geom]).name for geom in pair
                ]
                self.touched.add(" and ".join(sorted(names)))


class Servos:
    """The world as the `Joints` of an arm: each tick it goes on, and tells where it is."""

    silent = "in MuJoCo."

    def __init__(self, world: World) -> None:
        self._world = world
        self._orders: dict[str, float] = {}
        self._running: asyncio.Task[None] | None = None

    async def begin(self, told: Told, stop: Callable[[], None]) -> None:
        self._running = asyncio.create_task(self._run(told))

    async def end(self) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    def go(self, places: Mapping[str, float], speeds: Mapping[str, float], within: float) -> None:
        self._orders.update(places)

    def grip(self, places: Mapping[str, float], within: float) -> None:
        self._orders.update(places)

    async def _run(self, told: Told) -> None:
        while True:
            self._world.step(self._orders)
            told(self._world.told())
            await asyncio.sleep(TICK)


def carry_out(arm: Arm, world: World, steps: list[Step]) -> str:
    """What went wrong, or nothing."""

    async def run() -> None:
        async with ArmDriver(arm, Servos(world)) as driver:
            await driver.carry_out(steps)

    try:
        with asyncio.Runner(loop_factory=QuickLoop) as runner:
            runner.run(run())
    except ArmError as error:
        return str(error)
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    logging.disable(logging.ERROR)  # the log of each step
    rng, arm = np.random.default_rng(args.seed), example()
    done, planning, began = 0, [], time.process_time()
    failed: list[str] = []
    for number in range(args.scenes):
        placed, to = scene(arm, rng)
        at = time.process_time()
        try:
            steps = pick_and_place(placed, placed.home, "cube", to, rng)
        except ArmError as error:
            failed.append(f"{number}: no plan: {error}")
            continue
        planning.append(time.process_time() - at)
        world = World(placed)
        why = carry_out(placed, world, steps)
        off = math.dist(world.thing[:2], to[:2])
        if why or world.touched or off > NEAR:
            failed.append(f"{number}: {why} touched {sorted(world.touched)}, {1000 * off:.0f} mm off")
        else:
            done += 1
        print(f"{number + 1} scenes, {done} done", file=sys.stderr)
    made = {
        "scenes": args.scenes, "done": done, "plan_s_p50": round(float(np.median(planning)), 3),
        "plan_s_most": round(max(planning), 3), "cpu_s": round(time.process_time() - began, 1), "failed": failed,
    }  # fmt: skip
    print(json.dumps(made, indent=1))
    if args.json:
        args.json.write_text(json.dumps(made))


if __name__ == "__main__":
    main()
