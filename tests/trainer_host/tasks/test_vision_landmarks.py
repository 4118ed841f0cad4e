"""Faces and hands by files that a person brings. The files aren't in the tests: what they say is written here."""

from __future__ import annotations

import random
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer_host.data.dataset import open_dataset
from trainer_host.errors import DataError
from trainer_host.media import landmarks
from trainer_host.media.boxes import Box
from trainer_host.media.landmarks import ANCHORS, FACE, FACE_FAR, FACES, HANDS, PALM, Finder, centres, files_in, gesture
from trainer_host.tasks import Json, task_spec
from trainer_host.tasks.vision_landmarks import Landmarks
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.teach import give
from trainer_host.workspace import Workspace

BENT, STRAIGHT = (0.0, 3.0, 4.0, 2.0), (0.0, 3.0, 4.5, 6.0)  # of a finger's joints, from its root up


def joints(*straight: int) -> np.ndarray:
    """A right hand from the front, its wrist below; which of thumb, index, middle, ring and little finger are straight."""
    made = [(0.0, 0.0, 0.0)]
    thumb = [(-1, 1), (-2, 2), (-3, 3), (-4, 4)] if straight[0] else [(-1, 1), (-2, 2), (-1, 3), (0, 3.5)]
    made += [(x, -y, 0.0) for x, y in thumb]
    for number, is_straight in enumerate(straight[1:]):
        made += [(number - 1.5, -(3 + up), 0.0) for up in (STRAIGHT if is_straight else BENT)]
    return np.array(made, np.float32)


@pytest.mark.parametrize(
    ("straight", "shown"),
    [
        ((0, 0, 0, 0, 0), "fist"),
        ((1, 1, 1, 1, 1), "open hand"),
        ((0, 1, 0, 0, 0), "pointing"),
        ((0, 1, 1, 0, 0), "victory"),
        ((0, 1, 0, 0, 1), "other hand"),
    ],
)
def test_a_hand_shows_what_its_straight_fingers_say(straight: tuple[int, ...], shown: str) -> None:
    hand = joints(*straight)
    assert gesture(hand, hand[:, :2]) == gesture(hand * (-1, 1, 1), hand[:, :2]) == shown


def test_a_thumb_is_up_or_down_as_it_is_in_the_picture() -> None:
    hand = joints(1, 0, 0, 0, 0)
    up, side = hand[:, [1, 0]] * (0.1, 1), hand[:, [1, 0]] * (1, 0.1)
    assert gesture(hand, up) == "thumb up" and gesture(hand, -up) == "thumb down"
    assert gesture(hand, side) == "other hand"
    beside_the_fist = hand[:, [0, 1]] * (0.1, 1)
    assert gesture(hand, beside_the_fist) == gesture(hand, -beside_the_fist) == "other hand"


def test_each_output_of_a_detector_has_its_place() -> None:
    for kind, side, count in ((FACE, 128, 896), (FACE_FAR, 192, 2304), (PALM, 192, 2016)):
        places = centres(side, ANCHORS[kind])
        assert places.shape == (count, 2) and 0 < places.min() < places.max() < 1
        assert np.allclose(places.mean(0), 0.5, atol=1e-4)
    assert np.allclose(
        centres(128, ANCHORS[FACE])[:4], [(1 / 32, 1 / 32), (1 / 32, 1 / 32), (3 / 32, 1 / 32), (3 / 32, 1 / 32)]
    )


def test_files_are_known_by_their_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "mediapipe-0.whl"
    with zipfile.ZipFile(wheel, "w") as out:
        out.writestr("modules/palm_detection_full.tflite", b"another palm")
    for place in (wheel, tmp_path):
        with pytest.raises(
            DataError,
            match=r"lacks palm_detection_full.tflite and hand_landmark_full.tflite, as the wheel of mediapipe",
        ):
            files_in(place, HANDS)
    with pytest.raises(DataError, match="can't be read; name a wheel"):
        files_in(tmp_path / "none.whl", FACES)
    digest = "0cfc9dc6fc1de0b2ddd0ee4d0aa1b1d3a1d1c4d6d7a9d7c2f3ee1d7d6a0b9c8d"
    monkeypatch.setattr(
        landmarks.hashlib, "sha256", lambda content: type("Hash", (), {"hexdigest": lambda self: digest})()
    )
    monkeypatch.setitem(landmarks.FILES, digest, PALM)
    monkeypatch.setitem(landmarks.NEEDED, HANDS, (PALM,))
    assert files_in(wheel, HANDS) == files_in(tmp_path, HANDS) == {PALM: b"another palm"}


def found(picture: Image.Image) -> tuple[Box, ...]:
    """A finder that takes white things for faces, and dark pictures for two other ones, of which it sees one in the mirror."""
    pixels = np.asarray(picture.convert("L"))
    if pixels.max() < 50:
        return (Box("face", 0.1, 0.1, 0.4, 0.4),)
    ys, xs = np.nonzero(pixels > 200)
    height, width = pixels.shape
    return (
        (Box("face", xs.min() / width, ys.min() / height, (xs.max() + 1) / width, (ys.max() + 1) / height),)
        if len(xs)
        else ()
    )


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Json:
    class Seeing(Finder):
        def __init__(self, place: Path, what: str) -> None: ...
        def find(self, picture: Image.Image) -> tuple[Box, ...]:
            return found(picture)

    monkeypatch.setattr("trainer_host.tasks.vision_landmarks._finder", Seeing)
    monkeypatch.setattr("trainer_host.teacher.teach.executor_for", lambda ray: _Here())
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        picture = Image.new("RGB", (64, 48), "grey")
        picture.paste("white", (4 + 6 * number, 8, 24 + 6 * number, 24 + number))
        picture.save(folder / f"{number}.png")
    Image.new("RGB", (64, 48), "grey").save(folder / "empty.png")
    Image.new("RGB", (64, 48), (9, 9, 9)).save(folder / "dark.png")
    return {"images": str(folder), "landmarks": "faces", "models": str(tmp_path / "a.whl")}


class _Here:
    """An executor in this process, where the finder is another."""

    capacity = 1

    async def submit(self, call, *arguments):  # type: ignore[no-untyped-def]
        return call(*arguments)

    async def close(self) -> None: ...


def test_faces_of_a_persons_pictures_become_boxes_where_the_mirror_agrees(options: Json, tmp_path: Path) -> None:
    lesson = Lesson("mine", ("vision",), 20, "built-in", options={"vision": options})
    made = give(Workspace(tmp_path / "home"), lesson, None).taught[0]
    assert made.tally.rejected == {"answers differ": 1} and made.tally.accepted == 7
    rows = [*made.dataset.rows("train"), *made.dataset.rows("heldout")]
    assert sorted(len(row.output["objects"]) for row in rows) == [0, 1, 1, 1, 1, 1, 1]  # type: ignore[arg-type]
    assert open_dataset(made.dataset.folder).counts["train"] >= 4


def test_whole_pictures_have_a_label_for_nothing(options: Json) -> None:
    spec = task_spec("vision", {**options, "whole": True})
    made = [spec.built_in_at(3, number) for number in range(8)]
    assert Counter(map(spec.stratum, made)) == {"face": 7, "no face": 1}


def test_what_cannot_be_is_a_sentence(options: Json) -> None:
    spec = task_spec("vision", options)
    assert isinstance(spec, Landmarks) and spec.different() == 8
    with pytest.raises(DataError, match="leave out --provider"):
        spec.prompt(spec.draw(random.Random(1)))
    for more, why in (
        ({"landmarks": "feet"}, "must be faces or hands, not 'feet'"),
        ({"labels": ["face"]}, "labels of their own"),
        ({"models": None}, "name your pictures with --images"),
    ):
        with pytest.raises(DataError, match=why):
            task_spec("vision", {**options, **more})
    with pytest.raises(DataError, match="belongs to landmarks"):
        task_spec("vision", {"models": "x"})
