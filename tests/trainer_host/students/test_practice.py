"""A student that practises learns more from few rows, and never what it is examined in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer_host.conftest import nothing
from tests.trainer_host.samples import easy_dataset
from tests.trainer_host.students.test_router import accuracy
from trainer_host.data.dataset import Dataset
from trainer_host.students.practice import groups_of, practice
from trainer_host.tasks import Example, task_spec
from trainer_host.tasks.phrases import TEMPLATE
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.teach import give
from trainer_host.training.run import train_run
from trainer_host.workspace import Workspace


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    home = Workspace(tmp_path_factory.mktemp("practice") / "home")
    return give(home, Lesson("few", ("router",), 600, "built-in", held_out=0.5), None).taught[0].dataset


def test_what_is_practised_shares_no_question_and_no_template_with_what_is_examined(router: Dataset) -> None:
    spec = task_spec("router")
    made = practice(router, 800, seed=1)
    asked = {spec.key(example) for example in made}
    assert len(made) == len(asked) == 800
    assert not asked & {
        spec.key(Example(row.input, row.output)) for side in ("train", "heldout") for row in router.rows(side)
    }
    examined = {row.meta[TEMPLATE] for row in router.rows("heldout")}
    assert len(examined) > 100 and not examined & {example.group for example in made}


def test_practice_is_the_same_for_a_seed_and_none_for_rows_of_a_person(
    router: Dataset, workspace: Workspace, tmp_path: Path
) -> None:
    assert practice(router, 40, seed=1) == practice(router, 40, seed=1) != practice(router, 40, seed=2)
    own = easy_dataset(workspace, tmp_path)
    assert practice(own, 40, seed=1) == []
    assert groups_of(own, []) == list(range(own.counts["train"]))


def test_a_router_of_300_rows_is_right_in_sentences_that_no_template_of_its_lesson_makes(router: Dataset) -> None:
    """With a sixth of its steps; what a whole training reaches is in docs/log.md."""
    home = Workspace(router.folder.parents[1])
    run, report = train_run(home, router, "few", seed=1, seconds=2.5, on_progress=nothing)
    rows = [(str(row.input["text"]), str(row.output["label"])) for row in router.rows("heldout")]
    assert router.counts["train"] <= 310 and len(rows) >= 290
    assert accuracy(run.folder, rows) > report.figures["naive_bayes_baseline"] + 0.15
