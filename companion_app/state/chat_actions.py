"""Everything that can happen to conversations, as data."""

from __future__ import annotations

from typing import NamedTuple

from companion_app.state.chat import Conversation, Listed, Model, ReplyPhase, Turn
from edge_runtime.tasks.knobs import Knobs, Turned


class ChatsListed(NamedTuple):
    """The conversations that are kept, the latest first."""

    known: tuple[Listed, ...]


class ChatsSearched(NamedTuple):
    """What a search found; an empty query shows all."""

    query: str
    found: tuple[Listed, ...]


class ChatListShown(NamedTuple):
    """The list of conversations is shown, or hidden again."""

    shown: bool


class ChatOpened(NamedTuple):
    """A conversation was read from its file, or begun; None shows the beginning of a new one."""

    conversation: Conversation | None


class ChatModelsPicked(NamedTuple):
    """Whom the next conversation is with: one model, or two."""

    models: tuple[Model, ...]


class ChatBlindSet(NamedTuple):
    """Whether the names of two models are hidden until a vote, in the next conversation."""

    blind: bool


class ChatWritersTold(NamedTuple):
    """The host said which models it answers with."""

    models: tuple[Model, ...]


class ChatDrafted(NamedTuple):
    """A person types."""

    text: str


class ChatSaid(NamedTuple):
    """A message was sent, or an answer is asked for again: the turn takes the place of the one of its number."""

    id: str
    turn: Turn
    at: float


class ReplyGrew(NamedTuple):
    """More of an answer came; `text` is what is new."""

    id: str
    number: int
    model: int
    text: str


class ReplyEnded(NamedTuple):
    """An answer is complete, or ends early, with one sentence why."""

    id: str
    number: int
    model: int
    phase: ReplyPhase
    problem: str = ""


class PictureSeen(NamedTuple):
    """A vision specialist said what is on a picture, or `problem` why not."""

    id: str
    number: int
    specialist: str
    seen: str
    problem: str = ""


class ChatVoted(NamedTuple):
    """A person said which answer is better."""

    id: str
    number: int
    vote: int


class ReplyLiked(NamedTuple):
    """A person found an answer good or bad; None takes that back."""

    id: str
    number: int
    model: int
    liked: bool | None


class VotesWaiting(NamedTuple):
    """So many votes wait for the host."""

    number: int


class KnobsTurned(NamedTuple):
    """A phrase about the knobs was read; one that wasn't understood, or changes nothing, leaves them."""

    phrase: str
    turned: Turned


class KnobsSet(NamedTuple):
    """A knob was moved by hand."""

    knobs: Knobs


class KnobsUndone(NamedTuple):
    """The last change of the knobs is taken back."""


class KnobsSeen(NamedTuple):
    """A person has read what a phrase changed."""


class ChatEditBegun(NamedTuple):
    """A message is taken into the field to be sent otherwise; None ends that."""

    number: int | None


class ChatRenaming(NamedTuple):
    """The title can be typed, or not any more."""

    on: bool


class ChatRenamed(NamedTuple):
    """A conversation has another title."""

    id: str
    title: str


class ChatDeleteAsked(NamedTuple):
    """A person wants to delete one, and is asked whether that is so; None means no."""

    id: str | None


class ChatDeleted(NamedTuple):
    """It is gone."""

    id: str


class ChatNoted(NamedTuple):
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
