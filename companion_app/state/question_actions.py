"""Everything that can happen to questions and their answers, as data."""

from __future__ import annotations

from dataclasses import dataclass

from companion_app.state.questions import Queue, Reply, Topic


@dataclass(frozen=True)
class OutboxFound:
    """Answers of an earlier run that the host hasn't confirmed."""

    replies: tuple[Reply, ...]


@dataclass(frozen=True)
class TopicsTold:
    """The host said what it asks about."""

    topics: tuple[Topic, ...]


@dataclass(frozen=True)
class TopicPicked:
    """A person wants to answer the questions about this dataset."""

    dataset: str


@dataclass(frozen=True)
class QueueTold:
    """The host said what it asks about one dataset."""

    queue: Queue


@dataclass(frozen=True)
class Skipped:
    """A person wants to see this question last."""

    text: str


@dataclass(frozen=True)
class Replied:
    """A person answered."""

    reply: Reply


@dataclass(frozen=True)
class Undone:
    """A person takes back what they said last. withdrawn: the host never got it."""

    reply: Reply
    withdrawn: bool


@dataclass(frozen=True)
class ReplySent:
    """The host has an answer; this is what it asks now."""

    reply: Reply
    queue: Queue


@dataclass(frozen=True)
class ReplyRefused:
    """The host won't have an answer, with one sentence why; sending it again would change nothing."""

    reply: Reply


@dataclass(frozen=True)
class TakeStarted:
    """The host is asked to put the answers into the dataset."""


@dataclass(frozen=True)
class Taken:
    """They are in it."""

    sentence: str
    queue: Queue


@dataclass(frozen=True)
class QuestionsFailed:
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
