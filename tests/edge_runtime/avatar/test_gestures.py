"""What a body does in each gesture, by forward kinematics: hands are where the gesture's name says."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.avatar.gestures import AROUND_SECONDS, at_time, joints_of, tracks
from edge_runtime.avatar.humanoid import JOINTS
from edge_runtime.avatar.rig import AXES, answer, matched, read_rig
from edge_runtime.avatar.vocabulary import GAZES, GESTURES, seconds

from .rigs import posed

Body = dict[str, np.ndarray]


def moves(gesture: str, gaze: str = "user") -> list[tuple[float, Body]]:
    """A whole body at each keyframe, with its lift at "lift"."""
    choice = {"emotion": "neutral", "intensity": "medium", "gesture": gesture, "gaze": gaze}
    made = answer(matched(read_rig({"bones": list(JOINTS)})), choice, seconds(gesture, "normal"))
    assert made["rig"] == {"unknown": [], "unused": [], "missing": [], "limited": []}, "no person's limit is in the way"
    bodies = []
    for frame in made["motion"]:  # type: ignore[attr-defined]
        turns = {name: tuple(turn[axis] for axis in AXES) for name, turn in frame["bones"].items()}
        bodies.append((frame["t"], posed(turns) | {"lift": np.array(frame.get("lift", 0.0))}))
    return bodies


def middle(gesture: str) -> Body:
    """The body when it is most in it."""
    bodies = moves(gesture)
    return bodies[len(bodies) // 2][1]


@pytest.mark.parametrize("gesture", [gesture for gesture in GESTURES if gesture != "none"])
def test_a_gesture_begins_and_ends_at_rest_in_its_own_time(gesture: str) -> None:
    bodies = moves(gesture)
    times = [at for at, _ in bodies]
    assert times[0] == 0 and times[-1] == pytest.approx(GESTURES[gesture]) and times == sorted(set(times))
    for _, body in (bodies[0], bodies[-1]):
        for side in ("left", "right"):
            if f"{side}UpperArm" in joints_of(gesture, "user"):
                assert body[f"{side}Hand"][1] < 1.0, "the arms hang"
    assert any(np.abs(body[part] - bodies[0][1][part]).max() > 0.01 for _, body in bodies for part in body)


def test_hands_are_where_a_gesture_says() -> None:
    face = posed({})["face"]
    assert all(body["rightFingertips"][1] > 1.55 for _, body in moves("wave")[1:-1])
    assert np.ptp([body["rightPalm"][0] for _, body in moves("wave")[1:-1]]) > 0.12, "it goes to and fro"
    pointing = middle("point")
    assert (pointing["rightFingertips"] - pointing["rightHand"])[2] > 0.15 and pointing["rightPalm"][2] > 0.45
    up, down = middle("thumbs_up"), middle("thumbs_down")
    assert up["rightThumb"][1] - up["rightHand"][1] > 0.06 and down["rightThumb"][1] - down["rightHand"][1] < -0.06
    apart = [np.linalg.norm(body["rightPalm"] - body["leftPalm"]) for _, body in moves("clap")[1:-1]]
    assert sum(gap < 0.1 for gap in apart) == 4 and sum(gap > 0.3 for gap in apart) == 4
    crossed = middle("cross_arms")
    assert crossed["rightPalm"][0] > 0.05 and crossed["leftPalm"][0] < -0.05 and crossed["rightPalm"][2] > 0.1
    hidden = middle("facepalm")
    assert np.linalg.norm(hidden["rightPalm"] - hidden["face"]) < 0.15
    heart = middle("heart_hands")
    assert np.linalg.norm(heart["rightPalm"] - heart["leftPalm"]) < 0.15 and 1.1 < heart["rightPalm"][1] < 1.45
    assert np.linalg.norm(middle("think")["rightPalm"] - (face - [0, 0.1, 0])) < 0.15
    salute = middle("salute")
    assert np.linalg.norm(salute["rightFingertips"] - salute["crown"]) < 0.2 and salute["rightPalm"][0] < -0.05
    raised = middle("hands_up")
    assert min(raised["rightPalm"][1], raised["leftPalm"][1]) > raised["crown"][1]
    assert np.ptp([body["rightFingertips"][1] for _, body in moves("beckon")[1:-1]]) > 0.02


def test_head_trunk_and_legs_do_what_a_gesture_says() -> None:
    nod = [body["face"][1] - body["head"][1] for _, body in moves("nod")]
    assert np.ptp(nod) > 0.03
    shake = [body["face"][0] for _, body in moves("shake_head")]
    assert max(shake) > 0.04 and min(shake) < -0.04
    assert abs(middle("tilt_head")["crown"][0]) > 0.06 and middle("shrug")["leftUpperArm"][1] > 1.42
    bow = middle("bow")
    assert bow["crown"][2] > 0.5 and bow["crown"][1] < 1.6 and abs(bow["leftFoot"][2]) < 0.05
    jump = moves("jump")
    lifts = [float(body["lift"]) for _, body in jump]
    assert min(lifts) < -0.1 and max(lifts) > 0.15
    for (_, body), lift in zip(jump, lifts, strict=True):
        sole = min(body["leftFoot"][1], body["rightFoot"][1]) + 0.95 * lift
        assert sole > 0.02, "no foot goes into the ground"
        assert sole < 0.16 or lift > 0.1, "only the jump leaves it"
    assert np.ptp([body["chest"][0] - body["hips"][0] for _, body in moves("dance")]) > 0.005


def test_a_gaze_turns_eyes_and_head_that_way_and_stays() -> None:
    for gaze, axis, sign in (("up", 1, 1), ("down", 1, -1), ("left", 0, 1), ("right", 0, -1), ("away", 0, 1)):
        bodies = moves("none", gaze)
        turned = (bodies[-1][1]["face"] - bodies[-1][1]["head"]) - (bodies[0][1]["face"] - bodies[0][1]["head"])
        assert sign * turned[axis] > 0.01, gaze
    around = [body["face"][0] for _, body in moves("none", "around")]
    assert max(around) > 0.02 and min(around) < -0.02 and moves("none", "around")[-1][0] == AROUND_SECONDS
    assert moves("none", "user") == moves("none", "closed") == []
    with_wave = moves("wave", "left")
    assert with_wave[-1][1]["face"][0] > 0.01 and with_wave[-1][0] == GESTURES["wave"]


def test_between_keyframes_a_track_is_linear_and_outside_it_holds() -> None:
    track = ((0.0, (0.0, 0.0, 0.0)), (1.0, (10.0, 0.0, -4.0)), (2.0, (0.0, 0.0, 0.0)))
    assert at_time(track, 0.5) == (5.0, 0.0, -2.0) and at_time(track, 1.0) == (10.0, 0.0, -4.0)
    assert at_time(track, -1) == at_time(track, 9) == (0.0, 0.0, 0.0)
    for gesture in GESTURES:
        for gaze in GAZES:
            assert set(joints_of(gesture, gaze)) == tracks(gesture, gaze, 1.0)[0].keys() <= set(JOINTS)
