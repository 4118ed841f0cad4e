"""What a teacher was asked and answered becomes chats that a Trainer AI of one's own learns from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_runtime.tasks.dialogue import conversation
from tests.trainer_host.teacher.test_generate import Here, Scripted, order, said
from trainer_host.cli import main
from trainer_host.data.dataset import open_dataset
from trainer_host.students.language.rows import conversations
from trainer_host.teacher.generate import Generated, generate
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.protocol import Request
from trainer_host.teacher.teach import dataset_of_examples, give
from trainer_host.workspace import Workspace

MAIL = "jo.smith@example.com"


def answer(request: Request, number: int) -> str:
    """Every other answer is no JSON at first and is asked for again; mended ones come in a fence."""
    text = json.dumps({"text": f"{said(request)} write to {MAIL}"})
    if len(request.messages) == 1 and hash_of(request) % 2:
        return "I'd rather talk"
    return f"Sure:\n```json\n{text}\n```"


def hash_of(request: Request) -> int:
    return sum(map(ord, request.messages[0].text))


async def taught(workspace: Workspace) -> Generated:
    found = await generate(order(wanted=60, judge=False), Scripted(answer), Here())
    lesson = Lesson("mine", ("router",), 60, "openai", "m1")
    dataset_of_examples(workspace, lesson, order(), found, "scripted/m1")
    return found


async def test_accepted_answers_become_chats_and_mended_ones_look_as_if_right_at_once(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    found = await taught(workspace)
    assert 0 < found.tally.repaired < len(found.made)
    assert main(["--home", str(tmp_path), "data", "teaching", "mine-router", "--to", "trainer"]) == 0
    made = open_dataset(workspace.dataset("trainer"))
    rows = [row for split in ("train", "heldout") for row in made.rows(split)]
    assert (made.task, len(rows), made.teacher) == ("chat", len(found.made), "scripted/m1")
    for row in rows:
        roles = [message["role"] for message in conversation(row.input["messages"])]
        assert roles == ["system", "user"]
        assert json.loads(str(row.output["reply"])).keys() == {"text"}  # the answer's own object, without its fence
    assert len(conversations(rows, "chat")) == len(rows)  # a language student reads them as they are


async def test_personal_data_is_replaced_in_exchanges_as_in_the_rows(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    await taught(workspace)
    folder = open_dataset(workspace.dataset("mine-router")).folder
    assert MAIL not in (folder / "train.jsonl").read_text()
    kept = (folder / "exchanges.jsonl").read_text()
    assert MAIL not in kept and "<EMAIL_1>" in kept


def test_a_dataset_that_no_model_taught_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    give(Workspace(tmp_path), Lesson("b", ("avatar",), 50, "built-in"), None)
    assert main(["--home", str(tmp_path), "data", "teaching", "b-avatar", "--to", "trainer"]) == 2
    error = capsys.readouterr().err
    assert "has no questions and answers of a teacher" in error and error.count("\n") == 1
