"""A rig in a request: checked, answered in its own names, and never turned beyond its limits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.avatar.humanoid import JOINTS
from edge_runtime.avatar.rig import AXES, MAX_NAMES, Bone, Rig, answer, matched, read_rig
from edge_runtime.avatar.vocabulary import EMOTIONS, GAZES, GESTURES, INTENSITIES, TIMINGS, seconds
from edge_runtime.errors import BadRequest

WAVE = {"emotion": "happy", "intensity": "high", "gesture": "wave", "gaze": "left"}
RIGHT_ARM = ("rightUpperArm", "rightLowerArm", "rightHand")


def made(rig: object, **choice: str) -> dict[str, object]:
    wanted = WAVE | choice
    return answer(matched(read_rig(rig)), wanted, seconds(wanted["gesture"], "normal"))


def frames(found: dict[str, object]) -> list[dict[str, dict[str, dict[str, float]]]]:
    assert isinstance(found["motion"], list)
    return found["motion"]


# --- limits ---

bounds = st.floats(-360, 360) | st.integers(-360, 360)
limit = st.tuples(bounds, bounds).map(lambda pair: [min(pair), max(pair)])
limits = st.fixed_dictionaries({}, optional={axis: limit for axis in AXES})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(JOINTS), limits), unique_by=lambda bone: bone[0], min_size=1, max_size=20),
    st.sampled_from(list(GESTURES)),
    st.sampled_from(GAZES),
    st.sampled_from(list(TIMINGS)),
)
def test_no_bone_ever_leaves_its_limits(
    bones: list[tuple[str, dict[str, list[float]]]], gesture: str, gaze: str, timing: str
) -> None:
    rig = {"bones": [{"name": name, "limits": bound} for name, bound in bones]}
    length = seconds(gesture, timing)
    found = answer(matched(read_rig(rig)), WAVE | {"gesture": gesture, "gaze": gaze}, length)
    bound = dict(bones)
    for frame in frames(found):
        for name, turn in frame["bones"].items():
            assert turn.keys() == set(AXES)
            for axis, (low, high) in bound[name].items():
                assert low <= turn[axis] <= high
    json.dumps(found, allow_nan=False)


def test_a_limit_that_cuts_a_gesture_short_is_told() -> None:
    free = made({"bones": list(RIGHT_ARM)})
    held = made({"bones": [*RIGHT_ARM[:1], {"name": "rightLowerArm", "limits": {"y": [0, 60]}}, "rightHand"]})
    assert free["rig"] == {"unknown": [], "unused": [], "missing": ["head", "leftEye", "rightEye"], "limited": []}
    assert held["rig"]["limited"] == ["rightLowerArm"]  # type: ignore[index]
    assert max(frame["bones"]["rightLowerArm"]["y"] for frame in frames(held)) == 60
    assert [frame["bones"]["rightHand"] for frame in frames(held)] == [
        frame["bones"]["rightHand"] for frame in frames(free)
    ]


def test_a_joint_that_a_rig_lacks_turns_the_one_below() -> None:
    bent = frames(made({"bones": ["spine", "neck"]}, gesture="bow", gaze="user"))[1]["bones"]
    whole = frames(made({"bones": ["spine", "chest", "neck", "head"]}, gesture="bow", gaze="user"))[1]["bones"]
    assert bent["spine"]["x"] == whole["spine"]["x"] + whole["chest"]["x"] == 30
    assert bent["neck"]["x"] == whole["neck"]["x"] + whole["head"]["x"]


# --- expressions ---


def test_an_emotion_is_shown_by_movements_else_by_a_whole_face_else_by_the_nearest() -> None:
    def shown(*names: str, **choice: str) -> tuple[dict[str, float], str]:
        found = made({"expressions": list(names)}, gaze="user", **choice)
        assert isinstance(found["expressions"], dict) and isinstance(found["rig"], dict)
        return found["expressions"], found["rig"]["shown"]

    muscles = ("Smile_L", "Smile_R", "cheekSquint", "eye squint")
    assert shown(*muscles, "Happy") == (
        {"Smile_L": 0.9, "Smile_R": 0.9, "cheekSquint": 0.6, "eye squint": 0.3},
        "happy",
    )
    assert shown("Joy", "Smile", intensity="medium") == ({"Joy": 0.7}, "happy"), "not twice"
    assert shown("Smile") == ({"Smile": 0.9}, "happy")
    assert shown("Angry", "Joy", emotion="disgusted") == ({"Angry": 1.0}, "angry"), "and it is told"
    assert shown("Blink", emotion="angry") == ({}, "neutral")
    assert shown("neutral", "Blink", emotion="neutral") == ({}, "neutral")


def test_every_choice_gives_weights_from_0_to_1_of_names_that_the_rig_has() -> None:
    rig = {"expressions": ["happy", "browDownLeft", "mouth smile", "blink", "lookLeft", "fear"]}
    for emotion in EMOTIONS:
        for intensity in INTENSITIES:
            for gaze in GAZES:
                weights = made(rig, emotion=emotion, intensity=intensity, gaze=gaze)["expressions"]
                assert isinstance(weights, dict) and weights.keys() <= set(rig["expressions"])
                assert all(0 < weight <= 1 for weight in weights.values())


# --- requests ---


def test_a_rig_is_read_with_and_without_limits() -> None:
    rig = {"bones": ["head", {"name": "neck"}, {"name": "hips", "limits": {"x": [-5, 5.5]}}], "expressions": ["joy"]}
    assert read_rig(rig) == Rig(("joy",), (Bone("head"), Bone("neck"), Bone("hips", ((-5.0, 5.5), None, None))))


@pytest.mark.parametrize(
    ("rig", "sentence"),
    [
        (5, "must be"),
        ({}, "no names"),
        ({"bones": [], "expressions": []}, "no names"),
        ({"bones": ["head"], "skin": 1}, "nothing else"),
        ({"bones": "head"}, "must be a list"),
        ({"bones": ["bone"] * (MAX_NAMES + 1)}, "1,025 bones; send at most 1,024"),
        ({"expressions": ["x"] * (MAX_NAMES + 1)}, "at most 1,024"),
        ({"bones": ["head", {"name": "head"}]}, "the bone 'head' twice"),
        ({"expressions": ["joy", "joy"]}, "the expression 'joy' twice"),
        ({"bones": [""]}, "needs a name"),
        ({"bones": [{"limits": {}}]}, "needs a name"),
        ({"bones": ["x" * 81]}, "at most 80"),
        ({"expressions": ["a\nb"]}, "printable"),
        ({"bones": [{"name": "head", "axis": "x"}]}, "nothing else"),
        ({"bones": [{"name": "head", "limits": [1, 2]}]}, "limits of 'head'"),
        ({"bones": [{"name": "head", "limits": {"w": [1, 2]}}]}, "limits of 'head'"),
        *(
            ({"bones": [{"name": "head", "limits": {"y": bound}}]}, "limit y of 'head' must be two numbers")
            for bound in ([float("nan"), 1], [0, float("inf")], [1, 0], [0], [0, 1, 2], 5, [True, 1], ["0", 1], [0, 361], [0, 10**400], None)
        ),
        ({"bones": ["knochen", "queue"], "expressions": ["sourire"]}, "None of the rig's names is known, such as 'knochen'"),
    ],
)  # fmt: skip
def test_a_rig_that_cannot_be_is_one_sentence(rig: object, sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence) as refused:
        made(rig)
    assert str(refused.value).count(". ") == 0 and len(str(refused.value)) < 250
