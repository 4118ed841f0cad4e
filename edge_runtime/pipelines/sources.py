"""Where items come from: timers, topics, microphones; cameras and serial ports have modules of their own.

A source gives items until it ends, and raises `SourceError` (or another `EdgeError`) where something is wrong with it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from edge_runtime.audio import microphone
from edge_runtime.audio.files import RATE
from edge_runtime.audio.wake import samples_of
from edge_runtime.pipelines import declare
from edge_runtime.pipelines.box import Box
from edge_runtime.pipelines.items import Captured, Item, Sound, SourceError
from edge_runtime.pipelines.topics import Topics

if TYPE_CHECKING:
    from edge_runtime.config import RobotConfig

STOP_SECONDS = 2.0  # for a thread that reads from a device to notice that it shall stop
_READ_AHEAD = 4  # items between a thread and the loop, which takes them at once


class Source(Protocol):
    """A source that was opened. Where it had to leave items out, their sequence has a gap."""

    def items(self) -> AsyncGenerator[Item, None]:
        """The items, until it ends."""


def open_source(declared: declare.Source, topics: Topics, robot: RobotConfig | None = None) -> Source:
    """A source as a file declares it; what it needs is opened when its items are asked for.

    robot: the device's own, for a source that names no other.
    """
    if isinstance(declared, declare.Timer):
        return _Timer(declared)
    if isinstance(declared, declare.Topic):
        return _Topic(declared, topics)
    if isinstance(declared, declare.Microphone):
        return Threaded(lambda stopped: _sound(declared, stopped), "microphone", declared.fast)
    if isinstance(declared, declare.Speech):
        from edge_runtime.pipelines.speech import spoken

        return Threaded(
            lambda stopped: spoken(declared, _sound(declared.sound, stopped), stopped),
            "microphone",
            declared.sound.fast,
        )
    if isinstance(declared, declare.Robot):
        from edge_runtime.pipelines.robot_news import RobotNews
        from edge_runtime.pipelines.sinks import at_home

        return RobotNews(at_home(declared, robot))
    if isinstance(declared, declare.Camera):
        from edge_runtime.pipelines.camera import frames

        return Threaded(lambda stopped: frames(declared, stopped), "camera", declared.fast)
    from edge_runtime.pipelines.serial_port import lines

    return Threaded(lambda stopped: lines(declared, stopped), "serial", False)


class _Timer:
    def __init__(self, declared: declare.Timer) -> None:
        self._declared = declared

    async def items(self) -> AsyncGenerator[Item, None]:
        """By the monotonic clock, without drift; ticks that the machine slept through are lost."""
        began, tick = Captured.now(), 0
        while not self._declared.count or tick < self._declared.count:
            due = began.later(tick * self._declared.every_seconds)
            await asyncio.sleep(max(0.0, due.monotonic - time.monotonic()))
            late = int((time.monotonic() - due.monotonic) / self._declared.every_seconds)
            if late and not self._declared.count:
                tick += late
            now = Captured.now()
            yield Item(dict(self._declared.value), now, now.monotonic - began.monotonic, tick)
            tick += 1


class _Topic:
    def __init__(self, declared: declare.Topic, topics: Topics) -> None:
        self._declared = declared
        self._topics = topics

    async def items(self) -> AsyncGenerator[Item, None]:
        """Each message as it was captured where it began."""
        began, number = time.monotonic(), 0
        reader = self._topics.read(self._declared.topic)
        try:
            while (message := await reader.next()) is not None:
                number += 1
                position = max(0.0, message.captured.monotonic - began)
                yield Item(message.value, message.captured, position, number + reader.box.dropped, hops=message.hops)
        finally:
            reader.close()


class Threaded:
    """What a blocking iterator gives, taken in a thread of its own.

    make: begins to read; it is told by an event when to stop. waits: whether the thread waits for whoever takes its
    items; else the oldest are dropped.
    """

    def __init__(self, make: Callable[[threading.Event], Iterator[Item]], name: str, waits: bool) -> None:
        self._make, self._name, self._waits = make, name, waits
        self._thread: threading.Thread | None = None

    async def items(self) -> AsyncGenerator[Item, None]:
        """The items; raises what stopped the thread, and `SourceError` where one of before still hangs."""
        if self._thread is not None and self._thread.is_alive():  # or every try would leave another one behind
            raise SourceError(f"The {self._name} still hangs from before; restart the device's daemon if it stays so.")
        loop = asyncio.get_running_loop()
        box: Box[Item] = Box(_READ_AHEAD)
        stopped, ended = threading.Event(), asyncio.Event()
        failed: list[Exception] = []

        def hand_over(item: Item) -> None:
            if not self._waits:
                box.offer(item)
                return
            with contextlib.suppress(RuntimeError, concurrent.futures.CancelledError):  # the loop ended meanwhile
                asyncio.run_coroutine_threadsafe(box.put(item), loop).result()

        def read() -> None:
            try:
                for item in self._make(stopped):
                    if stopped.is_set():
                        break
                    hand_over(item)
            except Exception as cause:  # raised again where the items are taken: a thread has nobody to tell
                failed.append(cause)
            finally:
                box.close()
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(ended.set)

        # A daemon thread: a device that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=read, name=f"pipeline-{self._name}", daemon=True)
        self._thread.start()
        try:
            while (item := await box.take()) is not None:
                yield item
            if failed:
                raise failed[0]
        finally:
            stopped.set()
            box.close()
            # A thread that hangs in a driver is left alone after a while.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await ended.wait()
                await asyncio.to_thread(self._thread.join, STOP_SECONDS)


def _sound(declared: declare.Microphone, stopped: threading.Event) -> Iterator[Item]:
    """Pieces of a twentieth of a second; of a file, captured when they would have been at the time of recording."""
    began, heard, number = Captured.now(), 0, 0
    while True:
        pieces = (
            microphone.from_file(declared.file)
            if declared.file is not None
            else microphone.from_microphone(declared.device or None, stopped.is_set)
        )
        try:
            for piece in pieces:
                samples = samples_of(piece)
                position = heard / RATE
                heard, number = heard + len(samples), number + 1
                if declared.file is None:
                    captured = Captured.now().later(-len(samples) / RATE)
                else:
                    captured = began.later(position)
                    # A microphone gives a piece when its last sample came.
                    due = captured.monotonic + len(samples) / RATE - time.monotonic()
                    if not declared.fast and due > 0 and stopped.wait(due):
                        return
                yield Item(Sound(samples), captured, position, number)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:  # ends the program that records
                close()
        if not declared.loop:
            return


def reads_end(declared: declare.Source) -> bool:
    """Whether a source is to end some time, as a file does; of any other, an end is a failure."""
    if isinstance(declared, declare.Timer):
        return declared.count > 0
    declared = declared.sound if isinstance(declared, declare.Speech) else declared
    return isinstance(declared, declare.Microphone | declare.Camera) and declared.file is not None and not declared.loop
