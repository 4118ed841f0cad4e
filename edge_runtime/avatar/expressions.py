"""Which of a rig's expressions does what to a face: a movement of ARKit's, or an emotion as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_runtime.avatar.names import LEFT, RIGHT, Name, take_apart
from edge_runtime.avatar.vocabulary import ARKIT, DEFAULTS, eyes_of, face_of, strength

# Words that say that it is an expression, or whose; they change nothing about which it is.
_NOISE = frozenset(
    (
        "ctrl", "control", "expression", "expressions", "expr", "blend", "shape", "shapes", "blendshape", "bs", "fcl",
        "all", "e", "f", "hd", "lod", "genesis", "male", "female", "face", "facial", "facs", "head", "mesh", "morph",
        "target", "key", "m", "c", "the", "of", "and",
        "arkit",
    )
)  # fmt: skip
_EMOTIONS: Mapping[str, str] = {
    "neutral": "neutral", "happy": "happy", "joy": "happy", "joyful": "happy", "happiness": "happy", "glad": "happy",
    "cheerful": "happy", "sad": "sad", "sorrow": "sad", "sadness": "sad", "unhappy": "sad", "angry": "angry",
    "anger": "angry", "mad": "angry", "furious": "angry", "afraid": "afraid", "fear": "afraid", "scared": "afraid",
    "fearful": "afraid", "surprised": "surprised", "surprise": "surprised", "shocked": "surprised",
    "astonished": "surprised", "disgusted": "disgusted", "disgust": "disgusted", "loving": "loving", "love": "loving",
    "affection": "loving", "tender": "loving", "confused": "confused", "confusion": "confused", "puzzled": "confused",
    "bored": "bored", "boredom": "bored", "proud": "proud", "pride": "proud", "smug": "proud", "shy": "shy",
    "bashful": "shy", "embarrassed": "shy", "relaxed": "relaxed", "fun": "relaxed", "calm": "relaxed",
    "content": "relaxed",
}  # fmt: skip
# Which whole face of a rig is nearest to an emotion that it lacks, the nearest first.
_NEAREST: Mapping[str, tuple[str, ...]] = {
    "happy": ("relaxed",), "loving": ("happy", "relaxed"), "proud": ("happy", "relaxed"), "shy": ("relaxed", "happy"),
    "afraid": ("surprised", "sad"), "disgusted": ("angry",), "confused": ("surprised",), "bored": ("relaxed", "sad"),
    "surprised": ("afraid",), "sad": (), "angry": ("disgusted",), "neutral": (),
}  # fmt: skip
# Other words for the parts and the movements of a face.
_MEANING: Mapping[str, str] = {
    "brow": "brow", "brows": "brow", "eyebrow": "brow", "eyebrows": "brow", "eye": "eye", "eyes": "eye",
    "eyelid": "eye",
    "eyelids": "eye", "lid": "eye", "lids": "eye", "cheek": "cheek", "cheeks": "cheek", "nose": "nose", "jaw": "jaw",
    "chin": "jaw",
    "mouth": "mouth", "mth": "mouth", "brw": "brow", "lip": "lip", "lips": "lip", "corner": "corner",
    "corners": "corner", "tongue": "tongue",
    "down": "down", "depress": "down", "depressor": "down", "lowerer": "down", "drop": "down", "up": "up",
    "raise": "up", "raised": "up",
    "raiser": "up", "in": "inner", "inner": "inner", "out": "outer", "outer": "outer", "upper": "upper",
    "lower": "lower",
    "close": "close", "closed": "close", "shut": "close", "blink": "blink", "wink": "blink", "open": "open",
    "opened": "open",
    "wide": "wide", "widen": "wide", "widened": "wide", "squint": "squint", "tighten": "squint", "tightener": "squint",
    "puff": "puff", "puffed": "puff", "blow": "puff", "smile": "smile", "smiling": "smile", "grin": "smile",
    "frown": "frown",
    "pull": "pull", "puller": "pull", "press": "press", "presser": "press", "pucker": "pucker", "puckerer": "pucker",
    "purse": "pucker",
    "kiss": "pucker", "funnel": "funnel", "funneler": "funnel", "stretch": "stretch", "stretcher": "stretch",
    "dimple": "dimple",
    "dimpler": "dimple", "roll": "roll", "suck": "roll", "shrug": "shrug", "sneer": "sneer", "wrinkle": "sneer",
    "wrinkler": "sneer",
    "forward": "forward", "fwd": "forward", "together": "close", "look": "look", "gaze": "look", "furrow": "down",
    "show": "outer", "stick": "outer",
}  # fmt: skip
# What says one movement, as sets of words; a movement without a side is that of both sides.
_SHAPES: Mapping[str, tuple[str, ...]] = {
    "browDown": ("brow down", "brow lower", "brow frown"), "browInnerUp": ("brow inner up",),
    "browOuterUp": ("brow outer up",),
    "browUp": ("brow up",), "cheekPuff": ("cheek puff", "puff", "mouth cheek puff"),
    "cheekSquint": ("cheek squint", "cheek up", "eye cheek up"),
    "eyeBlink": ("eye blink", "blink", "eye close"), "eyeSquint": ("eye squint", "squint", "eye squint inner"),
    "eyeWide": ("eye wide", "eye open", "eye upper up", "wide"), "jawForward": ("jaw forward",),
    "jawOpen": ("jaw open", "jaw down", "mouth open"),
    "mouthClose": ("mouth close", "lip close", "mouth lip close upper", "mouth lip close lower"),
    "mouthDimple": ("mouth dimple", "dimple"),
    "mouthFrown": ("mouth frown", "frown", "corner down", "mouth corner down", "lip corner down"),
    "mouthFunnel": ("mouth funnel", "funnel", "lip funnel", "mouth funnel upper", "mouth funnel lower"),
    "mouthLowerDown": ("mouth lower down", "lower lip down", "mouth lower lip down"),
    "mouthPress": ("mouth press", "lip press", "mouth lip press", "mouth press upper", "mouth press lower"),
    "mouthPucker": (
        "mouth pucker", "pucker", "lip pucker", "mouth lip pucker", "mouth lip pucker upper", "mouth lip pucker lower",
    ),
    "mouthRollLower": ("mouth roll lower", "lip roll lower", "mouth lower lip roll inner"),
    "mouthRollUpper": ("mouth roll upper", "lip roll upper", "mouth upper lip roll inner"),
    "mouthShrugLower": ("mouth shrug lower", "jaw up"), "mouthShrugUpper": ("mouth shrug upper",),
    "mouthSmile": (
        "mouth smile", "smile", "corner pull", "mouth corner pull", "lip corner pull", "corner up", "mouth corner up",
    ),
    "mouthStretch": ("mouth stretch", "lip stretch", "stretch"),
    "mouthUpperUp": ("mouth upper up", "upper lip up", "mouth upper lip up"),
    "noseSneer": ("nose sneer", "sneer"), "tongueOut": ("tongue outer",), "jaw": ("jaw",), "mouth": ("mouth",),
}  # fmt: skip
# Names that move several of ARKit's at once.
_SEVERAL: Mapping[str, tuple[str, ...]] = {"browUp": ("browInnerUp", "browOuterUp")}
# FACS action units (Ekman & Friesen, 1978), for names such as AU12_L.
_UNITS: Mapping[int, str] = {
    1: "browInnerUp", 2: "browOuterUp", 4: "browDown", 5: "eyeWide", 6: "cheekSquint", 7: "eyeSquint", 9: "noseSneer",
    10: "mouthUpperUp", 12: "mouthSmile", 14: "mouthDimple", 15: "mouthFrown", 16: "mouthLowerDown",
    17: "mouthShrugLower",
    18: "mouthPucker", 20: "mouthStretch", 22: "mouthFunnel", 24: "mouthPress", 26: "jawOpen", 27: "jawOpen",
    45: "eyeBlink",
}  # fmt: skip
_SPEECH = frozenset(("viseme", "aa", "ih", "ou", "ee", "oh", "phoneme"))  # shapes of speech: whoever speaks moves them
_VOWELS = frozenset("aiueo")  # the same, as VRM 0 and VRoid call them
_BY_WORDS = {frozenset(said.split()): shape for shape, ways in _SHAPES.items() for said in ways}
_VOCABULARY = frozenset(_MEANING) | frozenset(_EMOTIONS) | _NOISE | _SPEECH | {"au"}


@dataclass(frozen=True)
class Expressions:
    """What a rig's expressions do. moves: name -> ARKit's names. whole: emotion -> name of a whole face.

    unused: understood, and left to the rig. unknown: the rest.
    """

    moves: Mapping[str, tuple[str, ...]]
    whole: Mapping[str, str]
    unused: tuple[str, ...]
    unknown: tuple[str, ...]


def match_expressions(names: Sequence[str]) -> Expressions:
    """What each name says; one with a word that isn't known says nothing."""
    moves: dict[str, tuple[str, ...]] = {}
    whole: dict[str, str] = {}
    unused: list[str] = []
    unknown: list[str] = []
    for text in names:
        name = take_apart(text, _VOCABULARY)
        words = [word for word in name.words if word not in _NOISE]
        emotions = [_EMOTIONS[word] for word in words if word in _EMOTIONS]
        vowel = (
            len(name.words) > 0 and name.words[-1] in _VOWELS and not set(name.words[:-1]) - _NOISE - {"mth", "mouth"}
        )
        if vowel or (words and words[0] in _SPEECH):
            unused.append(text)
        elif emotions and len(words) == 1 and not name.side:
            if emotions[0] in whole:
                unused.append(text)
            else:
                whole[emotions[0]] = text
        elif emotions and all(word in _EMOTIONS or word in _MEANING for word in words):
            unused.append(text)  # an emotion of a part of the face: whole ones and movements say the same
        elif found := _movement(name, words):
            moves[text] = found
        else:
            unknown.append(text)
    return Expressions(moves, whole, tuple(unused), tuple(unknown))


def weights(found: Expressions, emotion: str, intensity: str, gaze: str) -> tuple[dict[str, float], str]:
    """Name -> weight from 0 to 1, those that are 0 left out, and the emotion that they show.

    The movements of an emotion are made where the rig has them all; else its whole face is taken where it has one, else
    the movements there are, if they are most, else the nearest whole face.
    """
    face, eyes = face_of(emotion, intensity), eyes_of(gaze)
    able = {shape for shapes in found.moves.values() for shape in shapes}
    have = sum(value for shape, value in face.items() if shape in able)
    need = sum(face.values())
    shown, whole = emotion, ""
    if need and have < need:
        if emotion in found.whole:
            whole = emotion
        elif have < need / 2:
            whole = next((other for other in _NEAREST[emotion] if other in found.whole), "")
            shown = whole or (emotion if have else DEFAULTS["emotion"])
    if whole:
        face = {}
    given: dict[str, float] = {}
    for name, shapes in found.moves.items():
        value = max(max(face.get(shape, 0.0), eyes.get(shape, 0.0)) for shape in shapes)
        if value:
            given[name] = value
    if whole:
        given[found.whole[whole]] = strength(intensity)
    return given, shown


def _movement(name: Name, words: list[str]) -> tuple[str, ...]:
    """ARKit's names of one movement, of the side that is named or of both; nothing where the words say none."""
    if words == ["au"] and len(name.digits) == 1 and (unit := _UNITS.get(int(name.digits[0]))):
        return _sided(unit, name.side)
    if not words or any(word not in _MEANING for word in words):
        return ()
    meant = frozenset(_MEANING[word] for word in words)
    if "look" in meant and meant <= {"look", "eye", "up", "down", "inner", "outer"}:
        return _look(meant - {"look", "eye"}, name)
    if len(set(name.directions)) > 1:
        return ()
    shape = _BY_WORDS.get(meant)
    return () if shape is None else _sided(shape, name.side)


def _look(meant: frozenset[str], name: Name) -> tuple[str, ...]:
    """Eyes that turn: "lookUp", "eyeLookInLeft", and "eyeLookLeft_R", where the first side is a direction."""
    if len(meant) == 1:
        way = next(iter(meant))
        base = {"up": "eyeLookUp", "down": "eyeLookDown", "inner": "eyeLookIn", "outer": "eyeLookOut"}[way]
        return _sided(base, name.side) if len(set(name.directions)) <= 1 else ()
    if meant or not name.directions:
        return ()
    direction, *sides = name.directions
    left = "eyeLookOutLeft" if direction == LEFT else "eyeLookInLeft"
    right = "eyeLookInRight" if direction == LEFT else "eyeLookOutRight"
    return {(): (left, right), (LEFT,): (left,), (RIGHT,): (right,)}.get(tuple(sides), ())


def _sided(shape: str, side: str) -> tuple[str, ...]:
    sides = (side.capitalize(),) if side else ("Left", "Right")
    found: list[str] = []
    for base in _SEVERAL.get(shape, (shape,)):
        found += [base] if base in ARKIT else [f"{base}{each}" for each in sides if f"{base}{each}" in ARKIT]
    # "jaw" and "mouth" alone are movements to a side, which must be named.
    return tuple(found) if side or shape not in ("jaw", "mouth") else ()
