"""A provider as a teacher: order of work, retries, and sentences for what goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from tests.trainer_host.teacher import fake_api, faults
from tests.trainer_host.teacher.fake_api import Asked, FakeApi, Fault
from tests.trainer_host.teacher.faults import always, at, first, for_key, in_turn
from tests.trainer_host.teacher.teachers import PATIENCE, PRICE, audited, keys, question, secret_of, teacher_for
from trainer_host.errors import AskFailed, BudgetReached, KeysError, NoKeyLeft, TeacherStopped
from trainer_host.teacher.api import ApiTeacher
from trainer_host.teacher.cache import ReplyCache
from trainer_host.teacher.parse import read_answer
from trainer_host.teacher.protocol import Json, Usage
from trainer_host.teacher.providers import PROVIDERS, Wire

pytestmark = pytest.mark.usefixtures("short_pauses")
WIRES: tuple[Wire, ...] = ("openai", "anthropic")


def rough_day() -> fake_api.Script:
    """Faults of every kind, now and then."""
    return at(
        {
            5: faults.status(500),
            20: faults.throttle(0.05),
            40: faults.cut(),
            60: faults.truncated(),
            80: faults.status(503),
            100: faults.throttle(),
        }
    )


@pytest.mark.parametrize("wire", WIRES)
async def test_200_distinct_valid_records_come_of_200_requests_on_a_rough_day(
    api: FakeApi, tmp_path: Path, wire: Wire
) -> None:
    api.script = rough_day()
    async with teacher_for(api.endpoint(wire), tmp_path) as teacher:
        replies = await asyncio.gather(*(teacher.ask(question(number)) for number in range(200)))
    records = {json.dumps(read_answer(reply.text, question().schema), sort_keys=True) for reply in replies}
    assert len(records) == 200
    assert len(api.asked) == 206 and api.most_active <= 8
    assert all(reply.finish == "stop" and reply.key_name == "work" and reply.model == "fake-small" for reply in replies)


async def test_200_records_at_concurrency_8_take_an_eighth_of_the_serial_time(api: FakeApi, tmp_path: Path) -> None:
    """Each answer waits until eight requests are open: the time of 200 answers is that of 25."""
    eight = asyncio.Barrier(8)

    async def with_seven_others(api: FakeApi, asked: Asked, request: web.Request) -> None:
        await eight.wait()

    api.script = always(with_seven_others)
    async with teacher_for(api.endpoint(), tmp_path) as teacher, asyncio.timeout(100):
        await asyncio.gather(*(teacher.ask(question(number)) for number in range(200)))
    assert len(api.answered) == 200 and api.most_active == 8


@pytest.mark.parametrize("wire", WIRES)
async def test_a_rerun_sends_nothing_and_costs_nothing(api: FakeApi, tmp_path: Path, wire: Wire) -> None:
    async with teacher_for(api.endpoint(wire), tmp_path) as teacher:
        once = [await teacher.ask(question(number)) for number in range(5)]
    async with teacher_for(api.endpoint(wire), tmp_path, limit=Decimal("0.000001")) as teacher:
        again = [await teacher.ask(question(number)) for number in range(5)]
        assert teacher.counts == {"from cache": 5}
    assert len(api.asked) == 5
    assert [replace(reply, cached=True) for reply in once] == again  # what it once cost is still known


async def test_another_system_prompt_sample_or_model_misses_the_cache(api: FakeApi, tmp_path: Path) -> None:
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        await teacher.ask(question())
        await teacher.ask(question(system="You write better examples."))
        await teacher.ask(question(sample=1))
        await teacher.ask(question())
    async with teacher_for(api.endpoint(model="fake-large"), tmp_path) as teacher:
        await teacher.ask(question())
    assert len(api.asked) == 4 and len(api.by_body) == 3  # a sample's number is never sent


async def test_the_same_request_asked_twice_at_once_is_sent_once(api: FakeApi, tmp_path: Path) -> None:
    api.latency = 0.05
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        replies = await asyncio.gather(*(teacher.ask(question()) for _ in range(10)))
        assert not teacher._alone
    assert len(api.asked) == 1 and sorted(reply.cached for reply in replies) == [False] + [True] * 9


async def test_cost_usage_and_audit_of_each_call_agree_with_what_the_provider_billed(
    api: FakeApi, tmp_path: Path
) -> None:
    api.usage = lambda asked, text: (40, 10)
    api.script = at({2: faults.status(500), 3: faults.throttle(0.01)})
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        replies = [await teacher.ask(question(number)) for number in range(2)]
        budget = teacher._books.budget
        assert budget.spent == sum(reply.cost or 0 for reply in replies) == Decimal("0.00012")
        assert budget.reserved == 0
    assert [reply.usage for reply in replies] == [Usage(40, 10)] * 2
    calls = [entry.call for entry in audited(tmp_path)]
    assert [(call.outcome, call.status) for call in calls] == [
        ("answered", 200),
        ("server error", 500),
        ("rate limited", 429),
        ("answered", 200),
    ]
    assert {(call.provider, call.model, call.key, call.task) for call in calls} == {
        ("fake-openai", "fake-small", "work", "chat")
    }
    assert sum(call.cost or 0 for call in calls) == Decimal("0.00012")
    assert calls[1].request == calls[2].request == calls[3].request != calls[0].request


async def test_a_budget_stops_before_the_request_that_could_pass_it(api: FakeApi, tmp_path: Path) -> None:
    api.usage = lambda asked, text: (40, 10)
    worst = Decimal("0.002")
    async with teacher_for(api.endpoint(), tmp_path, limit=worst) as teacher:
        asked = [teacher.ask(question(number)) for number in range(100)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert teacher._books.budget.spent <= worst and teacher._books.budget.reserved == 0
        answered = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        assert 0 < len(answered) == len(api.asked) < 100
        assert all(isinstance(outcome, BudgetReached) for outcome in outcomes if outcome not in answered)
        assert teacher.ring.may_be_used_now() and teacher.limiter.active == 0


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(500),
        faults.status(502),
        faults.status(408),
        faults.status(409),
        faults.status(529),
        faults.status(400, headers={"x-should-retry": "true"}),
        faults.throttle(0.02),
        faults.throttle(0.02, "ms"),
        faults.throttle(0.02, "date"),
        faults.throttle(),
        faults.cut(),
        faults.truncated(),
        faults.raw(b'{"error": {"code": 503, "message": "upstream"}}'),
    ],
    ids=lambda fault: fault.__qualname__.split(".")[0],
)
async def test_a_passing_fault_is_tried_again(api: FakeApi, tmp_path: Path, fault: Fault) -> None:
    api.script = first(1, fault)
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        reply = await teacher.ask(question())
        assert teacher.counts["tried again"] == 1 and not reply.cached
    assert len(api.asked) == 2 and len(api.by_body) == 1


@pytest.mark.parametrize("fault", [faults.hang(), faults.slow_loris()], ids=["hang", "slow_loris"])
async def test_what_does_not_end_in_time_is_tried_again(
    api: FakeApi, tmp_path: Path, fault: Fault, leap: Callable[[float], None]
) -> None:
    def script(asked: Asked) -> Fault | None:
        if asked.number > 1:
            return None
        asyncio.get_running_loop().call_later(0.1, leap, PATIENCE)
        return fault

    api.script = script
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        reply = await teacher.ask(question())
        assert teacher.counts["tried again"] == 1 and not reply.cached
    assert len(api.asked) == 2 and len(api.by_body) == 1


async def test_a_lasting_fault_ends_after_six_tries(api: FakeApi, tmp_path: Path) -> None:
    api.script = always(faults.status(500, "out of order"))
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        with pytest.raises(
            AskFailed, match=r"fake-openai \(http://127.0.0.1:\d+/v1\) failed \(500 out of order\)"
        ) as one:
            await teacher.ask(question())
        assert one.value.reason == "server error"
    assert len(api.asked) == 6


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (faults.status(400, "too long"), AskFailed, "refused the request (400 too long)."),
        (faults.status(413, "too large"), AskFailed, "refused the request (413 too large)."),
        (
            faults.status(500, "no", headers={"x-should-retry": "false"}),
            AskFailed,
            "refused the request (500 no).",
        ),
        (
            faults.status(404, "no such model"),
            TeacherStopped,
            "knows no such thing (404 no such model); is --base-url right, and --model fake-small?",
        ),
        (faults.page(), TeacherStopped, "answered with a web page, not JSON; is --base-url right?"),
        (faults.page(404), TeacherStopped, "answered with a web page, not JSON; is --base-url right?"),
        (
            faults.redirect("https://elsewhere.example/"),
            TeacherStopped,
            "answered with status 307, which points elsewhere; is --base-url right?",
        ),
        (
            faults.raw(b'{"status": "ok"}'),
            TeacherStopped,
            "answered with JSON that is no reply (it holds no choices); is --base-url right?",
        ),
        (faults.raw(b'["no object"]'), AskFailed, "answered with something that isn't whole JSON; try again later."),
    ],
)
async def test_what_trying_again_cannot_mend_is_one_sentence(
    api: FakeApi, tmp_path: Path, fault: Fault, error: type[Exception], words: str
) -> None:
    api.script = always(fault)
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        with pytest.raises(error) as failed:
            await teacher.ask(question())
        assert str(failed.value) == f"fake-openai ({api.url}/v1) {words}"
        assert teacher._cache.count() == 0
        assert teacher._books.budget.reserved == 0
    assert len(api.asked) == (6 if "whole JSON" in words else 1)


async def test_a_body_without_end_is_cut(api: FakeApi, tmp_path: Path) -> None:
    api.script = always(faults.too_long())
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        with pytest.raises(AskFailed, match=r"answers without end \(more than 8388608 bytes\); is --base-url right"):
            await teacher.ask(question())


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://127.0.0.1:9/v1", "http://no-such-host.local/v1"])
async def test_where_nobody_listens_is_said_at_once(tmp_path: Path, url: str) -> None:
    endpoint = replace(PROVIDERS["ollama"], base_url=url)
    async with teacher_for(endpoint, tmp_path, names=()) as teacher:
        with pytest.raises(TeacherStopped, match=r"can't be reached \(.*\); is the address right, does the server run"):
            await teacher.ask(question())
        assert teacher.counts["sent"] == 1 and teacher._cache._db.execute("SELECT count(*) FROM calls").fetchone() == (
            1,
        )


async def test_a_server_that_goes_away_is_tried_again_before_it_is_given_up(api: FakeApi, tmp_path: Path) -> None:
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        await teacher.ask(question(1))
        await api.stop()
        with pytest.raises(TeacherStopped, match="can't be reached"):
            await teacher.ask(question(2))
        assert teacher.counts["tried again"] == 5


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/v1",
        "http://8.8.8.8/v1",
        "ftp://127.0.0.1/v1",
        "https://user:pass@api.example.com/v1",
        "https://api.example.com/v1?key=1",
        "api.example.com",
    ],
)
async def test_an_address_that_would_show_the_key_is_refused_before_anything_is_sent(tmp_path: Path, url: str) -> None:
    with pytest.raises(KeysError):
        async with teacher_for(replace(PROVIDERS["openai"], base_url=url), tmp_path):
            raise AssertionError


@pytest.mark.parametrize("url", ["https://api.example.com/v1", "http://192.168.1.9:8000/v1", "http://box.local/v1"])
async def test_https_and_private_addresses_are_taken(tmp_path: Path, url: str) -> None:
    async with teacher_for(replace(PROVIDERS["openai"], base_url=url), tmp_path) as teacher:
        assert teacher.name == "openai"


# What comes without usage, and what is cancelled.


async def test_usage_that_is_not_told_counts_with_its_worst_case(api: FakeApi, tmp_path: Path) -> None:
    body: Json = {"choices": [{"message": {"content": '{"text": "a", "number": 1}'}, "finish_reason": "stop"}]}
    api.script = always(faults.raw(json.dumps(body).encode()))
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        reply = await teacher.ask(question())
        assert teacher.counts["usage not told"] == 1
        assert reply.cost == teacher._books.budget.spent >= Decimal("0.0002")  # 100 tokens of answer alone
        assert reply.model == "fake-small"


async def test_a_cancelled_request_counts_as_perhaps_billed_and_holds_nothing(api: FakeApi, tmp_path: Path) -> None:
    arrived = asyncio.Event()

    def script(asked: Asked) -> Fault | None:
        arrived.set()
        return faults.hang() if asked.number == 1 else None

    api.script = script
    async with teacher_for(api.endpoint(), tmp_path, concurrency=1) as teacher:
        task = asyncio.create_task(teacher.ask(question()))
        waiting = asyncio.create_task(teacher.ask(question(2)))
        async with asyncio.timeout(60):
            await arrived.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled() and teacher._books.budget.spent > 0
        await waiting
        assert teacher._books.budget.reserved == 0
        assert teacher.limiter.active == 0 and not teacher._alone
    assert [entry.call.outcome for entry in audited(tmp_path)] == ["cancelled", "answered"]


async def test_a_reply_that_cannot_be_kept_is_not_used(api: FakeApi, tmp_path: Path) -> None:
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        teacher._cache._db.execute("DROP TABLE replies")
        teacher._cache._db.execute(
            "CREATE VIEW replies AS SELECT 1 AS request, 2 AS body, 3 AS key, 4 AS seconds, 5 AS cost"
        )
        with pytest.raises(TeacherStopped, match="cache"):
            await teacher.ask(question())
        assert teacher._books.budget.reserved == 0 and teacher._books.budget.spent > 0


async def test_the_scripts_of_the_fake_compose(api: FakeApi, tmp_path: Path) -> None:
    api.script = in_turn(at({1: faults.status(500)}), for_key({secret_of("work"): faults.status(401)}))
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        with pytest.raises(NoKeyLeft):
            await teacher.ask(question())
    assert len(api.asked) == 2


def test_a_teacher_checks_its_keys_before_anything_is_sent(tmp_path: Path) -> None:
    from trainer_host.teacher.audit import AuditLog
    from trainer_host.teacher.budget import Budget
    from trainer_host.teacher.protocol import Key, Secret

    with ReplyCache(tmp_path / "replies.sqlite") as cache, pytest.raises(KeysError) as refused:
        bad = (Key("work", Secret("sk-two\nlines-0123456789")),)
        ApiTeacher(PROVIDERS["openai"], bad, cache, Budget(None, PRICE), AuditLog(tmp_path / "audit.jsonl"))
    assert "The key 'work'" in str(refused.value) and "lines" not in str(refused.value).replace("line break", "")
    assert keys("work")[0].secret.reveal() == secret_of("work")
