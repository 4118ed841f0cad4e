"""The books of one request that is under way: whatever becomes of it, they are closed, and once."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from trainer_host.teacher.cache import Kept
from trainer_host.teacher.calls import Call, Outcome, now
from trainer_host.teacher.protocol import Usage

if TYPE_CHECKING:
    from trainer_host.teacher.budget import Budget, Reservation
    from trainer_host.teacher.rotation import KeyRing, Lease
    from trainer_host.teacher.writer import Writer


@dataclass(frozen=True)
class Books:
    """Where requests are written down. provider, model: as the audit log names them."""

    ring: KeyRing
    budget: Budget
    writer: Writer
    provider: str
    model: str


class Sending:
    """A context manager around the sending of one request.

    Where nothing closed the books when it ends (it was cancelled), the provider may have billed what was sent: its
    worst case counts as spent.
    """

    def __init__(
        self,
        books: Books,
        lease: Lease,
        reservation: Reservation,
        request: str,
        task: str,
        prompt: str | None = None,
    ) -> None:
        """request: the hash that the cache knows it by. prompt: to be logged, None for nothing of it."""
        self._books = books
        self._reservation = reservation
        self._request = request
        self._task = task
        self._prompt = prompt
        self._time = ""
        self._open = True
        self._sent = False
        self.lease = lease

    def __enter__(self) -> Sending:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._open and self._sent:
            self.perhaps_billed("cancelled")
        elif self._open:
            self._close(0)
            self._books.budget.release(self._reservation)

    async def begin(self) -> None:
        """To be awaited right before the request is sent; raises `CacheUnusable`."""
        self._time = now()
        await self._books.writer.sending(self._call("lost", None, 0.0, None, self._reservation.worst))
        self._sent = True

    async def answered(
        self, body: bytes, usage: Usage | None, seconds: float, answer: str | None = None
    ) -> Decimal | None:
        """Keep the reply; returns what it cost, once it is kept. usage: None where the provider doesn't say. answer:
        its text, to be logged, None for nothing of it.

        Raises `TrainerError` where it can't be kept; it is paid all the same.
        """
        cost = self._settle(usage)
        key = self._key
        kept = Kept(self._request, body, self._books.provider, self._books.model, self._task, key, seconds, cost)
        await self._books.writer.keep(kept, self._call("answered", 200, seconds, usage, cost, answer))
        return cost

    def not_billed(self, outcome: Outcome, status: int | None = None, seconds: float = 0.0) -> None:
        """The provider refused the request, or never saw it."""
        self._close(0)
        self._books.budget.release(self._reservation)
        self._books.writer.ended(self._call(outcome, status, seconds, None, Decimal(0)))

    def perhaps_billed(self, outcome: Outcome, status: int | None = None, seconds: float = 0.0) -> None:
        """The provider may have answered, and nothing came of it here."""
        cost = self._settle(None)
        self._books.writer.ended(self._call(outcome, status, seconds, None, cost))

    def _settle(self, usage: Usage | None) -> Decimal | None:
        self._close(self.lease.tokens if usage is None else usage.input + usage.output)
        return self._books.budget.settle(self._reservation, usage)

    def _close(self, tokens: int) -> None:
        self._open = False
        self._books.ring.give_back(self.lease, tokens)

    @property
    def _key(self) -> str | None:
        return None if self.lease.key is None else self.lease.key.name

    def _call(
        self,
        outcome: Outcome,
        status: int | None,
        seconds: float,
        usage: Usage | None,
        cost: Decimal | None,
        answer: str | None = None,
    ) -> Call:
        return Call(
            self._books.provider,
            self._books.model,
            outcome,
            self._key,
            self._task,
            usage,
            cost,
            self._request,
            status,
            seconds,
            self._time,
            prompt=self._prompt,
            answer=answer,
        )
