"""Students of programs practise with the built-in teacher, and never what they are examined in."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from trainer_host.data.dataset import Dataset, Row, seal, write_rows
from trainer_host.students.audio_gen import STUDENT
from trainer_host.students.language.rows import text_task
from trainer_host.students.language.tokenizers import FastTokenizer, train_tokenizer
from trainer_host.students.practice import ASIDE, ROWS_A_SECOND
from trainer_host.students.programs import practised
from trainer_host.tasks import Example, task_spec

TASK = "audio_gen"
SHORT = 60  # characters of a prompt


def rows(seed: int, count: int, teacher: str) -> list[Row]:
    spec, rng = task_spec(TASK), random.Random(seed)
    made: list[Row] = []
    while len(made) < count:
        example = spec.built_in(rng)
        if len(spec.key(example)) < SHORT and spec.stratum(example) == "music":
            made.append(Row(example.input, example.output, {"teacher": teacher}))
    return made


def lesson(folder: Path, teacher: str, examined: Sequence[Row] = ()) -> Dataset:
    folder.mkdir()
    write_rows(folder / "train.jsonl", rows(1, 60, teacher))
    write_rows(folder / "heldout.jsonl", [*rows(2, 60, teacher), *examined])
    return seal(folder, name=folder.name, task=TASK, teacher=teacher, seed=1, params={}, figures={})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return lesson(tmp_path_factory.mktemp("programs") / "data", "built-in")


def test_nothing_is_practised_that_is_examined_in_other_pitches_either(dataset: Dataset, tmp_path: Path) -> None:
    spec, task = task_spec(TASK), text_task(TASK)
    made = practised(dataset, 100, seed=1)
    asked = {spec.key(Example(row.input, row.output)) for row in made}
    known = {spec.key(Example(row.input, row.output)) for side in ("train", "heldout") for row in dataset.rows(side)}
    assert len(made) == len(asked) == 100 and not asked & known
    pitched = next(row for row in made if re.search(r"\b[A-G]4\b", str(row.input["prompt"])))
    prompt = re.sub(r"\b([A-G])4\b", r"\g<1>5", str(pitched.input["prompt"]))
    twin = replace(pitched, input={"prompt": prompt})
    assert task.messages(twin.input) == task.messages(pitched.input) and pitched.input != twin.input
    other = lesson(tmp_path / "other", "built-in", [twin])
    again = practised(other, 100, seed=1)
    assert pitched not in again and len([row for row in made if row in again]) >= 90


def test_practice_is_the_same_for_a_seed_and_keeps_to_the_kinds_of_its_rows(dataset: Dataset) -> None:
    made = practised(dataset, 30, seed=1)
    assert made == practised(dataset, 30, seed=1) != practised(dataset, 30, seed=2)
    spec = task_spec(TASK)
    kinds = {spec.stratum(Example(row.input, row.output)) for row in dataset.rows("train")}
    assert kinds == {spec.stratum(Example(row.input, row.output)) for row in made} == {"music"}


def test_rows_of_a_provider_are_learnt_as_they_are(tmp_path: Path) -> None:
    assert practised(lesson(tmp_path / "bought", "openai/gpt"), 30, seed=1) == []


def test_what_is_practised_is_bounded_by_the_seconds(dataset: Dataset) -> None:
    more, aside = STUDENT._practised(dataset.folder, 60, 1, 3.0)
    assert len(more) == 3 * ROWS_A_SECOND - 60 and len(aside) == ASIDE
    assert not {str(row.input) for row in more} & {str(row.input) for row in aside}
    assert STUDENT._practised(dataset.folder, 60, 1, 1.0) == ([], [])


def test_what_the_context_has_no_room_for_is_not_practised(dataset: Dataset) -> None:
    made = practised(dataset, 60, seed=1)
    fast = FastTokenizer(train_tokenizer(STUDENT._said(made), 400))
    fitting = STUDENT._fitting(made, fast, STUDENT.template, 48)
    assert 0 < len(fitting) < len(made) and STUDENT._encoded(fitting, fast, STUDENT.template, 48)
    assert [row for row in made if row in fitting] == fitting
