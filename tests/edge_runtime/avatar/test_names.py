"""Names of bones and expressions, as rigs of many makers have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.avatar import expressions, humanoid, names
from edge_runtime.avatar.expressions import match_expressions
from edge_runtime.avatar.gestures import BELOW
from edge_runtime.avatar.humanoid import JOINTS, match_bones
from edge_runtime.avatar.vocabulary import ARKIT

from .rigs import RIGS


@pytest.mark.parametrize("rig", RIGS)
def test_every_name_of_three_unlike_rigs_is_what_it_is_by_hand(rig: str) -> None:
    known = RIGS[rig]()
    bones = match_bones([*known.bones, *known.strange])
    assert {name: joint for joint, name in bones.of.items()} == known.bones
    assert set(bones.unknown) == set(known.strange) and bones.unused == ()
    found = match_expressions([*known.movements, *known.whole.values()])
    assert (dict(found.moves), dict(found.whole)) == (known.movements, known.whole)
    assert found.unknown == found.unused == ()


def test_our_own_names_and_arkits_are_themselves() -> None:
    assert dict(match_bones(JOINTS).of) == {joint: joint for joint in JOINTS}
    assert len(JOINTS) == len(set(JOINTS)) == 55 and set(BELOW.values()) < set(JOINTS)
    for write in (str, str.lower, lambda name: f"head_{name}", lambda name: name[0].upper() + name[1:]):
        names = [write(name) for name in ARKIT]
        assert match_expressions(names).moves == {name: (ours,) for name, ours in zip(names, ARKIT, strict=True)}


@pytest.mark.parametrize(
    ("names", "joints"),
    [
        # Unreal: five bones of the spine, twists beside the limbs.
        (
            ("pelvis", "spine_01", "spine_02", "spine_03", "spine_04", "spine_05", "neck_01", "neck_02", "upperarm_twist_01_l", "upperarm_l", "lowerarm_l", "ball_r"),
            ("hips", "spine", "", "chest", "", "upperChest", "neck", "", "", "leftUpperArm", "leftLowerArm", "rightToes"),
        ),
        # 3ds Max's Biped counts fingers from the thumb.
        (
            ("Bip01 Pelvis", "Bip01 L Clavicle", "Bip01 L UpperArm", "Bip01 L Forearm", "Bip01 L Finger0", "Bip01 L Finger01", "Bip01 L Finger12", "Bip01 R Calf"),
            ("hips", "leftShoulder", "leftUpperArm", "leftLowerArm", "leftThumbMetacarpal", "leftThumbProximal", "leftIndexDistal", "rightLowerLeg"),
        ),
        # Daz: a letter in front, two bones of the belly and two of the chest.
        (
            ("hip", "abdomenLower", "abdomenUpper", "chestLower", "chestUpper", "neckLower", "neckUpper", "lShldrBend", "lForearmBend", "rThighBend", "rThighTwist"),
            ("hips", "spine", "", "chest", "upperChest", "neck", "", "leftUpperArm", "leftLowerArm", "rightUpperLeg", ""),
        ),
        # SMPL names the joints between the bones.
        (
            ("pelvis", "left_hip", "left_knee", "left_ankle", "left_collar", "left_shoulder", "left_elbow", "left_wrist", "left_hand"),
            ("hips", "leftUpperLeg", "leftLowerLeg", "leftFoot", "leftShoulder", "leftUpperArm", "leftLowerArm", "leftHand", ""),
        ),
        # MMD in English has a shoulder, an arm and joints beyond it; CMU's BVH files have a joint before the thigh.
        (("shoulder_L", "arm_L", "elbow_L", "wrist_L", "leg_L", "knee_L"), ("leftShoulder", "leftUpperArm", "leftLowerArm", "leftHand", "leftUpperLeg", "leftLowerLeg")),
        (("LHipJoint", "LeftUpLeg", "LeftLeg", "LowerBack", "Spine", "Spine1"), ("", "leftUpperLeg", "leftLowerLeg", "", "spine", "chest")),
        # MakeHuman counts the spine from above, and fingers from the thumb in another way than Biped.
        (("spine05", "spine04", "spine03", "spine02", "spine01", "finger1-1.L", "finger2-3.L"), ("spine", "", "chest", "", "upperChest", "leftThumbMetacarpal", "leftIndexDistal")),
        (("b__Pelvis__", "b__L_Thumb0__", "arm_stretch.l", "head.x"), ("hips", "leftThumbMetacarpal", "leftUpperArm", "head")),
        # Character Creator's neck is called a twist.
        (("CC_Base_Hip", "CC_Base_NeckTwist01", "CC_Base_L_Mid1"), ("hips", "neck", "leftMiddleProximal")),
        # Maya's Advanced Skeleton begins an arm with a scapula, and calls joints as SMPL does.
        (("Spine1_M", "Chest_M", "Scapula_L", "Shoulder_L", "Elbow_L", "Wrist_L", "Hip_R", "Knee_R", "Ankle_R"), ("spine", "chest", "leftShoulder", "leftUpperArm", "leftLowerArm", "leftHand", "rightUpperLeg", "rightLowerLeg", "rightFoot")),
        # VRM 0 calls a thumb's bones as it calls a finger's, VRM 1 doesn't.
        (("leftThumbProximal", "leftThumbIntermediate", "leftThumbDistal"), ("leftThumbMetacarpal", "leftThumbProximal", "leftThumbDistal")),
        (("index0_l", "index1_l", "index2_l", "index3_l"), ("leftIndexProximal", "leftIndexIntermediate", "leftIndexDistal", "")),
        # The plainest of several names for one joint, else the first.
        (("DEF-hand.L", "hand.L", "hand_ik.L", "ORG-hand.L"), ("", "leftHand", "", "")),
    ],
)  # fmt: skip
def test_bones_of_other_rigs_are_known_or_left_alone(names: tuple[str, ...], joints: tuple[str, ...]) -> None:
    found = match_bones(names)
    assert {name: joint for joint, name in found.of.items()} == {n: j for n, j in zip(names, joints, strict=True) if j}
    assert set(found.unused) == {name for name, joint in zip(names, joints, strict=True) if not joint}


@pytest.mark.parametrize(
    ("name", "moves"),
    [
        ("CTRL_expressions_mouthCornerPullL", ("mouthSmileLeft",)),
        ("CTRL_expressions_browRaiseOuterR", ("browOuterUpRight",)),
        ("CTRL_expressions_eyeLookLeftR", ("eyeLookInRight",)),
        ("ctrl_expressions_eyecheekraiser", ("cheekSquintRight",)),
        ("CTRL_expressions_mouthPressDL", ("mouthPressLeft",)),
        ("head_lod0_mesh__mouth_cornerPull_left", ("mouthSmileLeft",)),
        ("Genesis8Male__eCTRLEyesClosedL", ("eyeBlinkLeft",)),
        ("Face.M_F00_000_00_Fcl_EYE_Close_R", ("eyeBlinkRight",)),
        ("AU12_L", ("mouthSmileLeft",)),
        ("au45", ("eyeBlinkLeft", "eyeBlinkRight")),
        ("Fcl_EYE_Close_L", ("eyeBlinkLeft",)),
        ("jawLeft", ("jawLeft",)),
    ],
)
def test_expressions_of_other_rigs_are_known(name: str, moves: tuple[str, ...]) -> None:
    assert match_expressions([name]).moves == {name: moves}


@pytest.mark.parametrize(
    "name", ["", "l", "42", "cape", "sword_hand_r", "left_arm_r", "forehead", "hand", "mouth", "left_head", "🙂", "᧚"]
)
def test_a_name_that_says_no_joint_is_reported_and_never_guessed(name: str) -> None:  # fmt: skip
    assert match_bones([name]).unknown == (name,) and match_bones([name]).of == {}
    assert match_expressions([name]).unknown == (name,)


def test_shapes_of_speech_are_left_to_whoever_speaks() -> None:
    speech = ("aa", "ou", "viseme_PP", "A", "Fcl_MTH_O")
    assert match_expressions(speech).unused == speech


def test_no_known_word_is_longer_than_what_is_tried() -> None:
    assert max(map(len, humanoid._VOCABULARY | expressions._VOCABULARY)) == names.LONGEST


@given(st.lists(st.text(max_size=20), unique=True, max_size=30))
def test_every_name_has_one_fate(names: list[str]) -> None:
    bones, found = match_bones(names), match_expressions(names)
    assert sorted([*bones.of.values(), *bones.unused, *bones.unknown]) == sorted(names)
    assert sorted([*found.moves, *found.whole.values(), *found.unused, *found.unknown]) == sorted(names)
