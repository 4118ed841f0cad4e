"""Task `avatar`: what is said gives what face and body do: emotion, intensity, gesture, gaze, timing.

Where a request brings the names of a rig's bones and expressions, the answer says what those do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edge_runtime.avatar.rig import AXES, MAX_NAME_CHARS, MAX_NAMES, Matched, answer, matched, read_rig
from edge_runtime.avatar.vocabulary import ARKIT, DEFAULTS, HEADS, blendshapes, seconds
from edge_runtime.bundle.manifest import Manifest
from edge_runtime.engines import Engine
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.tasks import Steps, driven
from edge_runtime.tasks.confidence import OPTION, Platt, adjusted, checked_platt
from edge_runtime.tasks.router import features_of
from edge_runtime.tasks.text import SCHEME, Features, encode

NAME = "avatar"
MAX_CHARS = 1000
TOLERANCE = 0.1  # on a confidence, between int8 runtimes that round differently
INPUT = "tokens"  # int32 [1, length], see edge_runtime.tasks.text; outputs are named by `HEADS`, float32 [1, labels]
# A face is shown even where the model isn't sure; below this the gesture is left out, since it can't be taken back.
CAREFUL = ("gesture",)

_NAME = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARS}
_DEGREES = {"type": "number", "minimum": -360, "maximum": 360}
_LIMITS = {
    "type": "object",
    "properties": {axis: {"type": "array", "items": _DEGREES, "minItems": 2, "maxItems": 2} for axis in AXES},
    "additionalProperties": False,
}
_BONE = {
    "type": "object",
    "properties": {"name": _NAME, "limits": _LIMITS},
    "required": ["name"],
    "additionalProperties": False,
}
_RIG = {
    "type": "object",
    "properties": {
        "expressions": {"type": "array", "maxItems": MAX_NAMES, "uniqueItems": True, "items": _NAME},
        "bones": {"type": "array", "maxItems": MAX_NAMES, "items": {"anyOf": [_NAME, _BONE]}},
    },
    "additionalProperties": False,
}
REQUEST_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1, "maxLength": MAX_CHARS}, "rig": _RIG},
    "required": ["text"],
    "additionalProperties": False,
}
_COEFFICIENT = {"type": "number", "minimum": 0, "maximum": 1}
_TURN = {"type": "object", "properties": {axis: _DEGREES for axis in AXES}, "required": list(AXES)}
_KEYFRAME = {
    "type": "object",
    "properties": {
        "t": {"type": "number", "minimum": 0},
        "bones": {"type": "object", "additionalProperties": _TURN},
        "lift": {"type": "number"},
    },
    "required": ["t", "bones"],
}
_NAMES = {"type": "array", "items": {"type": "string"}}
RESPONSE_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        **{head: {"type": "string", "enum": list(labels)} for head, labels in HEADS.items()},
        "blendshapes": {"type": "object", "properties": {name: _COEFFICIENT for name in ARKIT}, "additionalProperties": False},
        "seconds": {"type": "number", "minimum": 0},
        "confidence": {"type": "object", "properties": {head: _COEFFICIENT for head in HEADS}},
        "unsure": {"type": "boolean"},
        # Only where the request has a rig.
        "expressions": {"type": "object", "additionalProperties": _COEFFICIENT},
        "motion": {"type": "array", "items": _KEYFRAME},
        "rig": {
            "type": "object",
            "properties": {
                **{what: _NAMES for what in ("unknown", "unused", "missing", "limited")},
                "shown": {"type": "string", "enum": [*HEADS["emotion"], "relaxed"]},
            },
        },
    },
    "required": [*HEADS, "blendshapes", "seconds", "confidence", "unsure"],
}  # fmt: skip


class Avatar:
    """A loaded avatar; answers `{"text", "rig"?}` with a choice per head, the face (ARKit) and the gesture's seconds.

    With a rig (`edge_runtime.avatar.rig.read_rig`) also with the weights of its expressions and the turns of its bones.
    platt: by head, what a best score is worth, of a bundle that keeps it, see `confidence`.
    """

    def __init__(
        self, unsure: float, features: Features, engine: Engine, platt: Mapping[str, Platt] | None = None
    ) -> None:
        self._unsure = unsure
        self._features = features
        self._engine = engine
        self._platt = platt or {}

    def run(self, request: dict[str, object]) -> dict[str, object]:
        """Choose for one text; where it is unsure, it makes no gesture."""
        return driven(self._engine, self.steps(request))

    def steps(self, request: dict[str, object]) -> Steps:
        """See `Stepwise`."""
        text, rig = _text(request), _rig(request)
        encoded = encode(text, self._features)
        found = yield {INPUT: encoded.ids}
        chosen: dict[str, str] = {}
        confidence: dict[str, float] = {}
        for head, labels in HEADS.items():
            scores = found[head]
            if scores.shape != (1, len(labels)) or not np.isfinite(scores).all():
                raise EngineError(
                    f"The avatar gave scores of shape {list(scores.shape)} for the {len(labels)} labels of {head}, "
                    "or not numbers; build the bundle again."
                )
            values = adjusted(scores[0], self._platt.get(head))
            best = int(values.argmax())
            chosen[head] = labels[best]
            confidence[head] = round(min(max(float(values[best]), 0.0), 1.0), 4)
        unsure = encoded.count == 0 or min(confidence[head] for head in ("emotion", "gesture", "gaze")) < self._unsure
        if unsure:
            for head in CAREFUL:
                if confidence[head] < self._unsure or encoded.count == 0:
                    chosen[head] = DEFAULTS[head]
        length = seconds(chosen["gesture"], chosen["timing"])
        return {
            **chosen,
            "blendshapes": blendshapes(chosen["emotion"], chosen["intensity"], chosen["gaze"]),
            "seconds": length,
            "confidence": confidence,
            "unsure": unsure,
            **(answer(rig, chosen, length) if rig is not None else {}),
        }


def load(manifest: Manifest, folder: Path, engine: Engine) -> Avatar:
    """An avatar from a bundle; options may hold `features` and `platt` and must hold this version's `heads`."""
    if manifest.options.get("heads") != {head: list(labels) for head, labels in HEADS.items()}:
        raise BundleError("The avatar's bundle was made for other vocabularies; build it again with this version.")
    if "unsure" not in manifest.thresholds:
        raise BundleError("An avatar's bundle needs the threshold 'unsure'; build it again.")
    if manifest.tokenizer is None or manifest.tokenizer.scheme != SCHEME:
        raise BundleError(f"An avatar's bundle needs the tokenizer scheme '{SCHEME}'; build it again.")
    platt = manifest.options.get(OPTION, {})
    if not isinstance(platt, dict) or not platt.keys() <= HEADS.keys():
        raise BundleError(f"options.{OPTION} of an avatar holds two numbers by head; build the bundle again.")
    by_head = {head: checked_platt(value) for head, value in platt.items()}
    return Avatar(manifest.thresholds["unsure"], features_of(manifest.options), engine, by_head)


def agrees(expected: dict[str, object], got: dict[str, object]) -> bool:
    """The same choices and the same doubt, and the same commands to a rig; confidences within `TOLERANCE`."""
    if any(expected.get(head) != got.get(head) for head in HEADS) or expected.get("unsure") != got.get("unsure"):
        return False
    if any(expected.get(part) != got.get(part) for part in ("expressions", "motion")):
        return False
    wanted, given = expected.get("confidence"), got.get("confidence")
    if not isinstance(wanted, dict) or not isinstance(given, dict) or wanted.keys() != given.keys():
        return False
    return all(abs(float(wanted[head]) - float(given[head])) <= TOLERANCE for head in wanted)


def _text(request: dict[str, object]) -> str:
    text = request.get("text")
    if not isinstance(text, str):
        raise BadRequest('The avatar needs a "text", as in {"text": "look at me and smile"}.')
    if extra := sorted(request.keys() - {"text", "rig"}):
        raise BadRequest(f'The avatar reads only "text" and "rig"; leave out "{extra[0][:40]}".')
    if not text.strip():
        raise BadRequest('The "text" is empty; send a sentence.')
    if len(text) > MAX_CHARS:
        raise BadRequest(f'The "text" has {len(text)} characters; send at most {MAX_CHARS}.')
    return text


def _rig(request: dict[str, object]) -> Matched | None:
    return matched(read_rig(request["rig"])) if request.get("rig") is not None else None
