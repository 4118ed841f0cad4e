"""An arm on the robot as its `Gripper`: what was seen is picked by the arm's own planner, within its own envelope, and put down so.

arm.toml beside robot.toml names under `objects` what it can take: their sizes, and in `at` how high over the arm's base each lies;
where, the robot's eyes say. The box of a thing holds it however it is turned.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from firmware_bridge.arm.config import Arm, load
from firmware_bridge.arm.pick import Held, Step, home, pick, put, way_down
from firmware_bridge.arm.run import ArmDriver
from firmware_bridge.arm.space import Box
from firmware_bridge.arm.urdf import ArmError
from firmware_bridge.robot.config import Mount, RobotError
from firmware_bridge.robot.gripper import Pose, seen_from
from firmware_bridge.robot.things import Sighting, Thing

PIECE, FAR = 0.03, 1.5  # metres between two distances that are tried, and beyond the robot's edge up to which
THIN = 0.004  # metres
HELD = 0.0015  # metres that the fingers are farther apart than they were told, where something is between them
TUCKED = 0.05  # rad or m off home that count as there


def mounted(mount: Mount, folder: Path) -> Arm:
    """The arm of robot.toml's [arm]. Raises ArmError."""
    arm = load(folder / mount.file)
    if arm.gripper is None or not arm.objects:
        raise ArmError(f"{mount.file} needs [gripper] and [[objects]], as the arm of a robot that fetches.")
    return arm


class ArmGripper:
    """See `Gripper`. Raises ArmError where the arm reaches nothing that lies before the robot."""

    kind = "an arm"

    def __init__(self, arm: Arm, mount: Mount, radius: float, driver: ArmDriver, seed: int = 0) -> None:
        """radius: of the robot, metres; under it nothing is taken."""
        # What it takes stands in no fixed place.
        self._arm, self._sizes, self._mount, self._driver = replace(arm, objects=()), arm.objects, mount, driver
        self._rng = np.random.default_rng(seed)
        self._held: Held | None = None
        self._closed = 0.0  # metres that the fingers were told to be apart
        self.holds: Thing | None = None
        self.reach = self._reach(radius)

    @property
    def tucked(self) -> bool:
        """See `Gripper`."""
        joints = self._driver.joints
        return joints is None or float(np.abs(joints - self._arm.home).max()) < TUCKED

    async def take(self, thing: Thing, at: Sighting, pose: Pose) -> None:
        """See `Gripper`."""
        away, angle = seen_from(pose, at.x, at.y)
        size = self._size(thing)
        x, y = self._in_arm(away * math.cos(angle), away * math.sin(angle))
        arm = replace(self._arm, objects=(replace(size, at=(x, y, size.at[2])),))
        held: list[Held] = []

        def plan(start: np.ndarray) -> list[Step]:
            steps, found = pick(arm, start, size.name, self._rng)
            held.append(found)
            return steps

        steps = await self._plan(plan)
        closed = next(step.width for step in reversed(steps) if step.width is not None)
        taken = next(at for at, step in enumerate(steps) if step.width == closed)
        await self._carry_out(steps[: taken + 1])
        self._closed = closed
        if self._empty:
            await self._carry_out([replace(step, held=None) for step in steps[taken + 1 :]])
            raise RobotError(f"The arm closed on nothing: {thing.name!r} isn't where it was seen.")
        self._held, self.holds = held[-1], thing
        await self._carry_out(steps[taken + 1 :])

    async def put(self, pose: Pose) -> tuple[float, float]:
        """See `Gripper`."""
        held, thing = self._held, self.holds
        if held is None or thing is None:
            raise RobotError("The arm holds nothing.")
        self._must_hold(thing)
        away = sum(self.reach) / 2
        size = self._size(thing)
        to = (*self._in_arm(away, 0.0), size.at[2] - size.size[2] / 2)
        steps = await self._plan(lambda start: put(self._arm, start, held, to, self._rng))
        opens = next(at for at, step in enumerate(steps) if step.width is not None)
        for step in steps[:opens]:
            await self._carry_out([step])
            self._must_hold(thing)  # or the fingers would come down on it
        self._held = self.holds = None
        await self._carry_out(steps[opens:])
        return pose[0] + away * math.cos(pose[2]), pose[1] + away * math.sin(pose[2])

    def _must_hold(self, thing: Thing) -> None:
        if self._empty:
            self._held = self.holds = None
            raise RobotError(f"{thing.name!r} isn't between the fingers any more: it was lost on the way.")

    @property
    def _empty(self) -> bool:
        """Whether the fingers are as near to each other as they were told, with nothing between them."""
        return self._driver.width is not None and self._driver.width < self._closed + HELD

    async def tuck(self) -> None:
        """See `Gripper`."""
        await self._carry_out(await self._plan(lambda start: home(self._arm, start, self._rng, self._held)))

    def stop(self) -> None:
        """See `Gripper`."""
        self._driver.stop()

    def clear(self) -> None:
        """See `Gripper`."""
        self._driver.envelope.clear()

    async def _plan(self, plan: Callable[[np.ndarray], list[Step]]) -> list[Step]:
        joints = self._driver.joints
        if joints is None:
            raise RobotError("The arm doesn't tell where its joints are.")
        self._driver.envelope.release()  # of a stop before; the robot's own has been released, or there were no orders
        try:
            return await asyncio.to_thread(plan, joints)
        except ArmError as error:
            raise RobotError(str(error)) from None

    async def _carry_out(self, steps: list[Step]) -> None:
        try:
            await self._driver.carry_out(steps)
        except ArmError as error:
            raise RobotError(str(error)) from None

    def _size(self, thing: Thing) -> Box:
        for each in self._sizes:
            if each.name.lower() in (thing.id.lower(), thing.name.lower()):
                return each
        raise RobotError(f"{self._mount.file} doesn't say how large {thing.name!r} is: name it in [[objects]].")

    def _in_arm(self, x: float, y: float) -> tuple[float, float]:
        """A point before the robot, in the frame of the arm's base."""
        turn = math.radians(self._mount.degrees)
        x, y = x - self._mount.x, y - self._mount.y
        return x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)

    def _reach(self, radius: float) -> tuple[float, float]:
        space, lowest = self._arm.space(), min(self._sizes, key=lambda each: each.at[2])
        height = lowest.at[2] + lowest.size[2] / 2 - 2 * THIN
        flat = replace(lowest, size=(*lowest.size[:2], THIN))  # its top: taken so, or not at all
        good: list[float] = []
        for away in np.arange(radius + PIECE, radius + FAR, PIECE).tolist():
            x, y = self._in_arm(away, 0.0)
            try:
                way_down(space, replace(flat, at=(x, y, height)), self._arm.home, np.random.default_rng(0))
                good.append(away)
            except ArmError:
                if good:
                    break
        if len(good) < 2:
            raise ArmError(f"The arm doesn't reach {lowest.name!r} before the robot: look at [arm] in robot.toml.")
        # A robot stands a little off where it meant to.
        room = min(PIECE, (good[-1] - good[0]) / 4)
        return good[0] + room, good[-1] - room
