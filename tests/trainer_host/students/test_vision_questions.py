from __future__ import annotations

import base64
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from edge_runtime.engines import open_engine
from edge_runtime.tasks import Specialist, vision
from tests.trainer_host.conftest import nothing
from tests.trainer_host.students.test_vision import dataset_of as pictures_alone
from trainer_host.compress.gate import draft_manifest
from trainer_host.data.build import build_dataset
from trainer_host.data.dataset import Dataset
from trainer_host.data.labelled import SpecRows
from trainer_host.errors import DataError
from trainer_host.students import vision_questions
from trainer_host.students.vision import STUDENT
from trainer_host.students.vision_questions_data import coded_drawn, drawn_asked, words_of
from trainer_host.students.vision_questions_fit import planned
from trainer_host.students.vision_questions_net import GLIMPSES, OPEN, READS, SHUT, QuestionNet, Shape
from trainer_host.tasks import task_spec
from trainer_host.tasks.phrases import Grouped
from trainer_host.tasks.vision_pictures import png
from trainer_host.tasks.vision_questions import ASKS, example
from trainer_host.training.run import Run, train_run
from trainer_host.workspace import Workspace

from .torch_engine import TorchEngine

Trained = tuple[Dataset, Run, dict[str, float]]


def dataset_of(workspace: Workspace, pictures: int) -> Dataset:
    """Rows as a person has them: bars of one colour, upright or lying, and two questions about each picture."""
    reader = SpecRows(task_spec("vision"), Path())
    rows = []
    for seed in range(pictures):
        rng = random.Random(seed)
        picture = Image.new("RGB", (32, 32), "black")
        colour, upright = rng.choice(("red", "lime", "yellow")), rng.random() < 0.5
        x, y = rng.randrange(2, 12), rng.randrange(2, 12)
        wide, high = (6, 18) if upright else (18, 6)
        ImageDraw.Draw(picture).rectangle((x, y, x + wide, y + high), fill=colour)
        for question, answer in (
            ("Which colour is it?", colour),
            ("Does it stand or lie?", "stand" if upright else "lie"),
        ):
            rows.append(reader.take(example(png(picture), question, answer)))
    return build_dataset(
        workspace, "d", "vision", rows, teacher="person", seed=1, held_out=0.25, params={}, figures={}, finish=reader.finish
    )  # fmt: skip


def specialist_of(run: Run) -> Specialist:
    return vision.load(draft_manifest(run, STUDENT), run.folder, TorchEngine(run))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    workspace = Workspace(tmp_path_factory.mktemp("questions") / "home")
    dataset = dataset_of(workspace, 120)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer_host.students.vision_questions_fit.BLIND_STEPS", 60)
        run, report = train_run(
            workspace, dataset, "q", seed=1, seconds=1.3, on_progress=nothing, settings={"side": 32}
        )
    return dataset, run, dict(report.figures)


def test_a_persons_own_questions_are_answered_better_than_without_a_look(trained: Trained) -> None:
    dataset, run, figures = trained
    found = STUDENT.evaluate(run.folder, dataset.folder, specialist_of(run), None)
    assert found["rows"] == 60 and found["accuracy"] >= 0.85
    assert found["accuracy"] >= max(figures["majority_baseline"], figures["blind_baseline"]) + 0.25
    assert figures["parameters"] < 200_000 and figures["answers"] == 5
    assert 0 <= found["ece"] <= 1 and found["precision"] >= found["accuracy"] - 1e-9
    assert not any(name.startswith("accuracy ") for name in found)  # a person's rows don't say what they ask for


def test_questions_of_unknown_words_are_unsure(trained: Trained) -> None:
    dataset, run, _ = trained
    request = STUDENT.golden(run.folder, dataset.folder, 1)[0]
    for question in ("How many dogs are there?", "Welche Farbe hat es?"):
        answer = specialist_of(run).run({**request, "question": question})
        assert answer["unsure"] is True and answer["unknown"]


def test_the_exported_graph_answers_as_the_trained_network_does(trained: Trained, tmp_path: Path) -> None:
    from trainer_host.export.onnx import export_onnx

    dataset, run, _ = trained
    module, example_inputs, names = STUDENT.module(run.folder)
    export_onnx(module, example_inputs, names, tmp_path / "model.onnx")
    engine, ours = open_engine(tmp_path / "model.onnx"), TorchEngine(run)
    for inputs in STUDENT.calibration(run.folder, dataset.folder, 8):
        assert inputs["words"].dtype == np.int32
        got, wanted = (one.run(inputs)["probabilities"] for one in (engine, ours))
        assert np.abs(got - wanted).max() < 1e-3


def test_golden_requests_are_small_and_different(trained: Trained) -> None:
    dataset, run, _ = trained
    requests = STUDENT.golden(run.folder, dataset.folder, 40)
    assert requests == STUDENT.golden(run.folder, dataset.folder, 40) and 36 <= len(requests) <= 40
    assert all(len(base64.b64decode(str(request["image"]))) < 2000 for request in requests)
    assert {path.name for path in STUDENT.assets(run.folder).values()} == {"words.json", "familiar.bin"}


def test_drawn_pictures_are_practised_and_what_they_ask_is_examined_by_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vision_questions, "PRACTISED", 12)
    monkeypatch.setattr(vision_questions, "CHECKED", 6)
    monkeypatch.setattr("trainer_host.students.vision_questions_fit.MIN_STEPS", 2)
    monkeypatch.setattr("trainer_host.students.vision_questions_fit.BLIND_STEPS", 2)
    monkeypatch.setattr("trainer_host.students.vision_questions_fit.PER_SECOND", 100)
    spec = task_spec("vision", {"questions": True})
    reader = SpecRows(spec, Path())
    rows = []
    for seed in range(70):
        made = spec.built_in(random.Random(seed))
        assert isinstance(made, Grouped)
        row = reader.take(made)
        rows.append(replace(row, row=replace(row.row, meta=made.meta)))
    workspace = Workspace(tmp_path)
    dataset = build_dataset(
        workspace, "d", "vision", rows, teacher="built-in", seed=1, held_out=0.25, params={}, figures={}, finish=reader.finish
    )  # fmt: skip
    runs = [train_run(workspace, dataset, name, seed=1, seconds=1.0, on_progress=nothing) for name in ("a", "b")]
    assert runs[0][0].weights == runs[1][0].weights  # the same rows and seed, the same bytes
    assert runs[0][1].figures["practised"] == 12 and runs[0][1].figures["steps"] == 6
    found = STUDENT.evaluate(runs[0][0].folder, dataset.folder, specialist_of(runs[0][0]), None)
    asked = {str(row.meta[ASKS]) for row in dataset.rows("heldout")}
    assert {f"accuracy {name}" for name in asked} <= found.keys()


def test_drawn_shapes_lie_where_their_cells_say() -> None:
    pictures, asked = drawn_asked(6, 1, 64)
    texts = [question.text for some in asked for question in some]
    from edge_runtime.vision.questions import Vocabulary

    answers = sorted({question.answer for some in asked for question in some})
    made = coded_drawn(pictures, asked, Vocabulary(words_of(texts)), answers)
    for place, (view, pixels, _) in enumerate(pictures):
        cells = made.cells[place][made.cells[place] >= 0]
        assert len(cells) == len(view.scene.shapes) == len(set(cells.tolist()))
        assert (made.things[place].reshape(-1)[cells] > 0).all()
        assert (made.answers[made.rows[place]] >= 0).all() and pixels.shape == (64, 64, 3)
        counted = [
            row for row, question in zip(made.rows[place], asked[place], strict=True) if question.asks == "count"
        ]
        for row in counted:
            meant = made.about[row, 0][made.about[row, 0] >= 0]
            assert str(meant.sum()) == answers[made.answers[row]] and len(meant) == len(cells)


def test_questions_share_a_pass_over_their_picture() -> None:
    torch.manual_seed(1)
    net = QuestionNet(Shape(5, 20, 24, 32)).eval()
    x, ids = torch.randn(2, 3, 32, 32), torch.randint(0, 20, (6, 24))
    with torch.inference_mode():
        together, points, *_ = net.looked(net.cells(x), ids, 3)
        alone = torch.cat([net.looked(net.cells(x[at // 3][None]), ids[at][None])[0] for at in range(6)])
    assert torch.allclose(together, alone, atol=1e-5) and points.shape == (6, GLIMPSES, 64)


def test_a_middle_that_cells_share_or_doubt_counts_as_one() -> None:
    net = QuestionNet(Shape(5, 20, 24, 32)).eval()
    with torch.no_grad():
        net.there.weight.zero_()[0, 0] = 1.0
        net.there.bias.zero_()  # type: ignore[union-attr]
    cells = torch.full((1, net.cells.wide, 8, 8), -12.0)
    cells[0, 0, 1, 1] = cells[0, 0, 1, 2] = 2.0  # one middle, nearly 1 in both
    cells[0, 0, 5, 5] = 0.0  # one in doubt
    with torch.inference_mode():
        made = net.middles(cells)[0, 0]
    assert made[:4].sum() == pytest.approx(1, abs=0.01) and made[4:].sum() == pytest.approx(1, abs=0.01)


def test_a_number_follows_from_the_count_and_from_nothing_that_was_counted() -> None:
    torch.manual_seed(1)
    net = QuestionNet(Shape(5, 20, 24, 32)).eval()
    x, ids = torch.randn(1, 3, 32, 32), torch.randint(1, 20, (1, 24))
    answers = []
    for told in ("count", None):  # the count alone, or everything
        with torch.inference_mode():
            net.reads.bias.copy_(torch.tensor([OPEN if told in (part, None) else SHUT for part in READS]))
            for scale in (1.0, 3.0):  # of what cells look like, where the same is there and pointed at
                net.seen.weight.mul_(scale)
                answers.append(net.looked(net.cells(x), ids)[0])
    assert torch.equal(answers[0], answers[1]) and not torch.allclose(answers[2], answers[3])


def test_what_teaches_nothing_is_one_sentence(trained: Trained, tmp_path: Path) -> None:
    dataset, _, _ = trained
    for more, sentence in (
        ({"settings": {"size": "giant"}}, "no size 'giant'"),
        ({"settings": {"side": 100}}, "multiple of 16"),
        ({"settings": {"rate": 1}}, "no --rate"),
        ({"curriculum": True}, "have no curriculum"),
    ):
        with pytest.raises(DataError, match=sentence):
            STUDENT.train(dataset.folder, tmp_path, seed=1, seconds=1.0, on_progress=nothing, **more)
    with pytest.raises(DataError, match="at least 1 second"):
        planned(10.0, 0.5, True)
    with pytest.raises(DataError, match="at least 40 questions"):
        vision_questions._answers([], ["yes"])
    rows = vision_questions.asking_rows(dataset.folder, "train")
    with pytest.raises(DataError, match="different answers, 180 of them once"):
        vision_questions._answers(rows, [str(number) for number in range(180)])
    with pytest.raises(DataError, match="nothing to learn"):
        vision_questions._answers(rows, ["yes"])
    plain = pictures_alone(Workspace(tmp_path / "home"), 44, whole=True)
    with pytest.raises(DataError, match="either all rows have a question"):
        vision_questions.asking_rows(plain.folder, "train")
