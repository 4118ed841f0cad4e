"""Everything that can happen between the app and the host that teaches, as data; none of it holds a key."""

from __future__ import annotations

from typing import NamedTuple

from companion_app.state.host import Estimate, Host, KeyWay, Lesson, Offer, Order


class HostPairingStarted(NamedTuple):
    """The code is on its way to the host."""


class HostPairingFailed(NamedTuple):
    """The host or the network refused, with one sentence."""

    sentence: str


class HostPaired(NamedTuple):
    """A host accepted us; another one that we had is forgotten."""

    host: Host


class HostForgotten(NamedTuple):
    """A person removed the host."""


class HostConnecting(NamedTuple):
    """The connection is being made."""


class HostUpdated(NamedTuple):
    """The host said all that it offers, and which lessons it has.

    told: the ids of lessons that told of themselves since the host was asked; what they told is newer.
    """

    offer: Offer
    lessons: tuple[Lesson, ...]
    told: frozenset[str] = frozenset()


class HostLost(NamedTuple):
    """The host went away; the next try is in `retry_in` seconds."""

    sentence: str
    retry_in: float


class LessonTold(NamedTuple):
    """The host told how a lesson stands."""

    lesson: Lesson


class KeyProviderPicked(NamedTuple):
    """The new key is this provider's; `CUSTOM` is one that the host does not know yet."""

    provider: str


class KeyQuestioned(NamedTuple):
    """What was typed cannot be, as (field, sentence); nothing was sent."""

    problems: tuple[tuple[str, str], ...]


class KeySaving(NamedTuple):
    """The key is on its way to the host."""


class KeySaved(NamedTuple):
    """The host has it."""

    sentence: str


class KeyRefused(NamedTuple):
    """The host did not take it; `taken`: because it has one of that name."""

    sentence: str
    taken: bool = False


class KeyMovePicked(NamedTuple):
    """A person opened the form for a file of keys, or closed both; `path` is of a file that was dropped."""

    way: KeyWay | None
    path: str = ""


class KeyMoveQuestioned(NamedTuple):
    """What was typed cannot be, as (field, sentence); nothing was sent."""

    problems: tuple[tuple[str, str], ...]


class KeysMoving(NamedTuple):
    """The keys are on their way."""


class KeysMoved(NamedTuple):
    """They are there; `skipped` names what the host kept its own of."""

    sentence: str
    skipped: tuple[str, ...] = ()


class KeyMoveRefused(NamedTuple):
    """They did not move, with one sentence why."""

    sentence: str


class TaskToggled(NamedTuple):
    """A person ticked a task or unticked it."""

    name: str


class PresetPicked(NamedTuple):
    """A person took one of the host's sets of tasks."""

    name: str


class ExamplesTyped(NamedTuple):
    """The number of examples per task, as typed."""

    text: str


class TeacherPicked(NamedTuple):
    """A person chose who teaches; its own model is asked until another one is typed."""

    provider: str


class ModelTyped(NamedTuple):
    """The model to ask; empty is the provider's own."""

    text: str


class BudgetTyped(NamedTuple):
    """The most to spend, as typed."""

    text: str


class Estimated(NamedTuple):
    """The host said what an order will cost, or why it cannot."""

    estimate: Estimate


class EstimateWanted(NamedTuple):
    """A person asks once more what it will cost."""


class LessonStarting(NamedTuple):
    """The order is on its way to the host."""

    order: Order


class LessonStarted(NamedTuple):
    """The host took the order."""


class LessonRefused(NamedTuple):
    """The host did not take the order, with one sentence why."""

    sentence: str


class LessonCancelling(NamedTuple):
    """A person pressed Cancel."""

    id: str


class LessonKept(NamedTuple):
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
