"""Task `wake_word`: a sound gives the times at which a phrase was said in it; a stream of sound is listened to live."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np

from edge_runtime.audio.files import MAX_BYTES, TYPES, Sound, read_sound
from edge_runtime.audio.wake import SMOOTH_BEFORE, Decision, Detection, WakeModel, WakeSession
from edge_runtime.bundle.manifest import Manifest
from edge_runtime.engines import Engine
from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.media import read_media
from edge_runtime.strict_json import is_number

NAME = "wake_word"
TOLERANCE = 0.15  # on a confidence, and SHIFTED seconds on its time, between int8 runtimes that round differently
SHIFTED = 0.1
_MOST_MEMORY = 100_000  # values
_MOST_SMOOTH = 30  # steps: behind a second, nobody waits any more
_TAIL = np.zeros(4_800, np.float32)  # a phrase that ends with the file is heard in the steps behind it

_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
REQUEST_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"audio": {"description": "WAV: base64, or a data: URL", "contentMediaType": TYPES[0]}},
    "required": ["audio"],
    "additionalProperties": False,
}
RESPONSE_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "detections": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "phrase": {"type": "string"},
                    "seconds": {"type": "number", "description": "when the phrase had ended"},
                    "confidence": _SHARE,
                },
                "required": ["phrase", "seconds", "confidence"],
            },
        },
        "confidence": {**_SHARE, "description": "the highest in the sound, also where nothing was heard"},
        "seconds": {"type": "number", "description": "how long the sound is"},
        "problem": {"type": ["string", "null"], "description": "silent or clipped"},
        "unsure": {"type": "boolean"},
    },
    "required": ["detections", "confidence", "seconds", "problem", "unsure"],
}
Json = dict[str, object]


class WakeWord:
    """Answers `{"audio"}`; `listen` begins a session, which `run` takes pieces of sound for."""

    def __init__(self, phrase: str, model: WakeModel) -> None:
        self.phrase = phrase
        self.model = model

    def run(self, request: Json) -> Json:
        """Find the phrase in one sound, or, with `session` and `samples`, in the next piece of a stream."""
        session = request.get("session")
        if isinstance(session, WakeSession):
            if session.model is not self.model:
                session.use(self.model)
            return {"detections": self._told(session.feed(cast(np.ndarray, request["samples"])))}
        sound = _sound(request)
        session = WakeSession(self.model)
        found = session.feed(np.concatenate([sound.samples, _TAIL]))
        peak = session.peak
        return {
            "detections": self._told(found),
            "confidence": round(peak, 4),
            "seconds": round(sound.seconds, 3),
            "problem": sound.problem,
            "unsure": not found and peak >= self.model.decision.unsure,
        }

    def listen(self) -> WakeSession:
        """A session over a stream of sound; see `WakeSession.feed`."""
        return WakeSession(self.model)

    def _told(self, found: list[Detection]) -> list[Json]:
        return [{"phrase": self.phrase, "seconds": one.seconds, "confidence": one.confidence} for one in found]


def load(manifest: Manifest, folder: Path, engine: Engine) -> WakeWord:
    """See `TaskModule.load`."""
    if len(manifest.labels) != 1:
        raise _wrong("one label, its phrase")
    threshold, unsure = manifest.thresholds.get("wake"), manifest.thresholds.get("unsure")
    if threshold is None or unsure is None:
        raise _wrong("thresholds 'wake' and 'unsure'")
    memory, platt = manifest.options.get("memory"), manifest.options.get("platt")
    if not (isinstance(memory, list) and len(memory) == 2 and all(type(n) is int and n > 0 for n in memory)):
        raise _wrong("an option 'memory' with steps and width")
    if memory[0] * memory[1] > _MOST_MEMORY:
        raise _wrong(f"an option 'memory' of at most {_MOST_MEMORY} values")
    if not (isinstance(platt, list) and len(platt) == 2 and all(is_number(value) for value in platt)):
        raise _wrong("an option 'platt' with scale and shift")
    smooth = manifest.options.get("smooth", SMOOTH_BEFORE)
    if type(smooth) is not int or not 0 < smooth <= _MOST_SMOOTH:
        raise _wrong(f"an option 'smooth' of 1 to {_MOST_SMOOTH} steps")
    decision = Decision(threshold, unsure, float(platt[0]), float(platt[1]))
    return WakeWord(manifest.labels[0], WakeModel(engine, (memory[0], memory[1]), decision, smooth))


def agrees(expected: Json, got: Json) -> bool:
    """The same phrases at nearly the same times, and a highest confidence within `TOLERANCE`."""
    wanted, given = expected.get("detections"), got.get("detections")
    if not isinstance(wanted, list) or not isinstance(given, list) or len(wanted) != len(given):
        return False
    if any(abs(one["seconds"] - other["seconds"]) > SHIFTED for one, other in zip(wanted, given, strict=True)):
        return False
    return abs(float(str(expected["confidence"])) - float(str(got["confidence"]))) <= TOLERANCE


def _sound(request: Json) -> Sound:
    if "audio" not in request:
        raise BadRequest('The task wake_word needs an "audio": a WAV as base64, a data: URL, or as the body.')
    if extra := sorted(request.keys() - {"audio"}):
        raise BadRequest(f'The task wake_word reads only "audio"; leave out "{extra[0][:40]}".')
    return read_sound(read_media(request["audio"], "audio", TYPES, MAX_BYTES).content)


def _wrong(what: str) -> BundleError:
    return BundleError(f"A bundle of the task wake_word needs {what}; build it again.")
