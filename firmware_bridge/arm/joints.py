"""What holds an arm's joints: the controllers of ros2_control in a graph; a simulator has one of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from firmware_bridge.arm.config import Ros
from firmware_bridge.errors import BridgeError

if TYPE_CHECKING:
    from firmware_bridge.ros2.graph import RosGraph

STOP = "/enigma/arm/stop"
TRAJECTORY, STATE, EMPTY = "trajectory_msgs/msg/JointTrajectory", "sensor_msgs/msg/JointState", "std_msgs/msg/Empty"
Told = Callable[[Mapping[str, float]], None]


class Joints(Protocol):
    """silent: a sentence for where nobody tells of the joints."""

    silent: str

    async def begin(self, told: Told, stop: Callable[[], None]) -> None:
        """From now on `told` gets where joints and fingers are, by name, rad or m; `stop` is called at an emergency stop."""

    async def end(self) -> None:
        """Nothing is told any more."""

    def go(self, places: Mapping[str, float], speeds: Mapping[str, float], within: float) -> None:
        """Joints to be somewhere in so many seconds; they stay there when nothing else comes."""

    def grip(self, places: Mapping[str, float], within: float) -> None:
        """The same of the fingers."""


class RosJoints:
    """The joint_trajectory_controllers of a graph, on the topics of [ros]. An empty message on `STOP` is the emergency stop."""

    def __init__(self, graph: RosGraph, topics: Ros) -> None:
        self._graph, self._topics = graph, topics
        self.silent = f"on {topics.states}: start ros2_control."
        self._tasks: list[asyncio.Task[None]] = []
        self._ends: list[Any] = []

    async def begin(self, told: Told, stop: Callable[[], None]) -> None:
        """See `Joints`."""
        graph, topics = self._graph, self._topics
        states, stops = graph.subscribe(topics.states, STATE), graph.subscribe(STOP, EMPTY)
        self._commands = graph.advertise(topics.commands, TRAJECTORY)
        self._fingers = graph.advertise(topics.gripper, TRAJECTORY)
        self._ends = [states, stops, self._commands, self._fingers]
        self._tasks = [asyncio.create_task(_listen(states, told)), asyncio.create_task(_heed(stops, stop))]

    async def end(self) -> None:
        """See `Joints`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for end in self._ends:
            end.close()

    def go(self, places: Mapping[str, float], speeds: Mapping[str, float], within: float) -> None:
        """See `Joints`."""
        point = {
            "positions": list(places.values()),
            "velocities": list(speeds.values()),
            "time_from_start": _duration(within),
        }
        self._commands.publish(joint_names=list(places), points=[point])

    def grip(self, places: Mapping[str, float], within: float) -> None:
        """See `Joints`."""
        point = {"positions": list(places.values()), "time_from_start": _duration(within)}
        self._fingers.publish(joint_names=list(places), points=[point])


async def _listen(states: Any, told: Told) -> None:
    while True:
        with contextlib.suppress(BridgeError):
            state = await states.next(1.0)
            told(dict(zip(state.name, np.asarray(state.position, float).tolist(), strict=False)))


async def _heed(stops: Any, stop: Callable[[], None]) -> None:
    while True:
        with contextlib.suppress(BridgeError):
            await stops.next(60.0)
            stop()


def _duration(seconds: float) -> dict[str, int]:
    return {"sec": int(seconds), "nanosec": int(seconds % 1 * 1e9)}
