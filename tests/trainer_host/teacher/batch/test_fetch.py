from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from tests.trainer_host.teacher.batch.bench import KEYS, Bench, bench, endpoint_of, provider, requests_of
from tests.trainer_host.teacher.fake_batches import FakeBatches, RowFault
from trainer_host.errors import BudgetReached, NoKeyLeft, TeacherStopped, TrainerError
from trainer_host.teacher.audit import entries
from trainer_host.teacher.audit_check import verify
from trainer_host.teacher.batch.fetch import batch_api
from trainer_host.teacher.batch.report import Progress
from trainer_host.teacher.protocol import Request
from trainer_host.teacher.providers import PROVIDERS, Wire

BOTH = pytest.mark.parametrize("wire", ["openai", "anthropic"])


def by_first_digit(faults: dict[str, RowFault], times: int = 1) -> FakeBatches:
    """Rows whose id begins so meet a fault, in the first so many batches."""
    return FakeBatches(rows=lambda custom_id, before: faults.get(custom_id[0]) if before < times else None)


async def answered(at: Bench, requests: list[Request]) -> int:
    """How many are in the cache, asked for as anyone does; nothing is sent."""
    found = [await at.teacher.ask(request) for request in requests if at.batches.has(request)]
    assert all(reply.cached for reply in found)
    return len(found)


@BOTH
async def test_replies_come_into_the_cache_at_half_price_and_are_then_found_there(wire: Wire, tmp_path: Path) -> None:
    fake = FakeBatches(polls=3)
    requests = requests_of(40)
    seen: list[Progress] = []
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, wire), limit="1") as at:
        report = await at.batches.fetch(requests, seen.append)
        assert (report.answered, report.batches, report.sent) == (40, 1, 40)
        assert report.sentence() == "40 requests were answered in batches."
        assert seen[0] == Progress(1, 0, 40) and seen[-1].done == 40
        assert await answered(at, requests) == 40
        assert not api.asked, "nothing was asked directly"
        full = Decimal(api.billed["input"] + 4 * api.billed["output"]) / 1_000_000
        assert at.budget.spent == full / 2
        assert at.budget.reserved == 0
        assert (await at.teacher.ask(requests[0])).cost is not None
        # Once more: nothing is sent.
        again = await at.batches.fetch(requests)
        assert (again.cached, again.batches) == (40, 1)
    assert set(fake.sent.values()) == {1}
    logged = [entry.call for entry in entries(tmp_path / "audit.jsonl")]
    assert Counter(call.outcome for call in logged) == {"batch sent": 1, "batch answered": 40}
    assert sum((call.cost or Decimal(0) for call in logged), Decimal(0)) == full / 2
    assert {call.key for call in logged} == {"work"} and {call.task for call in logged} == {"", "router"}
    assert verify(tmp_path / "audit.jsonl").ok


@BOTH
async def test_what_a_direct_call_and_a_batch_ask_is_the_same_request(wire: Wire, tmp_path: Path) -> None:
    requests = requests_of(5)
    fake = FakeBatches()
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, wire)) as at:
        direct = [await at.teacher.ask(request) for request in requests]
        assert (await at.batches.fetch(requests)).sent == 0
    async with provider(fake) as api, bench(tmp_path / "other", endpoint_of(api.url, wire)) as at:
        await at.batches.fetch(requests)
        fetched = [await at.teacher.ask(request) for request in requests]
    assert [reply.text for reply in fetched] == [reply.text for reply in direct]
    assert [reply.usage for reply in fetched] == [reply.usage for reply in direct]
    assert [reply.finish for reply in fetched] == [reply.finish for reply in direct]


@BOTH
async def test_rows_that_lack_or_failed_are_asked_again_and_counted(wire: Wire, tmp_path: Path) -> None:
    fake = by_first_digit(
        {
            "0": "lost",
            "1": "server error",
            "2": "expired",
            "3": "garbage",
            "4": "not a reply",
            "5": "twice",
            "6": "stranger",
        }
    )
    requests = requests_of(200)
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, wire)) as at:
        report = await at.batches.fetch(requests)
        assert report.answered == 200 and not report.left
        assert await answered(at, requests) == 200
        assert not api.asked
    first = Counter(name[0] for name in fake.sent)
    again = {
        "missing": first["0"] + first["3"],  # a line that can't be read says nothing about whose it is
        "server error": first["1"],
        "expired": first["2"],
        "unreadable answer": first["4"],
    }
    assert report.again == again
    assert report.sent == 200 + sum(again.values()) == sum(fake.sent.values())
    assert report.batches == 2
    assert report.strangers == 1
    assert f"{sum(again.values())} were asked again" in report.sentence()


@BOTH
async def test_no_request_is_in_more_than_three_batches_and_the_rest_is_left_to_direct_calls(
    wire: Wire, tmp_path: Path
) -> None:
    fake = by_first_digit({"0": "lost", "1": "expired", "2": "refused"}, times=99)
    requests = requests_of(120)
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, wire)) as at:
        report = await at.batches.fetch(requests)
        digits = Counter(name[0] for name in fake.sent)
        assert report.left == {"missing": digits["0"], "expired": digits["1"], "refused": digits["2"]}
        assert report.answered == 120 - report.left.total()
        assert {name[0]: count for name, count in fake.sent.items()} | {"0": 3, "1": 3, "2": 1} == {
            name[0]: (3 if name[0] in "01" else 1) for name in fake.sent
        }
        # What may have been billed and got lost counts as spent; what failed doesn't.
        lost = [entry.call.cost for entry in entries(tmp_path / "audit.jsonl") if entry.call.outcome == "batch failed"]
        assert sum(cost is not None and cost > 0 for cost in lost) == 3 * digits["0"]
        assert at.budget.reserved == 0
        replies = [await at.teacher.ask(request) for request in requests]
        assert sum(not reply.cached for reply in replies) == report.left.total()


@BOTH
async def test_too_many_or_too_long_for_one_batch_become_several(wire: Wire, tmp_path: Path) -> None:
    fake = FakeBatches()
    requests = requests_of(25)
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, wire)) as at:
        at.batches._sender.most_requests = 10
        report = await at.batches.fetch(requests)
        assert [len(batch.rows) for batch in fake.batches.values()] == [10, 10, 5]
        assert (report.answered, report.batches) == (25, 3)
    async with provider(fake) as api, bench(tmp_path / "bytes", endpoint_of(api.url, wire)) as at:
        at.batches._api.most_bytes = 1500
        await at.batches.fetch(requests)
        sizes = [len(batch.rows) for batch in list(fake.batches.values())[3:]]
        assert sum(sizes) == 25 and max(sizes) in (2, 3)


def test_the_limits_are_the_providers() -> None:
    openai, anthropic = batch_api(PROVIDERS["openai"]), batch_api(PROVIDERS["anthropic"])
    assert (openai.most_requests, openai.most_bytes) == (50_000, 200_000_000)
    assert (anthropic.most_requests, anthropic.most_bytes) == (100_000, 256_000_000)
    with pytest.raises(TrainerError, match="not with mistral; leave --batch out"):
        batch_api(PROVIDERS["mistral"])


async def test_a_batch_that_fails_as_a_whole_is_sent_again_in_smaller_ones(tmp_path: Path) -> None:
    fake = FakeBatches(fail={1: "Enqueued token limit reached for fake-small by sk-work-0123456789."})
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, "openai")) as at:
        report = await at.batches.fetch(requests_of(20))
    assert [len(batch.rows) for batch in fake.batches.values()] == [20, 10, 10]
    assert report.answered == 20 and report.again == {"batch failed": 20}
    assert report.messages == ["Enqueued token limit reached for fake-small by [key]."]


@BOTH
async def test_the_budget_is_never_passed_and_what_has_no_room_waits_for_what_is_given_back(
    wire: Wire, tmp_path: Path
) -> None:
    fake = FakeBatches()
    requests = requests_of(60)
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, wire), limit="0.001") as at:
        worst = at.budget.reserve(requests[0], at.batches.books.price)
        at.budget.release(worst)
        assert worst.worst is not None and worst.worst * 3 > Decimal("0.001")
        with pytest.raises(BudgetReached):
            await at.batches.fetch(requests)
        got = await answered(at, requests)
        assert len(fake.batches) > 1, "what the first batch didn't use went into others"
        assert 0 < got < 60 and at.budget.reserved == 0
        assert Decimal("0.001") - worst.worst < at.budget.spent <= Decimal("0.001")
    async with provider(fake) as api, bench(tmp_path / "none", endpoint_of(api.url, wire), limit="0.0001") as at:
        before = len(fake.batches)
        with pytest.raises(BudgetReached):
            await at.batches.fetch(requests)
        assert len(fake.batches) == before


@BOTH
async def test_a_batch_of_an_earlier_run_is_collected_and_not_sent_again(wire: Wire, tmp_path: Path) -> None:
    fake = FakeBatches(polls=2)
    requests = requests_of(30)
    async with provider(fake) as api:
        async with bench(tmp_path, endpoint_of(api.url, wire), limit="1") as at:
            parts = await at.batches.submit(requests)
            assert len(parts) == 1 and at.batches.under_way == 30
            assert (await at.batches.poll(parts[0])).state == "running"
        async with bench(tmp_path, endpoint_of(api.url, wire), limit="1") as at:
            assert await at.batches.submit(requests) == parts, "nothing more is sent"
            assert at.budget.reserved > 0, "what may be billed yet is set aside"
            report = await at.batches.fetch(requests)
            assert (report.answered, report.sent) == (30, 0)
            assert await answered(at, requests) == 30
            assert at.budget.reserved == 0 and at.budget.spent > 0
        async with bench(tmp_path, endpoint_of(api.url, wire)) as at:
            assert at.batches.under_way == 0
    assert set(fake.sent.values()) == {1} and fake.created == 1


async def test_without_requests_all_batches_of_earlier_runs_are_waited_for(tmp_path: Path) -> None:
    fake = FakeBatches(polls=4)
    async with provider(fake) as api:
        async with bench(tmp_path, endpoint_of(api.url, "openai")) as at:
            await at.batches.submit(requests_of(10))
            await at.batches.submit(requests_of(15))
        async with bench(tmp_path, endpoint_of(api.url, "openai")) as at:
            report = await at.batches.fetch([])
            assert (report.resumed, report.answered, report.sent) == (15, 15, 0)
            assert report.sentence() == "15 requests were answered in batches; 15 were sent by an earlier run."


@BOTH
async def test_a_batch_whose_confirmation_got_lost_is_found_and_not_sent_twice(wire: Wire, tmp_path: Path) -> None:
    fake = FakeBatches(lose_reply={1})
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, wire)) as at:
        report = await at.batches.fetch(requests_of(12))
    assert report.answered == 12 and fake.created == 1


async def test_a_batch_of_the_same_size_that_is_anothers_is_not_taken_for_ours(tmp_path: Path) -> None:
    fake = FakeBatches()
    endpoint_requests = requests_of(12)
    async with provider(fake) as api:
        endpoint = endpoint_of(api.url, "anthropic")
        async with bench(tmp_path / "other", endpoint) as other:
            await other.batches.submit(requests_of(12, "chat")[:6] + requests_of(20)[14:])
        async with bench(tmp_path, endpoint) as at:
            # As if the process had ended before it reached the provider, and another program had sent a batch.
            sender = at.batches._sender
            wanted = at.batches._wanted(endpoint_requests)
            items = [(item, request.max_tokens) for item, request in wanted.values()]
            from trainer_host.teacher.batch.store import Part

            at.store.begin(Part("0" * 32, "work", "", "", 0.0), at.batches.books.place, items)
            await sender.find_lost()
            assert at.batches.books.under_way()[0].remote == "batch_1"
            report = await at.batches.fetch(endpoint_requests)
            assert report.answered == 12 and await answered(at, endpoint_requests) == 12
    assert fake.created == 2


@BOTH
async def test_a_refused_key_is_dropped_and_the_next_one_sends_and_looks(wire: Wire, tmp_path: Path) -> None:
    fake = FakeBatches()
    async with (
        provider(fake, keys={KEYS[1].secret.reveal()}) as api,
        bench(tmp_path, endpoint_of(api.url, wire)) as at,
    ):
        report = await at.batches.fetch(requests_of(8))
        assert report.answered == 8 and at.teacher.ring.left == 1
        assert {batch.key for batch in fake.batches.values()} == {KEYS[1].secret.reveal()}
    async with provider(fake, keys=set()) as api, bench(tmp_path / "none", endpoint_of(api.url, wire)) as at:
        with pytest.raises(NoKeyLeft):
            await at.batches.fetch(requests_of(8))
        assert at.budget.reserved == 0 and at.batches.under_way == 0


async def test_a_batch_whose_key_is_gone_is_one_sentence_that_names_the_key(tmp_path: Path) -> None:
    async with provider(FakeBatches()) as api:
        async with bench(tmp_path, endpoint_of(api.url, "openai")) as at:
            await at.batches.submit(requests_of(3))
        async with bench(tmp_path, endpoint_of(api.url, "openai"), keys=KEYS[1:]) as at:
            with pytest.raises(TeacherStopped, match="the key 'work', which isn't there any more"):
                await at.batches.fetch(requests_of(3))


@BOTH
async def test_a_broken_download_is_read_from_the_start_and_nothing_counts_twice(wire: Wire, tmp_path: Path) -> None:
    fake = FakeBatches(cut={1, 2})
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, wire)) as at:
        report = await at.batches.fetch(requests_of(50))
        assert report.answered == 50 and fake.downloads == 3
        assert at.budget.spent == Decimal(api.billed["input"] + 4 * api.billed["output"]) / 2_000_000
    assert Counter(entry.call.outcome for entry in entries(tmp_path / "audit.jsonl"))["batch answered"] == 50


@BOTH
async def test_files_of_results_without_end_are_refused(wire: Wire, tmp_path: Path) -> None:
    fake = FakeBatches()
    async with (
        provider(fake, answer=lambda asked: "x" * 3_000_000) as api,
        bench(tmp_path, endpoint_of(api.url, wire)) as at,
    ):
        with pytest.raises(TeacherStopped, match="answers without end"):
            await at.batches.fetch(requests_of(3))
        assert at.batches.under_way > 0


@BOTH
async def test_a_batch_that_was_cancelled_there_stops_the_job_and_keeps_what_it_answered(
    wire: Wire, tmp_path: Path
) -> None:
    fake = by_first_digit({digit: "cancelled" for digit in "01234567"}, times=99)
    fake.cancel = True
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, wire)) as at:
        with pytest.raises(TeacherStopped, match="cancelled at"):
            await at.batches.fetch(requests_of(40))
        assert 0 < await answered(at, requests_of(40)) < 40
        assert at.batches.under_way == 0 and fake.created == 1


@pytest.mark.parametrize("status", [400, 404, 413])
async def test_a_batch_that_is_refused_is_one_sentence_and_leaves_nothing_set_aside(
    status: int, tmp_path: Path
) -> None:
    fake = FakeBatches(refuse={1: status})
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, "anthropic")) as at:
        with pytest.raises(TeacherStopped, match=f"answers {status}: no batch for you"):
            await at.batches.fetch(requests_of(3))
        assert at.budget.reserved == 0 and at.batches.under_way == 0
        assert (await at.batches.fetch(requests_of(3))).answered == 3


async def test_a_batch_that_the_provider_forgot_is_sent_again(tmp_path: Path) -> None:
    fake = FakeBatches()
    async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, "openai")) as at:
        await at.batches.submit(requests_of(5))
        fake.batches.clear()
        report = await at.batches.fetch(requests_of(5))
        assert report.answered == 5
        assert report.messages == ["the provider doesn't know the batch any more"]


async def test_a_server_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    async with provider(FakeBatches()) as api:
        endpoint = endpoint_of(api.url, "openai")
    async with bench(tmp_path, endpoint) as at:
        with pytest.raises(TeacherStopped, match="The batch API of openai can't be reached"):
            await at.batches.fetch(requests_of(3))
        assert at.budget.reserved == 0 and at.batches.under_way == 0


async def test_a_cancelled_wait_leaves_everything_for_the_next_run(tmp_path: Path) -> None:
    fake = FakeBatches(polls=10**9)
    async with provider(fake) as api:
        async with bench(tmp_path, endpoint_of(api.url, "openai")) as at:
            fetching = asyncio.create_task(at.batches.fetch(requests_of(5)))
            await asyncio.wait_for(fake.looked.wait(), 60)
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)
        fake.polls = 1
        async with bench(tmp_path, endpoint_of(api.url, "openai")) as at:
            assert (await at.batches.fetch(requests_of(5))).answered == 5
    assert fake.created == 1


async def test_a_key_goes_to_the_address_that_the_person_gave_and_to_no_other(tmp_path: Path) -> None:
    async with provider(FakeBatches()) as thief:
        fake = FakeBatches(results_at=thief.url)
        async with provider(fake) as api, bench(tmp_path, endpoint_of(api.url, "anthropic")) as at:
            assert (await at.batches.fetch(requests_of(3))).answered == 3
        assert fake.downloads == 1


async def test_two_processes_of_a_home_folder_never_work_on_batches_at_the_same_time(tmp_path: Path) -> None:
    async with provider(FakeBatches()) as api, bench(tmp_path, endpoint_of(api.url, "openai")):
        with pytest.raises(TeacherStopped, match="Another process of this home folder works on batches"):
            async with bench(tmp_path, endpoint_of(api.url, "openai")):
                pass


class Died(BaseException):
    """The process ended here."""


@BOTH
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", ["keep", "record", "priced", "close_item"])
async def test_a_process_that_ends_between_two_steps_of_a_result_counts_it_once(
    wire: Wire, step: str, after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeBatches()
    requests = requests_of(12)
    async with provider(fake) as api:
        async with bench(tmp_path, endpoint_of(api.url, wire), limit="1") as at:
            [part] = await at.batches.submit(requests)
            owner = {"keep": at.cache, "record": at.audit, "priced": at.cache, "close_item": at.store}[step]
            real, calls = getattr(owner, step), 0

            def dying(*arguments: object, **named: object) -> object:
                nonlocal calls
                calls += 1
                if calls == 5 and not after:
                    raise Died
                done = real(*arguments, **named)
                if calls == 5:
                    raise Died
                return done

            monkeypatch.setattr(owner, step, dying)
            with pytest.raises(Died):
                await at.batches.fetch(requests)
        async with bench(tmp_path, endpoint_of(api.url, wire), limit="1") as at:
            report = await at.batches.fetch(requests)
            assert report.resumed == report.answered and 12 - 5 <= report.answered <= 12 - 4
            assert await answered(at, requests) == 12
            assert at.budget.reserved == 0
            logged = [entry.call for entry in entries(tmp_path / "audit.jsonl")]
            paid = {call.request: call.cost for call in logged if call.outcome == "batch answered"}
            assert len(logged) == 13 and len(paid) == 12
            costs = [(await at.teacher.ask(request)).cost for request in requests]
            assert sorted(costs) == sorted(paid.values())  # type: ignore[type-var]
    assert fake.created == 1 and part.remote == "batch_1"
