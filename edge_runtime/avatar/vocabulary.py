"""The closed vocabularies of the task `avatar`, and ARKit's blendshapes for each emotion."""

from __future__ import annotations

from collections.abc import Mapping

EMOTIONS = (
    "neutral", "happy", "sad", "angry", "afraid", "surprised", "disgusted", "loving", "confused", "bored", "proud",
    "shy",
)  # fmt: skip
INTENSITIES = ("low", "medium", "high")
# A gesture's usual length in seconds, of one repetition at normal speed.
GESTURES: Mapping[str, float] = {
    "none": 0.0, "wave": 1.6, "nod": 0.9, "shake_head": 1.1, "shrug": 1.0, "point": 1.2, "thumbs_up": 1.2,
    "thumbs_down": 1.2, "clap": 2.0, "bow": 1.8, "cross_arms": 1.4, "facepalm": 1.6, "heart_hands": 1.8, "dance": 4.0,
    "jump": 1.0, "think": 2.0, "salute": 1.3, "beckon": 1.4, "tilt_head": 1.0, "hands_up": 1.2,
}  # fmt: skip
GAZES = ("user", "away", "up", "down", "left", "right", "around", "closed")
TIMINGS: Mapping[str, float] = {"quick": 0.6, "normal": 1.0, "slow": 1.7}  # factors on a gesture's length

# What is predicted, each a choice of one; in this order everywhere.
HEADS: Mapping[str, tuple[str, ...]] = {
    "emotion": EMOTIONS,
    "intensity": INTENSITIES,
    "gesture": tuple(GESTURES),
    "gaze": GAZES,
    "timing": tuple(TIMINGS),
}
# What stands where a text says nothing about it.
DEFAULTS: Mapping[str, str] = {
    "emotion": "neutral", "intensity": "medium", "gesture": "none", "gaze": "user", "timing": "normal",
}  # fmt: skip

# The 52 of ARFaceAnchor.BlendShapeLocation (Apple, ARKit), coefficients from 0 to 1.
ARKIT = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft",
    "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft",
    "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel", "mouthLeft",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
    "tongueOut",
)  # fmt: skip

# Each emotion at full strength, by the action units of Ekman's prototypes (Ekman & Friesen, FACS, 1978) as ARKit names
# them; names without a side stand for both.
_FACES: Mapping[str, Mapping[str, float]] = {
    "neutral": {},
    "happy": {"mouthSmile": 0.9, "cheekSquint": 0.6, "eyeSquint": 0.3},
    "sad": {"mouthFrown": 0.8, "browInnerUp": 0.8, "mouthShrugLower": 0.3},
    "angry": {"browDown": 0.9, "mouthPress": 0.6, "eyeSquint": 0.4, "noseSneer": 0.3},
    "afraid": {"eyeWide": 0.8, "browInnerUp": 0.7, "mouthStretch": 0.6, "jawOpen": 0.2},
    "surprised": {"eyeWide": 0.9, "browInnerUp": 0.8, "browOuterUp": 0.8, "jawOpen": 0.6},
    "disgusted": {"noseSneer": 0.9, "mouthUpperUp": 0.5, "browDown": 0.4},
    "loving": {"mouthSmile": 0.6, "eyeSquint": 0.4, "browInnerUp": 0.2},
    "confused": {"browDownLeft": 0.5, "browOuterUpRight": 0.7, "mouthPucker": 0.3},
    "bored": {"eyeBlink": 0.5, "mouthFrown": 0.2, "mouthShrugLower": 0.3},
    "proud": {"mouthSmile": 0.5, "mouthPress": 0.3, "browOuterUp": 0.2},
    "shy": {"mouthSmile": 0.35, "mouthRollLower": 0.4, "cheekPuff": 0.1, "browInnerUp": 0.3},
}
_STRENGTH: Mapping[str, float] = {"low": 0.4, "medium": 0.7, "high": 1.0}
# How the eyes turn; left and right are the avatar's own.
_EYES: Mapping[str, Mapping[str, float]] = {
    "user": {},
    "away": {"eyeLookOutLeft": 0.5, "eyeLookInRight": 0.5},
    "up": {"eyeLookUp": 0.7},
    "down": {"eyeLookDown": 0.7},
    "left": {"eyeLookOutLeft": 0.7, "eyeLookInRight": 0.7},
    "right": {"eyeLookInLeft": 0.7, "eyeLookOutRight": 0.7},
    "around": {"eyeLookUp": 0.2},
    "closed": {"eyeBlink": 1.0},
}


def blendshapes(emotion: str, intensity: str, gaze: str) -> dict[str, float]:
    """The face of a choice: ARKit's names with coefficients from 0 to 1; those that are 0 are left out."""
    face, eyes = face_of(emotion, intensity), eyes_of(gaze)
    return {name: max(face.get(name, 0.0), eyes.get(name, 0.0)) for name in ARKIT if name in face or name in eyes}


def face_of(emotion: str, intensity: str) -> dict[str, float]:
    """What an emotion alone does to the face, as `blendshapes`."""
    return _spread(_FACES[emotion], strength(intensity))


def eyes_of(gaze: str) -> dict[str, float]:
    """What a gaze alone does to the eyes, as `blendshapes`."""
    return _spread(_EYES[gaze], 1.0)


def strength(intensity: str) -> float:
    """An intensity as a share of the whole expression."""
    return _STRENGTH[intensity]


def _spread(table: Mapping[str, float], share: float) -> dict[str, float]:
    """ARKit's names of a table, each of both sides where it names none."""
    found: dict[str, float] = {}
    for name, value in table.items():
        for full in (name,) if name in ARKIT else (f"{name}Left", f"{name}Right"):
            found[full] = round(min(1.0, max(found.get(full, 0.0), value * share)), 3)
    return found


def seconds(gesture: str, timing: str) -> float:
    """How long a gesture takes; 0 for none."""
    return round(GESTURES[gesture] * TIMINGS[timing], 2)


def contradicts(emotion: str, shapes: Mapping[str, float]) -> str | None:
    """Why a face doesn't fit its emotion, None where it does: a smile that outweighs a frown in sadness, and the like."""

    def both(name: str) -> float:
        return max(shapes.get(name, 0.0), shapes.get(f"{name}Left", 0.0), shapes.get(f"{name}Right", 0.0))

    if emotion in ("happy", "loving", "proud") and both("mouthFrown") > both("mouthSmile"):
        return f"{emotion} with a frown"
    if emotion in ("sad", "angry", "disgusted", "afraid") and both("mouthSmile") > both("mouthFrown") + 0.2:
        return f"{emotion} with a smile"
    if emotion in ("surprised", "afraid") and both("eyeSquint") > both("eyeWide") and both("eyeSquint") > 0.3:
        return f"{emotion} with squinting eyes"
    return None
