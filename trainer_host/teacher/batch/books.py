"""The books of requests in batches: each result is kept, counted, paid and logged once, whenever a process ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

from trainer_host.errors import TeacherStopped
from trainer_host.teacher.audit import AuditLog, entries
from trainer_host.teacher.batch.common import Reason
from trainer_host.teacher.batch.report import BatchReport
from trainer_host.teacher.batch.store import BatchStore, OpenItem, Part, place_of
from trainer_host.teacher.budget import Budget, Reservation
from trainer_host.teacher.cache import ReplyCache
from trainer_host.teacher.calls import Call, Outcome
from trainer_host.teacher.prices import Price, batch_price
from trainer_host.teacher.protocol import Key, Usage
from trainer_host.teacher.providers import Endpoint
from trainer_host.teacher.recording import Recorder
from trainer_host.teacher.scrub import scrubbed, scrubbed_bytes
from trainer_host.teacher.wires import WireError, wire_of
from trainer_host.teacher.wires.refusals import read_body

ROUNDS = 3  # batches that a request may be in before it is left to a direct call


class BatchBooks:
    """What one endpoint's batches need besides the network. All of it but `report` stays the caller's."""

    def __init__(
        self,
        endpoint: Endpoint,
        keys: tuple[Key, ...],
        cache: ReplyCache,
        budget: Budget,
        audit: AuditLog,
        store: BatchStore,
        price: Price,
        recorder: Recorder | None = None,
    ) -> None:
        """price: of a direct request. recorder: makes the texts that the log gets, None for none."""
        self.endpoint = endpoint
        self.place = place_of(endpoint)
        self.wire = wire_of(endpoint)
        self.price = batch_price(endpoint, price) or price
        self.cache = cache
        self.budget = budget
        self.audit = audit
        self.store = store
        self.report = BatchReport()
        self.given_up: dict[str, Reason] = {}  # requests that no further batch is tried for
        self.recorder = recorder
        self.prompts: dict[str, str] = {}  # to be logged, of requests that this process knows, by their hashes
        self._keys = keys
        self._held: dict[tuple[str, str], Reservation] = {}
        self._tries: Counter[str] = Counter()
        self._audited: set[str] | None = None

    def under_way(self) -> list[Part]:
        """Batches that aren't done, oldest first."""
        return self.store.under_way(self.place)

    def key_of(self, part: Part) -> Key | None:
        """The key that a batch was sent with; no other one sees it. Raises `TeacherStopped` where it is gone."""
        if part.key is None:
            return None
        for key in self._keys:
            if key.name == part.key:
                return key
        raise TeacherStopped(
            f"A batch of {self.endpoint.provider} was sent with the key '{part.key}', which isn't there any more; "
            f"add it again with 'enigma keys add {self.endpoint.provider}', then go on with --resume."
        )

    def scrub(self, text: str) -> str:
        """A stranger's words, fit for a sentence."""
        return scrubbed(text, [key.secret for key in self._keys])

    def hold(self, part: Part, item: str, reservation: Reservation) -> None:
        """A request was sent, with so much set aside."""
        self._held[(part.id, item)] = reservation

    def owe(self, part: Part, items: Iterable[OpenItem]) -> int:
        """Set aside for requests that a process sent which has ended; returns how many those are."""
        new = [item for item in items if (part.id, item.id) not in self._held]
        for item in new:
            self._held[(part.id, item.id)] = self.budget.owe(item.worst, self.price)
        return len(new)

    def never_sent(self, part: Part) -> None:
        """The provider doesn't have a batch."""
        for item in self.store.open_items(part.id):
            if (reservation := self._held.pop((part.id, item.id), None)) is not None:
                self.budget.release(reservation)
        self.store.never_sent(part.id)

    def sent(self, part: Part) -> None:
        """A batch is at the provider."""
        call = Call(self.endpoint.provider, self.endpoint.model, "batch sent", part.key, status=200)
        self.audit.record(call)

    def answered(self, part: Part, item: OpenItem, body: bytes) -> bool:
        """Keep a reply and close its books; False where it can't be read.

        The order is what a later process relies on: kept, logged, priced, closed.
        """
        try:
            answer = self.wire.read(read_body(body))
        except WireError:
            return False
        reservation = self._held.pop((part.id, item.id))
        known = self.cache.find(item.id)
        if known is None:
            self.cache.keep(
                item.id,
                scrubbed_bytes(body, [key.secret for key in self._keys]),
                provider=self.endpoint.provider,
                model=self.endpoint.model,
                task=item.task,
                key=part.key,
            )
        if known is not None and self._was_logged(item.id):  # by a process that ended right then
            self.budget.release(reservation)
            cost = None if answer.usage is None else self.price.cost(answer.usage)
        else:
            cost = self.budget.settle(reservation, answer.usage)
            text = self.recorder.answer(answer.text) if self.recorder is not None else None
            self._log(part, item, "batch answered", answer.usage, cost, text)
        if known is None or known.cost is None:
            self.cache.priced(item.id, cost)
        self.store.close_item(part.id, item.id, "answered")
        self.report.answered += 1
        return True

    def unanswered(self, part: Part, item: OpenItem, reason: Reason, *, again: bool, billed: bool) -> None:
        """A request has no reply. again: another try may help. billed: it may have been; the worst case counts."""
        reservation = self._held.pop((part.id, item.id))
        cost: Decimal | None = Decimal(0)
        if billed:
            cost = self.budget.settle(reservation, None)
        else:
            self.budget.release(reservation)
        self._log(part, item, "batch failed", None, cost)
        self.store.close_item(part.id, item.id, reason)
        self.tried(item.id, reason, again=again)

    def tried(self, item: str, reason: Reason, *, again: bool = True) -> None:
        """A try came to nothing; after `ROUNDS` of them, no other is made."""
        self._tries[item] += 1
        if again and self._tries[item] < ROUNDS:
            self.report.again[reason] += 1
        else:
            self.given_up[item] = reason

    def count_left(self, wanted: Sequence[str]) -> None:
        """Note in the report what has no reply and won't get one from a batch."""
        for name in wanted:
            if name in self.given_up and self.cache.find(name) is None:
                self.report.left[self.given_up[name]] += 1

    def _log(
        self,
        part: Part,
        item: OpenItem,
        outcome: Outcome,
        usage: Usage | None,
        cost: Decimal | None,
        answer: str | None = None,
    ) -> None:
        self.audit.record(
            Call(
                self.endpoint.provider,
                self.endpoint.model,
                outcome,
                key=part.key,
                task=item.task,
                usage=usage,
                cost=cost,
                request=item.id,
                prompt=self.prompts.get(item.id),
                answer=answer,
            )
        )

    def _was_logged(self, name: str) -> bool:
        if self._audited is None:  # read once, and only where a process ended while it collected
            self._audited = {
                entry.call.request for entry in entries(self.audit.path) if entry.call.outcome == "batch answered"
            }
        return name in self._audited
