"""The joints of a human body, and which bone of a rig is which: by the words of its name, never by a guess.

Joints are named as VRM 1.0 names its humanoid bones (vrm-c/vrm-specification, VRMC_vrm-1.0, humanoid.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_runtime.avatar.names import LEFT, RIGHT, Name, take_apart

SIDES = (LEFT, RIGHT)
FINGERS = ("Thumb", "Index", "Middle", "Ring", "Little")
_MIDDLE = ("hips", "spine", "chest", "upperChest", "neck", "head", "jaw")
_PAIRED = ("Eye", "Shoulder", "UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot", "Toes")
_THUMB, _FINGER = ("Metacarpal", "Proximal", "Distal"), ("Proximal", "Intermediate", "Distal")


def segments(finger: str) -> tuple[str, str, str]:
    """The three bones of a finger, from the palm on."""
    return _THUMB if finger == "Thumb" else _FINGER


JOINTS = (
    *_MIDDLE,
    *(f"{side}{part}" for side in SIDES for part in _PAIRED),
    *(f"{side}{finger}{part}" for side in SIDES for finger in FINGERS for part in segments(finger)),
)

# Words that say what made a bone, or that it is one; they change nothing about which it is.
_NOISE = frozenset(
    (
        "bip", "biped", "valve", "mixamorig", "def", "org", "fk", "cc", "base", "g", "j", "jnt", "joint", "jt", "bone",
        "bn", "bones", "sk", "skel", "skeleton", "rig", "armature", "c", "centre", "center", "m", "f", "bind", "skin",
        "ctrl", "control", "char", "character", "avatar", "body", "face", "facial", "human", "bend", "adj", "b", "x",
        "stretch",
    )
)  # fmt: skip
# Words of bones that help others to move, or end a chain: understood, and left to the rig.
_HELPERS = frozenset(
    (
        "twist", "roll", "ik", "pole", "target", "end", "nub", "leaf", "helper", "corrective", "mch", "tweak", "share",
        "socket", "attach", "root", "heel", "top", "tip", "effector", "goal", "parent", "master", "palm",
    )
)  # fmt: skip
# Other words for a part, each as (words of the name) -> (our words).
_MEANING: Mapping[str, tuple[str, ...]] = {
    "pelvis": ("hips",), "hip": ("hip",), "hips": ("hips",),
    "spine": ("spine",), "abdomen": ("belly",), "waist": ("belly",), "torso": ("belly",), "stomach": ("belly",),
    "belly": ("belly",), "back": ("belly",), "chest": ("chest",), "ribcage": ("chest",), "thorax": ("chest",),
    "neck": ("neck",),
    "head": ("head",),
    "jaw": ("jaw",), "eye": ("eye",), "eyeball": ("eye",),
    "clavicle": ("collar",), "collar": ("collar",), "collarbone": ("collar",), "scapula": ("collar",),
    "shoulder": ("shoulder",),
    "shldr": ("upper", "arm"), "arm": ("arm",), "upper": ("upper",), "up": ("upper",), "uparm": ("upper", "arm"),
    "bicep": ("upper", "arm"),
    "forearm": ("lower", "arm"), "fore": ("lower",), "lower": ("lower",), "low": ("lower",), "elbow": ("elbow",),
    "hand": ("hand",), "wrist": ("wrist",),
    "thigh": ("upper", "leg"), "leg": ("leg",), "upleg": ("upper", "leg"), "calf": ("lower", "leg"),
    "shin": ("lower", "leg"),
    "knee": ("knee",), "foot": ("foot",), "ankle": ("ankle",), "toe": ("toes",), "toes": ("toes",), "ball": ("toes",),
    "thumb": ("thumb",), "index": ("index",), "middle": ("middle",), "mid": ("middle",), "ring": ("ring",),
    "little": ("little",), "pinky": ("little",),
    "pinkie": ("little",), "finger": ("finger",), "proximal": ("proximal",), "intermediate": ("intermediate",),
    "distal": ("distal",), "metacarpal": ("metacarpal",), "carpal": ("metacarpal",),
    "forehead": ("forehead",), 
}  # fmt: skip
_VOCABULARY = frozenset(_MEANING) | _NOISE | _HELPERS
_FINGER_WORDS = tuple(finger.lower() for finger in FINGERS)
# What says one joint on its own, whatever else the rig has. Both sides of a sided one.
_PLAIN: Mapping[frozenset[str], str] = {
    frozenset({"hips"}): "hips", frozenset({"chest"}): "chest", frozenset({"lower", "chest"}): "chest",
    frozenset({"upper", "chest"}): "upperChest",
    frozenset({"neck"}): "neck", frozenset({"lower", "neck"}): "neck", frozenset({"head"}): "head",
    frozenset({"jaw"}): "jaw",
    frozenset({"eye"}): "Eye", frozenset({"collar"}): "Shoulder", frozenset({"upper", "arm"}): "UpperArm",
    frozenset({"lower", "arm"}): "LowerArm", frozenset({"upper", "leg"}): "UpperLeg",
    frozenset({"lower", "leg"}): "LowerLeg",
    frozenset({"toes"}): "Toes", frozenset({"foot", "toes"}): "Toes",
}  # fmt: skip


@dataclass(frozen=True)
class Bones:
    """Which bone is which. of: joint -> the rig's name. unused: understood, and left to the rig. unknown: the rest."""

    of: Mapping[str, str]
    unused: tuple[str, ...]
    unknown: tuple[str, ...]


def match_bones(names: Sequence[str]) -> Bones:
    """Find each joint's bone. Of several for one joint the plainest name is taken, then the first.

    A name with a word that isn't known stands for nothing: "weapon_hand_r" is no hand.
    """
    found: list[tuple[Name, frozenset[str]]] = []
    unused: set[str] = set()
    unknown: set[str] = set()
    for text in names:
        name = take_apart(text, _VOCABULARY)
        meant = [word for word in name.words if word not in _NOISE]
        if "neck" in meant:
            meant = [word for word in meant if word != "twist"]  # Character Creator's neck is called NeckTwist01
        if (
            len(set(name.directions)) > 1
            or not meant
            or any(word not in _MEANING and word not in _HELPERS for word in meant)
        ):
            unknown.add(text)
        elif any(word in _HELPERS for word in meant):
            unused.add(text)
        else:
            found.append((name, frozenset(part for word in meant for part in _MEANING[word])))
    joints: dict[str, Name] = {}
    for name, joint in _assigned(found):
        if joint is None:
            unknown.add(name.text)
        elif joint == "":
            unused.add(name.text)
        elif joint in joints:
            plainer, other = sorted((joints[joint], name), key=lambda have: len(have.words))
            joints[joint] = plainer
            unused.add(other.text)
        else:
            joints[joint] = name
    return Bones(
        {joint: joints[joint].text for joint in JOINTS if joint in joints},
        tuple(text for text in names if text in unused),
        tuple(text for text in names if text in unknown),
    )


def _assigned(found: list[tuple[Name, frozenset[str]]]) -> list[tuple[Name, str | None]]:
    """The joint of each; "" where it is understood and not moved, None where its words say no joint."""
    chain, spine = _spine(found)
    given: list[tuple[Name, str | None]] = list(spine)
    # A rig that names joints, not bones: what turns at the shoulder is the upper arm.
    by_joint = any(words in ({"elbow"}, {"knee"}) for _, words in found)
    counting = _counting(found)
    has = {(_PLAIN.get(words, "+".join(words)), name.side) for name, words in found}
    for name, words in found:
        if name.text in chain:
            continue
        if any(finger in words for finger in (*_FINGER_WORDS, "finger")):
            given.append((name, _finger(name, words, counting)))
            continue
        part = _PLAIN.get(words) or _in_context(words, name.side, has, by_joint)
        if words == {"upper", "neck"} or (part == "neck" and name.digits and int(name.digits[-1]) > 1):
            part = ""  # a second bone of the neck
        if part and part[0].isupper():
            part = f"{name.side}{part}" if name.side else None
        elif part and name.side:
            part = None  # the body has one of it
        given.append((name, part))
    return given


def _in_context(words: frozenset[str], side: str, has: set[tuple[str, str]], by_joint: bool) -> str | None:
    """Words that mean one bone in one rig and the next bone in another."""
    match "+".join(sorted(words)):
        case "shoulder":
            return "UpperArm" if by_joint and not has & {("UpperArm", side), ("arm", side)} else "Shoulder"
        case "elbow":
            return "LowerArm"
        case "knee":
            return "LowerLeg"
        case "hip":
            if not side:
                return "hips"
            return "" if has & {("UpperLeg", side), ("leg", side)} else "UpperLeg"
        case "wrist":
            return "Hand"
        case "hand":
            return "Hand"
        case "ankle":
            return "Foot"
        case "foot":
            return "Foot"
        case "arm":  # beside a forearm it is the upper one
            both = ("UpperArm", side) in has and ("LowerArm", side) in has
            return "" if both else "LowerArm" if ("UpperArm", side) in has else "UpperArm"
        case "leg":  # beside a thigh it is the lower one
            both = ("UpperLeg", side) in has and ("LowerLeg", side) in has
            return "" if both else "LowerLeg" if ("UpperLeg", side) in has else "UpperLeg"
    return None


def _spine(found: list[tuple[Name, frozenset[str]]]) -> tuple[set[str], list[tuple[Name, str]]]:
    """The bones between hips and chest, from below: spine, chest and upper chest, the rest left to the rig."""
    middle = [(name, meant) for name, meant in found if not name.side]
    all_words = [meant for _, meant in middle]
    chains = {
        part: _from_below([name for name, meant in middle if meant - {"upper", "lower"} == {part}])
        for part in ("spine", "belly")
    }
    spine = chains["spine"] or chains["belly"]
    rest = [(name, "") for name in chains["belly"] if name not in spine]
    if {"hips"} not in all_words and {"head"} not in all_words and len(spine) >= 6:
        # Rigify's metarig counts on from the pelvis to the head: spine, spine.001 ... spine.006.
        which = ["hips", "spine", "chest", "upperChest", "neck", *[""] * (len(spine) - 6), "head"]
    else:
        which = ["spine", *[""] * (len(spine) - 1)][: len(spine)]
        named = any("chest" in meant for meant in all_words)
        if len(spine) == 2 and not named:
            which[1] = "chest"
        elif len(spine) > 2 and not named:
            which[(len(spine) - 1) // 2], which[-1] = "chest", "upperChest"
    texts = {name.text for name in (*chains["spine"], *chains["belly"])}
    return texts, [*zip(spine, which, strict=True), *rest]


def _from_below(names: list[Name]) -> list[Name]:
    """By number; where a rig lists them from the highest number down, as MakeHuman does, that is from below."""
    levels = [_level(name) for name in names]
    falling = len(names) > 2 and all(one > two for one, two in itertools.pairwise(levels))
    return names if falling else sorted(names, key=_level)


def _level(name: Name) -> float:
    """How high a bone of the spine sits among its like: by its number, an unnumbered one first."""
    number = float(name.digits[-1]) if name.digits else -1.0
    if "lower" in name.words:
        return number - 1000
    return number + 1000 if "upper" in name.words else number


def _counting(found: list[tuple[Name, frozenset[str]]]) -> frozenset[str]:
    """How a rig counts: the fingers whose numbers begin at 0, and the sides whose thumb has a "metacarpal"."""
    from_zero = {
        word
        for name, words in found
        if name.digits and int(name.digits[-1]) == 0
        for word in words & set(_FINGER_WORDS)
    }
    return frozenset(from_zero) | {name.side for name, words in found if {"thumb", "metacarpal"} <= words}


def _finger(name: Name, words: frozenset[str], counting: frozenset[str]) -> str | None:
    """A bone of a finger: by its part's name, or by its number."""
    if not name.side:
        return None
    left = words - {"hand"}
    if left == {"finger"}:
        return _numbered_finger(name)
    which = [finger for finger in FINGERS if finger.lower() in left]
    left = left - {finger.lower() for finger in which} - {"finger"}
    if len(which) != 1:
        return None
    finger, parts = which[0], segments(which[0])
    if left:
        part = next(iter(left)).capitalize()
        if len(left) > 1 or part not in (*_THUMB, *_FINGER):
            return None
        if finger == "Thumb":
            # VRM 0 calls a thumb's three bones proximal, intermediate and distal.
            vrm0 = {"Proximal": "Metacarpal", "Intermediate": "Proximal"}
            part = part if name.side in counting else vrm0.get(part, part)
        return f"{name.side}{finger}{part}" if part in parts else ""
    if not name.digits:
        return f"{name.side}{finger}{parts[0]}"
    at = int(name.digits[-1]) - (0 if finger.lower() in counting else 1)
    return f"{name.side}{finger}{parts[at]}" if at < 3 else ""


def _numbered_finger(name: Name) -> str | None:
    """Fingers by number: Finger0, Finger01, Finger1 as Biped counts, finger1-1, finger2-1 as MakeHuman does."""
    match name.digits:
        case (one,) if len(one) <= 2:
            which, part = int(one[0]), int(one[1:] or 0)
        case (one, two) if len(one) == len(two) == 1:
            which, part = int(one) - 1, int(two) - 1
        case _:
            return None
    if not (0 <= which < len(FINGERS) and 0 <= part < 3):
        return None
    return f"{name.side}{FINGERS[which]}{segments(FINGERS[which])[part]}"
