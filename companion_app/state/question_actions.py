"""Everything that can happen to questions and their answers, as data."""

from __future__ import annotations

from typing import NamedTuple

from companion_app.state.questions import Queue, Reply, Topic


class OutboxFound(NamedTuple):
    """Answers of an earlier run that the host hasn't confirmed."""

    replies: tuple[Reply, ...]


class TopicsTold(NamedTuple):
    """The host said what it asks about."""

    topics: tuple[Topic, ...]


class TopicPicked(NamedTuple):
    """A person wants to answer the questions about this dataset."""

    dataset: str


class QueueTold(NamedTuple):
    """The host said what it asks about one dataset."""

    queue: Queue


class Skipped(NamedTuple):
    """A person wants to see this question last."""

    text: str


class Replied(NamedTuple):
    """A person answered."""

    reply: Reply


class Undone(NamedTuple):
    """A person takes back what they said last. withdrawn: the host never got it."""

    reply: Reply
    withdrawn: bool


class ReplySent(NamedTuple):
    """The host has an answer; this is what it asks now."""

    reply: Reply
    queue: Queue


class ReplyRefused(NamedTuple):
    """The host won't have an answer, with one sentence why; sending it again would change nothing."""

    reply: Reply


class TakeStarted(NamedTuple):
    """The host is asked to put the answers into the dataset."""


class Taken(NamedTuple):
    """They are in it."""

    sentence: str
    queue: Queue


class QuestionsFailed(NamedTuple):
    """The host didn't answer, or wouldn't, with one sentence; what was said here is kept."""

    sentence: str


QuestionAction = (
    OutboxFound
    | TopicsTold
    | TopicPicked
    | QueueTold
    | Skipped
    | Replied
    | Undone
    | ReplySent
    | ReplyRefused
    | TakeStarted
    | Taken
    | QuestionsFailed
)
