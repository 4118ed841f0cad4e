"""What a teacher is: something that answers requests; and what a request and a reply hold."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NoReturn, Protocol

Json = dict[str, object]
# Why a reply ended, in one vocabulary for all wires: it said all, it ran out of tokens, it declined.
Finish = Literal["stop", "length", "refusal", "other"]


class Secret:
    """An API key that doesn't show itself: not in a repr, an f-string, a traceback's locals, JSON or a pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the header of one request."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]  # keys are compared, never looked up by

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is never pickled: it stays on the machine that sends the requests")


@dataclass(frozen=True)
class Key:
    """A provider's key under the name that its owner gave it ("work", "spare")."""

    name: str
    secret: Secret


@dataclass(frozen=True)
class Image:
    """A picture for a teacher that sees. media_type: as in "image/png"."""

    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Message:
    """One turn of a conversation; the last one of a request is the user's."""

    role: Literal["user", "assistant"]
    text: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True)
class Request:
    """One question to a teacher, without the model: that belongs to the teacher.

    system: the same bytes for all requests of a task, so that providers can cache it. schema: the JSON Schema
    that the answer must follow, None for free text. temperature: None leaves it to the provider (some models
    refuse it). sample: tells apart several answers to the same question; it is never sent, but is part of what
    the cache remembers a reply by. task: for the audit log alone. alternatives: for each piece of the answer, how likely
    so many pieces were there; 0 asks for no probabilities. Only OpenAI's wire has them, and not each of its servers.
    """

    messages: tuple[Message, ...]
    system: str = ""
    schema: Json | None = None
    max_tokens: int = 1024
    temperature: float | None = 1.0
    sample: int = 0
    task: str = ""
    alternatives: int = 0


@dataclass(frozen=True)
class Piece:
    """A piece of an answer, as its writer's tokenizer cuts it. data: its bytes; pieces may end inside a character.

    logprob: the natural logarithm of its probability. others: (bytes, logprob) of pieces that could have stood there.
    """

    data: bytes
    logprob: float
    others: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True)
class Usage:
    """Tokens of one request. `input` counts all of the prompt, those read from a provider's cache included.

    (Anthropic reports cached tokens beside `input_tokens`, OpenAI inside `prompt_tokens`: the wires add them up.)
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True)
class Reply:
    """What a teacher answered.

    text: as it came. cost: in US dollars, None where the model's price isn't known. key_name: the stored key
    that paid, never the key. cached: it was in the cache, and nothing was sent. seconds: of the request itself.
    pieces: the text's, with their probabilities; None where they weren't asked for, or didn't come as they should.
    """

    text: str
    finish: Finish
    usage: Usage
    model: str
    cost: Decimal | None = None
    key_name: str | None = None
    cached: bool = False
    seconds: float = 0.0
    pieces: tuple[Piece, ...] | None = field(default=None, repr=False)


class Teacher(Protocol):
    """Anything that answers requests: an API provider, the local Trainer AI.

    name: the provider's name, for provenance. model: what answers.
    """

    name: str
    model: str

    async def ask(self, request: Request) -> Reply:
        """Answer one request.

        Raises `AskFailed` where this request can't be answered (the caller may go on with others), and
        `TeacherStopped` where none can (no key is left, the budget is reached, nobody listens at the address).
        """

    async def close(self) -> None:
        """Give back connections and files."""
