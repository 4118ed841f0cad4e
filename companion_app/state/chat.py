"""Conversations with language models, as frozen dataclasses; what is typed, answered and voted is here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from edge_runtime.tasks.knobs import Knobs, Turned

HOST = "host"  # in the place of a device's address
TIE = -1
MAX_TITLE = 60
Message = dict[str, object]


class ReplyPhase(StrEnum):
    """How an answer stands."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"  # by the person
    CUT = "cut"  # it reached its longest length
    BROKEN = "broken"  # who wrote it went away, or refused


@dataclass(frozen=True)
class Model:
    """Whom a conversation is with. where: a device's address, or `HOST`. label: what people read."""

    where: str
    name: str
    label: str


@dataclass(frozen=True)
class Reply:
    """One model's answer; what had come before it broke is kept. problem: why it ended early, in a sentence.
    liked: whether a person found it good or bad, or None."""

    text: str = ""
    phase: ReplyPhase = ReplyPhase.RUNNING
    problem: str = ""
    liked: bool | None = None

    @property
    def likable(self) -> bool:
        """Whether there is something to have an opinion on."""
        return self.phase is not ReplyPhase.RUNNING and bool(self.text.strip())


@dataclass(frozen=True)
class Former:
    """An answer that a person had an opinion on before the model was asked again."""

    model: int
    text: str
    liked: bool


@dataclass(frozen=True)
class Picture:
    """A picture that was sent along. specialist: who looked at it; seen: what it said, empty until then."""

    name: str
    specialist: str = ""
    seen: str = ""
    problem: str = ""

    @property
    def pending(self) -> bool:
        return not self.seen and not self.problem


@dataclass(frozen=True)
class Turn:
    """A message and its answers, one for each model. flipped: the second answer is shown first, where names are hidden.
    vote: which answer was preferred, `TIE`, or None. former: answers in whose place others stand now."""

    number: int
    text: str
    replies: tuple[Reply, ...] = ()
    picture: Picture | None = None
    flipped: bool = False
    vote: int | None = None
    former: tuple[Former, ...] = ()

    @property
    def running(self) -> bool:
        waits = self.picture is not None and self.picture.pending
        return waits or any(reply.phase is ReplyPhase.RUNNING for reply in self.replies)

    @property
    def asked(self) -> str:
        """The message as a model reads it: with what was seen on the picture."""
        if self.picture is None or not self.picture.seen:
            return self.text
        seen = f"[Picture {self.picture.name}, as {self.picture.specialist} sees it: {self.picture.seen}]"
        return f"{self.text}\n\n{seen}".strip()

    @property
    def votable(self) -> bool:
        """Whether there are two answers to choose from."""
        return len(self.replies) == 2 and not self.running and all(reply.text.strip() for reply in self.replies)


@dataclass(frozen=True)
class Conversation:
    """One conversation. models: one, or two that answer the same messages. created, updated: seconds since 1970.
    draft: what is typed and not sent."""

    id: str
    models: tuple[Model, ...]
    title: str = ""
    created: float = 0.0
    updated: float = 0.0
    turns: tuple[Turn, ...] = ()
    knobs: Knobs = field(default_factory=Knobs)
    blind: bool = False
    draft: str = ""

    @property
    def running(self) -> bool:
        return any(turn.running for turn in self.turns)

    def turn(self, number: int) -> Turn | None:
        """A turn by its number."""
        return next((turn for turn in self.turns if turn.number == number), None)


@dataclass(frozen=True)
class Listed:
    """A conversation in the list. found: the words around what was searched for."""

    id: str
    title: str
    updated: float
    found: str = ""


@dataclass(frozen=True)
class Chat:
    """The chat screen. loaded: the open conversation, and those that are still answered. undo: knobs before each change.
    turned: what came of the last phrase about the knobs. writers: models of the host. picked: of the next conversation."""

    known: tuple[Listed, ...] = ()
    query: str = ""
    found: tuple[Listed, ...] = ()
    loaded: tuple[Conversation, ...] = ()
    open: str | None = None
    listing: bool = False
    picked: tuple[Model, ...] = ()
    blind: bool = False
    writers: tuple[Model, ...] = ()
    undo: tuple[Knobs, ...] = ()
    turned: Turned | None = None
    phrase: str = ""
    editing: int | None = None
    renaming: bool = False
    deleting: str | None = None
    said: str = ""
    wrong: bool = False
    waiting_votes: int = 0

    @property
    def conversation(self) -> Conversation | None:
        """The open one."""
        return self.one(self.open)

    def one(self, id: str | None) -> Conversation | None:
        """A loaded one."""
        return next((one for one in self.loaded if one.id == id), None)


def history(conversation: Conversation, number: int) -> list[Message]:
    """What every model of a conversation reads before it answers a turn: the answers that were preferred, else the first
    model's, so that two answers to one message are answers to the same thing."""
    messages: list[Message] = []
    before: list[str] = []  # what was said and seen without anybody answering
    for turn in conversation.turns:
        content = "\n\n".join([*before, turn.asked])
        if turn.number == number:
            messages.append({"role": "user", "content": content})
            return messages
        answer = kept(turn)
        if answer:
            messages += [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
        before = [] if answer else [*before, turn.asked] if turn.picture is not None and turn.picture.seen else before
    return messages


def kept(turn: Turn) -> str:
    """The answer of a turn that the conversation goes on with; empty where there is none."""
    if not turn.replies:
        return ""
    order = [turn.vote] if turn.vote not in (None, TIE) else []
    texts = [turn.replies[at].text for at in (*order, *range(len(turn.replies))) if at is not None]
    return next((text for text in texts if text.strip()), "")


def shown_order(conversation: Conversation, turn: Turn) -> tuple[int, ...]:
    """The models in the order in which their answers to a turn are shown."""
    order = tuple(range(len(turn.replies)))
    return order[::-1] if conversation.blind and turn.flipped else order


def hidden(conversation: Conversation, turn: Turn) -> bool:
    """Whether a turn doesn't say yet which model wrote which answer."""
    return conversation.blind and len(turn.replies) == 2 and turn.vote is None


def title_of(text: str) -> str:
    """A conversation's title, of its first message."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_TITLE else f"{line[: MAX_TITLE - 1].rstrip()}…"


def with_turn(conversation: Conversation, turn: Turn) -> Conversation:
    """The same with another turn in its place, or with it at the end."""
    if conversation.turn(turn.number) is None:
        return replace(conversation, turns=(*conversation.turns, turn))
    turns = tuple(turn if old.number == turn.number else old for old in conversation.turns)
    return replace(conversation, turns=turns)


def preference(conversation: Conversation, turn: Turn) -> dict[str, object] | None:
    """A vote as a pair in TRL's form, which the host's DPO learns from; None for a tie, or where both say the same."""
    if turn.vote is None or turn.vote == TIE or not turn.votable:
        return None
    better, worse = turn.replies[turn.vote].text, turn.replies[1 - turn.vote].text
    if better == worse:
        return None
    names = [f"{model.where} {model.name}" for model in conversation.models]
    return {
        "prompt": history(conversation, turn.number),
        "chosen": [{"role": "assistant", "content": better}],
        "rejected": [{"role": "assistant", "content": worse}],
        "source": {
            "id": f"{conversation.id}-{turn.number}",
            "way": "vote",
            "blind": conversation.blind,
            "chosen": names[turn.vote],
            "rejected": names[1 - turn.vote],
        },
    }


def opinion(conversation: Conversation, turn: Turn, model: int) -> dict[str, object] | None:
    """A thumb as a row of TRL's unpaired form, which the host's KTO learns from; None where there is none."""
    reply = turn.replies[model]
    if reply.liked is None:
        return None
    # The answers of before keep their own.
    number = sum(one.model == model for one in turn.former)
    writer = f"{conversation.models[model].where} {conversation.models[model].name}"
    return {
        "prompt": history(conversation, turn.number),
        "completion": [{"role": "assistant", "content": reply.text}],
        "label": reply.liked,
        "source": {
            "id": f"{conversation.id}-{turn.number}-{model}-{number}",
            "way": "thumb",
            "blind": hidden(conversation, turn),
            "chosen" if reply.liked else "rejected": writer,
        },
    }


def ended(conversation: Conversation, sentence: str) -> Conversation:
    """A conversation out of a file: what was being written when the app ended goes on no more."""
    turns = []
    for turn in conversation.turns:
        replies = tuple(
            replace(reply, phase=ReplyPhase.BROKEN, problem=sentence) if reply.phase is ReplyPhase.RUNNING else reply
            for reply in turn.replies
        )
        picture = turn.picture
        if picture is not None and picture.pending:
            picture = replace(picture, problem=sentence)
        turns.append(replace(turn, replies=replies, picture=picture))
    return replace(conversation, turns=tuple(turns))
