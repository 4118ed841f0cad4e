"""What the two batch APIs have in common: what is sent, what is seen of it, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import BinaryIO, Literal, Protocol

from trainer_host.errors import TeacherStopped
from trainer_host.teacher.batch.channel import Channel
from trainer_host.teacher.protocol import Key

# Why a request of a batch has no answer, in words that are counted in reports.
Reason = Literal["expired", "cancelled", "server error", "unreadable answer", "missing", "batch failed", "refused"]


@dataclass(frozen=True)
class Item:
    """One request of a batch. id: its hash, which the cache knows it by. body: as a direct call would send it.
    worst: US dollars, what is set aside for it, None where the price isn't known."""

    id: str
    body: bytes
    task: str = ""
    worst: Decimal | None = None


@dataclass(frozen=True)
class Seen:
    """A batch as the provider tells of it.

    state: "failed" is the whole of it, before any request was tried. cancelled: somebody ended it there. files: paths
    of what there is to read once it has ended. message: the provider's words; a key could be in them.
    """

    state: Literal["running", "ended", "failed"]
    done: int = 0
    total: int = 0
    cancelled: bool = False
    files: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class Row:
    """One result. body: the reply as a direct call gets it, None where there is none; then `reason` says why, and
    `again` whether asking again may help."""

    id: str
    body: bytes | None
    reason: Reason = "server error"
    again: bool = True


@dataclass(frozen=True)
class Lost:
    """A batch that was sent by a process that ended before it knew the batch's id. mark: what we named it by. before:
    the newest batch there was then, "" for none. size: requests in it. known: ids that are others for sure."""

    mark: str
    before: str
    size: int
    known: frozenset[str]


class BatchFailed(TeacherStopped):
    """A provider's batch API can't be used, or doesn't answer."""


class BatchApi(Protocol):
    """What `openai.OpenAiBatches` and `anthropic.AnthropicBatches` have.

    most_requests, most_bytes: of one batch. All coroutines raise what `Channel` raises.
    """

    most_requests: int
    most_bytes: int

    def row(self, item: Item) -> bytes:
        """A request as a part of the file or body, without what stands between rows."""

    async def newest(self, channel: Channel, key: Key | None) -> str:
        """The id of the newest batch there is, "" for none; only where `lost` needs it."""

    async def send(self, channel: Channel, key: Key | None, rows: BinaryIO, count: int, mark: str) -> str:
        """Begin a batch and return its id. rows: one a line."""

    async def lost(self, channel: Channel, key: Key | None, lost: Lost) -> list[str]:
        """Ids of batches that may be the one that was lost, the likeliest first."""

    async def look(self, channel: Channel, key: Key | None, remote: str) -> Seen:
        """How far a batch is."""

    def read(self, line: bytes) -> Row | None:
        """A line of a file of results; None for what is no result."""
