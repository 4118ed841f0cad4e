"""A chat practises around few rows of the built-in teacher, and never what it is examined in."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.trainer_host.conftest import nothing
from trainer_host.data.dataset import Dataset, Row, seal, write_rows
from trainer_host.errors import NotThere
from trainer_host.students import chat, writing
from trainer_host.students.practice import ASIDE, ROWS_A_SECOND, practice
from trainer_host.students.writing import WritingStudent
from trainer_host.tasks import Example, task_spec
from trainer_host.tasks.phrases import TEMPLATE, Grouped


def few(folder: Path, *, own: bool = False, tools: object = None) -> Dataset:
    """Forty rows of the built-in teacher to learn from, thirty of other groups held out. own: as if a person's."""
    rng, spec = random.Random(4), task_spec("chat")
    sides: dict[str, list[Row]] = {"train": [], "heldout": []}
    groups: dict[object, str] = {}
    while len(sides["train"]) < 40 or len(sides["heldout"]) < 30:
        example = spec.built_in(rng)
        assert isinstance(example, Grouped) and example.meta[TEMPLATE] == example.group
        side = groups.setdefault(example.group, rng.choice(("train", "heldout")))
        asked = {**example.input, **({"tools": tools} if tools else {})}
        sides[side].append(Row(asked, example.output, {} if own else {"teacher": "built-in", **example.meta}))
    folder.mkdir()
    write_rows(folder / "train.jsonl", sides["train"][:40])
    write_rows(folder / "heldout.jsonl", sides["heldout"][:30])
    return seal(folder, name="few", task="chat", teacher="built-in", seed=1, params={}, figures={})


def test_what_is_practised_shares_no_request_and_no_template_with_what_is_examined(tmp_path: Path) -> None:
    made, spec = few(tmp_path / "rows"), task_spec("chat")
    more = practice(made, 120, seed=1)
    held = list(made.rows("heldout"))
    examined = {row.meta[TEMPLATE] for row in held}
    assert len(more) == 120 and not examined & {example.group for example in more}
    known = {spec.key(Example(row.input, row.output)) for side in ("train", "heldout") for row in made.rows(side)}
    assert not known & {spec.key(example) for example in more}
    assert more == practice(made, 120, seed=1) != practice(made, 120, seed=2)


def test_rows_of_a_person_are_learnt_as_they_are(tmp_path: Path) -> None:
    own = few(tmp_path / "own", own=True)
    assert chat.STUDENT._practised(own.folder, 40, 1, None) == ([], [])
    written = few(tmp_path / "rows")
    assert chat.STUDENT._practised(written.folder, 10**6, 1, None) == ([], [])
    learnt, aside = chat.STUDENT._practised(written.folder, 40, 1, 2.0)
    assert len(aside) == ASIDE and len(learnt) == 2 * ROWS_A_SECOND - 40


def test_talk_is_not_practised_beside_tools(tmp_path: Path) -> None:
    tools = [{"name": "ring", "parameters": {"type": "object", "properties": {}}}]
    assert chat.STUDENT._practised(few(tmp_path / "rows", tools=tools).folder, 40, 1, None) == ([], [])


def test_a_training_learns_what_is_practised_and_counts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As short as one can be: a model that has learnt nothing answers at length."""
    monkeypatch.setattr(writing, "ASIDE", 2)
    student, rows = WritingStudent("chat", rows=1, most=60, epochs=0.1), few(tmp_path / "rows").folder
    (run := tmp_path / "run").mkdir()
    report = student.train(rows, run, seed=1, seconds=None, on_progress=nothing, settings={"size": "nano"})
    assert report.figures["practised"] == 60 - 38  # two of the forty rows judge the training


def test_nothing_is_practised_where_the_training_begins_with_trained_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large model would take hours over rows that nobody asked for."""
    student = WritingStudent("chat", 4, 200, 1.0)
    monkeypatch.setattr(student, "_practised", lambda *of: pytest.fail("practised"))
    rows = few(tmp_path / "rows").folder
    with pytest.raises(NotThere, match="nowhere"):
        student.train(rows, tmp_path, seed=1, seconds=None, on_progress=nothing, settings={"init": "nowhere"})
