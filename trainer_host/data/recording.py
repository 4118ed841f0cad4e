"""Pictures and sounds from a paired device's own camera or microphone, as files below a folder named by their label."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.audio.files import read_sound
from edge_runtime.errors import BadRequest, NotFound
from trainer_host.errors import DataError
from trainer_host.workspace import storage_errors, write_atomic

if TYPE_CHECKING:
    from edge_runtime.client import DeviceClient

MAX_TAKES = 10_000
_MAX_LABEL = 60
_WAIT_SECONDS = 15.0  # for a camera's next picture
_LOOK_SECONDS = 0.2  # as often as a device makes one
_SILENT_TAKES = 3  # in a row, and the microphone is off
OnTake = Callable[[int, str], None]


@dataclass(frozen=True)
class Plan:
    """What to record. every: seconds from one picture to the next, or of quiet between two sounds.

    seconds: of each sound. who: the person who speaks, "" where it isn't said.
    """

    folder: Path
    label: str
    count: int
    every: float
    seconds: float
    who: str = ""

    def __post_init__(self) -> None:
        for name, what in ((self.label, "label"), (self.who, "--by")):
            if (what == "label" or name) and not _folder_name(name):
                raise DataError(
                    f"The {what} {name[:40]!r} can't name a folder; use letters, digits, spaces and dashes, "
                    f"at most {_MAX_LABEL}."
                )
        if not 1 <= self.count <= MAX_TAKES:
            raise DataError(f"--count must be from 1 to {MAX_TAKES:,}.")
        if not 0 <= self.every <= 3600:
            raise DataError("--every must be from 0 to 3600 seconds.")
        if not 0.5 <= self.seconds <= 60:
            raise DataError("--seconds must be from 0.5 to 60.")

    @property
    def place(self) -> Path:
        """FOLDER/LABEL, or FOLDER/LABEL/WHO."""
        return self.folder / self.label / self.who


async def pipeline_of(client: DeviceClient, name: str | None) -> tuple[str, bool]:
    """(the pipeline, whether it hears): the one that is named, or the only one that may be recorded; raises `DataError`."""
    listed = (await client.pipelines()).get("pipelines")
    found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    open_ones = {
        str(each.get("name")): bool(each.get("heard")) for each in found if each.get("shown") or each.get("heard")
    }
    if name is not None:
        if name in open_ones:
            return name, open_ones[name]
        if name not in {str(each.get("name")) for each in found}:
            raise DataError(f"The device has no pipeline '{name[:64]}'; 'enigma-edge pipelines' there lists them.")
        raise DataError(
            f"The pipeline '{name}' may not be recorded; in its file on the device, [source] must say shown = true (a camera) "
            "or heard = true (a microphone)."
        )
    if len(open_ones) != 1:
        names = ", ".join(sorted(open_ones))
        raise DataError(
            f"Say which pipeline records, as in --pipeline {sorted(open_ones)[0]}; there are {names}."
            if names
            else "No pipeline of the device may be recorded; in a file of one, [source] must say shown = true (a camera) or "
            "heard = true (a microphone). See docs/pipelines.md."
        )
    [(only, hears)] = open_ones.items()
    return only, hears


async def record_pictures(client: DeviceClient, pipeline: str, plan: Plan, on_take: OnTake) -> None:
    """Write a JPEG of what the camera sees, `plan.count` times, each of another picture; raises `DataError`.

    on_take: told of each file, with its number, once it is written: what is there stays, whatever comes.
    """
    tag = ""
    with storage_errors(plan.folder):
        plan.place.mkdir(parents=True, exist_ok=True)
        for number in range(1, plan.count + 1):
            began = time.monotonic()
            while (found := await _seen(client, pipeline, tag)) is None:
                if time.monotonic() - began > _WAIT_SECONDS:
                    raise DataError(f"The camera of '{pipeline}' gives no new picture; look after it on the device.")
                await asyncio.sleep(_LOOK_SECONDS)
            content, tag, captured = found
            path = plan.place / f"{_stamp(captured)}.jpg"
            write_atomic(path, content)
            on_take(number, path.name)
            if number < plan.count:
                await asyncio.sleep(max(0.0, plan.every - (time.monotonic() - began)))


async def record_sounds(client: DeviceClient, pipeline: str, plan: Plan, on_take: OnTake) -> None:
    """Write a WAV of `plan.seconds`, `plan.count` times, with `plan.every` seconds of quiet before each.

    on_take: told "wait" and "now" too, with the number of files that are there: somebody waits for the cue. Raises
    `DataError` where the microphone hears nothing at all.
    """
    silent = 0
    with storage_errors(plan.folder):
        plan.place.mkdir(parents=True, exist_ok=True)
        for number in range(1, plan.count + 1):
            on_take(number - 1, "wait")
            await asyncio.sleep(plan.every)
            on_take(number - 1, "now")
            content, captured = await client.sound(pipeline, plan.seconds)
            try:
                sound = read_sound(content)
            except BadRequest as cause:
                raise DataError(f"The device sent no sound ({cause})") from None
            silent = silent + 1 if sound.problem == "silent" else 0
            path = plan.place / f"{_stamp(captured)}.wav"
            write_atomic(path, content)
            if silent == _SILENT_TAKES:
                raise DataError(f"The microphone of '{pipeline}' hears nothing; is it muted? 'alsamixer' there shows.")
            on_take(number, path.name)


async def _seen(client: DeviceClient, pipeline: str, tag: str) -> tuple[bytes, str, float] | None:
    try:
        return await client.picture(pipeline, tag)
    except NotFound as cause:
        if "no picture yet" in str(cause):
            return None
        raise


def _stamp(captured: float) -> str:
    """A name that sorts by time, to the millisecond, UTC."""
    at = datetime.fromtimestamp(captured, UTC)
    return f"{at:%Y%m%d-%H%M%S}-{at.microsecond // 1000:03d}"


def _folder_name(name: str) -> bool:
    return (
        0 < len(name) <= _MAX_LABEL
        and name == name.strip()
        and all(letter.isalnum() or letter in " -_" for letter in name)
    )
