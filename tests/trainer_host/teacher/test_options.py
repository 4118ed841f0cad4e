"""Choices for a task: written once, read in one place, refused in one sentence, kept for `--resume`."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tests.trainer_host.teacher.fake_api import FakeApi
from tests.trainer_host.teacher.teachers import teacher_for
from trainer_host.commands import teach
from trainer_host.errors import TrainerError
from trainer_host.executor import executor_for
from trainer_host.tasks import TASKS, task_spec
from trainer_host.teacher.generate import Order, generate
from trainer_host.teacher.lesson import Lesson, checked_lesson, recall, remember
from trainer_host.teacher.options import FORMS, check_options, read_options
from trainer_host.workspace import Workspace


def lesson_of(*arguments: str) -> Lesson:
    """The lesson of a command."""
    parser = argparse.ArgumentParser()
    teach.add(parser.add_subparsers())
    return teach._lesson(parser.parse_args(["teach", *arguments]))


def test_each_form_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tools.json").write_text('[{"name": "stop"}]')
    Path("labels.csv").write_text("label,description\nbilling,invoices and payments\nother,all else\n")
    written = ["robot.mode=free", "router.labels=labels.csv", "vision.labels=circle, star", "vision.whole=True"]
    Path("asked.txt").write_text("How many cups?\n\nIs it open?\n")
    assert read_options([*written, "vision.images=photos=old", "audio_gen.kinds=music", "chat.tools=tools.json"]) == {
        "chat": {"tools": [{"name": "stop"}]},
        "robot": {"mode": "free"},
        "router": {"labels": {"billing": "invoices and payments", "other": "all else"}},
        "vision": {"labels": ["circle", "star"], "whole": True, "images": str(tmp_path / "photos=old")},
        "audio_gen": {"kinds": ["music"]},
    }
    assert read_options(["vision.questions=true"]) == {"vision": {"questions": True}}
    assert read_options(["vision.questions=asked.txt"]) == {"vision": {"questions": ["How many cups?", "Is it open?"]}}


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (["mode=free"], "write TASK.NAME=VALUE, as in --option robot.mode=free"),
        (["robot.mode"], "write TASK.NAME=VALUE"),
        (["robot.mode="], "write TASK.NAME=VALUE"),
        (["poetry.mode=free"], "There is no task 'poetry'"),
        (["robot.speed=9"], "The task robot has no option 'speed'; it has mode, pack."),
        (["avatar.level=9"], "The task avatar has no option 'level'; it has none."),
        (["robot.mode=free", "robot.mode=reword"], "robot.mode is given twice"),
        (["vision.whole=perhaps"], "vision.whole must be true or false, not 'perhaps'"),
        (["vision.labels=a,,b"], "vision.labels needs words with commas"),
        (["vision.questions=none.txt"], "with a question in each line; none.txt can't be read"),
        (["router.labels=none.csv"], "none.csv can't be read"),
        (["chat.tools=none.json"], "none.json can't be read"),
        ([f"chat.tools={__file__}"], "isn't valid JSON"),
    ],
)
def test_what_is_no_option_is_one_sentence(written: list[str], sentence: str) -> None:
    with pytest.raises(TrainerError) as refused:
        read_options(written)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("tasks", "options", "sentence"),
    [
        (("robot",), {"robot": {"mode": "wild"}}, "reword or free"),
        (("robot",), {"robot": {"modes": "free"}}, "has no option 'modes'"),
        (("chat",), {"robot": {"mode": "free"}}, "add --task robot"),
        (("chat",), {"poetry": {"mode": "free"}}, "There is no task 'poetry'"),
        (("chat",), {"chat": "free"}, "must be names with values"),
        (("math",), {"math": {"level": 1}}, "has no option 'level'"),
    ],
)
def test_bad_options_are_refused_before_a_lesson_begins(
    tasks: tuple[str, ...], options: dict[str, dict[str, object]], sentence: str
) -> None:
    with pytest.raises(TrainerError, match=sentence):
        checked_lesson(Lesson("x", tasks, 5, "openai", options=options))


def test_the_command_line_writes_the_options_that_the_tasks_have() -> None:
    for task in TASKS:
        with pytest.raises(TrainerError, match="no option 'nonsense'"):
            check_options([task], {task: {"nonsense": 1}})
        for name in FORMS.get(task, {}):
            try:
                task_spec(task, {name: object()})
            except TrainerError as refused:  # for its value
                assert "has no option" not in str(refused)


def test_the_robots_free_mode_has_a_command_and_is_remembered(workspace: Workspace) -> None:
    lesson = lesson_of("--task", "robot", "--provider", "openai", "--option", "robot.mode=free", "--name", "free")
    assert lesson.options == {"robot": {"mode": "free"}}
    remember(workspace, lesson)
    assert recall(workspace, "free").options == lesson.options
    with pytest.raises(TrainerError, match=r"built-in teacher has no robot\.mode; name a --provider"):
        lesson_of("--option", "robot.mode=free")


async def test_a_lessons_options_reach_the_teachers_prompt(tmp_path: Path) -> None:
    prompts = {}
    for mode in ("reword", "free"):
        options = read_options([f"robot.mode={mode}"])["robot"]
        executor = executor_for(None)
        async with FakeApi() as api, teacher_for(api.endpoint(), tmp_path / mode) as teacher:
            await generate(Order("robot", 1, 1, 1, options, False), teacher, executor)
            prompts[mode] = api.asked[0].system
        await executor.close()
    assert prompts["free"] != prompts["reword"]
