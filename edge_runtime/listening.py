"""`enigma-edge listen`: sound goes to the daemon, or to the specialist itself where none runs; detections come back."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from edge_runtime.audio.wake import samples_of
from edge_runtime.client import DeviceClient
from edge_runtime.config import Config
from edge_runtime.errors import BadRequest, EdgeError, NotFound, by_code
from edge_runtime.tasks.wake_word import WakeWord
from edge_runtime.update import disk
from edge_runtime.update.admit import admit_installed
from edge_runtime.update.slots import Slots

Json = dict[str, object]
OnEvent = Callable[[Json], None]
_WAITING = 20  # pieces, a second, that a slow daemon may fall behind before the microphone waits


def listen_here(state: Path, name: str, config: Config, pieces: Iterator[bytes], on_event: OnEvent) -> None:
    """Load an installed specialist as the daemon would, and let it listen until the sound ends."""
    slots = Slots(state)
    pointer = slots.pointers().get(name)
    if pointer is None:
        have = ", ".join(sorted(slots.pointers())) or "none yet"
        raise NotFound(f"There is no specialist '{name[:64]}' on this device (it has {have}).")
    models = config.models
    with disk.storage_errors(state):
        loaded = admit_installed(slots, pointer.active, models.threads, models.runtimes, cold=models.cold)
    try:
        if not isinstance(loaded.specialist, WakeWord):
            raise BadRequest(f"'{name}' waits for no phrase; its task is {loaded.manifest.task}.")
        session = loaded.specialist.listen()
        for piece in pieces:
            for one in session.feed(samples_of(piece)):
                told = {"phrase": loaded.specialist.phrase, "seconds": one.seconds, "confidence": one.confidence}
                on_event({"type": "wake", **told})
        on_event({"type": "end", "seconds": round(session.seconds, 2)})
    finally:
        loaded.engine.close()


async def listen_there(client: DeviceClient, name: str, pieces: Iterator[bytes], on_event: OnEvent) -> Json:
    """Send the sound to a device as it is recorded; the last event is returned too. Raises what stopped the sound."""
    failed: list[Exception] = []
    last: Json = {}
    async for event in client.listen(name, _threaded(pieces, failed)):
        if event.get("type") == "error":
            raise by_code(str(event.get("code")))(str(event.get("message")))
        on_event(event)
        last = event
    if failed:
        raise failed[0]
    return last


def line(event: Json, *, as_json: bool) -> str:
    """An event as a person reads it, or as one line of JSON."""
    if as_json:
        return json.dumps(event, ensure_ascii=False)
    if event["type"] == "wake":
        return f"{event['seconds']:8.2f} s  {event['phrase']}  ({event['confidence']:.3f})"
    return f"{event['seconds']:8.2f} s  the sound ended"


async def _threaded(pieces: Iterator[bytes], failed: list[Exception]) -> AsyncIterator[bytes]:
    """What a blocking iterator gives, taken in a thread of its own; what stops it is kept in `failed`."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)
    stopped = threading.Event()

    def put(item: bytes | None) -> None:
        if not stopped.is_set():
            with contextlib.suppress(RuntimeError, concurrent.futures.CancelledError):  # the loop ended meanwhile
                asyncio.run_coroutine_threadsafe(queue.put(item), loop).result()

    def take() -> None:
        try:
            for piece in pieces:
                if stopped.is_set():
                    return
                put(piece)
        except EdgeError as cause:
            failed.append(cause)
        finally:
            put(None)

    # A daemon thread: a microphone that hangs must not keep the command from ending.
    threading.Thread(target=take, name="microphone", daemon=True).start()
    try:
        while (item := await queue.get()) is not None:
            yield item
    finally:
        stopped.set()
