"""What a host asks, as the app's own data; a host may be newer, so no shape is taken for granted."""

from __future__ import annotations

from collections.abc import Mapping

from companion_app.services.wire import as_number, as_text
from companion_app.state.questions import Question, Queue, Reply, Topic

MAX_QUESTIONS = 100  # a host sends 50 at a time
MAX_LABELS = 1000
MAX_TOPICS = 100
MAX_CHARACTERS = 4000  # of a text, as many as a router reads
MAX_GUESSES = 5

Json = dict[str, object]


def topics_from(answer: Mapping[str, object]) -> tuple[Topic, ...]:
    """What is asked about."""
    return tuple(
        Topic(name, _count(item.get("waiting")), _count(item.get("answered")))
        for item in _objects(answer.get("questions"))[:MAX_TOPICS]
        if (name := as_text(item.get("dataset")))
    )


def queue_from(answer: Mapping[str, object]) -> Queue:
    """The questions about one dataset."""
    labels = answer.get("labels")
    return Queue(
        dataset=as_text(answer.get("dataset")),
        labels=tuple(label for label in (labels if isinstance(labels, list) else ()) if isinstance(label, str))[
            :MAX_LABELS
        ],
        waiting=_count(answer.get("waiting")),
        answered=_count(answer.get("answered")),
        questions=tuple(_questions(answer.get("questions")))[:MAX_QUESTIONS],
    )


def reply_body(reply: Reply) -> Json:
    """An answer as the host takes it; of one that is taken back only the text."""
    if reply.undo:
        return {"text": reply.question.text}
    if reply.label is not None:
        return {"text": reply.question.text, "label": reply.label}
    return {"text": reply.question.text, "label": None, "reason": reply.reason}


def _questions(items: object) -> list[Question]:
    made = []
    for item in _objects(items):
        text, guesses = item.get("text"), _objects(item.get("guesses"))[:MAX_GUESSES]
        # Its text is what a question is known by, so it isn't shortened.
        if isinstance(text, str) and 0 < len(text) <= MAX_CHARACTERS:
            scores = tuple((as_text(one.get("label")), as_number(one.get("score"))) for one in guesses)
            made.append(Question(text, scores, as_text(item.get("why"))))
    return made


def _objects(items: object) -> list[Mapping[str, object]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _count(value: object) -> int:
    return max(0, min(int(as_number(value)), 10**9)) if as_number(value) < 1e12 else 0
