"""The writer: what comes together is written together, is in the files when it says so, and failure is heard by all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.trainer_host.teacher.teachers import audited, question, teacher_for
from trainer_host.errors import TeacherStopped, TrainerError
from trainer_host.teacher.audit import AuditLog
from trainer_host.teacher.audit_check import verify
from trainer_host.teacher.cache import Changes, Kept, ReplyCache
from trainer_host.teacher.calls import Call
from trainer_host.teacher.writer import Writer

from .fake_api import FakeApi


class Counting(ReplyCache):
    """Counts its commits."""

    commits = 0

    def write(self, changes: Changes) -> None:
        """See `ReplyCache`."""
        self.commits += 1
        super().write(changes)

    def marks(self) -> set[str]:
        """Requests that were sent, and whose call isn't known to be in the log."""
        return {str(row[0]) for row in self._db.execute("SELECT request FROM calls")}


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Counting]:
    made = Counting(tmp_path / "replies.sqlite")
    yield made
    made.close()


@pytest.fixture
def writer(cache: Counting, tmp_path: Path) -> Writer:
    return Writer(cache, AuditLog(tmp_path / "audit.jsonl"))


def name(number: int) -> str:
    return f"{number:064x}"


def mark(number: int) -> Call:
    return Call("openai", "m", "lost", "work", "chat", request=name(number))


def kept(number: int) -> tuple[Kept, Call]:
    cost = Decimal("0.001")
    call = Call("openai", "m", "answered", "work", "chat", cost=cost, request=name(number), status=200)
    return Kept(name(number), b"reply %d" % number, "openai", "m", "chat", "work", 0.1, cost), call


async def test_what_comes_in_one_turn_is_one_commit_and_in_the_files_when_it_returns(
    writer: Writer, cache: Counting, tmp_path: Path
) -> None:
    await asyncio.gather(*(writer.sending(mark(number)) for number in range(40)))
    assert cache.commits == 1 and len(cache.marks()) == 40

    async def one(number: int) -> None:
        await writer.keep(*kept(number))
        with ReplyCache(tmp_path / "replies.sqlite") as other:
            found = other.find(name(number))
        assert found is not None and found.body == b"reply %d" % number and found.cost == Decimal("0.001")
        assert name(number) in {entry.call.request for entry in audited(tmp_path)}

    await asyncio.gather(*(one(number) for number in range(40)))
    assert cache.commits == 2 and len(cache.marks()) == 40
    writer.close()
    assert cache.commits == 3 and not cache.marks()
    found = verify(tmp_path / "audit.jsonl")
    assert found.ok and found.lines == 40


async def test_a_mark_that_nobody_waits_for_any_more_is_taken_back(writer: Writer, cache: Counting) -> None:
    task = asyncio.create_task(writer.sending(mark(1)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    writer.flush()
    assert not cache.marks()


async def test_a_reply_that_nobody_waits_for_any_more_is_kept_and_recorded(
    writer: Writer, cache: Counting, tmp_path: Path
) -> None:
    for turns in (1, 3):  # while its row, and while its record is being waited for
        task = asyncio.create_task(writer.keep(*kept(turns)))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        writer.flush()
        assert cache.find(name(turns)) is not None
    assert [entry.call.request for entry in audited(tmp_path)] == [name(1), name(3)]


async def test_where_replies_cannot_be_kept_all_hear_it_and_the_paid_calls_are_recorded(
    writer: Writer, cache: Counting, tmp_path: Path
) -> None:
    cache._db.execute("PRAGMA query_only = 1")
    outcomes = await asyncio.gather(
        writer.sending(mark(0)), *(writer.keep(*kept(number)) for number in (1, 2)), return_exceptions=True
    )
    assert all(isinstance(outcome, TeacherStopped) for outcome in outcomes)
    writer.flush()
    assert [entry.call.request for entry in audited(tmp_path)] == [name(1), name(2)]


async def test_where_the_log_cannot_be_written_the_call_fails_and_its_reply_is_kept(
    writer: Writer, cache: Counting, tmp_path: Path
) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(TrainerError, match="can't be"):
        await writer.keep(*kept(1))
    assert cache.find(name(1)) is not None


async def test_the_next_request_is_sent_while_the_reply_before_it_is_being_written(tmp_path: Path) -> None:
    async with FakeApi() as api, teacher_for(api.endpoint(), tmp_path, concurrency=1) as teacher:
        go_on = asyncio.Event()
        keep = teacher._writer.keep

        async def slowly(reply: Kept, call: Call) -> None:
            await go_on.wait()
            await keep(reply, call)

        teacher._writer.keep = slowly  # type: ignore[method-assign]
        tasks = [asyncio.create_task(teacher.ask(question(number))) for number in range(3)]
        give_up = time.monotonic() + 60
        while len(api.answered) < 3 and time.monotonic() < give_up:  # noqa: ASYNC110  # the fake has no event for it
            await asyncio.sleep(0.005)
        assert len(api.answered) == 3
        assert not any(task.done() for task in tasks)  # nothing is used before it is kept
        go_on.set()
        await asyncio.gather(*tasks)
        assert api.most_active == 1


async def test_of_many_requests_the_first_is_sent_before_the_last_is_written(tmp_path: Path) -> None:
    written: list[int] = []
    async with FakeApi() as api, teacher_for(api.endpoint(), tmp_path, concurrency=4) as teacher:
        make = teacher._written

        def counted(request: object) -> object:
            written.append(len(api.asked))
            return make(request)  # type: ignore[arg-type]

        teacher._written = counted  # type: ignore[assignment, method-assign]
        await asyncio.gather(*(teacher.ask(question(number)) for number in range(60)))
    assert len(api.answered) == 60 and written.count(0) < 20 and not teacher._alone
