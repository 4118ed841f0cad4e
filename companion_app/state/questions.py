"""Questions to a person: what the host asks, what was answered here, and what of that the host doesn't have yet."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from companion_app.i18n import ntr, tr
from companion_app.i18n.figures import number
from companion_app.state.host import Host
from companion_app.state.phase import Phase

DROPPED, NO_LABEL = "dropped", "none"  # why a text gets no label, in the host's words
MANY_LABELS = 12  # of more than these the likeliest are shown, and the others searched; fewer are seen at a glance
BY_DIGIT = 9  # labels that a digit chooses
SHOWN_TEXT = 40


@dataclass(frozen=True)
class Question:
    """A text that a specialist was unsure about. guesses: its likeliest labels with scores, 0 to 1, best first."""

    text: str
    guesses: tuple[tuple[str, float], ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Topic:
    """A dataset that is asked about. answered: labels that aren't in it yet."""

    dataset: str
    waiting: int
    answered: int


@dataclass(frozen=True)
class Queue:
    """What the host asks about one dataset; of `waiting` questions, `questions` are the most useful ones."""

    dataset: str
    labels: tuple[str, ...] = ()
    waiting: int = 0
    answered: int = 0
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True)
class Reply:
    """What a person said to a question. label: None for none, because of `reason`. undo: they take back what they said."""

    dataset: str
    question: Question
    label: str | None = None
    reason: str = ""
    undo: bool = False


@dataclass(frozen=True)
class Asking:
    """The place where questions are answered.

    known: the host has said what it asks. opened: the dataset on the screen. outbox: what the host hasn't confirmed, in the
    order in which it was said. history: what was said about this dataset since it was opened. skipped: texts that come last.
    """

    known: bool = False
    topics: tuple[Topic, ...] = ()
    opened: str = ""
    queue: Queue | None = None
    outbox: tuple[Reply, ...] = ()
    history: tuple[Reply, ...] = ()
    skipped: tuple[str, ...] = ()
    taking: bool = False
    taken: str | None = None
    problem: str | None = None


def unsent(asking: Asking) -> dict[str, Reply]:
    """The last word on each text of the open dataset that the host hasn't confirmed."""
    return {reply.question.text: reply for reply in asking.outbox if reply.dataset == asking.opened}


def open_questions(asking: Asking) -> tuple[Question, ...]:
    """What is still asked here, in order: what was taken back comes first, what was skipped last."""
    if asking.queue is None:
        return ()
    said = unsent(asking)
    listed = {one.text for one in asking.queue.questions}
    back = [one.question for one in said.values() if one.undo and one.question.text not in listed]
    asked = [one for one in asking.queue.questions if one.text not in said or said[one.text].undo]
    found = {one.text: one for one in (*reversed(back), *asked)}
    later = [text for text in asking.skipped if text in found]
    return (*(one for one in found.values() if one.text not in asking.skipped), *(found[text] for text in later))


def card(asking: Asking) -> Question | None:
    """The question on the screen."""
    return next(iter(open_questions(asking)), None)


def progress(asking: Asking) -> tuple[int, int]:
    """How many were answered here since the dataset was opened, and of how many."""
    if asking.queue is None:
        return 0, 0
    said, listed = unsent(asking), {one.text for one in asking.queue.questions}
    away = sum(1 for text in listed if text in said and not said[text].undo)
    back = sum(1 for text, reply in said.items() if reply.undo and text not in listed)
    done = len(asking.history)
    return done, done + max(0, asking.queue.waiting - away + back)


def matching(labels: tuple[str, ...], search: str) -> tuple[str, ...]:
    """The labels that hold what was typed, whole first letters before others."""
    wanted = search.strip().casefold()
    found = [label for label in labels if wanted in label.casefold()]
    return tuple(sorted(found, key=lambda label: not label.casefold().startswith(wanted)) if wanted else found)


def shown_labels(labels: tuple[str, ...], question: Question | None, search: str) -> tuple[tuple[str, ...], int]:
    """The labels to choose from, and how many more there are.

    A few keep their order from card to card, so that the hand learns where they are. Of many, those come first that the
    specialist thought of.
    """
    found = matching(labels, search)
    if len(labels) <= MANY_LABELS:
        return found, 0
    if question is not None and not search.strip():
        likely = tuple(label for label, _ in question.guesses if label in found)
        found = (*likely, *(label for label in found if label not in likely))
    return found[:BY_DIGIT], max(0, len(found) - BY_DIGIT)


def right_to_left(text: str) -> bool:
    """Whether a text's first letter belongs to a script that is written from the right (rules P2 and P3 of UAX 9)."""
    strong = (unicodedata.bidirectional(sign) for sign in text)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


# --- in words ---


def progress_line(asking: Asking) -> str:
    """How far it is."""
    done, total = progress(asking)
    return tr("{done:,} of {total:,} answered", done=done, total=total) if total else ""


def unsent_line(asking: Asking, host: Host | None) -> str:
    """What is kept here until the host has it; empty where that is nothing."""
    count = len(asking.outbox)
    if not count:
        return ""
    if host is not None and host.phase is Phase.ONLINE and asking.problem is None:
        return ""  # on its way, and gone before it could be read
    return ntr(
        "{number:,} answer is kept on this machine and sent as soon as the host answers.",
        "{number:,} answers are kept on this machine and sent as soon as the host answers.",
        count,
    )


def guess_line(question: Question, label: str) -> str:
    """How likely the specialist held a label, where it said so."""
    score = dict(question.guesses).get(label)
    return "" if score is None else tr("guess {percent} %", percent=number(score * 100, ".0f"))


def undo_line(asking: Asking) -> str:
    """What would be taken back."""
    last = asking.history[-1]
    if last.label is None:
        return tr("Undo: no label") if last.reason == NO_LABEL else tr("Undo: deleted")
    return tr("Undo: {label}", label=shortened(last.label))


def topic_line(topic: Topic) -> str:
    """A dataset, and how much it asks."""
    return f"{topic.dataset}  ·  {number(topic.waiting)}"


def answered_line(queue: Queue) -> str:
    """What waits to be put into the dataset; empty where nothing does."""
    if not queue.answered:
        return ""
    return ntr(
        "{number:,} answer waits to become a training row of {dataset}.",
        "{number:,} answers wait to become training rows of {dataset}.",
        queue.answered,
        dataset=queue.dataset,
    )


def taken_line(dataset: str, new: int, rows: int) -> str:
    """What came of it, and what to do now."""
    return ntr(
        "{number:,} row is new in {dataset}, which has {rows:,} to train with. On the host: {command}",
        "{number:,} rows are new in {dataset}, which has {rows:,} to train with. On the host: {command}",
        new,
        dataset=dataset,
        rows=rows,
        command=f"enigma train --data {dataset}",
    )


def refused_line(reply: Reply, sentence: str) -> str:
    """Why an answer doesn't count."""
    return sentence if reply.undo else tr("Your answer doesn't count. {sentence}", sentence=sentence)


def empty_line(asking: Asking, host: Host | None) -> str:
    """Why no question is shown; empty where one is."""
    if host is None:
        return tr("Pair with a host first; it collects what its specialists were unsure about.")
    if not asking.known:
        return asking.problem or tr("Asking the host …")
    if card(asking) is not None:
        return ""
    if asking.opened and asking.queue is None:
        return asking.problem or tr("Asking the host …")
    if progress(asking)[1] > len(asking.history):
        return tr("The next questions come as soon as the host has your answers.")
    return tr("No questions wait.") if not asking.history else tr("That was all. Thank you!")


def shortened(text: str) -> str:
    """A text that fits on a button."""
    return text if len(text) <= SHOWN_TEXT else text[: SHOWN_TEXT - 1] + "…"
