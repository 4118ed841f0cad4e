"""The bridge's node: a device's specialists as services, actions and topics of ROS 2, and its topics into pipelines.

For the specialist home-en, below the node's name (/enigma):
    /enigma/home_en/ask       service enigma_interfaces/srv/Ask
    /enigma/home_en/work      action enigma_interfaces/action/Ask
    /enigma/home_en/request   topic std_msgs/msg/String that is asked, for peers that can't use services
    /enigma/home_en/answer    topic std_msgs/msg/String with the answers to it
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from firmware_bridge.errors import BridgeError, NoAnswer, Overloaded, RosError
from firmware_bridge.ros2.actions import ActionServer, Feedback
from firmware_bridge.ros2.device import LocalDevice
from firmware_bridge.ros2.graph import Publisher, RosGraph, Subscription
from firmware_bridge.ros2.names import SENSORS, Qos, check_name, token
from firmware_bridge.ros2.pictures import jpeg

_log = logging.getLogger(__name__)
LOOK_SECONDS = 5.0  # between two looks at what serves
ANSWER_SECONDS = 60.0
MAX_VALUE = 60_000  # bytes of JSON: the device takes 64 KiB on a topic
PICTURE = "sensor_msgs/msg/Image"
_STRING = "std_msgs/msg/String"
_SIDE = 320  # of a picture that goes on a topic, whose base64 must fit MAX_VALUE


@dataclass(frozen=True)
class Feed:
    """A topic of ROS 2 for the device: to its pipelines as ros/<name>, or, a picture, to a specialist."""

    topic: str
    type: str
    specialist: str | None = None
    every: float = 0.1  # seconds between two; those between are left out
    qos: Qos = SENSORS


class Node:
    """The bridge between a graph and a device; `run` until it is cancelled."""

    def __init__(
        self, graph: RosGraph, device: LocalDevice, name: str, feeds: Sequence[Feed] = (), *, events: bool = False
    ) -> None:
        self._graph, self._device, self._base = graph, device, check_name(name, "node")
        self._feeds, self._events = feeds, events
        self._served: dict[str, _Specialist] = {}
        self.counts: dict[str, int] = {"asked": 0, "fed": 0, "failed": 0}
        self._told: set[str] = set()

    async def run(self) -> None:
        """Serves and feeds. Raises RosError where a feed can't be; waits where the device isn't there."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._look())
                for feed in self._feeds:
                    group.create_task(self._feed(feed))
                if self._events:
                    group.create_task(self._tell_events())
        except* BridgeError as errors:
            raise errors.exceptions[0] from None
        finally:
            for each in self._served.values():
                await each.close()
            self._served.clear()

    async def _look(self) -> None:
        """Serves what the device serves, as that changes."""
        while True:
            try:
                there = await self._device.specialists()
            except BridgeError as error:
                self._say(str(error))
            else:
                for name in [each for each in self._served if each not in there]:
                    await self._served.pop(name).close()
                taken = {token(name) for name in self._served}
                for name in there:
                    if name not in self._served:
                        if token(name) in taken:
                            self._say(f"{name} has the same name in ROS 2 as another specialist; it isn't served.")
                            continue
                        taken.add(token(name))
                        self._served[name] = _Specialist(self, name)
            await asyncio.sleep(LOOK_SECONDS)

    async def ask(self, specialist: str, request: str) -> dict[str, object]:
        """The fields of a reply: the answer, or why there is none."""
        self.counts["asked"] += 1
        text = request.strip()
        body = text if text.startswith("{") else json.dumps({"text": request})
        try:
            return {"ok": True, "answer": await self._device.run(specialist, body.encode(), seconds=ANSWER_SECONDS)}
        except BridgeError as error:
            self.counts["failed"] += 1
            return {"ok": False, "error": str(error)}

    async def _feed(self, feed: Feed) -> None:
        reader = self._graph.subscribe(feed.topic, feed.type, replace(feed.qos, every=feed.every))
        outlet = None
        if feed.specialist is not None:
            outlet = self._graph.advertise(f"{self._base}/{token(feed.specialist)}/seen", _STRING)
        async for message in reader.each():
            try:
                await self._pass(feed, message, outlet)
                self.counts["fed"] += 1
            except BridgeError as error:
                self.counts["failed"] += 1
                self._say(f"{feed.topic}: {error}")

    async def _pass(self, feed: Feed, message: Any, outlet: Publisher | None) -> None:
        if outlet is not None and feed.specialist is not None:
            picture = await asyncio.to_thread(jpeg, message)
            outlet.publish(data=await self._device.run(feed.specialist, picture, "image/jpeg"))
            return
        captured = time.time()
        value = self._graph.types.plain(message)
        if feed.type == PICTURE:
            import base64

            value = {"image": base64.b64encode(await asyncio.to_thread(jpeg, message, _SIDE)).decode()}
        if len(json.dumps(value)) > MAX_VALUE:
            raise RosError(f"a message has more than the {MAX_VALUE} bytes of JSON that a topic of the device takes.")
        await self._device.publish(f"ros{feed.topic}", value, captured)

    async def _tell_events(self) -> None:
        """What the device's pipelines found, on <node>/events."""
        outlet = self._graph.advertise(f"{self._base}/events", _STRING)
        while True:
            try:
                async for event in self._device.events():
                    with contextlib.suppress(Overloaded):
                        outlet.publish(data=event)
            except NoAnswer as error:
                self._say(str(error))
            await asyncio.sleep(LOOK_SECONDS)

    def _say(self, text: str) -> None:
        """Logs a sentence the first time."""
        if text not in self._told and len(self._told) < 1000:
            self._told.add(text)
            _log.warning("%s", text)


class _Specialist:
    """What a specialist is in ROS 2."""

    def __init__(self, node: Node, name: str) -> None:
        graph, base = node._graph, f"{node._base}/{token(name)}"
        self._node, self._name = node, name
        self._service = graph.serve(f"{base}/ask", "enigma_interfaces/srv/Ask", self._answer, ANSWER_SECONDS + 5)
        self._action: ActionServer | None = None
        if graph.transport.acts:
            self._action = ActionServer(graph, f"{base}/work", "enigma_interfaces/action/Ask", self._work, _failed)
        self._requests = graph.subscribe(f"{base}/request", _STRING)
        self._answers = graph.advertise(f"{base}/answer", _STRING)
        self._task = asyncio.get_running_loop().create_task(self._listen(self._requests))

    async def close(self) -> None:
        self._task.cancel()
        if self._action is not None:
            await self._action.close()
        for end in (self._service, self._requests, self._answers):
            end.close()

    async def _answer(self, request: Any) -> dict[str, object]:
        return await self._node.ask(self._name, request.request)

    async def _work(self, goal: Any, tell: Feedback) -> dict[str, object]:
        begun = time.monotonic()
        asked = asyncio.ensure_future(self._node.ask(self._name, goal.request))
        try:
            while True:
                tell({"seconds": time.monotonic() - begun})
                done, _ = await asyncio.wait([asked], timeout=1.0)
                if done:
                    break
        finally:
            asked.cancel()
        made = asked.result()
        if not made["ok"]:
            raise RosError(str(made["error"]))
        return made

    async def _listen(self, requests: Subscription) -> None:
        async for message in requests.each():
            made = await self._node.ask(self._name, message.data)
            with contextlib.suppress(BridgeError):
                self._answers.publish(data=made.get("answer") or json.dumps({"error": made.get("error")}))


def _failed(error: Exception) -> dict[str, object]:
    return {"ok": False, "error": str(error) or "It took too long."}
