"""After a kill -9 between any two steps, every call is in the audit log once, and what it may have cost is counted."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from trainer_host.errors import TrainerError
from trainer_host.teacher import audit as audit_module
from trainer_host.teacher.audit import AuditLog, audit_path, entries
from trainer_host.teacher.audit_check import verify
from trainer_host.teacher.cache import Changes, Kept, ReplyCache
from trainer_host.teacher.calls import Call, Outcome, from_text, now, to_text
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.opening import opened, spent_before
from trainer_host.teacher.recover import recover
from trainer_host.teacher.writer import Writer
from trainer_host.workspace import Workspace

COUNT, REFUSED = 4, 2
WORST, COST = Decimal("0.5"), Decimal("0.001")


def name(number: int) -> str:
    return f"{number:064x}"


def call(number: int, outcome: Outcome, cost: Decimal, time: str) -> Call:
    return Call("openai", "m", outcome, "work", "chat", cost=cost, request=name(number), status=200, time=time)


async def ask_all(folder: Path, said: int) -> None:
    """Requests as an `ApiTeacher` writes them down; the pipe `said` hears of each that is on its way."""
    with ReplyCache(folder / "replies.sqlite") as cache:
        writer = Writer(cache, AuditLog(folder / "audit.jsonl"))

        async def one(number: int) -> None:
            await asyncio.sleep(number * 0.003)  # so that not all are one group
            time = now()
            await writer.sending(call(number, "lost", WORST, time))
            os.write(said, bytes([number]))
            await asyncio.sleep(0.002)
            if number == REFUSED:
                writer.ended(call(number, "key refused", Decimal(0), time))
            else:
                kept = Kept(name(number), b"reply", "openai", "m", "chat", "work", 0.1, COST)
                await writer.keep(kept, call(number, "answered", COST, time))

        await asyncio.gather(*(one(number) for number in range(COUNT)))
        writer.close()


def killed_at(point: int, work: Callable[[], None]) -> int:
    """Do it in a process that is killed before its step number `point`: a statement of SQLite or a write of the log.
    Its exit status."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    left = point

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    status = 1
    try:
        prepare, pwrite = ReplyCache._prepare, os.pwrite

        def prepared(cache: ReplyCache) -> None:
            prepare(cache)
            cache._db.set_trace_callback(lambda statement: step())

        def written(*arguments: Any) -> int:
            step()
            return pwrite(*arguments)

        ReplyCache._prepare = prepared  # type: ignore[method-assign]
        audit_module.os.pwrite = written  # type: ignore[attr-defined]
        work()
        status = 0
    finally:
        os._exit(status)


def check(folder: Path, sent: bytes) -> None:
    """Everything is logged once, and nothing waits any more."""
    with ReplyCache(folder / "replies.sqlite") as cache:
        kept = {number for number in range(COUNT) if cache.find(name(number)) is not None}
        assert recover(cache, AuditLog(folder / "audit.jsonl")) == 0
        assert cache._db.execute("SELECT count(*) FROM calls").fetchone() == (0,)
    logged = [entry.call for entry in entries(folder / "audit.jsonl")]
    assert verify(folder / "audit.jsonl").ok
    assert set(Counter(one.request for one in logged).values()) <= {1}
    by_number = {int(one.request, 16): one for one in logged}
    assert set(sent) | kept <= set(by_number)
    for number, one in by_number.items():
        if number in kept:
            assert (one.outcome, one.cost) == ("answered", COST)
        elif one.outcome == "lost":
            assert one.recovered and one.cost == WORST
        else:
            assert number == REFUSED and (one.outcome, one.cost) == ("key refused", 0)


def test_a_process_killed_before_any_step_leaves_no_call_unlogged(tmp_path: Path) -> None:
    recovered = 0
    for point in itertools.count(1):
        folder = tmp_path / str(point)
        folder.mkdir()
        heard, said = os.pipe()
        status = killed_at(point, lambda folder=folder, said=said: asyncio.run(ask_all(folder, said)))
        os.close(said)
        with os.fdopen(heard, "rb") as pipe:
            sent = pipe.read()
        # The recovery is killed, too, in every place that it has.
        with ReplyCache(folder / "replies.sqlite"):
            pass
        if point % 5 == 0:
            for step in itertools.count(1):
                if killed_at(step, lambda folder=folder: recover_in(folder)) == 0:
                    break
        with ReplyCache(folder / "replies.sqlite") as cache:
            recovered += recover(cache, AuditLog(folder / "audit.jsonl"))
        check(folder, sent)
        if status == 0:
            assert len(sent) == COUNT
            break
        assert status == -signal.SIGKILL
    assert point > 20 and recovered > 10


def recover_in(folder: Path) -> None:
    with ReplyCache(folder / "replies.sqlite") as cache:
        recover(cache, AuditLog(folder / "audit.jsonl"))


def left_behind(folder: Path, *calls: Call, log: bool = False) -> None:
    """What a process that was killed leaves: requests under way."""
    process = os.fork()
    if process:
        os.waitpid(process, 0)
        return
    try:
        with ReplyCache(folder / "replies.sqlite") as cache:
            cache.write(Changes(sent=[(one.request, to_text(one)) for one in calls]))
        if log:
            AuditLog(folder / "audit.jsonl").record(*calls)
    finally:
        os._exit(0)


def test_what_a_lost_request_may_have_cost_counts_against_the_budget(workspace: Workspace) -> None:
    lesson = Lesson("mine", ("chat",), 5, "ollama", model="m")
    lost = call(1, "lost", WORST, now())
    left_behind(workspace.teacher, Call(**{**vars(lost), "provider": "ollama"}))
    assert spent_before(workspace, lesson) == (0, 0)
    with opened(workspace, lesson) as found:
        assert found.budget.spent == WORST
    with opened(workspace, lesson) as found:  # once
        assert found.budget.spent == WORST


def test_a_call_that_was_logged_already_is_not_logged_again_also_where_the_log_was_rotated(tmp_path: Path) -> None:
    calls = [call(number, "lost", WORST, now()) for number in range(4)]
    left_behind(tmp_path, *calls)
    log = AuditLog(tmp_path / "audit.jsonl", rotate_bytes=600)
    log.record(*calls[:3])
    with ReplyCache(tmp_path / "replies.sqlite") as cache:
        assert recover(cache, log) == 1
    assert sorted(entry.call.request for entry in entries(log.path)) == [name(number) for number in range(4)]


def test_requests_of_a_living_process_are_left_alone(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "replies.sqlite") as cache:
        cache.write(Changes(sent=[(name(1), to_text(call(1, "lost", WORST, now())))]))
        with ReplyCache(tmp_path / "replies.sqlite") as other:
            assert recover(other, AuditLog(tmp_path / "audit.jsonl")) == 0
        # The same number, but a process that began later, as in a container that was started again.
        cache._db.execute("UPDATE calls SET at = 1000000000")
        assert recover(cache, AuditLog(tmp_path / "audit.jsonl")) == 1


def test_where_the_log_cannot_be_written_nothing_is_forgotten(workspace: Workspace) -> None:
    left_behind(workspace.teacher, call(1, "lost", WORST, now()))
    path = audit_path(workspace)
    path.mkdir()
    with ReplyCache(workspace.teacher / "replies.sqlite") as cache:
        with pytest.raises(TrainerError):
            recover(cache, AuditLog(path))
        path.rmdir()
        assert recover(cache, AuditLog(path)) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"input": 1}', "null", "[" * 10_000])
def test_what_is_no_call_is_none(text: str) -> None:
    assert from_text(text) is None
