"""Carries out the steps of an arm: what a way wants goes through the envelope, and what is left to whatever holds the joints.

Fifty times a second one point goes to the controller. It holds its last point when no other comes, so an arm whose program
ended stands.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from firmware_bridge.arm.config import Arm
from firmware_bridge.arm.envelope import ArmEnvelope
from firmware_bridge.arm.joints import Joints
from firmware_bridge.arm.pick import Step
from firmware_bridge.arm.trajectory import Trajectory
from firmware_bridge.arm.urdf import ArmError

log = logging.getLogger(__name__)

TICK, LOOKS = 0.02, 0.2  # seconds between two points, and between two looks whether it may move
BEHIND = 0.05  # rad or m that the envelope may be behind a way before the way waits for it
THERE = 0.03  # rad or m between the joints and the end of a way that count as there
STANDS = 3.0  # seconds without getting on until it gives up
FIRST = 10.0  # seconds for the joints to tell where they are


class ArmDriver:
    """One arm. Used as an async context manager."""

    def __init__(self, arm: Arm, ends: Joints, armed: Callable[[], float] | None = None) -> None:
        """armed: seconds for which it may move yet, which is looked at again and again; without it it may."""
        self.arm, self._ends = arm, ends
        self._armed, self._looked = armed, -math.inf
        self.envelope = ArmEnvelope(arm, arm.space())
        self.joints: np.ndarray | None = None  # float64 [n], as they tell
        self.width: float | None = None  # metres between the fingers, where they tell
        self._told = asyncio.Event()
        self._names = [joint.name for joint in arm.chain.joints]
        self._way: Trajectory | None = None
        self._progress = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> ArmDriver:
        """Raises ArmError where the joints tell nothing."""
        await self._ends.begin(self._hear, self.stop)
        self._task = asyncio.create_task(self._loop())
        try:
            async with asyncio.timeout(FIRST):
                await self._told.wait()
        except TimeoutError:
            await self.__aexit__()
            raise ArmError(f"Nobody tells of the joints {', '.join(self._names)} {self._ends.silent}") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._ends.end()

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
        places = {finger.name: float(np.clip(each, finger.low, finger.high)) for finger in fingers}
        self._ends.grip(places, gripper.seconds / 2)
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
            wanted, along = self._way.at(self._progress), None
            if float(np.abs(wanted - envelope.q).max()) < BEHIND:
                along = self._way.speed(self._progress)
                self._progress = min(self._way.seconds, self._progress + TICK)
            envelope.ask(now, wanted, along)
        given = envelope.step(now)
        if given is None:
            return
        places, speeds = (dict(zip(self._names, each.tolist(), strict=True)) for each in (given.q, given.v))
        self._ends.go(places, speeds, 1.5 * TICK)

    def _hear(self, told: Mapping[str, float]) -> None:
        gripper, fingers = self.arm.gripper, [finger.name for finger in self.arm.chain.fingers]
        if gripper is not None and told.keys() >= set(fingers):
            self.width = gripper.gap + sum(told[name] for name in fingers)
        if told.keys() >= set(self._names):
            self.joints = np.array([told[name] for name in self._names])
            self.envelope.report(asyncio.get_running_loop().time(), self.joints)
            if self.envelope.q is not None:
                self._told.set()
