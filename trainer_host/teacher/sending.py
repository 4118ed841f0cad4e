"""The books of one request that is under way: whatever becomes of it, they are closed, and once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from trainer_host.errors import TrainerError
from trainer_host.teacher.audit import Call, Outcome
from trainer_host.teacher.protocol import Usage

if TYPE_CHECKING:
    from trainer_host.teacher.audit import AuditLog
    from trainer_host.teacher.budget import Budget, Reservation
    from trainer_host.teacher.cache import ReplyCache
    from trainer_host.teacher.rotation import KeyRing, Lease


@dataclass(frozen=True)
class Books:
    """Where a request is written down."""

    ring: KeyRing
    budget: Budget
    cache: ReplyCache
    audit: AuditLog


class Sending:
    """A context manager around the sending of one request.

    Where nothing closed the books when it ends (it was cancelled, or its reply couldn't be kept), the provider may
    have billed the request: its worst case counts as spent.
    """

    def __init__(self, books: Books, lease: Lease, reservation: Reservation, call: Call) -> None:
        """call: what the audit log gets, without what isn't known yet."""
        self._books = books
        self._reservation = reservation
        self._call = call
        self._open = True
        self.lease = lease

    def __enter__(self) -> Sending:
        try:
            self._books.cache.sending(self._call.request)
        except TrainerError:
            self._books.budget.release(self._reservation)
            self._books.ring.give_back(self.lease)
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self._open:
            self.perhaps_billed("cancelled")

    def answered(self, usage: Usage | None, status: int, seconds: float) -> Decimal | None:
        """The reply is kept; returns what it cost. usage: None where the provider doesn't say."""
        cost = self._settle(usage)
        self._record("answered", status, seconds, usage, cost)
        return cost

    def not_billed(self, outcome: Outcome, status: int | None = None, seconds: float = 0.0) -> None:
        """The provider refused the request, or never saw it."""
        self._close(0)
        self._books.budget.release(self._reservation)
        self._books.cache.not_billed(self._call.request)
        self._record(outcome, status, seconds, None, Decimal(0))

    def perhaps_billed(self, outcome: Outcome, status: int | None = None, seconds: float = 0.0) -> None:
        """The provider may have answered, and nothing came of it here."""
        self._record(outcome, status, seconds, None, self._settle(None))

    def _settle(self, usage: Usage | None) -> Decimal | None:
        self._close(self.lease.tokens if usage is None else usage.input + usage.output)
        return self._books.budget.settle(self._reservation, usage)

    def _close(self, tokens: int) -> None:
        self._open = False
        self._books.ring.give_back(self.lease, tokens)

    def _record(
        self, outcome: Outcome, status: int | None, seconds: float, usage: Usage | None, cost: Decimal | None
    ) -> None:
        call = replace(self._call, outcome=outcome, status=status, seconds=seconds, usage=usage, cost=cost)
        self._books.audit.record(call)
