from __future__ import annotations

import json

import numpy as np
import pytest

from edge_runtime.avatar.vocabulary import (
    ARKIT,
    DEFAULTS,
    EMOTIONS,
    GAZES,
    GESTURES,
    HEADS,
    INTENSITIES,
    TIMINGS,
    blendshapes,
    contradicts,
    seconds,
)
from edge_runtime.errors import BadRequest, EngineError
from edge_runtime.tasks import task_module, task_names
from edge_runtime.tasks.avatar import REQUEST_SCHEMA, RESPONSE_SCHEMA, Avatar, agrees
from edge_runtime.tasks.text import Features


class Choosing:
    """An engine that gives the wanted label of each head so much probability."""

    def __init__(self, choice: dict[str, str], sure: float = 0.9) -> None:
        self.out: dict[str, np.ndarray] = {}
        for head, labels in HEADS.items():
            row = np.full(len(labels), (1 - sure) / (len(labels) - 1), np.float32)
            row[labels.index(choice[head])] = sure
            self.out[head] = row[None]

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.out


CHOICE = {"emotion": "happy", "intensity": "high", "gesture": "wave", "gaze": "left", "timing": "slow"}


def test_the_task_is_known_by_its_name() -> None:
    assert "avatar" in task_names()
    assert task_module("avatar").NAME == "avatar"


def test_an_answer_holds_the_choices_a_face_and_the_seconds() -> None:
    answer = Avatar(0.5, Features(), Choosing(CHOICE)).run({"text": "look left and wave"})  # type: ignore[arg-type]
    assert {head: answer[head] for head in HEADS} == CHOICE
    face = answer["blendshapes"]
    assert isinstance(face, dict) and face["mouthSmileLeft"] == 0.9 and face["eyeLookOutLeft"] == 0.7
    assert answer["seconds"] == seconds("wave", "slow") == 2.72
    assert answer["unsure"] is False


RIG = {"expressions": ["Joy", "blink", "fangs"], "bones": ["mixamorig:RightArm", {"name": "forearm.R"}, "tail"]}


def test_with_a_rig_it_answers_in_the_rigs_names() -> None:
    answer = Avatar(0.5, Features(), Choosing(CHOICE)).run({"text": "wave", "rig": RIG})  # type: ignore[arg-type]
    assert answer["expressions"] == {"Joy": 1.0}
    motion = answer["motion"]
    assert isinstance(motion, list) and motion[-1]["t"] == answer["seconds"] == 2.72
    assert all(frame["bones"].keys() == {"mixamorig:RightArm", "forearm.R"} for frame in motion)
    assert answer["rig"] == {
        "unknown": ["tail", "fangs"], "unused": [], "missing": ["head", "leftEye", "rightEye", "rightHand"], "limited": [], "shown": "happy",
    }  # fmt: skip
    assert "motion" not in Avatar(0.5, Features(), Choosing(CHOICE)).run({"text": "wave"})  # type: ignore[arg-type]


def test_the_schemas_hold_for_what_is_asked_and_answered() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    request: dict[str, object] = {"text": "wave", "rig": RIG}
    jsonschema.validate(request, REQUEST_SCHEMA)
    answer = Avatar(0.5, Features(), Choosing(CHOICE)).run(request)  # type: ignore[arg-type]
    jsonschema.validate(answer, RESPONSE_SCHEMA)
    for schema, wrong in ((REQUEST_SCHEMA, {**request, "rig": 5}), (RESPONSE_SCHEMA, {**answer, "gesture": "fly"})):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_in_doubt_it_makes_no_gesture() -> None:
    answer = Avatar(0.5, Features(), Choosing(CHOICE, 0.4)).run({"text": "hm"})  # type: ignore[arg-type]
    assert answer["unsure"] is True and answer["gesture"] == DEFAULTS["gesture"] and answer["seconds"] == 0
    answer = Avatar(0.5, Features(), Choosing(CHOICE)).run({"text": "?!"})  # type: ignore[arg-type]
    assert answer["unsure"] is True and answer["gesture"] == "none"


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({}, 'needs a "text"'),
        ({"text": 5}, 'needs a "text"'),
        ({"text": " "}, "is empty"),
        ({"text": "x" * 1001}, "at most 1000"),
        ({"text": "hi", "mood": "bad"}, 'leave out "mood"'),
        ({"text": "hi", "rig": ["head"]}, 'The "rig" must be'),
    ],
)
def test_a_bad_request_is_one_sentence(request_: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        Avatar(0.5, Features(), Choosing(CHOICE)).run(request_)  # type: ignore[arg-type]


def test_scores_that_are_not_numbers_are_an_error_of_the_engine() -> None:
    engine = Choosing(CHOICE)
    engine.out["gaze"] = np.full((1, 8), np.nan, np.float32)
    with pytest.raises(EngineError, match="gaze"):
        Avatar(0.5, Features(), engine).run({"text": "hi"})  # type: ignore[arg-type]


def test_every_face_is_in_range_has_known_names_and_fits_its_emotion() -> None:
    assert len(ARKIT) == len(set(ARKIT)) == 52
    for emotion in EMOTIONS:
        for intensity in INTENSITIES:
            for gaze in GAZES:
                face = blendshapes(emotion, intensity, gaze)
                assert face.keys() <= set(ARKIT) and all(0 < value <= 1 for value in face.values())
                assert contradicts(emotion, face) is None, (emotion, face)
    assert blendshapes("neutral", "high", "user") == {}
    assert {seconds("none", timing) for timing in TIMINGS} == {0}
    assert all(seconds(gesture, "quick") <= seconds(gesture, "slow") for gesture in GESTURES)


def test_answers_agree_within_the_tolerance_of_int8() -> None:
    answer = Avatar(0.5, Features(), Choosing(CHOICE)).run({"text": "wave"})  # type: ignore[arg-type]
    near = Avatar(0.5, Features(), Choosing(CHOICE, 0.85)).run({"text": "wave"})  # type: ignore[arg-type]
    other = Avatar(0.5, Features(), Choosing({**CHOICE, "gaze": "up"})).run({"text": "wave"})  # type: ignore[arg-type]
    assert agrees(answer, near) and not agrees(answer, other)
    assert not agrees(answer, {**answer, "unsure": True})
    moved = Avatar(0.5, Features(), Choosing(CHOICE)).run({"text": "wave", "rig": RIG})  # type: ignore[arg-type]
    kept = json.loads(json.dumps(moved))  # as a golden file holds it
    assert agrees(kept, moved) and not agrees(moved, {**moved, "expressions": {}}) and not agrees(moved, answer)
