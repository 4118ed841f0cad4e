"""A home folder, a fake provider with batches, and the parts that fetch from it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.teacher.api import ApiTeacher
from trainer_host.teacher.audit import AuditLog
from trainer_host.teacher.batch.books import BatchBooks
from trainer_host.teacher.batch.channel import Patience
from trainer_host.teacher.batch.fetch import Batches, Pace
from trainer_host.teacher.batch.store import BatchStore
from trainer_host.teacher.budget import Budget
from trainer_host.teacher.cache import ReplyCache
from trainer_host.teacher.prices import Flat
from trainer_host.teacher.protocol import Key, Message, Request, Secret
from trainer_host.teacher.providers import Dialect, Endpoint, Wire
from trainer_host.teacher.recording import recorder_for

if TYPE_CHECKING:  # a process that is killed again and again should start quickly
    from tests.trainer_host.teacher.fake_api import FakeApi
    from tests.trainer_host.teacher.fake_batches import FakeBatches

KEYS = (Key("work", Secret("sk-work-0123456789")), Key("spare", Secret("sk-spare-0123456789")))
PRICE = Flat(Decimal(1), Decimal(4))  # dollars per million tokens
QUICK = Pace(0.01, 0.02, 0.01)
HASTY = Patience(3, 0.01, 0.05)
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}


@dataclass
class Bench:
    """What a test works with. A second `bench` on the same folder stands for the next process."""

    endpoint: Endpoint
    cache: ReplyCache
    budget: Budget
    audit: AuditLog
    store: BatchStore
    teacher: ApiTeacher
    batches: Batches


def endpoint_of(url: str, wire: Wire) -> Endpoint:
    """The fake provider under the name of the real one."""
    base = f"{url}/v1" if wire == "openai" else url
    return Endpoint(wire, wire, base, "fake-small", dialect=Dialect("subset"))


def requests_of(count: int, task: str = "router") -> list[Request]:
    """So many different requests."""
    return [
        Request((Message("user", f"Example number {number}, please."),), "You write examples.", SCHEMA, 64, task=task)
        for number in range(count)
    ]


@contextlib.asynccontextmanager
async def bench(
    folder: Path,
    endpoint: Endpoint,
    *,
    limit: str | None = None,
    keys: tuple[Key, ...] = KEYS,
    pace: Pace = QUICK,
    record: bool = False,
) -> AsyncIterator[Bench]:
    """All parts around one endpoint; what they write is in `folder`. record: as `--record-prompts`."""
    recorder = recorder_for(keys, endpoint.headers) if record else None
    budget = Budget(None if limit is None else Decimal(limit), PRICE, endpoint.model)
    audit = AuditLog(folder / "audit.jsonl")
    with ReplyCache(folder / "replies.sqlite") as cache, BatchStore(folder / "batches.sqlite") as store:
        teacher = ApiTeacher(endpoint, keys, cache, budget, audit, recorder=recorder)
        books = BatchBooks(endpoint, keys, cache, budget, audit, store, PRICE, recorder)
        batches = Batches(books, teacher.ring, pace=pace, patience=HASTY)
        try:
            yield Bench(endpoint, cache, budget, audit, store, teacher, batches)
        finally:
            await batches.close()
            await teacher.close()


@contextlib.asynccontextmanager
async def provider(batches: FakeBatches, **more: object) -> AsyncIterator[FakeApi]:
    """The fake provider with its batches."""
    from tests.trainer_host.teacher.fake_api import FakeApi

    async with FakeApi(add_routes=[batches.add_routes], **more) as api:  # type: ignore[arg-type]
        yield api


def renamed(keys: tuple[Key, ...], name: str) -> tuple[Key, ...]:
    """The first key under another name."""
    return (replace(keys[0], name=name), *keys[1:])
