"""A provider's model as a teacher: a request whose reply is kept is never sent, or paid for, again.

The order of one request: the cache, a slot, a key, the budget, sending; then the slot is the next one's, and the raw
reply and the record of the call are written, before the reply is used. Retries happen here and nowhere else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge_runtime.local_only import refuse_far
from trainer_host.errors import AskFailed, TeacherStopped
from trainer_host.teacher.cache import ReplyCache, request_hash
from trainer_host.teacher.connection import Answered, Connection, Deadlines, Kind, Trouble
from trainer_host.teacher.limiter import Limiter, Slot
from trainer_host.teacher.protocol import Json, Key, Reply, Request, Secret, Usage
from trainer_host.teacher.providers import Dialect, Endpoint
from trainer_host.teacher.rotation import KeyRing
from trainer_host.teacher.scrub import scrubbed, scrubbed_bytes
from trainer_host.teacher.sending import Books, Sending
from trainer_host.teacher.vault.checks import checked_headers, checked_key, checked_url
from trainer_host.teacher.wires import Answer, WireError, wire_of
from trainer_host.teacher.wires.common import Hidden
from trainer_host.teacher.wires.refusals import (
    Refusal,
    Verdict,
    learn,
    looks_like_page,
    read_body,
    read_refusal,
    status_within,
)
from trainer_host.teacher.writer import Writer

if TYPE_CHECKING:
    from trainer_host.teacher.audit import AuditLog
    from trainer_host.teacher.budget import Budget
    from trainer_host.teacher.recording import Recorder

logger = logging.getLogger(__name__)

CONCURRENCY = 64  # requests open at a time at most; the limiter finds how many the provider takes
RETRIES = 5  # after the first try: with the pauses below, about 15 seconds
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0
# So long one request may wait in all for keys that rest and for pauses that the provider wants.
PATIENCE_SECONDS = 600.0
_MAX_LESSONS = 8  # a dialect has fewer parts to learn
_OVERLOADED = (408, 503, 529)  # the last is Anthropic's own


@dataclass(frozen=True)
class _Written:
    """A request as it is sent. name: what the cache and the audit log know it by."""

    body: bytes = field(repr=False)
    dialect: Dialect
    name: str


@dataclass(frozen=True)
class _Again:
    """A request is to be sent once more, after a pause. error: where that is no use any more. counts: among the
    `RETRIES`; keys that rest, and forms that a server doesn't take, don't."""

    error: AskFailed | TeacherStopped
    pause: float = 0.0
    counts: bool = True


class _Place:
    """Among the requests that are written and wait for a slot. Of thousands that are asked at the same moment, the
    first go out before the last are written."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._held = False

    async def __aenter__(self) -> _Place:
        await self._places.acquire()
        self._held = True
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Let the next one in."""
        if self._held:
            self._held = False
            self._places.release()


class ApiTeacher:
    """Asks a provider, or whatever speaks its wire; see `Teacher` in trainer_host.teacher.protocol.

    Belongs to one event loop. `counts` tells what happened so far: "sent", "from cache", "tried again",
    "throttled", "key refused", "dialect learned" (the server didn't take a form), "usage not told".
    """

    def __init__(
        self,
        endpoint: Endpoint,
        keys: tuple[Key, ...],
        cache: ReplyCache,
        budget: Budget,
        audit: AuditLog,
        *,
        concurrency: int = CONCURRENCY,
        tokens_per_minute: int | None = None,
        deadlines: Deadlines | None = None,
        patience: float = PATIENCE_SECONDS,
        recorder: Recorder | None = None,
    ) -> None:
        """keys: in the order of preference; none for an endpoint that needs none. concurrency: requests open at a
        time at most. tokens_per_minute: a cap for each key. recorder: makes the texts that the audit log gets, None
        for none. The cache, the budget and the log stay the caller's.

        Raises `KeysError` for an address that would send a key readable over the internet, and for a key or a
        header that can't be one.
        """
        checked_url(endpoint.base_url)
        if far := refuse_far(urlsplit(endpoint.base_url).hostname or "", f"{endpoint.provider} ({endpoint.base_url})"):
            raise TeacherStopped(f"{far} The built-in teacher and models on this machine need no network.")
        checked_headers((name, Secret(value)) for name, value in endpoint.headers)
        for key in keys:
            checked_key(key.secret, f"The key '{key.name}'")
        self.endpoint = endpoint
        self.name = endpoint.provider
        self.model = endpoint.model
        self.counts: Counter[str] = Counter()
        self.limiter = Limiter(concurrency)
        self._places = asyncio.Semaphore(concurrency)
        self.ring = KeyRing(endpoint.provider, keys, tokens_per_minute=tokens_per_minute)
        self.dialect = cache.dialect(endpoint)
        self._cache = cache
        self._writer = Writer(cache, audit)
        self._books = Books(self.ring, budget, self._writer, self.name, self.model)
        self._wire = wire_of(endpoint)
        self._url = self._wire.url(endpoint)
        self._connection = Connection(deadlines)
        self._patience = patience
        self._recorder = recorder
        self._secrets = (*(key.secret for key in keys), *(Secret(value) for _, value in endpoint.headers))
        self._right_address = False  # it has answered
        self._lessons = 0
        self._alone: dict[str, deque[asyncio.Future[None]]] = {}

    async def ask(self, request: Request) -> Reply:
        """See `Teacher`. The same request, asked twice at the same time, is sent once."""
        async with _Place(self._places) as place:
            written = self._written(request)
            await self._alone_with(written.name, place)
            try:
                return await self._ask(request, written, place)
            finally:
                self._next_of(written.name)

    async def close(self) -> None:
        """See `Teacher`; raises `TrainerError` where something is left that can't be written."""
        try:
            self._writer.close()
        finally:
            await self._connection.close()

    async def _ask(self, request: Request, written: _Written, place: _Place) -> Reply:
        give_up: float | None = None
        failures = 0
        again = False
        while True:
            if written.dialect != self.dialect:  # learned while this request waited
                written = self._written(request)
            if (stored := self._cache.find(written.name)) is not None:
                self.counts["from cache"] += 1
                answer = self._wire_answer(read_body(stored.body))
                return self._reply(answer, stored.cost, stored.key, stored.seconds, cached=True)
            async with self.limiter.slot(first=again) as slot:
                again = True
                place.leave()
                if written.dialect != self.dialect:
                    continue
                if give_up is None:
                    give_up = time.monotonic() + self._patience
                outcome = await self._send(request, written, slot, give_up)
            if outcome is None:
                continue
            if isinstance(outcome, Reply):
                return outcome
            failures += outcome.counts
            pause = outcome.pause or _pause(failures) * outcome.counts
            if failures > RETRIES or time.monotonic() + pause > give_up:
                raise outcome.error
            self.counts["tried again"] += 1
            await asyncio.sleep(pause)

    async def _send(self, request: Request, written: _Written, slot: Slot, give_up: float) -> Reply | _Again | None:
        """Send a request once, in its slot; None where it needs a new one."""
        worst = len(written.body) + request.max_tokens  # a token is at least one byte
        lease = await self.ring.take(worst, give_up - time.monotonic())
        if not slot.may_send():
            self.ring.give_back(lease)
            return None
        reservation = None
        try:
            reservation = await self._books.budget.reserve_soon(request)
        finally:
            if reservation is None:  # the budget is reached, or nobody waits any more
                self.ring.give_back(lease)
        prompt = self._recorder.prompt(request) if self._recorder is not None else None
        with Sending(self._books, lease, reservation, written.name, request.task, prompt) as sending:
            await sending.begin()
            self.counts["sent"] += 1
            outcome = await self._connection.post(self._url, self._headers(lease.key, written.name), written.body)
            if isinstance(outcome, Trouble):
                return self._after_trouble(outcome, sending, slot)
            if (body := scrubbed_bytes(outcome.body, self._secrets)) is not outcome.body:
                outcome = replace(outcome, body=body)
            payload = read_body(outcome.body)
            if outcome.status == 200 and (within := status_within(payload)) is not None:
                outcome = replace(outcome, status=within)
            if outcome.status == 200:
                return await self._after_answer(outcome, payload, sending, slot)
            return self._after_refusal(outcome, sending, slot, written)

    async def _after_answer(self, outcome: Answered, payload: Json, sending: Sending, slot: Slot) -> Reply | _Again:
        if looks_like_page(outcome.headers, outcome.body):
            sending.not_billed("unreadable answer", 200, outcome.seconds)
            raise self._page()
        try:
            answer = self._wire.read(payload)
        except WireError as cause:
            sending.perhaps_billed("unreadable answer", 200, outcome.seconds)
            if payload and not self._right_address:
                raise TeacherStopped(
                    f"{self._where} answered with JSON that is no reply ({cause}); is --base-url right?"
                ) from None
            said = "JSON that is no reply" if payload else "something that isn't whole JSON"
            failed = AskFailed(f"{self._where} answered with {said}; try again later.", "unreadable answer")
            return _Again(failed)
        self._right_address = True
        slot.answered(outcome.seconds, answer.usage.output if answer.usage else len(answer.text) // 4)
        slot.leave()
        text = self._recorder.answer(answer.text) if self._recorder is not None else None
        cost = await sending.answered(outcome.body, answer.usage, outcome.seconds, text)
        if answer.usage is None:
            self._once("usage not told", "doesn't say how many tokens it billed; the worst case counts as spent")
        key = None if sending.lease.key is None else sending.lease.key.name
        return self._reply(answer, cost, key, outcome.seconds, cached=False)

    def _after_trouble(self, trouble: Trouble, sending: Sending, slot: Slot) -> _Again:
        said = f"{self._where} {trouble.kind.value} ({scrubbed(trouble.detail, self._secrets)})"
        if trouble.kind in (Kind.NOT_REACHED, Kind.UNTRUSTED):
            sending.not_billed("not reached", None, trouble.seconds)
            stopped = TeacherStopped(f"{said}; is the address right, does the server run, is there a network?")
            if trouble.kind is Kind.UNTRUSTED or not self._right_address:
                raise stopped
            return _Again(stopped)
        if trouble.kind is Kind.TOO_LONG:
            sending.perhaps_billed("unreadable answer", None, trouble.seconds)
            raise AskFailed(f"{said}; is --base-url right?", "unreadable answer")
        timed_out = trouble.kind is Kind.TIMED_OUT
        sending.perhaps_billed("timed out" if timed_out else "server error", None, trouble.seconds)
        if timed_out:
            slot.crowded()
        return _Again(AskFailed(f"{said}; try again later.", "timed out" if timed_out else "broken connection"))

    def _after_refusal(self, outcome: Answered, sending: Sending, slot: Slot, written: _Written) -> _Again:
        if 200 < outcome.status < 400:
            sending.not_billed("request refused", outcome.status, outcome.seconds)
            raise TeacherStopped(
                f"{self._where} answered with status {outcome.status}, which points elsewhere; is --base-url right?"
            )
        refusal = read_refusal(outcome.status, outcome.headers, outcome.body)
        words = scrubbed(refusal.message, self._secrets)
        said = f"{refusal.status} {words}".strip()
        if refusal.verdict is Verdict.THROTTLED:
            sending.not_billed("rate limited", refusal.status, outcome.seconds)
            return self._throttled(refusal, sending, slot, said)
        if refusal.verdict is Verdict.KEY_REFUSED:
            sending.not_billed("key refused", refusal.status, outcome.seconds)
            self.counts["key refused"] += 1
            self.ring.refuse(sending.lease, said)
            return _Again(AskFailed(f"{self._where} refused the key ({said}).", "key refused"), counts=False)
        if refusal.verdict is Verdict.TRY_AGAIN:
            sending.not_billed("server error", refusal.status, outcome.seconds)
            if refusal.status in _OVERLOADED:
                slot.crowded()
            failed = AskFailed(f"{self._where} failed ({said}); try again later.", "server error")
            return _Again(failed, refusal.retry_after or 0.0)
        sending.not_billed("request refused", refusal.status, outcome.seconds)
        failed = AskFailed(f"{self._where} refused the request ({said}).", "request refused")
        if self._learned(refusal, written):
            return _Again(failed, counts=False)
        if refusal.page:
            raise self._page()
        if refusal.verdict is Verdict.NOT_HERE:
            raise TeacherStopped(
                f"{self._where} knows no such thing ({said}); is --base-url right, and --model {self.model[:80]}?"
            )
        raise failed

    def _throttled(self, refusal: Refusal, sending: Sending, slot: Slot, said: str) -> _Again:
        self.counts["throttled"] += 1
        self.ring.rest(sending.lease, refusal.retry_after)
        # Where another key is free, it is this key that is at its limit, not the number of open requests.
        if refusal.retry_after is None or not self.ring.may_be_used_now():
            slot.crowded()
        failed = AskFailed(f"{self._where} goes on saying that there are too many requests ({said}).", "rate limited")
        return _Again(failed, counts=False)

    def _learned(self, refusal: Refusal, written: _Written) -> bool:
        """Whether the request can be sent in another form, as this refusal teaches or another one just has."""
        if written.dialect != self.dialect:
            return True
        learned = learn(self.dialect, refusal, json.loads(written.body))
        if learned is None or self._lessons >= _MAX_LESSONS:
            return False
        self._lessons += 1
        self.counts["dialect learned"] += 1
        logger.warning("%s doesn't take a part of the request; from now on: %s", self._where, learned)
        self._cache.learned(self.endpoint, learned)
        self.dialect = learned
        return True

    def _written(self, request: Request) -> _Written:
        try:
            body = self._wire.body(request, self.endpoint, self.dialect)
        except WireError as cause:
            raise AskFailed(f"The request can't be sent: {cause}.", "bad request") from None
        return _Written(body, self.dialect, request_hash(self.endpoint, body, request.sample))

    def _headers(self, key: Key | None, name: str) -> dict[str, str]:
        made = self._wire.headers(None if key is None else key.secret, name)
        return made | {name: Hidden(value) for name, value in self.endpoint.headers}

    def _wire_answer(self, payload: Json) -> Answer:
        try:
            return self._wire.read(payload)
        except WireError as cause:
            raise AskFailed(f"A reply in the cache can't be read ({cause}).", "unreadable answer") from None

    def _reply(self, answer: Answer, cost: Decimal | None, key: str | None, seconds: float, *, cached: bool) -> Reply:
        usage, model = answer.usage or Usage(), answer.model or self.model
        return Reply(answer.text, answer.finish, usage, model, cost, key, cached, seconds, answer.pieces)

    @property
    def _where(self) -> str:
        return f"{self.name} ({self.endpoint.base_url})"

    def _page(self) -> TeacherStopped:
        return TeacherStopped(f"{self._where} answered with a web page, not JSON; is --base-url right?")

    def _once(self, what: str, said: str) -> None:
        if not self.counts[what]:
            logger.warning("%s %s", self._where, said)
        self.counts[what] += 1

    async def _alone_with(self, name: str, place: _Place) -> None:
        """Wait until nobody else asks the same; to be followed by `_next_of`, unless this is cancelled."""
        if (waiting := self._alone.get(name)) is None:
            self._alone[name] = deque()
            return
        place.leave()
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came in the same moment
                self._next_of(name)
            raise

    def _next_of(self, name: str) -> None:
        waiting = self._alone[name]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._alone[name]


def _pause(failures: int) -> float:
    """Exponential, with jitter, so that requests that failed together don't come back together."""
    return min(_FIRST_PAUSE * 2.0 ** (failures - 1), _LONGEST_PAUSE) * random.uniform(0.75, 1.0)
