"""What goes through a pipeline: a value with the moment at which it was captured, and what models said of it."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_runtime.errors import EdgeError
from edge_runtime.media import Media

if TYPE_CHECKING:
    import numpy as np

Json = dict[str, object]


class SourceError(EdgeError):
    """A source gave nothing any more, or never did; the pipeline tries it again."""

    code = "source"
    status = 502


class SinkError(EdgeError):
    """A sink didn't take what a pipeline gave it."""

    code = "sink"
    status = 502


@dataclass(frozen=True)
class Captured:
    """A moment by two clocks: monotonic, in seconds of this machine since it started, and wall, seconds since 1970."""

    monotonic: float
    wall: float

    @classmethod
    def now(cls) -> Captured:
        """This moment."""
        return cls(time.monotonic(), time.time())

    def later(self, seconds: float) -> Captured:
        """The moment so many seconds after this one."""
        return Captured(self.monotonic + seconds, self.wall + seconds)

    @property
    def age(self) -> float:
        """Seconds since then; 0 where it is to come, as in a file that is read faster than it was recorded."""
        return max(0.0, time.monotonic() - self.monotonic)

    def plain(self) -> Json:
        """As JSON."""
        return {"monotonic": round(self.monotonic, 4), "wall": round(self.wall, 4)}


class Sound:
    """A piece of sound. samples: float32 [n] at 16 kHz, within -1 to 1; the item was captured when the first came."""

    def __init__(self, samples: np.ndarray) -> None:
        self.samples = samples

    @property
    def seconds(self) -> float:
        """How long it is."""
        from edge_runtime.audio.files import RATE

        return len(self.samples) / RATE

    def encoded(self) -> Media:
        """A WAV of 16 bits."""
        from edge_runtime.audio.files import TYPES, write_sound

        return Media(TYPES[0], write_sound(self.samples))


class Frame:
    """A picture of a camera; encoded once, for all models that look at it, and only where one does."""

    def __init__(
        self, width: int, height: int, encode: Callable[[], Media], preview: Callable[[], Media] | None = None
    ) -> None:
        self.width, self.height = width, height
        self._encode, self._preview = encode, preview or encode
        self._encoded: Media | None = None

    def encoded(self) -> Media:
        """A JPEG; raises `SourceError`. Takes milliseconds: call it in a thread."""
        if self._encoded is None:
            self._encoded = self._encode()
        return self._encoded

    def preview(self) -> Media:
        """A small JPEG for a person; raises and takes time as above."""
        return self._preview()


@dataclass(frozen=True)
class Item:
    """One value on its way.

    value: an object, a `Sound` or a `Frame`. position: seconds since the source began, by what it captured. sequence:
    counts up by one, with a gap where something was lost at the source. model, answer: who said what of it last.
    took: milliseconds by model. hops: how many topics it came through. trace: headers of the trace that it is part of.
    """

    value: Json | Sound | Frame
    captured: Captured
    position: float
    sequence: int = 0
    model: str = ""
    specialist: str = ""
    answer: Mapping[str, object] | None = None
    took: Mapping[str, float] = field(default_factory=dict)
    hops: int = 0
    trace: Mapping[str, str] = field(default_factory=dict)

    def answered(
        self, model: str, specialist: str, answer: Json, seconds: float, trace: Mapping[str, str] | None = None
    ) -> Item:
        """The item with a model's answer. trace: as above, where it is another one than before."""
        took = {**self.took, model: round(seconds * 1000, 3)}
        known = self.trace if trace is None else trace
        return dataclasses.replace(self, model=model, specialist=specialist, answer=answer, took=took, trace=known)

    def plain(self, pipeline: str) -> Json:
        """What a sink tells: the answer, or the value where no model was asked, and when it was captured.

        Files are still `Media` in it.
        """
        told: Json = {
            "pipeline": pipeline,
            "sequence": self.sequence,
            "captured": self.captured.plain(),
            "position_seconds": round(self.position, 3),
            "age_ms": round(self.captured.age * 1000, 1),
        }
        if self.answer is None:
            told["value"] = shown(self.value)
        else:
            told |= {"model": self.model, "specialist": self.specialist, "answer": dict(self.answer)}
            told["ms"] = dict(self.took)
        return told


def shown(value: Json | Sound | Frame) -> Json:
    """A value where it is only described: sound and pictures by their size."""
    if isinstance(value, Sound):
        return {"seconds": round(value.seconds, 3)}
    if isinstance(value, Frame):
        return {"width": value.width, "height": value.height}
    return value


async def request_of(item: Item) -> Json:
    """An item as a specialist takes it: an object as it is, a picture as "image", sound as "audio"."""
    if isinstance(item.value, dict):
        return item.value
    media = await asyncio.to_thread(item.value.encoded)
    return {media.content_type.partition("/")[0]: media}
