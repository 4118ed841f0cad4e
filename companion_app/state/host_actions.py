"""Everything that can happen between the app and the host that teaches, as data; none of it holds a key."""

from __future__ import annotations

from dataclasses import dataclass

from companion_app.state.host import Estimate, Host, KeyWay, Lesson, Offer, Order


@dataclass(frozen=True)
class HostPairingStarted:
    """The code is on its way to the host."""


@dataclass(frozen=True)
class HostPairingFailed:
    """The host or the network refused, with one sentence."""

    sentence: str


@dataclass(frozen=True)
class HostPaired:
    """A host accepted us; another one that we had is forgotten."""

    host: Host


@dataclass(frozen=True)
class HostForgotten:
    """A person removed the host."""


@dataclass(frozen=True)
class HostConnecting:
    """The connection is being made."""


@dataclass(frozen=True)
class HostUpdated:
    """The host said all that it offers, and which lessons it has.

    told: the ids of lessons that told of themselves since the host was asked; what they told is newer.
    """

    offer: Offer
    lessons: tuple[Lesson, ...]
    told: frozenset[str] = frozenset()


@dataclass(frozen=True)
class HostLost:
    """The host went away; the next try is in `retry_in` seconds."""

    sentence: str
    retry_in: float


@dataclass(frozen=True)
class LessonTold:
    """The host told how a lesson stands."""

    lesson: Lesson


@dataclass(frozen=True)
class KeyProviderPicked:
    """The new key is this provider's; `CUSTOM` is one that the host does not know yet."""

    provider: str


@dataclass(frozen=True)
class KeyQuestioned:
    """What was typed cannot be, as (field, sentence); nothing was sent."""

    problems: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class KeySaving:
    """The key is on its way to the host."""


@dataclass(frozen=True)
class KeySaved:
    """The host has it."""

    sentence: str


@dataclass(frozen=True)
class KeyRefused:
    """The host did not take it; `taken`: because it has one of that name."""

    sentence: str
    taken: bool = False


@dataclass(frozen=True)
class KeyMovePicked:
    """A person opened the form for a file of keys, or closed both; `path` is of a file that was dropped."""

    way: KeyWay | None
    path: str = ""


@dataclass(frozen=True)
class KeyMoveQuestioned:
    """What was typed cannot be, as (field, sentence); nothing was sent."""

    problems: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class KeysMoving:
    """The keys are on their way."""


@dataclass(frozen=True)
class KeysMoved:
    """They are there; `skipped` names what the host kept its own of."""

    sentence: str
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeyMoveRefused:
    """They did not move, with one sentence why."""

    sentence: str


@dataclass(frozen=True)
class TaskToggled:
    """A person ticked a task or unticked it."""

    name: str


@dataclass(frozen=True)
class PresetPicked:
    """A person took one of the host's sets of tasks."""

    name: str


@dataclass(frozen=True)
class ExamplesTyped:
    """The number of examples per task, as typed."""

    text: str


@dataclass(frozen=True)
class TeacherPicked:
    """A person chose who teaches; its own model is asked until another one is typed."""

    provider: str


@dataclass(frozen=True)
class ModelTyped:
    """The model to ask; empty is the provider's own."""

    text: str


@dataclass(frozen=True)
class BudgetTyped:
    """The most to spend, as typed."""

    text: str


@dataclass(frozen=True)
class Estimated:
    """The host said what an order will cost, or why it cannot."""

    estimate: Estimate


@dataclass(frozen=True)
class EstimateWanted:
    """A person asks once more what it will cost."""


@dataclass(frozen=True)
class LessonStarting:
    """The order is on its way to the host."""

    order: Order


@dataclass(frozen=True)
class LessonStarted:
    """The host took the order."""


@dataclass(frozen=True)
class LessonRefused:
    """The host did not take the order, with one sentence why."""

    sentence: str


@dataclass(frozen=True)
class LessonCancelling:
    """A person pressed Cancel."""

    id: str


@dataclass(frozen=True)
class LessonKept:
    """Cancelling a lesson did not work: it goes on."""

    id: str


HostAction = (
    HostPairingStarted
    | HostPairingFailed
    | HostPaired
    | HostForgotten
    | HostConnecting
    | HostUpdated
    | HostLost
    | LessonTold
    | KeyProviderPicked
    | KeyQuestioned
    | KeySaving
    | KeySaved
    | KeyRefused
    | KeyMovePicked
    | KeyMoveQuestioned
    | KeysMoving
    | KeysMoved
    | KeyMoveRefused
    | TaskToggled
    | PresetPicked
    | ExamplesTyped
    | TeacherPicked
    | ModelTyped
    | BudgetTyped
    | Estimated
    | EstimateWanted
    | LessonStarting
    | LessonStarted
    | LessonRefused
    | LessonCancelling
    | LessonKept
)
