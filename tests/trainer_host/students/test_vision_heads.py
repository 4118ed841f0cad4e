"""One encoder with a head for each of two datasets of pictures: combined, trained, exported, gated and asked."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.media.pictures import png
from edge_runtime.tasks import vision
from edge_runtime.vision.heads import read_heads
from tests.trainer_host.conftest import nothing
from trainer_host.asking import describe, make_request
from trainer_host.building import COMBO, SINGLE, Build, build_kinds, compared
from trainer_host.compress.files import export_run, exported
from trainer_host.compress.gate import _lost_by_heads, gate_run, loaded
from trainer_host.data.build import build_dataset
from trainer_host.data.combos import combined
from trainer_host.data.dataset import Dataset
from trainer_host.data.labelled import SpecRows
from trainer_host.errors import DataError
from trainer_host.evaluation.answers import chosen
from trainer_host.media.boxes import Box, write_objects
from trainer_host.students import vision_fit, vision_heads
from trainer_host.students.vision import STUDENT
from trainer_host.students.vision_heads import HeadsNet, heads_loss
from trainer_host.students.vision_net import Shape
from trainer_host.tasks import Example, task_spec
from trainer_host.tasks.vision_pictures import picture_name
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.teach import give
from trainer_host.trainer_ai import TrainerAI
from trainer_host.training.run import Run, train_run
from trainer_host.workspace import Workspace

SIDE = 32
Trained = tuple[Dataset, Run, dict[str, float]]


def example(seed: int, kind: str) -> Example:
    """Of "forms": a disc or a cross of any grey; of "stripes": lines that lie or stand."""
    rng = random.Random(f"{kind}{seed}")
    picture = Image.new("RGB", (SIDE, SIDE), (rng.randrange(60),) * 3)
    pen = ImageDraw.Draw(picture)
    bright = (rng.randrange(150, 256),) * 3
    second = seed % 2 == 1
    if kind == "forms":
        size = rng.randrange(12, 20)
        x, y = rng.randrange(2, SIDE - size - 1), rng.randrange(2, SIDE - size - 1)
        if second:
            pen.rectangle((x, y + size // 3, x + size, y + size - size // 3), fill=bright)
            pen.rectangle((x + size // 3, y, x + size - size // 3, y + size), fill=bright)
        else:
            pen.ellipse((x, y, x + size, y + size), fill=bright)
    else:
        for at in range(rng.randrange(6), SIDE, rng.randrange(6, 9)):
            pen.line((at, 0, at, SIDE) if second else (0, at, SIDE, at), fill=bright, width=2)
    label = {"forms": ("disc", "cross"), "stripes": ("lying", "standing")}[kind][second]
    content = png(picture)
    name = picture_name(content)
    return Example({"image": name}, {"objects": write_objects([Box(label, 0.0, 0.0, 1.0, 1.0)])}, {name: content})


def dataset_of(workspace: Workspace, kind: str, count: int, name: str | None = None) -> Dataset:
    reader = SpecRows(task_spec("vision"), Path())
    rows = [reader.take(example(seed, kind)) for seed in range(count)]
    return build_dataset(
        workspace, name or kind, "vision", rows, teacher="person", seed=1, held_out=0.25, params={}, figures={},
        finish=reader.finish,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    workspace = Workspace(tmp_path_factory.mktemp("heads") / "home")
    sources = [dataset_of(workspace, "forms", 120), dataset_of(workspace, "stripes", 80)]
    dataset = combined(workspace, "both", sources)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vision_fit, "MAX_STEPS", 220)
        run, report = train_run(workspace, dataset, "both", seed=1, seconds=12.0, on_progress=nothing)
    export_run(run, dataset, nothing)
    return dataset, run, dict(report.figures)


def test_a_head_of_drawn_shapes_practises_as_its_specialist_does(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    lesson = Lesson("drawn", ("vision",), 60, "built-in", seed=1, options={"vision": {"whole": True}})
    drawn = give(workspace, lesson, None).taught[0].dataset
    dataset = combined(workspace, "both", [drawn, dataset_of(workspace, "stripes", 60)])
    assert dataset.params["drawn"] == {drawn.name: drawn.params["options"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vision_heads, "PRACTISED", 50)
        patch.setattr(vision_heads, "CHECKED", 10)
        patch.setattr(vision_fit, "MAX_STEPS", 6)
        fitted = patch_fit(patch)
        _, report = train_run(workspace, dataset, "both", seed=1, seconds=12.0, on_progress=nothing)
    pictures, learnt, boxed = fitted
    assert report.figures["practised"] == len(boxed) == 50
    assert set(boxed) < set(learnt) and len(pictures) == dataset.counts["train"] + 60
    assert (pictures.boxes[boxed, 0, 2:] - pictures.boxes[boxed, 0, :2]).max() < 1  # the shapes', not whole pictures


def patch_fit(patch: pytest.MonkeyPatch) -> list[Any]:
    """What a training is given to learn from: the pictures, the places of those to learn, and of those with boxes."""
    given: list[Any] = []

    def fit(net: object, loss: object, pictures: object, rows: object, *others: Any) -> None:
        given.extend([pictures, rows, others[5]])
        vision_fit.fit(net, loss, pictures, rows, *others)  # type: ignore[arg-type]

    patch.setattr(vision_heads, "fit", fit)
    return given


def test_each_head_beats_its_baselines_in_every_file_and_the_gate_examines_each(trained: Trained) -> None:
    dataset, run, figures = trained
    assert dataset.counts == {"train": 150, "heldout": 50}
    report = gate_run(run, dataset)
    assert report.passed
    for score in report.scores:
        for head in ("forms", "stripes"):
            best = max(figures[f"majority_{head}"], figures[f"nearest_mean_{head}"])
            assert score.figures[f"accuracy_{head}"] >= min(0.9, best + 0.1), (score.file, head)
        assert score.figures["rows_forms"] == 30 and score.figures["rows"] == 50
    assert {score.runtime for score in report.scores} >= {"onnxruntime", "ai-edge-litert"}


def test_one_run_of_the_network_answers_for_a_head_or_for_all(trained: Trained) -> None:
    dataset, run, _ = trained
    item = next(item for item in exported(run) if item.precision == "int8" and item.file.endswith(".onnx"))
    [request, *_] = STUDENT.golden(run.folder, dataset.folder, 8)
    with loaded(run, STUDENT, item, "onnxruntime") as specialist:
        every = specialist.run(request)
        one = specialist.run({**request, "head": "forms"})
        assert one == {"head": "forms", **every["heads"]["forms"]}  # type: ignore[index]
        assert {item["label"] for item in one["labels"]} == {"disc", "cross"}  # type: ignore[attr-defined]
        assert every["unsure"] == any(answer["unsure"] for answer in every["heads"].values())  # type: ignore[attr-defined]
        assert vision.agrees(every, every) and vision.agrees(one, one)
        assert not vision.agrees(one, {**one, "head": "stripes"})
        assert not vision.agrees(every, {**every, "heads": {"forms": one}})
        for head in ("shapes", ["forms"], 1):
            with pytest.raises(BadRequest, match='"head" must be one of forms, stripes; without it all'):
                specialist.run({**request, "head": head})
    told = describe("vision", every)
    assert told.startswith("forms: 1 ") and "\nstripes: 1 " in told
    assert list(chosen("vision", {"objects": [{"label": "disc"}]}, one, 1.0)) == ["label of forms"]


def test_a_head_is_asked_for_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(next(iter(example(1, "forms").files.values())))
    assert make_request("vision", "", inner="forms", file=tmp_path / "x.png")["head"] == "forms"
    assert "head" not in make_request("vision", "", file=tmp_path / "x.png")


def test_a_picture_teaches_its_own_head_alone_and_a_foreign_one_leaves_all_undecided() -> None:
    class Saying(HeadsNet):
        def logits(self, x: torch.Tensor) -> torch.Tensor:
            return x

    net = Saying(Shape(5, 32, "nano"), [0, 2, 5])

    def loss(said: list[float], label: int) -> float:
        return float(heads_loss(net, torch.tensor([said]), torch.zeros(1, 1, 4), torch.tensor([[label]])))

    assert loss([3.0, -3.0, 9.0, 0.0, 0.0], 0) == pytest.approx(loss([3.0, -3.0, 0.0, 0.0, 0.0], 0))
    assert loss([0.0, 0.0, 3.0, 0.0, 0.0], 2) < loss([0.0, 0.0, 0.0, 0.0, 0.0], 2)
    assert loss([0.0] * 5, -1) < loss([3.0, -3.0, 0.0, 0.0, 0.0], -1)


def test_each_heads_temperature_is_in_the_last_layer_of_what_is_exported() -> None:
    net = HeadsNet(Shape(5, 32, "nano"), [0, 2, 5]).eval()
    pixels = torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8)
    logits = net.logits(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)
    net.temperature[:] = torch.tensor([0.5, 0.5, 2.0, 2.0, 2.0])
    wanted = torch.cat([torch.softmax(logits[:, :2] / 0.5, -1), torch.softmax(logits[:, 2:] / 2.0, -1)], 1)
    assert torch.allclose(net.cooled()(pixels), wanted, atol=1e-5)
    assert float(net.temperature.sum()) == 5


def test_the_gate_says_which_head_lost_too_much() -> None:
    fp32 = {
        "accuracy_forms": 1.0,
        "rows_forms": 400.0,
        "accuracy_stripes": 0.9,
        "rows_stripes": 50.0,
        "accuracy_x": 1.0,
    }
    kept = {**fp32, "accuracy_stripes": 0.88, "accuracy_x": 0.0}  # one row of fifty; x has no rows of its own
    assert _lost_by_heads(kept, fp32, 0.5) == []
    assert _lost_by_heads({**kept, "accuracy_forms": 0.99}, fp32, 0.5) == ["head forms loses 1.00 points, at most 0.5"]


def test_what_is_held_out_of_one_dataset_is_learnt_from_in_none(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    one, other = dataset_of(workspace, "forms", 60), dataset_of(workspace, "forms", 60, "again")
    held = {row.input["image"] for row in one.rows("heldout")}
    # The other split lies otherwise.
    changed = [row for row in other.rows("train") if row.input["image"] in held]
    made = combined(workspace, "both", [one, other])
    learnt = {row.input["image"] for row in made.rows("train")}
    asked = {row.input["image"] for row in made.rows("heldout")}
    assert not learnt & asked
    assert made.counts["train"] == one.counts["train"] + other.counts["train"] - 2 * len(changed)
    spec = task_spec("vision")
    row = next(iter(made.rows("heldout")))
    content = {str(row.input["image"]): (made.folder / "files" / str(row.input["image"])).read_bytes()}
    spec.check(Example(row.input, row.output, content))
    keys = {spec.key(Example({**row.input, "head": head}, row.output, content)) for head in ("forms", "again")}
    assert len(keys) == 2


def test_datasets_that_share_no_encoder_are_one_sentence(trained: Trained, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    one = dataset_of(workspace, "forms", 60)
    with pytest.raises(DataError, match="is named twice"):
        combined(workspace, "both", [one, one])
    with pytest.raises(DataError, match="only such datasets share an encoder"):
        combined(workspace, "both", [one, trained[0]])
    few = combined(workspace, "both", [one, dataset_of(workspace, "stripes", 40)])
    with pytest.raises(DataError, match="'stripes' needs 40 pictures"):
        STUDENT.train(few.folder, tmp_path, seed=1, seconds=1.0, on_progress=nothing)


def test_a_combo_of_pictures_names_its_datasets(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    for kind in ("forms", "stripes"):
        dataset_of(workspace, kind, 40)
    trainer = TrainerAI(workspace.home)

    def build(*combo: str) -> None:
        build_kinds(trainer, ["forms", "stripes"], "m", [combo], on_progress=lambda what, share: None)

    with pytest.raises(
        DataError,
        match="can't have chat; of these datasets, a combo takes none, or datasets of pictures: forms, stripes",
    ):
        build("forms", "chat")
    with pytest.raises(DataError, match="has two tasks or more"):
        build("forms", "forms")


@pytest.mark.parametrize(
    "heads",
    [None, [], [{"name": "a", "labels": ["x", "y"], "unsure": 0.5, "likely": 0.1, "platt": [1, 0]}] * 2, [1, 2]],
)
def test_a_manifest_without_proper_heads_is_refused(heads: object) -> None:
    with pytest.raises(BundleError, match="several heads needs"):
        read_heads({"heads": heads})


def test_a_combo_is_set_against_its_specialists_together(tmp_path: Path) -> None:
    bundle = tmp_path / "x"
    one = Build(SINGLE, "m-a", ("a",), {"a": 0.95}, bundle, bytes=200_000, p50_ms=0.4)
    other = replace(one, run="m-b", tasks=("b",), scores={"b": 0.8})
    both = Build(COMBO, "m-a-b", ("a", "b"), {"a": 0.94, "b": 0.81}, bundle, bytes=220_000, p50_ms=0.5)
    [said] = compared([one, other, both])
    assert said == (
        "m-a-b: 220 kB and 0.50 ms for both answers; its specialists together 400 kB and 0.80 ms; it loses at most "
        "1.0 points (a)."
    )
    assert compared([one, replace(other, bundle=None), both]) == []
