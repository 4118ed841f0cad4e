"""An arm in a graph of ROS 2: a controller that moves as it is told, a thing that is picked, a stop, and joints that are blocked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest

from firmware_bridge.arm.config import Limits
from firmware_bridge.arm.joints import EMPTY, STATE, STOP, TRAJECTORY, RosJoints
from firmware_bridge.arm.pick import pick_and_place
from firmware_bridge.arm.run import TICK, ArmDriver
from firmware_bridge.arm.urdf import ArmError
from firmware_bridge.errors import BridgeError
from firmware_bridge.ros2.graph import RosGraph
from tests.firmware_bridge.arm.scenes import example
from tests.firmware_bridge.ros2.conftest import DOMAIN, need

ARM = replace(example(), limits=Limits(1.0, 12.0, 400.0))
ARM = replace(ARM, gripper=replace(ARM.gripper, seconds=0.1))  # type: ignore[type-var]
NAMES = [joint.name for joint in ARM.chain.joints]
PATIENT = 60.0


class Controller:
    """What ros2_control does: goes to the last point that came, and tells where the joints are."""

    def __init__(self, graph: RosGraph) -> None:
        self.q, self.fingers = ARM.home.copy(), [0.0, 0.0]
        self.trail, self.grips, self.blocked = [self.q.copy()], [], False
        self._graph = graph

    async def run(self) -> None:
        commands = self._graph.subscribe(ARM.ros.commands, TRAJECTORY)
        grips = self._graph.subscribe(ARM.ros.gripper, TRAJECTORY)
        states = self._graph.advertise(ARM.ros.states, STATE)
        while True:
            with contextlib.suppress(BridgeError):
                told = await commands.next(TICK)
                assert list(told.joint_names) == NAMES
                if not self.blocked:
                    self.q = np.array(told.points[-1].positions)
                    self.trail.append(self.q)
            with contextlib.suppress(BridgeError):
                grip = await grips.next(0.0)
                self.grips.append(float(sum(grip.points[-1].positions)))
            states.publish(name=["left_finger", *NAMES], position=[0.0, *self.q.tolist()])


@pytest.fixture
async def arm() -> AsyncIterator[tuple[Controller, ArmDriver, RosGraph]]:
    need("rosbags", "cyclonedds")
    async with (
        await RosGraph.open("controller", over="cyclone", number=DOMAIN) as theirs,
        await RosGraph.open("arm", over="cyclone", number=DOMAIN) as ours,
    ):
        controller = Controller(theirs)
        running = asyncio.create_task(controller.run())
        try:
            async with ArmDriver(ARM, RosJoints(ours, ARM.ros)) as driver:
                yield controller, driver, theirs
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_it_picks_a_thing_by_a_controller_of_ros2_control_and_a_stop_from_anywhere_ends_it(
    arm: tuple[Controller, ArmDriver, RosGraph],
) -> None:
    controller, driver, graph = arm
    steps = await asyncio.to_thread(
        pick_and_place, ARM, ARM.home, "red cube", ARM.spots["tray"], np.random.default_rng(0)
    )
    async with asyncio.timeout(PATIENT):
        await driver.carry_out(steps[:4])
        while len(controller.grips) < 2:  # noqa: ASYNC110  # on its way through the graph
            await asyncio.sleep(TICK)
    assert np.allclose(controller.q, steps[2].points[-1], atol=0.01)
    assert controller.grips == pytest.approx([0.05, 0.016])

    lifting = asyncio.create_task(driver.carry_out(steps[4:]))
    async with asyncio.timeout(PATIENT):
        while not driver.envelope.v.any():  # noqa: ASYNC110  # the envelope has no event
            await asyncio.sleep(TICK)
    stop = graph.advertise(STOP, EMPTY)
    assert await stop.matched(PATIENT)
    stop.publish()
    with pytest.raises(ArmError, match="emergency stop"):
        async with asyncio.timeout(PATIENT):
            await lifting
    async with asyncio.timeout(PATIENT):
        while driver.envelope.v.any():  # noqa: ASYNC110
            await asyncio.sleep(TICK)
    assert not np.allclose(controller.q, steps[4].points[-1], atol=0.01)
    driver.envelope.release()

    armed = [1.0]
    driver._armed = lambda: armed[0]  # as of a process whose leave ends meanwhile
    lifting = asyncio.create_task(driver.carry_out(steps[4:]))
    async with asyncio.timeout(PATIENT):
        while not driver.envelope.v.any():  # noqa: ASYNC110
            await asyncio.sleep(TICK)
    armed[0] = 0.0
    with pytest.raises(ArmError, match="it isn't armed any more"):
        async with asyncio.timeout(PATIENT):
            await lifting
    async with asyncio.timeout(PATIENT):
        while driver.envelope.v.any():  # noqa: ASYNC110
            await asyncio.sleep(TICK)
    armed[0] = 1.0
    driver.envelope.clear()

    controller.blocked = True
    with pytest.raises(ArmError, match="see what blocks it"):
        async with asyncio.timeout(PATIENT):
            await driver.carry_out(steps[4:])
