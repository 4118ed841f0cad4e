from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.audio.files import RATE, write_sound
from edge_runtime.bundle import Golden, Manifest, ModelFile
from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.media import Media
from edge_runtime.tasks import task_names, wake_word
from tests.edge_runtime.audio.loud import MODEL_MEMORY, Loud, bursts, model

WAV = Media("audio/wav", write_sound(bursts(1.0, 4.0)))


def manifest(**changed: object) -> Manifest:
    fields: dict[str, object] = {
        "labels": ("hey robot",),
        "thresholds": {"wake": 0.5, "unsure": 0.1},
        "options": {"memory": list(MODEL_MEMORY), "platt": [1.0, 0.0]},
    }
    return Manifest(
        name="robot",
        task=wake_word.NAME,
        version="1.0.0",
        licence="Apache-2.0",
        io={"request": wake_word.REQUEST_SCHEMA, "response": wake_word.RESPONSE_SCHEMA},
        models=(ModelFile("model.onnx", "int8", ("onnxruntime",)),),
        golden=Golden("golden.json", 1),
        **(fields | changed),  # type: ignore[arg-type]
    )


@pytest.fixture
def robot() -> wake_word.WakeWord:
    return wake_word.load(manifest(), Path(), Loud())


def test_the_device_knows_the_task() -> None:
    assert "wake_word" in task_names()


def test_a_sound_gives_the_times_at_which_the_phrase_ended(robot: wake_word.WakeWord) -> None:
    answer = robot.run({"audio": WAV})
    found = answer["detections"]
    assert isinstance(found, list)
    assert [(one["phrase"], round(one["seconds"])) for one in found] == [("hey robot", 1), ("hey robot", 4)]
    assert answer["seconds"] == 6.0 and answer["problem"] is None and answer["unsure"] is False
    coded = base64.b64encode(WAV.content).decode()
    assert robot.run({"audio": coded}) == answer


def test_every_answer_is_of_the_sound_alone(robot: wake_word.WakeWord) -> None:
    first = robot.run({"audio": WAV})
    robot.run({"audio": Media("audio/wav", write_sound(bursts(2.0)))})
    assert robot.run({"audio": WAV}) == first


def test_silence_wakes_nobody_and_is_told_of(robot: wake_word.WakeWord) -> None:
    answer = robot.run({"audio": Media("audio/wav", write_sound(np.zeros(RATE)))})
    assert answer["detections"] == [] and answer["problem"] == "silent" and answer["unsure"] is False


def test_what_nearly_was_the_phrase_is_unsure() -> None:
    doubtful = wake_word.load(manifest(thresholds={"wake": 0.9999999, "unsure": 0.1}), Path(), Loud())
    answer = doubtful.run({"audio": WAV})
    assert answer["detections"] == [] and answer["unsure"] is True


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({}, "needs an"),
        ({"audio": WAV, "loud": True}, 'leave out "loud"'),
        ({"audio": Media("image/png", b"x")}, "send audio/wav"),
        ({"audio": Media("audio/wav", b"RIFFxxxxWAVE")}, "send the whole file"),
        ({"session": {"a": 1}, "samples": [1, 2]}, "needs an"),  # over HTTP nobody has a session
    ],
)
def test_bad_requests_say_what_to_change(robot: wake_word.WakeWord, request_: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        robot.run(request_)


@pytest.mark.parametrize(
    "changed",
    [
        {"labels": ()},
        {"thresholds": {"wake": 0.5}},
        {"options": {"memory": [4], "platt": [1.0, 0.0]}},
        {"options": {"memory": [100_000, 100_000], "platt": [1.0, 0.0]}},
        {"options": {"memory": [4, 2], "platt": [1.0, float("nan")]}},
        {"options": {"memory": [4, 2], "platt": [1.0, 0.0], "smooth": 0}},
        {"options": {"memory": [4, 2], "platt": [1.0, 0.0], "smooth": 31}},
        {"options": {"memory": [4, 2], "platt": [1.0, 0.0], "smooth": True}},
    ],
)
def test_a_bundle_that_does_not_fit_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="build it again"):
        wake_word.load(manifest(**changed), Path(), Loud())


def test_a_bundle_says_how_many_steps_are_averaged_and_one_of_before_has_five() -> None:
    told = dict(manifest().options)
    slow_one = wake_word.load(manifest(options={**told, "smooth": 30}), Path(), Loud())
    short = Media("audio/wav", write_sound(bursts(1.0, length=0.3)))
    quick, slow = (one.run({"audio": short}) for one in (wake_word.load(manifest(), Path(), Loud()), slow_one))
    assert quick["confidence"] > 0.99 > slow["confidence"]  # type: ignore[operator]


def test_golden_answers_may_differ_a_little_and_not_by_a_detection(robot: wake_word.WakeWord) -> None:
    answer = robot.run({"audio": WAV})
    found = answer["detections"]
    assert isinstance(found, list)
    later = [{**one, "seconds": one["seconds"] + 0.06} for one in found]
    assert wake_word.agrees(answer, {**answer, "detections": later})
    assert not wake_word.agrees(answer, {**answer, "detections": later[:1]})
    assert not wake_word.agrees(answer, {**answer, "confidence": 0.5})


def test_a_stream_is_taken_piece_by_piece_and_survives_an_update(robot: wake_word.WakeWord) -> None:
    session, sound = robot.listen(), bursts(1.0, 4.0)
    newer = wake_word.WakeWord("hey robot", model())
    found: list[object] = []
    for number, start in enumerate(range(0, len(sound), 3_200)):
        asked = robot if number < 15 else newer
        answer = asked.run({"session": session, "samples": sound[start : start + 3_200]})
        assert isinstance(answer["detections"], list)
        found += answer["detections"]
    assert len(found) == 2 and session.model is newer.model
