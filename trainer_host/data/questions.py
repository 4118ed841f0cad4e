"""Questions to a person: texts that a router was unsure about, the most useful first, until each has its label.

A queue lies beside the datasets, one file per dataset, and is replaced whole, so that it survives a crash at any moment. Every
change holds its lock: the host's server and a person at its terminal may answer at the same time.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from trainer_host.data.dataset import Dataset, Json, Row, open_dataset
from trainer_host.data.derive import with_more_rows
from trainer_host.data.labelled import Mistake, RouterRows
from trainer_host.errors import DataError, NotThere
from trainer_host.teacher.audit import locked
from trainer_host.training.uncertainty import doubt_of, most_useful
from trainer_host.workspace import Workspace, storage_errors, write_atomic

TASK = "router"
MOST = 500  # questions that wait for one dataset; nobody answers more
PERSON = "person"  # who made a row, in its meta
DROPPED, NO_LABEL = "dropped", "none"  # why a text gets no label: it is of no use; no label of the dataset is right
MOST_SETTLED = 5000  # answers that are remembered, so that one that is sent twice counts once
GUESSES = 3  # labels that a specialist hesitated between; of more, a person learns nothing
_MOST_BYTES = 64 * 2**20  # 500 texts of 4,000 characters, and as many answers as a person ever gives


class AnsweredOtherwise(DataError):
    """Somebody gave a text another answer before; theirs stands until it is taken back."""


@dataclass(frozen=True)
class Question:
    """A text, and how unsure its answer was, 0 to 1.

    guesses: the specialist's likeliest labels with their scores, 0 to 1, the likeliest first; empty where they aren't known.
    source: whose question it is, the name of a device or of a file.
    """

    text: str
    doubt: float
    guesses: tuple[tuple[str, float], ...] = ()
    source: str = ""

    @classmethod
    def of(cls, text: str, confidence: float, scores: Mapping[str, object], source: str = "") -> Question:
        """From an answer that a specialist was unsure about. scores: by label, those that are numbers count."""
        numbers = {
            label: float(score)
            for label, score in scores.items()
            if isinstance(score, int | float) and not isinstance(score, bool)
        }
        best = sorted(numbers.items(), key=lambda pair: -pair[1])[:GUESSES]
        return cls(text, doubt_of(confidence, list(numbers.values())), tuple(best), source)

    @property
    def why(self) -> str:
        """Why a person is asked, as a sentence."""
        whose = self.source or "The specialist"
        if len(self.guesses) < 2:
            return f"{whose} wasn't sure which label this has."
        (first, high), (second, low) = self.guesses[:2]
        return f"{whose} hesitated between '{first}' ({high * 100:.0f} %) and '{second}' ({low * 100:.0f} %)."


@dataclass(frozen=True)
class Answer:
    """What a person said to a question. label: None where no row comes of it; reason: why then. by: who."""

    question: Question
    label: str | None
    reason: str = ""
    by: str = ""

    @property
    def said(self) -> tuple[str | None, str]:
        """What makes two answers the same."""
        return self.label, self.reason


@dataclass(frozen=True)
class Questions:
    """What waits for a dataset, the most useful first; labels: those that it has.

    answered: what makes rows, and isn't in a dataset yet. settled: what was taken into one, or makes no row.
    """

    dataset: str
    labels: tuple[str, ...]
    waiting: tuple[Question, ...] = ()
    answered: tuple[Answer, ...] = ()
    settled: tuple[Answer, ...] = field(default=())

    def answer_of(self, text: str) -> Answer | None:
        """The answer that a text has."""
        return next((one for one in (*self.answered, *self.settled) if one.question.text == text), None)


def questions_for(workspace: Workspace, name: str) -> Questions:
    """The queue of a dataset; raises `NotThere` without the dataset, `DataError` where it has no labels of texts."""
    dataset = open_dataset(workspace.dataset(name))
    if dataset.task != TASK:
        raise DataError(f"'{name}' is of the task {dataset.task}; only texts with one label each are asked about.")
    labels = tuple(sorted({str(row.output["label"]) for row in dataset.rows("train")}))
    file = _file(workspace, name)
    if not file.exists():
        return Questions(name, labels)
    try:
        with storage_errors(file):
            if file.stat().st_size > _MOST_BYTES:
                raise ValueError
            raw = strict_json.loads_object(file.read_bytes(), file.name)
        waiting = tuple(_question(one) for one in _list(raw["waiting"]))
        answered, settled = (
            tuple(_answer(one) for one in _list(raw.get(name, []))) for name in ("answered", "settled")
        )
    except (BadRequest, KeyError, TypeError, ValueError):
        raise DataError(f"{file} is damaged; delete it, and collect the questions again.") from None
    return Questions(name, labels, waiting, answered, settled)


def queues(workspace: Workspace) -> list[Questions]:
    """Of every dataset that has one."""
    folder = workspace.home / "questions"
    names = sorted(file.stem for file in folder.glob("*.json")) if folder.is_dir() else []
    there = set(workspace.names(workspace.data))
    return [questions_for(workspace, name) for name in names if name in there]


def ask_about(workspace: Workspace, name: str, found: Sequence[Question], count: int) -> Questions:
    """Put the most useful of questions into the queue, with those that wait already, `count` in all at most.

    What a person answered or dropped before isn't asked again.
    """
    with _changing(workspace, name) as now:
        together = {one.text: one for one in now.waiting}
        over = {one.question.text for one in (*now.answered, *now.settled)}
        reader = RouterRows()
        for one in found:
            try:
                reader.read({"text": one.text, "label": now.labels[0]})
            except Mistake:
                continue  # too long, or without a letter: no row could be made of it
            before = together.get(one.text)
            if one.text not in over and (before is None or one.doubt >= before.doubt):
                together[one.text] = one
        known = [str(row.input["text"]) for row in open_dataset(workspace.dataset(name)).rows("train")]
        known += [one.question.text for one in now.answered]
        asked = list(together.values())
        doubt = [one.doubt for one in asked]
        chosen = most_useful([one.text for one in asked], doubt, min(count, MOST), known)
        return _write(workspace, replace(now, waiting=tuple(asked[place] for place in chosen)))


def answer_question(
    workspace: Workspace, name: str, text: str, label: str | None, reason: str = DROPPED, by: str = ""
) -> Questions:
    """Give a waiting text its label; with None it makes no row, for that reason. The same answer again changes nothing.

    Raises `AnsweredOtherwise` where somebody said something else before, `NotThere` where nobody asked.
    """
    with _changing(workspace, name) as now:
        if label is not None and label not in now.labels:
            raise DataError(f"'{name}' has no label '{label[:40]}'; it has {', '.join(now.labels[:20])}.")
        said = (label, "" if label is not None else reason)
        question = next((one for one in now.waiting if one.text == text), None)
        if question is None:
            before = now.answer_of(text)
            if before is None:
                raise NotThere(f"'{text[:40]}' doesn't wait for a label; collect the questions again.")
            if before.said != said:
                raise AnsweredOtherwise(f"'{text[:40]}' has {_words(before)} already, and that stands.")
            return now
        answer = Answer(question, *said, by)
        left = tuple(one for one in now.waiting if one.text != text)
        if label is None:
            return _write(workspace, replace(now, waiting=left, settled=(*now.settled, answer)))
        return _write(workspace, replace(now, waiting=left, answered=(*now.answered, answer)))


def take_back(workspace: Workspace, name: str, text: str) -> Questions:
    """Let an answered or dropped text wait again, before all others; one that waits goes on waiting.

    Raises `AnsweredOtherwise` where its row is in a dataset already, `NotThere` where nobody asked.
    """
    with _changing(workspace, name) as now:
        if any(one.text == text for one in now.waiting):
            return now
        answer = now.answer_of(text)
        if answer is None:
            raise NotThere(f"'{text[:40]}' isn't answered; collect the questions again.")
        if answer.label is not None and answer in now.settled:
            raise AnsweredOtherwise(f"'{text[:40]}' is in a dataset already, as {answer.label}; mend its row there.")
        kept = tuple(one for one in now.answered if one != answer), tuple(one for one in now.settled if one != answer)
        return _write(
            workspace, replace(now, waiting=(answer.question, *now.waiting), answered=kept[0], settled=kept[1])
        )


def take_answers(workspace: Workspace, name: str, to: str) -> tuple[Dataset, int]:
    """A dataset with the answered texts among its training rows, and how many are new; they leave the queue then."""
    with _changing(workspace, name) as now:
        if not now.answered:
            raise DataError(f"No question about '{name}' is answered yet; do so with 'enigma data label {name}'.")
        rows = [
            Row(
                {"text": one.question.text},
                {"label": one.label},
                {"teacher": PERSON, **({"by": one.by} if one.by else {})},
            )
            for one in now.answered
        ]
        made, new = with_more_rows(workspace, to, open_dataset(workspace.dataset(name)), rows)
        # A crash before this line leaves the answers in the queue; taken again, they repeat rows and are left out.
        _write(workspace, replace(now, answered=(), settled=(*now.settled, *now.answered)))
        return made, new


@contextlib.contextmanager
def _changing(workspace: Workspace, name: str) -> Iterator[Questions]:
    """The queue as it is while nobody else changes it."""
    workspace.dataset(name)  # says what is wrong with a name before anything is made of it
    file = _file(workspace, name)
    with storage_errors(file.parent):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # what people asked may be private
        with locked(file):
            yield questions_for(workspace, name)


def _file(workspace: Workspace, name: str) -> Path:
    return workspace.home / "questions" / f"{name}.json"


def _words(answer: Answer) -> str:
    who = f" of {answer.by}" if answer.by else ""
    if answer.label is not None:
        return f"the label '{answer.label}'{who}"
    return f"the answer{who} that {'no label is right' if answer.reason == NO_LABEL else 'it is of no use'}"


def _write(workspace: Workspace, made: Questions) -> Questions:
    made = replace(made, settled=made.settled[-MOST_SETTLED:])
    file = _file(workspace, made.dataset)
    content = {
        "waiting": [_plain(one) for one in made.waiting],
        "answered": [_plain_answer(one) for one in made.answered],
        "settled": [_plain_answer(one) for one in made.settled],
    }
    write_atomic(file, json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8"), 0o600)
    return made


def _plain(one: Question) -> Json:
    guesses = [[label, round(score, 4)] for label, score in one.guesses]
    return {"text": one.text, "doubt": round(one.doubt, 4), "guesses": guesses, "source": one.source}


def _plain_answer(one: Answer) -> Json:
    return {**_plain(one.question), "label": one.label, "reason": one.reason, "by": one.by}


def _question(raw: Json) -> Question:
    guesses = raw.get("guesses", [])
    if not isinstance(guesses, list):
        raise ValueError
    return Question(
        str(raw["text"]),
        float(str(raw["doubt"])),
        tuple((str(label), float(str(score))) for label, score in guesses),
        str(raw.get("source", "")),
    )


def _answer(raw: Json) -> Answer:
    label = raw["label"]
    return Answer(
        _question({"doubt": 0.0, **raw}),
        None if label is None else str(label),
        str(raw.get("reason", "")),
        str(raw.get("by", "")),
    )


def _list(raw: object) -> list[Json]:
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise ValueError
    return raw
