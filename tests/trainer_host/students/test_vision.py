from __future__ import annotations

import base64
import json
import random
import shutil
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from edge_runtime.media import Media
from edge_runtime.tasks import Specialist, vision
from tests.trainer_host.conftest import nothing
from trainer_host.compress.files import exported
from trainer_host.compress.gate import draft_manifest, loaded
from trainer_host.data.build import build_dataset
from trainer_host.data.dataset import Dataset
from trainer_host.data.labelled import SpecRows
from trainer_host.errors import DataError
from trainer_host.media.boxes import Box, write_objects
from trainer_host.students import vision as vision_student
from trainer_host.students import vision_fit
from trainer_host.students.vision import STUDENT
from trainer_host.students.vision_classifier import classifier_loss
from trainer_host.students.vision_data import Pictures, Variation, varied
from trainer_host.students.vision_looks import RELATIVE
from trainer_host.students.vision_net import ClassifierNet, Shape
from trainer_host.tasks import Example, task_spec
from trainer_host.tasks.vision_pictures import picture_name, png
from trainer_host.training.run import Run, train_run
from trainer_host.workspace import Workspace

from .torch_engine import TorchEngine

SIDE = 64
Trained = tuple[Dataset, Run, dict[str, float]]


def example(seed: int, whole: bool) -> Example:
    """One disc or cross of any colour, on a ground of another; or one or two of them, with their boxes."""
    from edge_runtime.media.pictures import png

    rng = random.Random(seed)
    ground = rng.randrange(40, 90)
    picture = Image.new("RGB", (SIDE, SIDE), (ground, ground, ground))
    pen = ImageDraw.Draw(picture)
    boxes = []
    for place in range(1 if whole else rng.choice((1, 2))):
        kind = ("disc", "cross")[seed % 2 if whole else rng.randrange(2)]
        size = rng.randrange(20, 29)
        x, y = rng.randrange(1, 31 - size + 1), rng.randrange(1, SIDE - size)
        x += place * 32
        colour = tuple(rng.randrange(140, 256) for _ in range(3))
        if kind == "disc":
            pen.ellipse((x, y, x + size - 1, y + size - 1), fill=colour)
        else:
            pen.rectangle((x, y + size // 3, x + size - 1, y + size - size // 3), fill=colour)
            pen.rectangle((x + size // 3, y, x + size - size // 3, y + size - 1), fill=colour)
        edges = (0.0, 0.0, 1.0, 1.0) if whole else (x / SIDE, y / SIDE, (x + size) / SIDE, (y + size) / SIDE)
        boxes.append(Box(kind, *edges))
    content = png(picture)
    name = picture_name(content)
    return Example({"image": name}, {"objects": write_objects(boxes)}, {name: content})


def dataset_of(workspace: Workspace, count: int, whole: bool) -> Dataset:
    reader = SpecRows(task_spec("vision"), Path())
    rows = [reader.take(example(seed, whole)) for seed in range(count)]
    return build_dataset(
        workspace, "d", "vision", rows, teacher="person", seed=1, held_out=0.25, params={}, figures={}, finish=reader.finish
    )  # fmt: skip


def specialist_of(run: Run) -> Specialist:
    return vision.load(draft_manifest(run, STUDENT), run.folder, TorchEngine(run))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    workspace = Workspace(tmp_path_factory.mktemp("classifier") / "home")
    dataset = dataset_of(workspace, 120, whole=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vision_fit, "MAX_STEPS", 160)
        run, report = train_run(
            workspace, dataset, "c", seed=1, seconds=1.0, on_progress=nothing, settings={"size": "nano", "side": 48}
        )
    return dataset, run, dict(report.figures)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    from trainer_host.compress.files import export_run

    workspace = Workspace(tmp_path_factory.mktemp("detector") / "home")
    dataset = dataset_of(workspace, 160, whole=False)
    run, report = train_run(
        workspace, dataset, "d", seed=1, seconds=1.2, on_progress=nothing, settings={"size": "nano", "side": 64}
    )
    export_run(run, dataset, nothing)
    return dataset, run, dict(report.figures)


def test_a_classifier_names_pictures_it_has_not_seen_and_beats_both_baselines(classifier: Trained) -> None:
    dataset, run, figures = classifier
    found = STUDENT.evaluate(run.folder, dataset.folder, specialist_of(run), None)
    assert found["accuracy"] >= 0.9
    assert found["accuracy"] >= max(figures["majority_baseline"], figures["nearest_mean_baseline"]) + 0.2
    assert found["rows"] == 30


def test_a_classifier_keeps_looks_by_which_other_pictures_are_less_familiar(classifier: Trained) -> None:
    dataset, run, _ = classifier
    fields = STUDENT.manifest_fields(run.folder)
    assert fields["options"]["looks"]["numbers"] == 32 + 64 and 0 < fields["thresholds"]["familiar"] < 0.2  # type: ignore[index, call-overload]
    assert fields["options"]["looks"]["relative"] == RELATIVE  # type: ignore[index, call-overload]
    assert [*STUDENT.assets(run.folder)] == ["looks.bin"]
    specialist = specialist_of(run)
    own = [
        specialist.run({"image": row.media})["familiar"] for row in vision_student.seen_rows(dataset.folder, "heldout")
    ]
    draw = np.random.default_rng(1)
    strange = [
        specialist.run(
            {"image": Media("image/png", png(Image.fromarray(draw.integers(0, 256, (64, 64, 3), np.uint8))))}
        )
        for _ in range(10)
    ]
    assert np.median(np.array(own, float)) > 0.2
    assert all(answer["unsure"] and float(str(answer["familiar"])) < 0.05 for answer in strange)


def test_a_run_from_before_looks_gives_chances_alone(classifier: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "older"
    shutil.copytree(classifier[1].folder, folder)
    config = json.loads((folder / vision_student.CONFIG).read_bytes())
    del config["looks"], config["familiar"]
    (folder / vision_student.CONFIG).write_text(json.dumps(config))
    assert STUDENT.module(folder)[2].outputs == ["probabilities"] and not STUDENT.assets(folder)
    fields = STUDENT.manifest_fields(folder)
    assert "looks" not in fields["options"] and "familiar" not in fields["thresholds"]  # type: ignore[operator]


def test_some_of_the_held_out_rows_are_of_all_labels(classifier: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import writes them label by label."""
    dataset, run, _ = classifier
    rows = sorted(vision_student.seen_rows(dataset.folder, "heldout"), key=lambda row: row.objects[0].label)
    monkeypatch.setattr(vision_student, "seen_rows", lambda folder, split: rows)

    class Disc:
        def run(self, request: dict[str, object]) -> dict[str, object]:
            return {"label": "disc", "confidence": 0.5, "unsure": False}

    found = STUDENT.evaluate(run.folder, dataset.folder, Disc(), 10)
    assert found["rows"] == 10 and 0.3 <= found["accuracy"] <= 0.7


def test_a_detector_finds_what_it_has_not_seen_in_both_runtimes_and_in_int8(detector: Trained) -> None:
    dataset, run, figures = detector
    scores = {}
    for item in exported(run):
        runtime = "onnxruntime" if item.file.endswith(".onnx") else "ai-edge-litert"
        with loaded(run, STUDENT, item, runtime) as specialist:
            scores[item.file] = STUDENT.evaluate(run.folder, dataset.folder, specialist, None)
    assert scores["model.fp32.onnx"]["map50"] >= 0.7
    assert all(found["accuracy"] >= figures["constant_baseline"] + 0.4 for found in scores.values()), scores
    assert scores["model.int8.tflite"]["map50"] >= scores["model.fp32.onnx"]["map50"] - 0.05
    assert exported(run)[0].error < 1e-3


def test_golden_requests_are_small_different_and_answered(detector: Trained) -> None:
    dataset, run, _ = detector
    requests = STUDENT.golden(run.folder, dataset.folder, 24)
    assert requests == STUDENT.golden(run.folder, dataset.folder, 24)
    assert len({str(request["image"]) for request in requests}) == 24
    assert all(len(base64.b64decode(str(request["image"]))) < 10_000 for request in requests)
    specialist = specialist_of(run)
    answer = specialist.run(requests[0])
    assert vision.agrees(answer, specialist.run(requests[0]))


def test_foreign_pictures_are_learnt_as_undecided() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    whole = np.tile(np.array([0, 0, 1, 1], np.float32), (64, 1, 1))
    pictures = Pictures(pixels, (), whole, np.arange(64)[:, None] % 2)
    _, _, labels = varied(pictures, np.arange(64), Variation(foreign=0.25), np.random.default_rng(2))
    assert 8 <= int((labels == -1).sum()) <= 24

    class Saying(ClassifierNet):
        def logits(self, x: torch.Tensor) -> torch.Tensor:
            return x

    def loss(said: list[float], label: int) -> float:
        return float(classifier_loss(net, torch.tensor([said]), torch.zeros(1, 1, 4), torch.tensor([[label]])))

    net = Saying(Shape(2, 32, "nano"))
    assert loss([3.0, -3.0], 0) < loss([0.0, 0.0], 0)
    assert loss([0.0, 0.0], -1) < loss([3.0, -3.0], -1)


def test_tiles_keep_an_object_whole_with_its_box() -> None:
    pixels = np.zeros((1, 96, 96, 3), np.uint8)
    pixels[0, 30:50, 40:70] = 255
    pictures = Pictures(pixels, (), np.array([[[40, 30, 70, 50]]], np.float32) / 96, np.zeros((1, 1), np.int64))
    for seed in range(20):
        variation = Variation(mirror="all")
        for tile in (None, 64):
            made, boxes, labels = varied(pictures, np.array([0]), variation, np.random.default_rng(seed), tile)
            side = tile or 96
            bright = made[0].mean(0) > (made[0].amin() + made[0].amax()) / 2
            rows, columns = torch.where(bright)
            found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert made.shape == (1, 3, side, side) and int(labels[0, 0]) == 0
            assert [int(edge) for edge in found] == pytest.approx((boxes[0, 0] * side).tolist(), abs=1.1)


def test_the_same_rows_seed_and_settings_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision_fit, "MAX_STEPS", 4)
    workspace = Workspace(tmp_path / "home")
    dataset = dataset_of(workspace, 60, whole=False)  # of a classifier: in tests of pauses, and of many pictures
    one = _weights(workspace, dataset, "a")
    assert one == _weights(workspace, dataset, "b")
    assert one != _weights(workspace, dataset, "c", curriculum=True)


def _weights(workspace: Workspace, dataset: Dataset, name: str, curriculum: bool = False) -> str:
    settings: dict[str, object] = {"size": "nano", "side": 32}
    run, _ = train_run(
        workspace, dataset, name, seed=1, seconds=1.0, on_progress=nothing, settings=settings, curriculum=curriculum
    )
    return run.weights


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"size": "giant"}, "no size 'giant'"),
        ({"side": 100}, "multiple of 16"),
        ({"rate": 1}, "no --rate"),
        ({"mirror": "up"}, "sides or all"),
        ({"epochs": 0}, "more than 0"),
    ],
)
def test_settings_it_does_not_have_are_one_sentence(
    settings: dict[str, object], sentence: str, classifier: Trained, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=sentence):
        STUDENT.train(
            classifier[0].folder, tmp_path, seed=1, seconds=1.0, on_progress=nothing, settings=cast("dict", settings)
        )


def test_rows_that_teach_nothing_are_one_sentence(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    few = dataset_of(workspace, 44, whole=False)
    with pytest.raises(DataError, match="at least 40 pictures"):
        STUDENT.train(few.folder, tmp_path, seed=1, seconds=1.0, on_progress=nothing)
    many = dataset_of(workspace, 80, whole=False)
    next((many.folder / "files").iterdir()).unlink()
    with pytest.raises(DataError, match="were changed"):
        STUDENT.train(many.folder, tmp_path, seed=1, seconds=1.0, on_progress=nothing)
