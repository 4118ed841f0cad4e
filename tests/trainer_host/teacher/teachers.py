"""An ApiTeacher with real books in a folder, for tests that ask a fake provider."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

from trainer_host.teacher.api import ApiTeacher
from trainer_host.teacher.audit import AuditLog, Entry, entries
from trainer_host.teacher.budget import Budget
from trainer_host.teacher.cache import ReplyCache
from trainer_host.teacher.connection import Deadlines
from trainer_host.teacher.prices import Flat
from trainer_host.teacher.protocol import Json, Key, Message, Request, Secret
from trainer_host.teacher.providers import Endpoint

SCHEMA: Json = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 40}, "number": {"type": "integer"}},
    "required": ["text", "number"],
    "additionalProperties": False,
}
PRICE = Flat(Decimal(1), Decimal(2), "a test's own")  # dollars per million tokens
PATIENCE = 200.0  # seconds; a teacher of these tests waits for less


def keys(*names: str) -> tuple[Key, ...]:
    """Keys whose secrets are told apart by their names."""
    return tuple(Key(name, Secret(secret_of(name))) for name in names)


def secret_of(name: str) -> str:
    """The secret of a key of that name."""
    return f"sk-{name}-secret-0123456789"


def question(number: int = 0, *, system: str = "You write examples.", sample: int = 0) -> Request:
    """One of many requests for an object."""
    return Request((Message("user", f"Write number {number}."),), system, SCHEMA, 100, sample=sample, task="chat")


@contextlib.asynccontextmanager
async def teacher_for(
    endpoint: Endpoint,
    folder: Path,
    *,
    names: tuple[str, ...] = ("work",),
    limit: Decimal | None = None,
    concurrency: int = 8,
    tokens_per_minute: int | None = None,
    deadlines: Deadlines | None = None,
    patience: float = 30.0,
) -> AsyncIterator[ApiTeacher]:
    """A teacher; its cache is `replies.sqlite` in the folder, its audit log `audit.jsonl`."""
    with ReplyCache(folder / "replies.sqlite") as cache:
        teacher = ApiTeacher(
            endpoint,
            keys(*names),
            cache,
            Budget(limit, PRICE),
            AuditLog(folder / "audit.jsonl"),
            concurrency=concurrency,
            tokens_per_minute=tokens_per_minute,
            deadlines=deadlines,
            patience=patience,
        )
        try:
            yield teacher
        finally:
            await teacher.close()


def audited(folder: Path) -> list[Entry]:
    """What the audit log holds."""
    return list(entries(folder / "audit.jsonl"))
