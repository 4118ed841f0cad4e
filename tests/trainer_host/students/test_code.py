"""The student of code reads in marks, practises around few rows, and now and then without a first line."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from edge_runtime.language.template import CODE
from tests.trainer_host.conftest import nothing
from trainer_host.data.dataset import Dataset, Row, seal, write_rows
from trainer_host.students import writing
from trainer_host.students.code import STUDENT, CodeStudent
from trainer_host.students.language.rows import conversations, read_texts, template_of
from trainer_host.students.language.run_files import read_template
from trainer_host.students.practice import ASIDE
from trainer_host.students.writing import WritingStudent
from trainer_host.tasks import Example, task_spec
from trainer_host.tasks.phrases import TEMPLATE, Grouped


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    rng, spec = random.Random(4), task_spec("code")
    sides: dict[str, list[Row]] = {"train": [], "heldout": []}
    groups: dict[object, str] = {}
    for _ in range(90):
        example = spec.built_in(rng)
        assert isinstance(example, Grouped)
        side = groups.setdefault(example.group, rng.choice(("train", "heldout")))
        sides[side].append(Row(example.input, example.output, {"teacher": "built-in", **example.meta}))
    folder = tmp_path_factory.mktemp("code") / "few"
    folder.mkdir()
    for side, rows in sides.items():
        write_rows(folder / f"{side}.jsonl", rows)
    return seal(folder, name="few", task="code", teacher="built-in", seed=1, params={}, figures={})


def test_no_function_that_is_examined_is_practised_and_some_requests_have_no_first_line(dataset: Dataset) -> None:
    learnt, aside = STUDENT._practised(dataset.folder, 45, 1, 5.0)
    spec, examined = task_spec("code"), {row.meta[TEMPLATE] for row in dataset.rows("heldout")}
    assert len(aside) == ASIDE and all("signature" in row.input for row in aside)
    bare = [row for row in learnt if "signature" not in row.input]
    assert len(learnt) // 6 < len(bare) < len(learnt) // 4
    signed = [Example(row.input, row.output) for row in [*learnt, *aside] if "signature" in row.input]
    assert not examined & {spec.group(example) for example in signed}
    # Where words are left out, the docstring lacks them too, and numbers and texts are all there.
    plain = WritingStudent("code", 4, 2200, 5)._practised(dataset.folder, 45, 1, 5.0)[0]
    fewer = [(before, row) for before, row in zip(plain, learnt, strict=True) if before.output != row.output]
    assert len(learnt) // 3 < len(fewer) <= -(-len(learnt) // 2)
    for before, row in fewer:
        asked, short = str(before.input["prompt"]), str(row.input["prompt"])
        assert len(short) < len(asked) and f'"""{short}"""' in str(row.output["code"])
        assert re.findall(r"\d+|'[^']*'(?!\w)", asked) == re.findall(r"\d+|'[^']*'(?!\w)", short)


def test_all_that_it_reads_is_in_marks_and_so_its_bundle_says(dataset: Dataset) -> None:
    rows = list(dataset.rows("train"))
    texts = read_texts(conversations(rows, "code"))
    assert all("⓿" in text and "⓪" in text for text in texts[1::2]) and any("①" in text for text in texts[::2])
    assert template_of(rows, "code", STUDENT.template).marks == CODE
    both = [Row({"task": name, "request": {}}, {}) for name in ("chat", "code")]
    assert template_of(both, "combo", STUDENT.template).marks == CODE
    assert template_of(both[:1], "combo", STUDENT.template) == STUDENT.template


def test_a_training_learns_what_is_practised(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As short as one can be."""
    monkeypatch.setattr(writing, "ASIDE", 2)
    rows = len(list(dataset.rows("train")))
    student = CodeStudent("code", rows=1, most=rows + 20, epochs=0.1)
    report = student.train(dataset.folder, tmp_path, seed=1, seconds=None, on_progress=nothing, settings={})
    assert report.figures["practised"] >= 20 and read_template(tmp_path).marks == CODE
