from __future__ import annotations

import base64
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.bundle import Golden, Manifest, ModelFile
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.media import Media
from edge_runtime.tasks import task_module, task_names
from edge_runtime.tasks.vision import MAX_BYTES, agrees, confidence, load

LABELS = ("circle", "square", "star")
MANIFEST = Manifest(
    "see",
    "vision",
    "1.0.0",
    "",
    {},
    (ModelFile("model", "int8", ()),),
    Golden("golden.json", 1),
    LABELS,
    {"unsure": 0.6, "shown": 0.4},
    {"kind": "detector", "side": 64, "cells": 3, "platt": [1.0, 0.0]},
)


class Seeing:
    """An engine that gives what it was told, and keeps what it was given."""

    def __init__(self, **outputs: object) -> None:
        self.outputs = {name: np.array(value, np.float32)[None] for name, value in outputs.items()}
        self.given: dict[str, np.ndarray] = {}

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.given = inputs
        return self.outputs


def picture(width: int = 64, height: int = 64) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "navy").save(out, "PNG")
    return out.getvalue()


def classifier(chances: list[float]) -> object:
    manifest = dataclasses.replace(MANIFEST, options={"kind": "classifier", "side": 32})
    return load(manifest, Path(), Seeing(probabilities=chances))  # type: ignore[arg-type]


def test_a_classifier_that_knows_what_is_likely_names_those_labels() -> None:
    manifest = dataclasses.replace(
        MANIFEST, options={"kind": "classifier", "side": 32}, thresholds={"unsure": 0.6, "likely": 0.3}
    )
    for chances, likely in (([0.1, 0.35, 0.55], ["star", "square"]), ([0.29, 0.28, 0.28], [])):
        answer = load(manifest, Path(), Seeing(probabilities=chances)).run({"image": Media("image/png", picture())})  # type: ignore[arg-type]
        assert answer["likely"] == likely


def test_a_classifier_doubts_what_is_unlike_the_pictures_it_learnt_from(tmp_path: Path) -> None:
    options = {
        "kind": "classifier",
        "side": 32,
        "looks": {"numbers": 1, "distance": [0, 1, 2], "chance": [0.5, 0.9, 1]},
    }
    manifest = dataclasses.replace(MANIFEST, options=options, thresholds={"unsure": 0.6, "familiar": 0.05})
    (tmp_path / "looks.bin").write_bytes(np.array([0, 1, 0], "<f2").tobytes())
    answers = [
        load(manifest, tmp_path, Seeing(probabilities=[0.02, 0.95, 0.03], middle=[look], last=[])).run(  # type: ignore[arg-type]
            {"image": Media("image/png", picture())}
        )
        for look in (0.5, 20.0)
    ]
    assert [answer["unsure"] for answer in answers] == [False, True]
    assert answers[0]["familiar"] > 0.5 and answers[1]["familiar"] < 0.05 and answers[1]["label"] == "square"
    assert not agrees(*answers)
    assert agrees({**answers[1], "familiar": 0.06, "unsure": False}, {**answers[1], "familiar": 0.04})
    with pytest.raises(EngineError, match="look"):
        load(manifest, tmp_path, Seeing(probabilities=[0.1, 0.8, 0.1])).run({"image": Media("image/png", picture())})  # type: ignore[arg-type]
    with pytest.raises(BundleError, match="familiar"):
        load(dataclasses.replace(manifest, thresholds={"unsure": 0.6}), tmp_path, Seeing())  # type: ignore[arg-type]


def detector(scores: list[list[float]]) -> object:
    boxes = [[0.1, 0.1, 0.3, 0.3], [0.5, 0.5, 0.9, 0.9], [0.1, 0.6, 0.3, 0.9]]
    return load(MANIFEST, Path(), Seeing(scores=scores, boxes=boxes))  # type: ignore[arg-type]


def test_the_task_is_known_by_its_name() -> None:
    assert "vision" in task_names()
    assert task_module("vision").NAME == "vision"


def test_a_classifier_names_the_picture_and_tells_when_it_does_not_know() -> None:
    answer = classifier([0.1, 0.7, 0.2]).run({"image": Media("image/png", picture())})  # type: ignore[attr-defined]
    assert (answer["label"], answer["unsure"]) == ("square", False)
    assert answer["confidence"] == pytest.approx(0.7)
    assert [item["label"] for item in answer["labels"]] == ["square", "star", "circle"]
    assert answer["objects"][0]["box"] == [0, 0, 1, 1]
    assert classifier([0.4, 0.5, 0.1]).run({"image": Media("image/png", picture())})["unsure"]  # type: ignore[attr-defined]


def test_a_detector_shows_what_it_is_sure_of_and_doubts_aloud() -> None:
    asked: dict[str, object] = {"image": base64.b64encode(picture()).decode()}
    answer = detector([[0.9, 0, 0], [0, 0.7, 0], [0, 0, 0.2]]).run(asked)  # type: ignore[attr-defined]
    assert [(item["label"], item["box"]) for item in answer["objects"]] == [
        ("circle", [0.1, 0.1, 0.3, 0.3]),
        ("square", [0.5, 0.5, 0.9, 0.9]),
    ]
    assert answer["unsure"] is False
    assert detector([[0.5, 0, 0], [0] * 3, [0] * 3]).run(asked)["unsure"] is True  # type: ignore[attr-defined]
    nearly = detector([[0.3, 0, 0], [0] * 3, [0] * 3]).run(asked)  # type: ignore[attr-defined]
    assert nearly == {"objects": [], "unsure": True}
    nothing = detector([[0.01, 0, 0], [0] * 3, [0] * 3]).run(asked)  # type: ignore[attr-defined]
    assert nothing == {"objects": [], "unsure": False}


def test_what_a_detector_does_not_show_makes_it_unsure_where_it_is_nearly_there() -> None:
    asked: dict[str, object] = {"image": base64.b64encode(picture()).decode()}
    scores = [[0.9, 0, 0], [0, 0.7, 0], [0, 0, 0.2]]
    before = detector(scores).run(asked)  # type: ignore[attr-defined]

    def answered(nearly: float) -> dict[str, object]:
        manifest = dataclasses.replace(MANIFEST, thresholds={**MANIFEST.thresholds, "nearly": nearly})
        boxes = [[0.1, 0.1, 0.3, 0.3], [0.5, 0.5, 0.9, 0.9], [0.1, 0.6, 0.3, 0.9]]
        return load(manifest, Path(), Seeing(scores=scores, boxes=boxes)).run(asked)  # type: ignore[arg-type]

    assert [answered(nearly)["unsure"] for nearly in (0.15, 0.25)] == [True, False] and before["unsure"] is False
    assert answered(0.15)["objects"] == before["objects"] and agrees(before, answered(0.15))


def test_the_pixels_are_the_square_that_the_bundle_names() -> None:
    engine = Seeing(scores=[[0.0] * 3] * 3, boxes=[[0.0] * 4] * 3)
    load(MANIFEST, Path(), engine).run({"image": Media("image/png", picture(128, 32))})  # type: ignore[arg-type]
    assert engine.given["pixels"].shape == (1, 64, 64, 3) and engine.given["pixels"].dtype == np.uint8


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({}, 'needs an "image"'),
        ({"image": 5}, "must be a file"),
        ({"image": "x"}, "isn't base64"),
        ({"image": Media("image/gif", b"GIF89a")}, "image/gif"),
        ({"image": Media("image/png", b"")}, "is empty"),
        ({"image": Media("image/png", b"x" * (MAX_BYTES + 1))}, "at most"),
        ({"image": Media("image/png", picture()[:50])}, "isn't a PNG or JPEG"),
        ({"image": Media("image/png", picture(1, 1))}, "smaller than 8 pixels"),
        ({"image": Media("image/png", picture()), "size": 5}, 'leave out "size"'),
    ],
)
def test_a_bad_request_is_one_sentence(request_: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        classifier([0.1, 0.7, 0.2]).run(request_)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labels": ()}, "labels"),
        ({"thresholds": {}}, "unsure"),
        ({"options": {"kind": "detector", "side": 100_000}}, "side"),
        ({"options": {"kind": "painter", "side": 64}}, "kind"),
        ({"options": {"kind": "detector", "side": 64, "cells": 3}}, "platt"),
        ({"thresholds": {"unsure": 0.5}}, "shown"),
    ],
)
def test_a_bundle_of_another_make_is_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(BundleError, match=sentence):
        load(dataclasses.replace(MANIFEST, **changes), Path(), Seeing())  # type: ignore[arg-type]


def test_scores_that_are_not_numbers_are_an_error_of_the_engine() -> None:
    with pytest.raises(EngineError, match="probabilities"):
        classifier([np.nan, 0.5, 0.5]).run({"image": Media("image/png", picture())})  # type: ignore[attr-defined]
    with pytest.raises(EngineError, match="scores"):
        detector([[0.5, 0.5], [0, 0], [0, 0]]).run({"image": Media("image/png", picture())})  # type: ignore[attr-defined]


def test_answers_agree_within_what_int8_changes() -> None:
    asked: dict[str, object] = {"image": Media("image/png", picture())}
    one = detector([[0.9, 0, 0], [0, 0.7, 0], [0, 0, 0.2]]).run(asked)  # type: ignore[attr-defined]
    near = detector([[0.75, 0, 0], [0, 0.78, 0], [0, 0, 0.2]]).run(asked)  # type: ignore[attr-defined]
    assert agrees(one, one) and not agrees(one, near)  # 0.15 is more than rounding
    near = detector([[0.85, 0, 0], [0, 0.88, 0], [0, 0, 0.2]]).run(asked)  # type: ignore[attr-defined]
    assert not agrees(one, near)
    near = detector([[0.82, 0, 0], [0, 0.79, 0], [0, 0, 0.2]]).run(asked)  # type: ignore[attr-defined]
    assert agrees(one, near)
    moved = {**one, "objects": [{**item, "box": [0.0, 0.0, 0.2, 0.2]} for item in one["objects"]]}
    other = {**one, "objects": [{**item, "label": "star"} for item in one["objects"]]}
    assert not agrees(one, moved) and not agrees(one, other) and not agrees(one, {**one, "objects": []})


def test_a_score_becomes_a_chance_by_platts_formula() -> None:
    assert confidence(0.5, 1.0, 0.0) == 0.5
    assert confidence(0.5, 2.0, 1.0) == pytest.approx(0.7311, abs=1e-4)
    assert 0 <= confidence(0.0, 3.0, -40.0) <= confidence(1.0, 3.0, 40.0) <= 1
