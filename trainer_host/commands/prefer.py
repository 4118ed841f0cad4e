"""`enigma data prefer`: a teacher makes preferences, by critique and revision under your rules or by debate."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, command, workspace_of
from trainer_host.errors import DataError, TrainerError
from trainer_host.presentation import presenter_for

if TYPE_CHECKING:
    from trainer_host.data.dataset import Dataset
    from trainer_host.students.language.preferences_data import Preferences, Rule
    from trainer_host.teacher.protocol import Reply, Request, Teacher

MOST_RULES = 50


def add(actions: Commands[argparse.ArgumentParser]) -> None:
    """The action, for the group `data`."""
    made = command(actions, "prefer", prefer, "Let a teacher make preferences from a dataset's questions, for 'tune'.")
    made.add_argument("name", metavar="NAME", help="of the dataset whose questions are asked")
    made.add_argument("file", type=Path, metavar="FILE", help="where the preferences go, a .jsonl")
    made.add_argument(
        "--rules", type=Path, metavar="FILE", help="critique and revise by these rules, 'name: rule' a line"
    )
    made.add_argument("--debate", action="store_true", help="let two answers argue, and a judge choose")
    made.add_argument("--count", type=int, default=100, metavar="N", help="questions at most (default: 100)")
    made.add_argument("--provider", required=True, metavar="WHO", help="the teacher, as for 'enigma teach'")
    made.add_argument("--model", metavar="MODEL", help="default: the provider's cheap one")
    made.add_argument("--budget", metavar="DOLLARS", help="never spend more than this")


def prefer(args: argparse.Namespace) -> None:
    """A file of preferences."""
    if (args.rules is not None) == args.debate:
        raise TrainerError("Say how preferences are found: --rules FILE or --debate, one of the two.")
    if args.count < 1:
        raise TrainerError("--count must be 1 or more.")
    import asyncio

    from trainer_host.data import open_dataset
    from trainer_host.students.language.preferences_data import constitutional, debate, write_preferences
    from trainer_host.teacher.lesson import Lesson, checked_lesson
    from trainer_host.teacher.opening import opened
    from trainer_host.workspace import storage_errors

    workspace, show = workspace_of(args), presenter_for()
    dataset = open_dataset(workspace.dataset(args.name))
    rules = _rules(args.rules) if args.rules is not None else []
    questions = _questions(dataset, args.count)
    lesson = checked_lesson(
        Lesson("preferences", (dataset.task,), len(questions), args.provider, args.model, budget=args.budget)
    )

    async def ask(teacher: Teacher) -> Preferences:
        tagged = _Tagged(teacher, dataset.task)
        return await (debate(tagged, questions) if args.debate else constitutional(tagged, questions, rules))

    with opened(workspace, lesson) as sources, show.working("asking") as step:
        step(0.0, f"{len(questions)} questions")

        async def work() -> Preferences:
            return await ask(sources.teacher())

        found = asyncio.run(work())
    with storage_errors(args.file):
        write_preferences(args.file.absolute(), found.made)
    show.say(f"Wrote {len(found.made)} preferences of {len(questions)} questions to {args.file}.")
    if found.dropped:
        show.table(["no preference", "questions"], [[why, str(count)] for why, count in found.dropped.most_common()])
    if found.stopped is not None:
        raise found.stopped
    show.say(f"Next: enigma tune RUN --pairs {args.file} --to NAME --author WHO")


class _Tagged:
    """A teacher whose requests say in the audit log which task they are for."""

    def __init__(self, teacher: Teacher, task: str) -> None:
        self._teacher, self._task = teacher, task
        self.name, self.model = teacher.name, teacher.model

    async def ask(self, request: Request) -> Reply:
        """See `Teacher.ask`."""
        return await self._teacher.ask(dataclasses.replace(request, task=self._task))

    async def close(self) -> None:
        """See `Teacher.close`."""
        await self._teacher.close()


def _rules(path: Path) -> list[Rule]:
    from trainer_host.students.language.preferences_data import Rule
    from trainer_host.workspace import storage_errors

    with storage_errors(path):
        lines = path.read_text(encoding="utf-8").splitlines()
    made = []
    for number, line in enumerate(lines, 1):
        name, colon, text = (part.strip() for part in line.partition(":"))
        if not line.strip() or line.startswith("#"):
            continue
        if not colon or not name or not text or len(name.split()) > 3:
            raise DataError(
                f"Line {number} of {path.name} isn't as in 'kind: Never insult anybody.'; mend or delete it."
            )
        made.append(Rule(name, text))
    if not 0 < len(made) <= MOST_RULES:
        raise DataError(f"{path.name} has {len(made)} rules; give 1 to {MOST_RULES}, one a line, as in 'kind: ...'.")
    return made


def _questions(dataset: Dataset, count: int) -> Sequence[str]:
    """What is asked in the training rows, each once."""
    from trainer_host.students.language.rows import mixed, text_task

    module = text_task(dataset.task)
    if not hasattr(module, "messages"):
        raise DataError(
            f"The task {dataset.task} isn't one that a language model writes, so nothing is preferred in it."
        )
    asked = (str(module.messages(row.input)[-1]["content"]) for row in mixed(dataset.rows("train")))
    found = list(dict.fromkeys(asked))[:count]
    if not found:
        raise DataError(f"The dataset '{dataset.name}' has no training rows; add rows.")
    return found
