from __future__ import annotations

import base64
from pathlib import Path

import pytest

from edge_runtime.media import Media, to_json
from trainer_host import asking
from trainer_host.data.dataset import Json
from trainer_host.errors import DataError, TrainerError


def drawn(*contents: bytes) -> Json:
    answer = to_json({f"file{at}": Media("image/png", content) for at, content in enumerate(contents)})
    assert isinstance(answer, dict)
    return {**answer, "unsure": False}


def test_files_of_answers_go_to_the_next_free_names_and_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "art-1.png").write_bytes(b"mine")
    answer = drawn(b"one", b"two")
    assert asking.save_files(answer, "art", None) == [Path("art-2.png"), Path("art-3.png")]
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"mine", b"one", b"two"]
    assert answer["file1"] == {"content_type": "image/png", "file": "art-3.png"}
    assert asking.save_files(drawn(b"three"), "art", Path("here.png")) == [Path("here.png")]


def test_a_file_that_cant_be_kept_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="name another place with --out"):
        asking.save_files(drawn(b"one"), "art", tmp_path / "nowhere" / "a.png")
    with pytest.raises(TrainerError, match="can't be read; ask again"):
        asking.save_files({"picture": {"content_type": "image/png", "base64": "%"}}, "art", None)


def test_a_picture_is_asked_about_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8")
    request = asking.make_request("vision", "how many?", file=tmp_path / "cat.jpg")
    assert request == {"image": Media("image/jpeg", b"\xff\xd8"), "question": "how many?"}
    request = asking.make_request("video_gen", "forward, left", file=tmp_path / "cat.jpg")
    assert request == {"image": Media("image/jpeg", b"\xff\xd8"), "actions": ["forward", "left"]}
    for number in (9, 10, 11, 2, 1):
        (tmp_path / f"{number}.png").write_bytes(b"%d" % number)
    request = asking.make_request("video_gen", "forward", file=tmp_path)
    assert request["before"] == [Media("image/png", b"%d" % number) for number in (2, 9, 10)]
    assert request["image"] == Media("image/png", b"11")
    (tmp_path / "none").mkdir()
    for task, text, file, sentence in (
        ("video_gen", " ", tmp_path / "cat.jpg", "Say what is done"),
        ("video_gen", "left", tmp_path / "none", "no numbered pictures"),
        ("vision", "", None, "name one with --file"),
        ("vision", "", tmp_path / "dog.png", "can't be read"),
        ("router", "hi", tmp_path / "cat.jpg", "takes no file"),
        ("router", " ", None, "Say what to ask"),
    ):
        with pytest.raises(DataError, match=sentence):
            asking.make_request(task, text, file=file)


@pytest.mark.parametrize(
    ("task", "answer", "said"),
    [
        ("vision", {"objects": [{"label": "cup"}, {"label": "star"}, {"label": "cup"}]}, "2 cup, 1 star"),
        ("vision", {"objects": [], "unsure": True}, "nothing known (unsure)"),
        ("vision", {"label": "seven", "unsure": False}, "seven"),
        ("vision", {"answer": "3", "unsure": False}, "3"),
        ("vision", {"answer": "3", "unsure": True}, "3 (unsure)"),
        ("vision", {"answer": "3", "unsure": True, "unknown": ["dogs"]}, "3 (unsure; never heard: dogs)"),
        ("game", {"action": "left", "unsure": False}, "left"),
        ("math", {"answer": "79", "steps": ["12 * 8 = 96", "96 - 17 = 79"]}, "12 * 8 = 96\n96 - 17 = 79\n79"),
        ("image_gen", {"unsure": True}, "nothing (unsure)"),
        ("audio_gen", {"unsure": True, "sound": None, "problem": "It isn't."}, "nothing (unsure: It isn't.)"),
        ("image_gen", {"picture": {"content_type": "image/png", "base64": ""}}, "a file of image/png"),
        ("3d_gen", {"model": {"content_type": "model/gltf-binary", "base64": ""}}, "a file of model/gltf-binary"),
        ("audio_gen", {"sound": {"content_type": "audio/wav", "base64": base64.b64encode(b"RIFF").decode()}}, "a file"),
    ],
)  # fmt: skip
def test_answers_are_told_in_a_line(task: str, answer: Json, said: str) -> None:
    assert asking.describe(task, answer).startswith(said)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"confidence": 0.974, "ms": 1.24}, "sure 0.97, 1.2 ms"),
        ({"confidence": {"gaze": 0.9, "gesture": 0.6}, "ms": 2}, "sure 0.60, 2.0 ms"),
        ({"picture": {}, "ms": 43.9}, "43.9 ms"),
        ({}, ""),
    ],
)
def test_a_confidence_that_an_answer_does_not_have_is_not_named(answer: Json, said: str) -> None:
    assert asking.sureness(answer) == said
