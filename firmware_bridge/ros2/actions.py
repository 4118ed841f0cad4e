"""Actions: a goal that takes its time, tells how far it is, and can be given up (design.ros2.org/articles/actions.html).

They are three services and two topics of the graph below the action's name, the same over every back end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from firmware_bridge.errors import BridgeError, NoAnswer, Overloaded, Refused, RosError
from firmware_bridge.ros2.graph import RosGraph
from firmware_bridge.ros2.names import STATUS, check_name

_log = logging.getLogger(__name__)
MAX_GOALS = 16  # that run at the same time
KEPT = (
    100  # results, and each for KEPT_SECONDS behind its end (rcl_action's default: 15 minutes; ours are small, and few)
)
KEPT_SECONDS = 900.0
_CANCEL = "action_msgs/srv/CancelGoal"
_LIST = "action_msgs/msg/GoalStatusArray"


class Status(IntEnum):
    """How a goal stands: action_msgs/msg/GoalStatus."""

    ACCEPTED = 1
    EXECUTING = 2
    CANCELING = 3
    SUCCEEDED = 4
    CANCELED = 5
    ABORTED = 6


Feedback = Callable[[Mapping[str, object]], None]
Work = Callable[[Any, Feedback], Awaitable[Mapping[str, object]]]


@dataclass
class _Goal:
    """accepted: seconds since 1970, as it is told. ended: by the clock that nobody sets."""

    id: bytes
    accepted: float
    ended: float = 0.0
    status: Status = Status.ACCEPTED
    result: Mapping[str, object] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class ActionServer:
    """Runs goals by an async function of (goal, feedback) that returns the result's fields.

    A goal that is cancelled gets CancelledError; one that raises is aborted, with what `failed` makes of the error.
    """

    def __init__(
        self,
        graph: RosGraph,
        action: str,
        type_: str,
        work: Work,
        failed: Callable[[Exception], Mapping[str, object]] = lambda _: {},
        seconds: float = 600.0,
    ) -> None:
        """seconds: after them a goal is aborted. Raises RosError."""
        base = f"{check_name(action, 'action')}/_action"
        self._graph, self._type, self._work, self._failed, self._seconds = graph, type_, work, failed, seconds
        self._goals: dict[bytes, _Goal] = {}
        self._feedback = graph.advertise(f"{base}/feedback", f"{type_}_FeedbackMessage")
        self._list = graph.advertise(f"{base}/status", _LIST, STATUS)
        self._ends = [
            self._feedback,
            self._list,
            graph.serve(f"{base}/send_goal", f"{type_}_SendGoal", self._accept),
            graph.serve(f"{base}/cancel_goal", _CANCEL, self._cancel),
            graph.serve(f"{base}/get_result", f"{type_}_GetResult", self._result, seconds + 60),
        ]
        self._tell()

    async def close(self) -> None:
        """Ends all goals, and serves no more."""
        tasks = [goal.task for goal in self._goals.values() if goal.task is not None and not goal.task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for end in self._ends:
            end.close()

    async def _accept(self, request: Any) -> Mapping[str, object]:
        self._forget()
        own = bytes(request.goal_id.uuid)
        running = sum(not goal.done.is_set() for goal in self._goals.values())
        if own in self._goals or running >= MAX_GOALS:
            return {"accepted": False, "stamp": _stamp(time.time())}
        goal = self._goals[own] = _Goal(own, time.time())
        goal.task = asyncio.get_running_loop().create_task(self._run(goal, request.goal))
        self._tell()
        return {"accepted": True, "stamp": _stamp(goal.accepted)}

    async def _run(self, goal: _Goal, asked: Any) -> None:
        def tell(fields: Mapping[str, object]) -> None:
            if not goal.done.is_set():
                with contextlib.suppress(Overloaded):  # a listener that is slow holds no goal up
                    self._feedback.publish(goal_id={"uuid": goal.id}, feedback=fields)

        goal.status = Status.EXECUTING
        try:
            async with asyncio.timeout(self._seconds):
                goal.result = await self._work(asked, tell)
            goal.status = Status.SUCCEEDED
        except asyncio.CancelledError:
            goal.status = Status.CANCELED
        except Exception as error:  # the function that works is somebody else's, and the server must go on
            goal.status, goal.result = Status.ABORTED, self._failed(error)
            if not isinstance(error, BridgeError | TimeoutError):
                _log.exception("A goal of %s failed.", self._type)
        goal.ended = time.monotonic()
        goal.done.set()
        self._tell()

    async def _cancel(self, request: Any) -> Mapping[str, object]:
        own, stamp = bytes(request.goal_info.goal_id.uuid), request.goal_info.stamp
        until = stamp.sec + stamp.nanosec / 1e9
        if any(own) and own not in self._goals:
            return {"return_code": 2, "goals_canceling": []}
        chosen = [
            goal
            for goal in self._goals.values()
            if goal.id == own or (until and goal.accepted <= until) or not (any(own) or until)
        ]
        ending = [goal for goal in chosen if not goal.done.is_set()]
        for goal in ending:
            goal.status = Status.CANCELING
            if goal.task is not None:
                goal.task.cancel()
        code = 3 if any(own) and chosen and not ending else 0 if ending else 1
        return {"return_code": code, "goals_canceling": [_info(goal) for goal in ending]}

    async def _result(self, request: Any) -> Mapping[str, object]:
        goal = self._goals.get(bytes(request.goal_id.uuid))
        if goal is None:
            return {"status": 0, "result": {}}
        await goal.done.wait()
        return {"status": int(goal.status), "result": goal.result}

    def _tell(self) -> None:
        rows = [{"goal_info": _info(goal), "status": int(goal.status)} for goal in self._goals.values()]
        with contextlib.suppress(Overloaded, RosError):  # a slow listener; the graph may be closing
            self._list.publish(status_list=rows)

    def _forget(self) -> None:
        ended = [goal for goal in self._goals.values() if goal.done.is_set()]
        for index, goal in enumerate(reversed(ended)):
            if index >= KEPT or time.monotonic() - goal.ended > KEPT_SECONDS:
                del self._goals[goal.id]


class ActionClient:
    """Asks an action."""

    def __init__(self, graph: RosGraph, action: str, type_: str) -> None:
        base = f"{check_name(action, 'action')}/_action"
        self._name, self._send = action, graph.client(f"{base}/send_goal", f"{type_}_SendGoal")
        self._cancel = graph.client(f"{base}/cancel_goal", _CANCEL)
        self._result = graph.client(f"{base}/get_result", f"{type_}_GetResult")
        self._feedback = graph.subscribe(f"{base}/feedback", f"{type_}_FeedbackMessage")

    async def run(
        self,
        fields: Mapping[str, object],
        seconds: float = 60.0,
        tell: Callable[[Any], None] | None = None,
    ) -> Any:
        """The result of a goal of these fields; `tell` gets its feedback. Given up, it is cancelled there too.

        Raises NoAnswer after `seconds`, and Refused (status: the goal's) where it wasn't taken or didn't succeed.
        """
        own = uuid.uuid4().bytes
        goal_id = {"uuid": own}
        told = asyncio.get_running_loop().create_task(self._listen(own, tell)) if tell is not None else None
        try:
            accepted = await self._send.call(goal_id=goal_id, goal=fields, seconds=min(seconds, 10.0))
            if not accepted.accepted:
                raise Refused(f"{self._name} doesn't take this goal now.", 0)
            done = await self._result.call(goal_id=goal_id, seconds=seconds)
        except (NoAnswer, asyncio.CancelledError):
            with contextlib.suppress(BridgeError):
                await self._cancel.call(goal_info={"goal_id": goal_id}, seconds=2.0)
            raise
        finally:
            if told is not None:
                told.cancel()
        if done.status != Status.SUCCEEDED:
            how = Status(done.status).name.lower() if done.status in list(Status) else "unknown"
            why = getattr(done.result, "error", "")
            raise Refused(f"The goal of {self._name} ended {how}{f': {why}' if why else '.'}", done.status)
        return done.result

    def close(self) -> None:
        """Ask no more."""
        for end in (self._send, self._cancel, self._result, self._feedback):
            end.close()

    async def _listen(self, own: bytes, tell: Callable[[Any], None]) -> None:
        async for message in self._feedback.each():
            if bytes(message.goal_id.uuid) == own:
                tell(message.feedback)


def _info(goal: _Goal) -> dict[str, object]:
    return {"goal_id": {"uuid": goal.id}, "stamp": _stamp(goal.accepted)}


def _stamp(seconds: float) -> dict[str, int]:
    return {"sec": int(seconds), "nanosec": int(seconds % 1 * 1e9)}
