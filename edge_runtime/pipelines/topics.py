"""Topics within the process: whoever publishes doesn't know who reads, and a slow reader loses only its own oldest."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from edge_runtime.errors import BadRequest, Overloaded
from edge_runtime.pipelines.box import Box
from edge_runtime.pipelines.items import Captured, Json

MAX_READERS = 64
MAX_HOPS = 8  # topics that lead to one another in a circle end here
READER_BOUND = 64
_TOPIC = re.compile(r"[A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)*")
_LONGEST = 128


@dataclass(frozen=True)
class Message:
    """What was published. hops: how many topics what it was made of came through before."""

    topic: str
    value: Json
    captured: Captured
    hops: int = 0


class Reader:
    """What comes on the topics that it reads, the latest of it; `close` it when done."""

    def __init__(self, topics: Topics, pattern: str, bound: int) -> None:
        self._topics, self._pattern = topics, pattern
        self.box: Box[Message] = Box(bound)

    def wants(self, topic: str) -> bool:
        """Whether its pattern fits: the topic itself, or "a/#" for all below a."""
        return matches(self._pattern, topic)

    async def next(self) -> Message | None:
        """The next message; None once it is closed."""
        return await self.box.take()

    def close(self) -> None:
        """Read no more."""
        self._topics.leave(self)
        self.box.close()


class Topics:
    """The topics of a device; every method is called in its event loop."""

    def __init__(self) -> None:
        self._readers: list[Reader] = []

    def read(self, pattern: str, bound: int = READER_BOUND) -> Reader:
        """Begin to read; raises `BadRequest` for what is no topic, and `Overloaded`."""
        check_topic(pattern, pattern=True)
        if len(self._readers) >= MAX_READERS:
            raise Overloaded(f"{MAX_READERS} readers of topics are there already; stop a pipeline.")
        reader = Reader(self, pattern, bound)
        self._readers.append(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        """Forget a reader."""
        if reader in self._readers:
            self._readers.remove(reader)

    def publish(self, message: Message) -> int:
        """Give a message to all who read its topic, and return to how many; raises `BadRequest`."""
        check_topic(message.topic)
        if message.hops >= MAX_HOPS:
            raise BadRequest(f"What came on '{message.topic}' went through {MAX_HOPS} topics; they lead in a circle.")
        passed = dataclasses.replace(message, hops=message.hops + 1)
        readers = [reader for reader in self._readers if reader.wants(message.topic)]
        for reader in readers:
            reader.box.offer(passed)
        return len(readers)


def check_topic(topic: object, *, pattern: bool = False) -> str:
    """A topic's name, as in "home/door"; with `pattern` also "home/#". Raises `BadRequest`."""
    name = topic.removesuffix("/#") if pattern and isinstance(topic, str) else topic
    if not isinstance(topic, str) or len(topic) > _LONGEST or not _TOPIC.fullmatch(str(name)):
        also = ', or "home/#" for all below' if pattern else ""
        raise BadRequest(
            f'A topic has letters, digits and _.~- between single slashes, up to {_LONGEST} of them, as "home/door"{also}.'
        )
    return topic


def matches(pattern: str, topic: str) -> bool:
    """Whether a pattern means a topic."""
    if pattern.endswith("/#"):
        return topic.startswith(pattern[:-1]) or topic == pattern[:-2]
    return topic == pattern
