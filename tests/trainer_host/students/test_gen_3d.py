"""A small model learns to write bodies over the measures of a prompt: with others than it saw, they are right."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

pytest.importorskip("manifold3d")
pytest.importorskip("trimesh")

from edge_runtime.engines.language import open_language_engine
from edge_runtime.media.solid import write_program
from edge_runtime.tasks import task_module
from trainer_host.data.dataset import Row, seal, write_rows
from trainer_host.media.solid_sampler import FAMILIES
from trainer_host.students.gen_3d import STUDENT, shares
from trainer_host.tasks import task_spec

KINDS = ("ring", "rocket")
TRAIN, HELD_OUT = 64, 10


def rows(count: int, seed: int) -> list[Row]:
    rng = random.Random(seed)
    plans = [FAMILIES[KINDS[number % len(KINDS)]](rng) for number in range(count)]
    return [Row({"prompt": f"Make {plan.words}"}, {"program": write_program(plan.program)}, {}) for plan in plans]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bodies")
    write_rows(folder / "train.jsonl", rows(TRAIN, 1))
    write_rows(folder / "heldout.jsonl", rows(HELD_OUT, 2))
    seal(folder, name="bodies", task="3d_gen", teacher="built-in", seed=1, params={}, figures={})
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    settings = {"size": "nano", "epochs": 5.0, "rows": 2}
    STUDENT.train(data, folder, seed=1, seconds=None, on_progress=lambda share, figures: None, settings=settings)
    STUDENT.write_models(folder, lambda share, what: None)
    return folder


def test_bodies_of_new_measures_are_right_where_those_of_the_nearest_prompt_are_not(run: Path, data: Path) -> None:
    module, draft = task_module("3d_gen"), STUDENT._draft(run)
    int8, fp32 = (open_language_engine(run / f"model.{precision}.onnx") for precision in ("int8", "fp32"))
    try:
        specialist, other = module.load(draft, run, int8), module.load(draft, run, fp32)  # type: ignore[arg-type]
        found = STUDENT.evaluate(run, data, specialist, None)
        golden = STUDENT.golden(run, data, 3)
        answers = [(specialist.run(request), other.run(request)) for request in golden]
    finally:
        int8.close()
        fp32.close()
    spec = task_spec("3d_gen")
    train, held = rows(TRAIN, 1), rows(HELD_OUT, 2)

    def words(row: Row) -> set[str]:
        return set(str(row.input["prompt"]).split())

    nearest = [max(train, key=lambda known, row=row: len(words(known) & words(row))) for row in held]  # type: ignore[misc]
    baseline = sum(spec.score(row.output, known.output) for row, known in zip(held, nearest, strict=True)) / len(held)
    assert found["accuracy"] >= 0.9 > baseline + 0.2
    assert found["readable"] == found["closed"] == found["as_asked"] == 1
    assert len(golden) == 3 and all(one["program"] and module.agrees(one, two) for one, two in answers)


def test_what_is_wrong_is_counted_apart() -> None:
    """A body that isn't what was asked, one that no reader finds closed, and a text that is none."""
    cube = {"name": "a", "shape": "box", "size": vector(9), "at": vector(0), "turn": vector(0)}
    beside = {**cube, "name": "b", "at": {"x": 9, "y": 9, "z": 0}}
    pair = [
        cube,
        beside,
        {"name": "c", "join": "union", "of": ["a", "b"], "scale": 1, "at": vector(0), "turn": vector(0)},
    ]
    asked = Row({"prompt": "A cube of 9 mm."}, {"shows": [{"fact": "size", "x": 9, "y": 9, "z": 9}]}, {})
    programs = [{"parts": [cube]}, {"parts": [{**cube, "size": vector(8)}]}, {"parts": pair}, None]
    found = shares([asked] * 4, [{"program": program} for program in programs])
    assert found == {"readable": 0.75, "closed": 0.5, "as_asked": 0.25}


def vector(all_three: float) -> dict[str, float]:
    return dict.fromkeys("xyz", all_three)
