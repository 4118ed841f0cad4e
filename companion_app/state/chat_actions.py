"""Everything that can happen to conversations, as data."""

from __future__ import annotations

from dataclasses import dataclass

from companion_app.state.chat import Conversation, Listed, Model, ReplyPhase, Turn
from edge_runtime.tasks.knobs import Knobs, Turned


@dataclass(frozen=True)
class ChatsListed:
    """The conversations that are kept, the latest first."""

    known: tuple[Listed, ...]


@dataclass(frozen=True)
class ChatsSearched:
    """What a search found; an empty query shows all."""

    query: str
    found: tuple[Listed, ...]


@dataclass(frozen=True)
class ChatListShown:
    """The list of conversations is shown, or hidden again."""

    shown: bool


@dataclass(frozen=True)
class ChatOpened:
    """A conversation was read from its file, or begun; None shows the beginning of a new one."""

    conversation: Conversation | None


@dataclass(frozen=True)
class ChatModelsPicked:
    """Whom the next conversation is with: one model, or two."""

    models: tuple[Model, ...]


@dataclass(frozen=True)
class ChatBlindSet:
    """Whether the names of two models are hidden until a vote, in the next conversation."""

    blind: bool


@dataclass(frozen=True)
class ChatWritersTold:
    """The host said which models it answers with."""

    models: tuple[Model, ...]


@dataclass(frozen=True)
class ChatDrafted:
    """A person types."""

    text: str


@dataclass(frozen=True)
class ChatSaid:
    """A message was sent, or an answer is asked for again: the turn takes the place of the one of its number."""

    id: str
    turn: Turn
    at: float


@dataclass(frozen=True)
class ReplyGrew:
    """More of an answer came; `text` is what is new."""

    id: str
    number: int
    model: int
    text: str


@dataclass(frozen=True)
class ReplyEnded:
    """An answer is complete, or ends early, with one sentence why."""

    id: str
    number: int
    model: int
    phase: ReplyPhase
    problem: str = ""


@dataclass(frozen=True)
class PictureSeen:
    """A vision specialist said what is on a picture, or `problem` why not."""

    id: str
    number: int
    specialist: str
    seen: str
    problem: str = ""


@dataclass(frozen=True)
class ChatVoted:
    """A person said which answer is better."""

    id: str
    number: int
    vote: int


@dataclass(frozen=True)
class ReplyLiked:
    """A person found an answer good or bad; None takes that back."""

    id: str
    number: int
    model: int
    liked: bool | None


@dataclass(frozen=True)
class VotesWaiting:
    """So many votes wait for the host."""

    count: int


@dataclass(frozen=True)
class KnobsTurned:
    """A phrase about the knobs was read; one that wasn't understood, or changes nothing, leaves them."""

    phrase: str
    turned: Turned


@dataclass(frozen=True)
class KnobsSet:
    """A knob was moved by hand."""

    knobs: Knobs


@dataclass(frozen=True)
class KnobsUndone:
    """The last change of the knobs is taken back."""


@dataclass(frozen=True)
class KnobsSeen:
    """A person has read what a phrase changed."""


@dataclass(frozen=True)
class ChatEditBegun:
    """A message is taken into the field to be sent otherwise; None ends that."""

    number: int | None


@dataclass(frozen=True)
class ChatRenaming:
    """The title can be typed, or not any more."""

    on: bool


@dataclass(frozen=True)
class ChatRenamed:
    """A conversation has another title."""

    id: str
    title: str


@dataclass(frozen=True)
class ChatDeleteAsked:
    """A person wants to delete one, and is asked whether that is so; None means no."""

    id: str | None


@dataclass(frozen=True)
class ChatDeleted:
    """It is gone."""

    id: str


@dataclass(frozen=True)
class ChatNoted:
    """One sentence about what was just done in the chat; wrong: it failed."""

    sentence: str
    wrong: bool = False


ChatAction = (
    ChatsListed
    | ChatsSearched
    | ChatListShown
    | ChatOpened
    | ChatModelsPicked
    | ChatBlindSet
    | ChatWritersTold
    | ChatDrafted
    | ChatSaid
    | ReplyGrew
    | ReplyEnded
    | PictureSeen
    | ChatVoted
    | ReplyLiked
    | VotesWaiting
    | KnobsTurned
    | KnobsSet
    | KnobsUndone
    | KnobsSeen
    | ChatEditBegun
    | ChatRenaming
    | ChatRenamed
    | ChatDeleteAsked
    | ChatDeleted
    | ChatNoted
)
