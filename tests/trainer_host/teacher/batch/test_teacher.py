from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.trainer_host.teacher.batch.bench import KEYS, bench, endpoint_of, provider, requests_of
from tests.trainer_host.teacher.fake_api import Asked, refusal
from tests.trainer_host.teacher.fake_batches import FakeBatches
from tests.trainer_host.teacher.faults import always, status
from tests.trainer_host.teacher.teachers import audited
from trainer_host.errors import AskFailed, BudgetReached
from trainer_host.teacher.batch.teacher import BatchTeacher
from trainer_host.teacher.protocol import Message, Reply, Request
from trainer_host.teacher.providers import Wire

BOTH = pytest.mark.parametrize("wire", ["openai", "anthropic"])


async def all_of(teacher: BatchTeacher, requests: list[Request]) -> list[Reply | BaseException]:
    return await asyncio.gather(*(teacher.ask(request) for request in requests), return_exceptions=True)


@BOTH
async def test_what_is_asked_at_the_same_time_goes_out_as_one_batch_behind_one_direct_request(
    wire: Wire, tmp_path: Path
) -> None:
    fake = FakeBatches()
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, wire), limit="1") as at:
        teacher = BatchTeacher(at.teacher, at.batches, idle=0.1)
        assert (teacher.name, teacher.model) == (wire, "fake-small")
        replies = await all_of(teacher, requests_of(60))
        assert all(isinstance(reply, Reply) and reply.cost for reply in replies)
        assert len(api.asked) == 1 and [len(batch.rows) for batch in fake.batches.values()] == [59]
        # An answer's repair comes later, and goes into the next batch.
        followed = [
            Request((*request.messages, Message("assistant", "no"), Message("user", "again")), max_tokens=64)
            for request in requests_of(30)
        ]
        await all_of(teacher, followed)
        assert [len(batch.rows) for batch in fake.batches.values()] == [59, 30]
        assert len(api.asked) == 1 and teacher.report.answered == 89
        assert at.budget.reserved == 0
        await teacher.close()


async def test_a_few_requests_are_not_worth_a_batch(tmp_path: Path) -> None:
    fake = FakeBatches()
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, "openai")) as at:
        teacher = BatchTeacher(at.teacher, at.batches, idle=0.05, at_least=20)
        await all_of(teacher, requests_of(15))
        assert len(api.asked) == 15 and not fake.batches
        await teacher.close()


@BOTH
async def test_after_a_restart_what_is_in_a_batch_is_waited_for_and_nothing_is_asked_directly(
    wire: Wire, tmp_path: Path
) -> None:
    fake = FakeBatches(polls=10**9)
    async with provider(fake) as api:
        async with bench(tmp_path, endpoint_of(api.url, wire)) as at:
            first = BatchTeacher(at.teacher, at.batches, idle=0.05)
            asking = asyncio.create_task(all_of(first, requests_of(40)))
            await asyncio.wait_for(fake.looked.wait(), 60)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await first.close()
        fake.polls = 1
        async with bench(tmp_path, endpoint_of(api.url, wire)) as at:
            teacher = BatchTeacher(at.teacher, at.batches, idle=0.05)
            replies = await all_of(teacher, requests_of(40))
            assert all(isinstance(reply, Reply) and reply.cached for reply in replies)
            await teacher.close()
        assert len(api.asked) == 1 and fake.created == 1


async def test_what_no_batch_can_answer_is_asked_directly(tmp_path: Path) -> None:
    fake = FakeBatches(rows=lambda custom_id, times: "lost" if custom_id[0] == "0" else None)
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, "openai")) as at:
        teacher = BatchTeacher(at.teacher, at.batches, idle=0.1)
        replies = await all_of(teacher, requests_of(100))
        assert all(isinstance(reply, Reply) for reply in replies)
        assert len(api.asked) == 1 + teacher.report.left.total() > 1
        await teacher.close()


async def test_a_dialect_is_learned_from_one_request_and_not_from_a_batch(tmp_path: Path) -> None:
    def no_schema(asked: object) -> object:
        body = asked.body  # type: ignore[attr-defined]

        async def fault(*_: object) -> object:
            return refusal(400, "response_format of type json_schema is not supported")

        return fault if "response_format" in body else None

    fake = FakeBatches()
    async with (
        provider(fake, script=no_schema) as api,
        bench(tmp_path, endpoint_of(api.url, "openai")) as at,
    ):
        teacher = BatchTeacher(at.teacher, at.batches, idle=0.1)
        replies = await all_of(teacher, requests_of(30))
        assert all(isinstance(reply, Reply) for reply in replies)
        [batch] = fake.batches.values()
        assert len(batch.rows) == 29
        assert not any("response_format" in body for body in batch.rows.values())
        await teacher.close()


async def test_a_budget_that_is_reached_stops_those_without_a_reply_alone(tmp_path: Path) -> None:
    fake = FakeBatches()
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, "openai"), limit="0.0015") as at:
        teacher = BatchTeacher(at.teacher, at.batches, idle=0.1)
        replies = await all_of(teacher, requests_of(80))
        got = [reply for reply in replies if isinstance(reply, Reply)]
        stopped = [reply for reply in replies if isinstance(reply, BudgetReached)]
        assert len(got) + len(stopped) == 80 and got and stopped
        assert len(got) == at.cache.count()
        assert at.budget.spent <= Decimal("0.0015") and at.budget.reserved == 0
        await teacher.close()


async def test_a_first_request_that_fails_is_that_ones_failure(tmp_path: Path) -> None:
    fake = FakeBatches()
    async with (
        provider(fake, script=always(status(422, "no"))) as api,
        bench(tmp_path, endpoint_of(api.url, "openai")) as at,
    ):
        teacher = BatchTeacher(at.teacher, at.batches, idle=0.1)
        replies = await all_of(teacher, requests_of(30))
        assert sum(isinstance(reply, AskFailed) for reply in replies) == 1
        assert sum(isinstance(reply, Reply) for reply in replies) == 29
        await teacher.close()


@BOTH
async def test_prompts_and_answers_of_a_batch_are_logged_where_they_are_asked_for_without_keys_and_persons(
    wire: Wire, tmp_path: Path
) -> None:
    person, secret = "anna.becker@example.org", KEYS[0].secret.reveal()
    plain = requests_of(30)
    requests = [
        replace(request, messages=(Message("user", f"{request.messages[0].text} Write to {person} with {secret}."),))
        for request in plain
    ]

    def answer(asked: Asked) -> str:
        return json.dumps({"text": f"{person} knows {asked.digest}, and {secret}"})

    async with (
        provider(FakeBatches(), answer=answer) as api,
        bench(tmp_path, endpoint_of(api.url, wire), record=True) as at,
    ):
        teacher = BatchTeacher(at.teacher, at.batches, idle=0.1)
        await all_of(teacher, requests)
        await teacher.close()
    logged = [entry.call for entry in audited(tmp_path) if entry.call.outcome == "batch answered"]
    assert len(logged) == 29
    for call in logged:
        assert call.prompt is not None and "[user] Example number" in call.prompt
        assert call.answer is not None and " knows " in call.answer
    text = (tmp_path / "audit.jsonl").read_text()
    assert person not in text and secret not in text
    async with provider(FakeBatches()) as api, bench(tmp_path, endpoint_of(api.url, wire)) as at:
        teacher = BatchTeacher(at.teacher, at.batches, idle=0.1)
        await all_of(teacher, plain)
        await teacher.close()
    assert [entry.call.prompt for entry in audited(tmp_path)].count(None) == 32  # two batches, 30 calls that weren't


async def test_closing_ends_what_waits_at_once(tmp_path: Path) -> None:
    fake = FakeBatches(polls=10**9)
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, "openai")) as at:
        teacher = BatchTeacher(at.teacher, at.batches, idle=0.05)
        asking = asyncio.create_task(all_of(teacher, requests_of(25)))
        await asyncio.wait_for(fake.looked.wait(), 60)
        async with asyncio.timeout(60):
            await teacher.close()
            replies = await asking
        assert sum(isinstance(reply, asyncio.CancelledError) for reply in replies) == 24
