"""Where a pipeline's answers go: events and topics; webhooks and actions have modules of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from edge_runtime.media import described
from edge_runtime.pipelines import declare
from edge_runtime.pipelines.items import Item, SinkError, request_of
from edge_runtime.pipelines.topics import Message

if TYPE_CHECKING:
    from edge_runtime.config import RobotConfig
    from edge_runtime.events import EventHub
    from edge_runtime.pipelines.topics import Topics


class Sink(Protocol):
    """A sink that was opened."""

    async def deliver(self, item: Item) -> bool:
        """Hand an item over; False where there was nothing in it for this sink. Raises `SinkError`."""

    async def close(self) -> None:
        """Free what it holds."""


def open_sink(
    declared: declare.Sink, pipeline: str, events: EventHub, topics: Topics, robot: RobotConfig | None = None
) -> Sink:
    """A sink as a file declares it; raises `SinkError` where it can't ever deliver.

    robot: the device's own, for actions that name no other.
    """
    if isinstance(declared.to, declare.Event):
        return _Events(pipeline, events)
    if isinstance(declared.to, declare.Publish):
        return _Publish(pipeline, declared.to.topic, topics)
    if isinstance(declared.to, declare.Webhook):
        from edge_runtime.pipelines.webhook import Webhook

        return Webhook(declared.to, pipeline)
    if isinstance(declared.to, declare.HomeAssistant):
        from edge_runtime.pipelines.home_assistant import HomeAssistantCalls

        return HomeAssistantCalls(declared.to, pipeline, events)
    if isinstance(declared.to, declare.Speak):
        from edge_runtime.pipelines.speaker import Speaker

        return Speaker(declared.to)
    if isinstance(declared.to, declare.Sight):
        from edge_runtime.pipelines.sight import Sight

        return Sight(at_home(declared.to, robot))
    from edge_runtime.pipelines.actions import Actions

    return Actions(at_home(declared.to, robot), pipeline, events)


Robots = TypeVar("Robots", declare.Action, declare.Sight, declare.Robot)


def at_home(declared: Robots, robot: RobotConfig | None) -> Robots:
    """The same with the socket that it goes to."""
    if declared.socket is not None:
        return declared
    if robot is None or not robot.socket:
        raise SinkError("It names no socket, and the section [robot] of the device's configuration neither.")
    token = declared.token_file or (Path(robot.token_file) if robot.token_file else None)
    return replace(declared, socket=Path(robot.socket), token_file=token)


class _Events:
    """Files in an answer are only described: what listens to events isn't sent pictures."""

    def __init__(self, pipeline: str, events: EventHub) -> None:
        self._pipeline, self._events = pipeline, events

    async def deliver(self, item: Item) -> bool:
        told = described(item.plain(self._pipeline))
        assert isinstance(told, dict)
        self._events.emit("pipeline", **told)
        return True

    async def close(self) -> None:
        pass


class _Publish:
    """The answer, or the value, with the moment of capture; files in it stay files."""

    def __init__(self, pipeline: str, topic: str, topics: Topics) -> None:
        self._pipeline, self._topic, self._topics = pipeline, topic, topics

    async def deliver(self, item: Item) -> bool:
        value: Mapping[str, object] = item.answer if item.answer is not None else await request_of(item)
        self._topics.publish(Message(self._topic, dict(value), item.captured, item.hops))
        return True

    async def close(self) -> None:
        pass
