"""Next frames: cells are read off a picture, changed as the network says, and put together again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from edge_runtime.bundle.manifest import Golden, Manifest, ModelFile
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.media import Media, pictures
from edge_runtime.media.apng import write_apng
from edge_runtime.media.pictures import png_of, read_film
from edge_runtime.tasks import next_frame, task_module, task_names
from edge_runtime.tasks.next_frame import ACTION, CELLS, FEW, FILE, NEXT, UNKNOWN, agrees, cells_in, picture_of, pooled

VIDEO = task_module("video_gen")
KNOWN = np.stack([np.full((8, 8, 3), grey, np.uint8) for grey in (0, 120, 250)])
CELL = np.array([0, 1, 2, 0, 0, 0])  # two rows of three
MANIFEST = Manifest(
    name="rooms",
    task="video_gen",
    version="1.0.0",
    licence="",
    io={},
    models=(ModelFile("model.onnx", "int8", ()),),
    golden=Golden("golden.json", 1),
    labels=("left", "wait"),
    thresholds={"unsure": 0.5},
    options={"cell": 8, "across": 3, "down": 2},
    tokenizer=None,
)


class Shifting:
    """With "left" every cell becomes its right neighbour; with "wait" all stay."""

    sure = 9.0

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        cells, action = inputs[CELLS], inputs[ACTION]
        assert cells.shape == (1, 6) and cells.dtype == np.int32 and action.shape == (1, 2)
        logits = np.zeros((1, 6, 4), np.float32)
        wanted = np.roll(cells[0].reshape(2, 3), -1, 1).reshape(-1) + 1 if action[0, 0] else np.zeros(6, int)
        logits[0, np.arange(6), wanted] = self.sure
        return {NEXT: logits}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / FILE).write_bytes(KNOWN.tobytes())
    return tmp_path


def picture(cells: np.ndarray = CELL) -> Media:
    return Media("image/png", png_of(picture_of(cells, KNOWN, 2, 3)))


def test_it_is_a_kind_of_video_gen_and_no_task_of_its_own() -> None:
    assert "next_frame" not in task_names() and "image_flow" not in task_names()


def test_a_film_goes_on_from_its_own_frames(folder: Path) -> None:
    made = VIDEO.load(MANIFEST, folder, cast("object", Shifting()))  # type: ignore[arg-type]
    answer = made.run({"image": picture(), "actions": ["left", "left"]})
    film = read_film(cast(Media, answer["film"]).content)
    found = [cells_in(np.asarray(frame), KNOWN)[0].tolist() for frame in film.frames]
    assert found == [[1, 2, 0, 0, 0, 0], [2, 0, 1, 0, 0, 0]]
    assert answer["frames"] == 2 and answer["unsure"] is False and answer["problem"] is None
    assert answer["changes"] == [[[0, 0], [0, 1], [0, 2]]] * 2
    still = made.run({"image": picture(), "action": "wait"})
    assert still["changes"] == [[]] and VIDEO.agrees(still, still) and not VIDEO.agrees(still, answer)
    assert agrees(answer, {**answer, "changes": [*cast("list[object]", answer["changes"])[:1], []]}) is False


def test_what_isnt_known_or_sure_is_unsure(folder: Path) -> None:
    engine = Shifting()
    made = VIDEO.load(MANIFEST, folder, cast("object", engine))  # type: ignore[arg-type]
    strange = Media("image/png", png_of(np.full((16, 24, 3), 60, np.uint8)))
    answer = made.run({"image": strange, "action": "wait"})
    assert answer["unsure"] is True and answer["problem"] == UNKNOWN
    engine.sure = 0.5
    assert made.run({"image": picture(), "action": "wait"})["unsure"] is True
    engine.sure = float("nan")
    with pytest.raises(EngineError, match="usable 'next'"):
        made.run({"image": picture(), "action": "wait"})


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({}, "needs an"),
        ({"image": picture()}, "needs an"),
        ({"image": picture(), "action": "fly"}, "left, wait"),
        ({"image": picture(), "actions": ["wait"] * 17}, "1 to 16"),
        ({"image": picture(), "action": "wait", "actions": ["wait"]}, "either"),
        ({"image": picture(), "action": "wait", "prompt": "x"}, "prompt"),
        ({"action": "wait"}, "image"),
        ({"image": picture(), "action": "wait", "before": picture()}, "at most 3"),
        ({"image": picture(), "action": "wait", "before": [picture()], "done": ["wait", "wait"]}, "after each of"),
        ({"image": picture(), "action": "wait", "before": [picture()], "done": ["fly"]}, "left, wait"),
        ({"image": picture(), "action": "wait", "before": [7]}, "before"),
        ({"image": Media("image/png", b"\x89PNG torn"), "action": "wait"}, "can be read"),
    ],
)
def test_a_bad_request_is_told(folder: Path, request_: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        VIDEO.load(MANIFEST, folder, cast("object", Shifting())).run(request_)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changed",
    [
        {"options": {"cell": 64, "across": 3, "down": 2}},
        {"options": {"cell": 8, "across": 3}},
        {"options": {"cell": 8, "across": 3, "down": 2, "frames": 9}},
        {"options": {"cell": 1, "across": 65, "down": 2}},
        {"labels": ()},
        {"thresholds": {}},
    ],
)
def test_a_bundle_that_lacks_something_is_refused(folder: Path, changed: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="build it again"):
        VIDEO.load(dataclasses.replace(MANIFEST, **changed), folder, cast("object", Shifting()))  # type: ignore[arg-type]


def test_a_bundle_whose_cells_are_torn_is_refused(folder: Path) -> None:
    (folder / FILE).write_bytes(KNOWN.tobytes()[:-1])
    with pytest.raises(BundleError, match=FILE):
        next_frame.load(MANIFEST, folder, cast("object", Shifting()))  # type: ignore[arg-type]


class Flowing:
    """Each pixel of 8 by 16 becomes what it was two frames before; it sees three frames, and keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[np.ndarray, np.ndarray]] = []

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        cells = inputs[CELLS].reshape(3, 128)
        self.given.append((cells[:, 0], inputs[ACTION]))
        logits = np.zeros((1, 128, 4), np.float32)
        logits[0, np.arange(128), cells[0] + 1] = 9
        return {NEXT: logits}


PIXELS = dataclasses.replace(MANIFEST, options={"cell": 1, "across": 16, "down": 8, "frames": 3})


@pytest.fixture
def flowing(tmp_path: Path) -> tuple[next_frame.Foreteller, Flowing]:
    (tmp_path / FILE).write_bytes(KNOWN[:, 0, 0].tobytes())
    engine = Flowing()
    return next_frame.load(PIXELS, tmp_path, cast("object", engine)), engine  # type: ignore[arg-type]


def plain(number: int, size: tuple[int, int] = (8, 16)) -> np.ndarray:
    return np.full((*size, 3), KNOWN[number, 0, 0], np.uint8)


def test_frames_before_and_what_was_done_are_seen(flowing: tuple[next_frame.Foreteller, Flowing]) -> None:
    made, engine = flowing
    before = [Media("image/png", png_of(plain(number))) for number in (2, 0, 1)]  # the oldest isn't looked at
    image = Media("image/png", png_of(plain(2, (80, 48))))
    asked = {"before": before, "done": ["left", "left", "wait"], "image": image, "actions": ["wait", "left"]}
    answer = made.run(asked)
    assert [cells.tolist() for cells, _ in engine.given] == [[0, 1, 2], [1, 2, 0]]
    assert [done.reshape(3, 2).argmax(1).tolist() for _, done in engine.given] == [[0, 1, 1], [1, 1, 0]]
    assert answer["problem"] is None and answer["unsure"] is False
    assert answer["changes"] == [[[0, 0], [0, 1]]] * 2  # of eight by eight pixels
    film = Media("image/apng", write_apng([plain(number) for number in (2, 0, 1, 2)], 4))
    assert made.run({"image": film, "actions": ["wait", "left"]})["changes"] == answer["changes"]
    assert [cells.tolist() for cells, _ in engine.given[2:]] == [[0, 1, 2], [1, 2, 0]]
    assert not engine.given[2][1].reshape(3, 2)[:2].any()  # nobody said what was done


def test_what_was_done_before_a_film_isnt_taken_for_what_was_done_in_it(
    flowing: tuple[next_frame.Foreteller, Flowing],
) -> None:
    made, engine = flowing
    film = Media("image/apng", write_apng([plain(1), plain(2)], 4))
    made.run({"before": [Media("image/png", png_of(plain(0)))], "done": ["left"], "image": film, "action": "wait"})
    [(cells, done)] = engine.given
    assert cells.tolist() == [0, 1, 2] and done.reshape(3, 2).tolist() == [[1, 0], [0, 0], [0, 1]]


def test_one_picture_is_unsure_and_strange_colours_too(flowing: tuple[next_frame.Foreteller, Flowing]) -> None:
    made, engine = flowing
    alone = made.run({"image": Media("image/png", png_of(plain(1))), "action": "wait"})
    assert alone["problem"] == FEW and alone["unsure"] is True and engine.given[0][0].tolist() == [1, 1, 1]
    strange = Media("image/png", png_of(np.full((8, 16, 3), 60, np.uint8)))
    assert made.run({"image": strange, "action": "wait"})["problem"] == UNKNOWN


def test_the_rarest_colour_of_a_part_stays() -> None:
    colours = np.zeros((13, 10), int)
    colours[5, 7] = 2
    made = pooled(colours, 4, 5)
    assert made.shape == (4, 5) and made.sum() == 2 and made[1, 3] == 2
    assert (pooled(np.arange(4).reshape(2, 2), 4, 4)[::2, ::2] == [[0, 1], [2, 3]]).all()


def test_a_film_that_is_too_long_is_told(
    flowing: tuple[next_frame.Foreteller, Flowing], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = flowing
    monkeypatch.setattr(pictures, "MAX_FILM_FRAMES", 3)
    film = write_apng([plain(number) for number in (2, 0, 1, 2)], 4)
    for content, said in ((film, "too long"), (film[:-60], "can be read")):
        monkeypatch.setattr(pictures, "MAX_FILM_FRAMES", 3 if content is film else 9)
        with pytest.raises(BadRequest, match=said):
            made.run({"image": Media("image/apng", content), "action": "wait"})
