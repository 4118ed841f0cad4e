"""Carries out the steps of an arm over ROS 2: what a way wants goes through the envelope, and what is left to ros2_control.

Fifty times a second one point goes to the joint_trajectory_controller. It holds its last point when no other comes, so an arm
whose program ended stands. An empty message on `STOP` is the emergency stop, whoever sends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from firmware_bridge.arm.config import Arm
from firmware_bridge.arm.envelope import ArmEnvelope
from firmware_bridge.arm.pick import Step
from firmware_bridge.arm.trajectory import Trajectory
from firmware_bridge.arm.urdf import ArmError
from firmware_bridge.errors import BridgeError

if TYPE_CHECKING:
    from firmware_bridge.ros2.graph import RosGraph

log = logging.getLogger(__name__)

TICK, LOOKS = 0.02, 0.2  # seconds between two points, and between two looks whether it may move
STOP = "/enigma/arm/stop"
TRAJECTORY, STATE, EMPTY = "trajectory_msgs/msg/JointTrajectory", "sensor_msgs/msg/JointState", "std_msgs/msg/Empty"
BEHIND = 0.05  # rad or m that the envelope may be behind a way before the way waits for it
THERE = 0.03  # rad or m between the joints and the end of a way that count as there
STANDS = 3.0  # seconds without getting on until it gives up
FIRST = 10.0  # seconds for the joints to tell where they are


class ArmDriver:
    """One arm in one graph. Used as an async context manager."""

    def __init__(self, arm: Arm, graph: RosGraph, armed: Callable[[], float] | None = None) -> None:
        """armed: seconds for which it may move yet, which is looked at again and again; without it it may."""
        self.arm, self.graph = arm, graph
        self._armed, self._looked = armed, -math.inf
        self.envelope = ArmEnvelope(arm, arm.space())
        self.joints: np.ndarray | None = None  # float64 [n], as they tell
        self._told = asyncio.Event()
        self._names = [joint.name for joint in arm.chain.joints]
        self._way: Trajectory | None = None
        self._progress = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._ends: list[Any] = []

    async def __aenter__(self) -> ArmDriver:
        """Raises ArmError where the joints tell nothing."""
        ros = self.arm.ros
        states, stops = self.graph.subscribe(ros.states, STATE), self.graph.subscribe(STOP, EMPTY)
        self._commands = self.graph.advertise(ros.commands, TRAJECTORY)
        self._ends = [states, stops, self._commands]
        if self.arm.gripper is not None:
            self._fingers = self.graph.advertise(ros.gripper, TRAJECTORY)
            self._ends.append(self._fingers)
        self._tasks = [asyncio.create_task(each) for each in (self._listen(states), self._heed(stops), self._loop())]
        try:
            async with asyncio.timeout(FIRST):
                await self._told.wait()
        except TimeoutError:
            await self.__aexit__()
            raise ArmError(
                f"Nobody tells of the joints {', '.join(self._names)} on {ros.states}: start ros2_control."
            ) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for end in self._ends:
            end.close()

    def stop(self) -> None:
        """The emergency stop."""
        self.envelope.stop()

    async def carry_out(self, steps: Sequence[Step]) -> None:
        """One after the other. Raises ArmError where one can't be ended; the arm stands then."""
        for step in steps:
            log.info("The arm: %s.", step.says)
            space = self.envelope.space
            space.use(step.boxes)
            space.hold(*step.held or (None,))
            if step.points:
                await self._go(step)
            if step.width is not None:
                await self._grip(step.width)

    async def _go(self, step: Step) -> None:
        limits, count = self.arm.limits, len(self._names)
        ones = np.ones(count)
        # A little less than the envelope lets through, so that it follows.
        way = Trajectory(step.points, 0.9 * self.arm.speed, 0.9 * limits.acceleration * ones, limits.jerk * ones)
        self._way, self._progress = way, 0.0
        loop = asyncio.get_running_loop()
        at, moved = -1.0, loop.time()
        try:
            while not self._arrived(way):
                await asyncio.sleep(TICK)
                if self.envelope.stopped or self.envelope.fault:
                    raise ArmError(f"It stopped on the way to {step.says}: {self.envelope.fault or 'emergency stop'}.")
                if self._progress > at or self.envelope.v.any():
                    at, moved = self._progress, loop.time()
                if loop.time() - moved > STANDS:
                    raise ArmError(f"It doesn't get on ({step.says}): {self.envelope.why or 'the joints stand still'}.")
        finally:
            self._way = None

    def _arrived(self, way: Trajectory) -> bool:
        ends, given = way.points[-1], self.envelope.q
        return (
            given is not None
            and self.joints is not None
            and not self.envelope.v.any()
            and float(np.abs(given - ends).max()) < 1e-3
            and float(np.abs(self.joints - ends).max()) < THERE
        )

    async def _grip(self, width: float) -> None:
        gripper, fingers = self.arm.gripper, self.arm.chain.fingers
        assert gripper is not None
        each = (width - gripper.gap) / len(fingers)
        places = [float(np.clip(each, finger.low, finger.high)) for finger in fingers]
        self._fingers.publish(
            joint_names=[finger.name for finger in fingers],
            points=[{"positions": places, "time_from_start": _duration(gripper.seconds / 2)}],
        )
        await asyncio.sleep(gripper.seconds)

    async def _loop(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                self._tick(loop.time())
            except Exception as error:  # the arm must stand, and the loop go on, whatever is wrong with one turn
                log.exception("The arm's loop failed.")
                self.envelope.trip(f"The arm's loop failed ({type(error).__name__}): see the log.")
            due = max(due + TICK, loop.time())
            await asyncio.sleep(due - loop.time())

    def _tick(self, now: float) -> None:
        envelope = self.envelope
        if self._armed is not None and now - self._looked > LOOKS:
            self._looked = now
            if not self._armed() and not envelope.fault:
                envelope.trip("it isn't armed any more")
        if self._way is not None and envelope.q is not None:
            wanted = self._way.at(self._progress)
            if float(np.abs(wanted - envelope.q).max()) < BEHIND:
                self._progress = min(self._way.seconds, self._progress + TICK)
            envelope.ask(now, wanted)
        given = envelope.step(now)
        if given is None:
            return
        point = {
            "positions": given.q.tolist(),
            "velocities": given.v.tolist(),
            "time_from_start": _duration(1.5 * TICK),
        }
        self._commands.publish(joint_names=self._names, points=[point])

    async def _listen(self, states: Any) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(BridgeError):
                told = await states.next(1.0)
                known = dict(zip(told.name, told.position, strict=False))
                if all(name in known for name in self._names):
                    self.joints = np.array([known[name] for name in self._names])
                    self.envelope.report(loop.time(), self.joints)
                    if self.envelope.q is not None:
                        self._told.set()

    async def _heed(self, stops: Any) -> None:
        while True:
            with contextlib.suppress(BridgeError):
                await stops.next(60.0)
                self.stop()


def _duration(seconds: float) -> dict[str, int]:
    return {"sec": int(seconds), "nanosec": int(seconds % 1 * 1e9)}
