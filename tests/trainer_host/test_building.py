"""Three kinds of models from the same data; the trainings are stand-ins, what is told apart and kept is real."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.trainer_host.samples import easy_dataset, write_jsonl
from tests.trainer_host.training.language_runs import SHAPE, language_run
from trainer_host import building
from trainer_host.building import build_kinds, table
from trainer_host.compress.gate import LANGUAGE_LIMITS, GateReport, Score
from trainer_host.data.dataset import open_dataset
from trainer_host.data.transfer import import_rows
from trainer_host.errors import DataError
from trainer_host.students.language.model import LanguageModel
from trainer_host.tasks import task_spec
from trainer_host.trainer_ai import Trained, TrainerAI
from trainer_host.training.run import open_run, write_json
from trainer_host.workspace import Workspace


class Quick(TrainerAI):
    """Trains nothing: writes a run, and a gate's report in which each task of a combo loses a point."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace.home)
        self.trained: list[str] = []
        self.planned: dict[str, object] = {}

    def train(self, dataset: str, run: str | None = None, **how: object) -> Trained:  # type: ignore[override]
        data = open_dataset(self.workspace.dataset(dataset))
        name = run or dataset
        self.trained.append(name)
        self.planned[name] = how["seconds"]
        made = language_run(self.workspace, data, name, LanguageModel(SHAPE))
        figures = {f"accuracy_{task}": 0.8 for task in ("math", "chat")}
        score = Score("model.int8.onnx", "", "int8", "onnxruntime", "1", 0.9, 0.0, 10, 1.0, 1.0, figures)
        report = GateReport(made.weights, LANGUAGE_LIMITS, (score, replace(score, file="model.fp32.onnx")), ())
        write_json(made.folder / "gate.json", json.loads(json.dumps(report, default=lambda item: item.__dict__)))
        return Trained(data.task, name, dataset, 0.9, self.sign(name).path)

    def sign(self, run: str) -> SimpleNamespace:  # type: ignore[override]
        open_run(self.workspace.run(run))
        path = self.workspace.home / f"{run}.enigma"
        path.write_bytes(b"x" * 1_500_000)
        return SimpleNamespace(path=path)


@pytest.fixture
def trainer(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Quick:
    for task in ("math", "chat"):
        spec = task_spec(task)
        examples = [spec.built_in(random.Random(seed)) for seed in range(50)]
        file = write_jsonl(tmp_path / f"{task}.jsonl", [{**one.input, **one.output} for one in examples])
        import_rows(workspace, file, task=task, name=task, seed=1, held_out=0.2)
    easy_dataset(workspace, tmp_path)
    # Reports are read as they were written; whether their files are still there is tested with the gate.
    monkeypatch.setattr("trainer_host.compress.gate.read_report", lambda run: _report(run.folder))
    return Quick(workspace)


def _report(folder: Path) -> GateReport:
    raw = json.loads((folder / "gate.json").read_text())
    return GateReport(raw["weights"], LANGUAGE_LIMITS, tuple(Score(**score) for score in raw["scores"]), ())


def nothing(what: str, share: float) -> None:
    """No progress."""


def test_each_task_alone_a_combo_and_all_that_is_written_come_from_the_same_rows(trainer: Quick) -> None:
    made = build_kinds(trainer, ["math", "chat", "easy"], "mine", [["chat", "math"]], on_progress=nothing)
    assert [(build.run, build.kind, build.tasks) for build in made] == [
        ("mine-math", "single", ("math",)),
        ("mine-chat", "single", ("chat",)),
        ("mine-router", "single", ("router",)),
        ("mine-chat-math", "combo", ("chat", "math")),
        ("mine-all", "all", ("math", "chat")),
    ]
    headers, rows = table(made)
    assert headers == ["model", "kind", "math %", "chat %", "router %", "MB"]
    assert rows[0] == ["mine-math", "single", "90.0", "", "", "1.50"]
    assert rows[4] == ["mine-all", "all", "80.0", "80.0", "", "1.50"]
    combined = open_dataset(trainer.workspace.dataset("mine-all"))
    assert sum(combined.counts.values()) == sum(
        sum(open_dataset(trainer.workspace.dataset(name)).counts.values()) for name in ("math", "chat")
    )


def test_what_was_built_from_the_same_rows_is_taken_as_it_is(trainer: Quick) -> None:
    first = build_kinds(trainer, ["math", "chat"], "mine", on_progress=nothing)
    assert trainer.trained == ["mine-math", "mine-chat", "mine-all"]
    assert build_kinds(trainer, ["math", "chat"], "mine", on_progress=nothing) == first
    assert len(trainer.trained) == 3
    build_kinds(trainer, ["math"], "other", seed=2, on_progress=nothing)
    assert trainer.trained[3:] == ["other-math"]


def test_a_model_of_two_tasks_is_planned_for_twice_as_long_as_one(trainer: Quick) -> None:
    build_kinds(trainer, ["math", "chat"], "mine", seconds=40, on_progress=nothing)
    assert trainer.planned == {"mine-math": 40, "mine-chat": 40, "mine-all": 80}


@pytest.mark.parametrize(
    ("names", "combos", "sentence"),
    [
        (["math", "math"], [], "have one task"),
        (["math", "easy"], [["math", "router"]], "A combo can't have router; of these datasets, a combo takes math"),
        (["math", "chat"], [["math", "poetry"]], "A combo can't have poetry"),
        (["math", "chat"], [["math", "math"]], "two tasks or more"),
    ],
)
def test_combos_that_cant_be_train_nothing(
    trainer: Quick, names: list[str], combos: list[list[str]], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        build_kinds(trainer, names, "mine", combos, on_progress=nothing)
    assert trainer.trained == [] and building.ALL == "all"
