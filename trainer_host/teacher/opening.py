"""Opens the teacher that a lesson names: its endpoint, keys, cache, budget and log, and the local one's server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from trainer_host.errors import TeacherStopped, TrainerError
from trainer_host.keys import endpoint_for, keys_for
from trainer_host.teacher.api import CONCURRENCY, ApiTeacher
from trainer_host.teacher.audit import AuditLog, audit_path, entries
from trainer_host.teacher.batch.books import BatchBooks
from trainer_host.teacher.batch.fetch import Batches, OnProgress
from trainer_host.teacher.batch.store import BatchStore, place_of, store_path
from trainer_host.teacher.batch.teacher import BatchTeacher
from trainer_host.teacher.budget import Budget
from trainer_host.teacher.cache import ReplyCache, replies_path
from trainer_host.teacher.lesson import LOCAL, Lesson
from trainer_host.teacher.prices import Flat, Price, price_of
from trainer_host.teacher.protocol import Key, Teacher
from trainer_host.teacher.providers import Endpoint
from trainer_host.teacher.recording import Recorder, recorder_for
from trainer_host.teacher.recover import recover
from trainer_host.workspace import Workspace

LOCAL_CONCURRENCY = 4  # more at a time only wait for each other on a few cores


@dataclass(frozen=True)
class Opened:
    """What teachers of a lesson are made from. price: of one request, outside a batch; batches: None without them."""

    workspace: Workspace
    endpoint: Endpoint
    keys: tuple[Key, ...]
    cache: ReplyCache
    budget: Budget
    audit: AuditLog
    price: Price
    concurrency: int
    batches: BatchStore | None
    tokens_per_minute: int | None = None
    recorder: Recorder | None = None

    def teacher(self, on_batch: OnProgress | None = None) -> Teacher:
        """A teacher; to be called inside the event loop that it is for. on_batch: hears how a batch goes on."""
        api = ApiTeacher(
            self.endpoint,
            self.keys,
            self.cache,
            self.budget,
            self.audit,
            concurrency=self.concurrency,
            tokens_per_minute=self.tokens_per_minute,
            recorder=self.recorder,
        )
        if self.batches is None:
            return api
        books = BatchBooks(
            self.endpoint, self.keys, self.cache, self.budget, self.audit, self.batches, self.price, self.recorder
        )
        return BatchTeacher(api, Batches(books, api.ring), on_progress=on_batch)

    def in_batches(self) -> int:
        """How many batches of this endpoint are under way; a direct call would pay their requests again."""
        if not store_path(self.workspace).exists():
            return 0
        try:
            with BatchStore(store_path(self.workspace)) as store:
                return len(store.under_way(place_of(self.endpoint)))
        except TeacherStopped:  # another process has the file open: it collects its batches itself
            return 0


@contextmanager
def opened(
    workspace: Workspace,
    lesson: Lesson,
    *,
    own_price: Flat | None = None,
    concurrency: int | None = None,
    tokens_per_minute: int | None = None,
    key_names: tuple[str, ...] | None = None,
    record_prompts: bool = False,
) -> Iterator[Opened]:
    """Everything that asking costs or remembers, closed in the end.

    own_price: what a request costs, where the table doesn't know the model. tokens_per_minute: of each key at most.
    record_prompts: the audit log gets prompts and answers too, without personal data. Raises `KeysError` without a
    key, `TrainerError` for a budget that can't be kept; nothing has been asked then.
    """
    with ExitStack() as stack:
        endpoint = endpoint_for(lesson.provider, workspace)
        if lesson.provider == LOCAL:
            from trainer_host.teacher.local.server import reachable_teacher

            endpoint = stack.enter_context(reachable_teacher(workspace, lesson.model))
        elif lesson.model is not None:
            endpoint = replace(endpoint, model=lesson.model)
        if lesson.logprobs and endpoint.wire == "anthropic":
            raise TrainerError(
                f"{lesson.provider} has no log-probabilities (its wire is Anthropic's); leave out --logprobs, or take a "
                "provider of OpenAI's wire."
            )
        keys = keys_for(lesson.provider, workspace, key_names)
        price = price_of(endpoint, own_price)
        audit = AuditLog(audit_path(workspace))
        cache = stack.enter_context(ReplyCache(replies_path(workspace)))
        recover(cache, audit)  # before it is counted what was spent
        spent, unpriced = spent_before(workspace, lesson)
        budget = Budget(lesson.limit, price, endpoint.model, spent, unpriced)
        most = concurrency or (LOCAL_CONCURRENCY if lesson.provider == LOCAL else CONCURRENCY)
        batches = stack.enter_context(BatchStore(store_path(workspace))) if lesson.batch else None
        recorder = recorder_for(keys, endpoint.headers) if record_prompts else None
        yield Opened(workspace, endpoint, keys, cache, budget, audit, price, most, batches, tokens_per_minute, recorder)


def spent_before(workspace: Workspace, lesson: Lesson) -> tuple[Decimal, int]:
    """What the lesson has cost since it was begun, by the audit log; and how many calls at an unknown price."""
    spent, unpriced = Decimal(0), 0
    for entry in entries(audit_path(workspace)):
        call = entry.call
        if entry.time < lesson.begun or call.provider != lesson.provider or call.task not in lesson.tasks:
            continue
        if call.cost is not None:
            spent += call.cost
        elif call.usage is not None and call.usage.output:
            unpriced += 1
    return spent, unpriced
