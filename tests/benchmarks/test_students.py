"""The table of all students says honestly what is met, and examines in what wasn't learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.students import AIMS, Aim, Line, drawn, markdown, opens
from edge_runtime.media import Media
from edge_runtime.media.pictures import png
from trainer_host.tasks import TASKS, Example, task_spec
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.teach import give
from trainer_host.workspace import Workspace

LINE = Line(
    "router", 300, 300, 1e6, 20.0, 25.0, "onnxruntime 1", "int8", 500_000, 0.3, 0.90, 0.91, 0.10, 0.40,
    {"other rows": 0.97, "files": 1.0},
)  # fmt: skip
AIM = Aim("the right label", 0.95, 0.20, figure="other rows", files=0.95)


def test_an_aim_is_met_only_with_its_figure_its_margin_its_files_and_its_time() -> None:
    assert LINE.unmet(AIM) == []
    assert LINE.unmet(replace(AIM, figure="accuracy")) == ["0.900 of 0.95"]
    assert LINE.unmet(replace(AIM, figure="never measured"))[0] == "0.000 of 0.95"
    assert replace(LINE, nearest=0.80).unmet(AIM) == ["+0.170 of +0.20 over 0.800"]
    assert replace(LINE, common=0.80).unmet(replace(AIM, margin=None)) == []
    assert replace(LINE, more={"other rows": 0.97}).unmet(AIM) == ["files 0.000 of 0.95"]
    assert replace(LINE, cpu_s=301).unmet(AIM) == ["301 CPU s of 300"]


def test_every_task_has_an_aim_and_the_table_says_whether_it_is_met() -> None:
    assert set(AIMS) == set(TASKS)
    table = markdown([LINE, replace(LINE, more={"other rows": 0.94})]).splitlines()
    assert table[2].endswith("| yes |") and table[3].endswith("| no: 0.940 of 0.95 |")
    assert len({row.count("|") for row in table}) == 1


@pytest.mark.parametrize("task", ["math", "router"])
def test_rows_to_be_examined_in_ask_nothing_that_was_learnt(task: str, tmp_path: Path) -> None:
    dataset = give(Workspace(tmp_path), Lesson("a", (task,), 120, "built-in"), None).taught[0].dataset
    spec = task_spec(task)
    learnt = [Example(row.input, row.output) for row in dataset.rows("train")]
    found = drawn(dataset, 60, lambda example: True)
    assert len({spec.key(example) for example in found}) == 60
    assert not {spec.key(example) for example in found} & {spec.key(row) for row in learnt}
    if task == "math":
        assert not {spec.group(example) for example in found} & {spec.group(row) for row in learnt}


def test_a_file_counts_only_where_another_program_reads_it_to_its_end() -> None:
    whole = png(Image.effect_noise((32, 32), 60))
    assert opens({"picture": Media("image/png", whole)}) == 1.0
    assert opens({"picture": Media("image/png", whole[: len(whole) // 2])}) == 0.0
    assert opens({"film": Media("image/apng", whole)}) == 0.0  # one picture is no film
    assert opens({"sound": Media("audio/wav", b"RIFF")}) == 0.0
    assert opens({"model": Media("model/gltf-binary", b"glTF")}) == 0.0
    assert opens({"picture": None, "problem": "not understood"}) == 0.0
