"""Three rigs whose names are unlike each other, with what each name is by hand, and a body to pose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edge_runtime.avatar.humanoid import FINGERS, segments

_SIDES = {"left": ("Left", "L", "l"), "right": ("Right", "R", "r")}


@dataclass(frozen=True)
class KnownRig:
    """bones: the rig's name -> our joint. movements: the rig's name -> ARKit's names. whole: emotion -> its name.

    faces: emotion -> the whole face that shows it on this rig; where there is none, its movements do.
    """

    bones: dict[str, str]
    movements: dict[str, tuple[str, ...]]
    whole: dict[str, str]
    strange: tuple[str, ...]
    faces: dict[str, str]

    def request(self) -> dict[str, object]:
        """As a request has it; limits that a person's joints keep to in any gesture are narrowed for a few."""
        narrow = {
            joint: {"x": [-40, 40], "y": [-60, 60], "z": [-70, 70]} for joint in ("rightUpperArm", "leftUpperArm")
        }
        return {
            "expressions": [*self.movements, *self.whole.values()],
            "bones": [
                *({"name": name, "limits": narrow.get(joint, {"y": [-150, 150]})} for name, joint in self.bones.items()),
                *self.strange,
            ],
        }  # fmt: skip


def vrm() -> KnownRig:
    """VRM 1.0 by VRoid: bones with its prefixes, whole faces as presets, no movement of a single muscle."""
    bones = {
        "J_Bip_C_Hips": "hips",
        "J_Bip_C_Spine": "spine",
        "J_Bip_C_Chest": "chest",
        "J_Bip_C_UpperChest": "upperChest",
    }
    bones |= {"J_Bip_C_Neck": "neck", "J_Bip_C_Head": "head"}
    for side, (_, big, _) in _SIDES.items():
        bones[f"J_Adj_{big}_FaceEye"] = f"{side}Eye"
        for part in ("Shoulder", "UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot"):
            bones[f"J_Bip_{big}_{part}"] = f"{side}{part}"
        bones |= {
            f"J_Bip_{big}_{finger}{number}": f"{side}{finger}{segment}"
            for finger in FINGERS for number, segment in enumerate(segments(finger), 1)
        }  # fmt: skip
    both = {
        "blink": ("eyeBlinkLeft", "eyeBlinkRight"), "lookUp": ("eyeLookUpLeft", "eyeLookUpRight"),
        "lookDown": ("eyeLookDownLeft", "eyeLookDownRight"), "lookLeft": ("eyeLookOutLeft", "eyeLookInRight"),
        "lookRight": ("eyeLookInLeft", "eyeLookOutRight"),
    }  # fmt: skip
    whole = {
        "happy": "Fcl_ALL_Joy",
        "angry": "Fcl_ALL_Angry",
        "sad": "Fcl_ALL_Sorrow",
        "surprised": "Fcl_ALL_Surprised",
    }
    near = {"loving": "Joy", "proud": "Joy", "shy": "Joy", "afraid": "Surprised", "disgusted": "Angry"}
    near |= {"confused": "Surprised"}  # boredom is mostly in the eyelids, which it can move
    faces = whole | {emotion: f"Fcl_ALL_{face}" for emotion, face in near.items()}
    return KnownRig(bones, both, whole, ("J_Sec_Hair1_01", "J_Sec_L_Bust1"), faces)


def mixamo() -> KnownRig:
    """Mixamo's bones, and ARKit's shapes with the sides that Blender's exporters write."""
    from edge_runtime.avatar.vocabulary import ARKIT

    own = "mixamorig:"
    bones = {f"{own}Hips": "hips", f"{own}Spine": "spine", f"{own}Spine1": "chest", f"{own}Spine2": "upperChest"}
    bones |= {f"{own}Neck": "neck", f"{own}Head": "head"}
    parts = {
        "Shoulder": "Shoulder", "Arm": "UpperArm", "ForeArm": "LowerArm", "Hand": "Hand", "UpLeg": "UpperLeg", "Leg": "LowerLeg",
        "Foot": "Foot", "ToeBase": "Toes", "Eye": "Eye",
    }  # fmt: skip
    for side, (word, _, _) in _SIDES.items():
        bones |= {f"{own}{word}{theirs}": f"{side}{part}" for theirs, part in parts.items()}
        for finger in FINGERS:
            theirs = "Pinky" if finger == "Little" else finger
            bones |= {
                f"{own}{word}Hand{theirs}{number}": f"{side}{finger}{segment}"
                for number, segment in enumerate(segments(finger), 1)
            }
    movements = {
        f"{name.removesuffix('Left').removesuffix('Right')}{'_L' if name.endswith('Left') else '_R' if name.endswith('Right') else ''}": (name,)
        for name in ARKIT if name not in ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
    }  # fmt: skip
    return KnownRig(bones, movements, {}, ("cape_01", "sword_hand_r"), {})


def rigify() -> KnownRig:
    """Rigify's bones behind dots, and shapes in plain words."""
    bones = {
        "spine": "hips", "spine.001": "spine", "spine.002": "chest", "spine.003": "upperChest", "spine.004": "neck",
        "spine.006": "head",
    }  # fmt: skip
    parts = {
        "shoulder": "Shoulder", "upper_arm": "UpperArm", "forearm": "LowerArm", "hand": "Hand", "thigh": "UpperLeg",
        "shin": "LowerLeg", "foot": "Foot", "toe": "Toes", "eye": "Eye",
    }  # fmt: skip
    for side, (_, big, _) in _SIDES.items():
        bones |= {f"{theirs}.{big}": f"{side}{part}" for theirs, part in parts.items()}
        for finger in FINGERS:
            theirs = {"Thumb": "thumb", "Little": "f_pinky"}.get(finger, f"f_{finger.lower()}")
            bones |= {
                f"{theirs}.0{number}.{big}": f"{side}{finger}{segment}"
                for number, segment in enumerate(segments(finger), 1)
            }
    sided: dict[str, str] = {
        "Smile": "mouthSmile", "Frown": "mouthFrown", "Eyes closed": "eyeBlink", "Eyes wide": "eyeWide", "Eye squint": "eyeSquint",
        "Brows down": "browDown", "Nose wrinkle": "noseSneer", "Cheek raiser": "cheekSquint", "Upper lip raiser": "mouthUpperUp",
        "Lip stretcher": "mouthStretch", "Lip presser": "mouthPress", "Look up": "eyeLookUp", "Look down": "eyeLookDown",
    }  # fmt: skip
    movements: dict[str, tuple[str, ...]] = {
        theirs: (f"{ours}Left", f"{ours}Right") for theirs, ours in sided.items()
    } | {
        "Mouth open": ("jawOpen",), "Kiss": ("mouthPucker",), "Cheeks puffed": ("cheekPuff",), "Inner brow raiser": ("browInnerUp",),
        "Brows raised": ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
        "Look left": ("eyeLookOutLeft", "eyeLookInRight"), "Look right": ("eyeLookInLeft", "eyeLookOutRight"),
    }  # fmt: skip
    whole = {"loving": "Love", "shy": "Bashful", "bored": "Boredom", "proud": "Smug"}
    # It has the movements of love and pride; shyness and boredom need some that it lacks.
    return KnownRig(bones, movements, whole, ("tail.001", "breast.L"), {"shy": "Bashful", "bored": "Boredom"})


RIGS = {"vrm": vrm, "mixamo": mixamo, "rigify": rigify}


# A body of 1.75 m in the T-pose: joint -> its parent, and where it is from there, in metres (x left, y up, z front).
_BODY: dict[str, tuple[str, tuple[float, float, float]]] = {
    "hips": ("", (0, 0.95, 0)), "spine": ("hips", (0, 0.10, 0)), "chest": ("spine", (0, 0.13, 0)),
    "upperChest": ("chest", (0, 0.12, 0)), "neck": ("upperChest", (0, 0.15, 0)), "head": ("neck", (0, 0.10, 0)),
    "face": ("head", (0, 0.05, 0.10)), "crown": ("head", (0, 0.20, 0)),
}  # fmt: skip
for _side, _x in (("left", 1), ("right", -1)):
    _BODY |= {
        f"{_side}Shoulder": ("upperChest", (0.03 * _x, 0.10, 0)), f"{_side}UpperArm": (f"{_side}Shoulder", (0.13 * _x, 0, 0)),
        f"{_side}LowerArm": (f"{_side}UpperArm", (0.27 * _x, 0, 0)), f"{_side}Hand": (f"{_side}LowerArm", (0.25 * _x, 0, 0)),
        f"{_side}Palm": (f"{_side}Hand", (0.09 * _x, 0, 0)), f"{_side}Fingertips": (f"{_side}Hand", (0.18 * _x, 0, 0)),
        f"{_side}Thumb": (f"{_side}Hand", (0.05 * _x, 0, 0.08)),
        f"{_side}UpperLeg": ("hips", (0.09 * _x, -0.05, 0)), f"{_side}LowerLeg": (f"{_side}UpperLeg", (0, -0.42, 0)),
        f"{_side}Foot": (f"{_side}LowerLeg", (0, -0.42, 0)), f"{_side}Sole": (f"{_side}Foot", (0, -0.06, 0.12)),
    }  # fmt: skip


def posed(turns: dict[str, tuple[float, float, float]]) -> dict[str, np.ndarray]:
    """Where each joint is, by forward kinematics; turns: joint -> degrees about x, y, z, as Rx * Ry * Rz."""
    at: dict[str, np.ndarray] = {}
    turned: dict[str, np.ndarray] = {}
    for joint, (parent, offset) in _BODY.items():
        before = turned[parent] if parent else np.eye(3)
        at[joint] = (at[parent] if parent else np.zeros(3)) + before @ np.array(offset, float)
        turned[joint] = before @ _rotation(turns.get(joint, (0, 0, 0)))
    return at


def _rotation(degrees: Iterable[float]) -> np.ndarray:
    (cx, cy, cz), (sx, sy, sz) = (function(np.radians(tuple(degrees))) for function in (np.cos, np.sin))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return np.asarray(about_x @ about_y @ np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]))
