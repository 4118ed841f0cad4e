"""The engine, with a teacher that answers from a list in this process; providers are tested in test_api.py."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from decimal import Decimal

import pytest

from trainer_host.errors import AskFailed, BudgetReached
from trainer_host.executor import Executor
from trainer_host.tasks import task_spec
from trainer_host.teacher.generate import Generated, Order, Tally, generate, generate_built_in
from trainer_host.teacher.protocol import Reply, Request, Usage

LABELS: dict[str, object] = {"labels": {"billing": "questions about invoices", "wifi": "trouble with the network"}}
THINGS = ("router", "bill", "card", "cable", "invoice", "laptop", "charge", "signal", "receipt", "modem")
PLACES = ("hotel", "office", "boat", "cabin", "shop", "school", "garage", "clinic", "library", "studio")


class Here:
    """An executor that runs calls where they are made."""

    capacity = 2

    async def submit(self, function, *args, **kwargs):  # type: ignore[no-untyped-def]
        await asyncio.sleep(0)
        return function(*args, **kwargs)

    async def close(self) -> None:
        """Nothing to end."""


class Scripted:
    """Answers by a function of the request and its number; `late` tells how long each takes."""

    name, model = "scripted", "m1"

    def __init__(self, answer: Callable[[Request, int], str], late: Callable[[int], float] = lambda n: 0.0) -> None:
        self.answer, self.late = answer, late
        self.asked: list[Request] = []

    async def ask(self, request: Request) -> Reply:
        self.asked.append(request)
        number = len(self.asked) - 1
        await asyncio.sleep(self.late(number))
        return Reply(self.answer(request, number), "stop", Usage(100, 20), self.model, Decimal("0.001"))

    async def close(self) -> None:
        """Nothing to close."""


def said(request: Request, number: int = 0) -> str:
    """A sentence that follows from the request alone, so that the order of asking changes nothing."""
    rng = random.Random(request.messages[0].text)
    words = rng.sample(THINGS, 3)
    return f"my {words[0]} and the {words[1]} in the {rng.choice(PLACES)} and the {words[2]} do not work since {rng.randint(2, 900)} days"


def plain(request: Request, number: int) -> str:
    return json.dumps({"text": said(request)})


def order(wanted: int = 20, draws: int = 200, **changes: object) -> Order:
    made: dict[str, object] = {"task": "router", "wanted": wanted, "seed": 3, "draws": draws, "options": LABELS}
    return Order(**{**made, **changes})  # type: ignore[arg-type]


def run(teacher: Scripted, what: Order, **more: object) -> Generated:
    executor: Executor = Here()
    return asyncio.run(generate(what, teacher, executor, **more))  # type: ignore[arg-type]


def test_what_is_kept_does_not_depend_on_which_reply_came_first() -> None:
    kept = []
    for seed in (1, 2):
        rng = random.Random(seed)
        teacher = Scripted(plain, late=lambda number, rng=rng: rng.random() / 50)
        found = run(teacher, order())
        kept.append([(made.index, made.example.input, made.example.output) for made in found.made])
        assert len(found.made) == 20 and found.stopped is None
    assert kept[0] == kept[1]


def test_an_answer_that_fails_is_repaired_once_and_told_why() -> None:
    def answer(request: Request, number: int) -> str:
        return "I would rather talk" if len(request.messages) == 1 else plain(request, number)

    teacher = Scripted(answer)
    found = run(teacher, order(5))
    assert found.tally.accepted == found.tally.repaired == 5
    again = next(request for request in teacher.asked if len(request.messages) == 3)
    assert again.messages[1].text == "I would rather talk"
    assert "isn't JSON" in again.messages[2].text or "JSON" in again.messages[2].text
    assert all(made.meta["repaired"] for made in found.made)


def test_what_fails_twice_is_counted_by_reason_and_draws_end() -> None:
    found = run(Scripted(lambda request, number: '{"text": "As an AI language model I have no opinion"}'), order(5, 12))
    assert found.made == []
    assert found.tally.rejected.total() == 12 and found.tally.rejected["refusal"] >= 10
    assert found.tally.requests == 24  # each once more, not again and again


def test_near_duplicates_are_accepted_once() -> None:
    from trainer_host.data.dedup import NearDuplicates

    text = "the wireless network in my room is down again and I can not read my mails"
    found = run(
        Scripted(lambda request, number: json.dumps({"text": f"{text} {'now' if number % 2 else 'today'}"})),
        order(5, 10),
        index=NearDuplicates(),
    )
    assert len(found.made) == 1 and found.tally.rejected == {"near-duplicate": 9}


def test_a_teacher_that_stops_leaves_what_was_made() -> None:
    class Broke(Scripted):
        async def ask(self, request: Request) -> Reply:
            if len(self.asked) >= 8:
                raise BudgetReached("The budget is reached.")
            return await super().ask(request)

    found = run(Broke(plain), order(20))
    assert isinstance(found.stopped, BudgetReached)
    assert found.tally.accepted == len(found.made) == 8


def test_requests_that_fail_one_after_the_other_stop_the_run() -> None:
    class Down(Scripted):
        async def ask(self, request: Request) -> Reply:
            raise AskFailed("the server has a bad day", "server error")

    found = run(Down(plain), order(50))
    assert found.stopped is not None and "in a row failed" in str(found.stopped)
    assert found.tally.rejected["server error"] >= 20


def test_progress_is_told_and_never_goes_back() -> None:
    seen: list[int] = []
    tally: list[Tally] = []
    run(Scripted(plain), order(), on_tally=lambda now: (seen.append(now.accepted), tally.append(now)))
    assert seen == sorted(seen) and seen[-1] == 20
    assert tally[-1].cost == Decimal("0.001") * tally[-1].requests


def test_provenance_says_who_which_prompt_and_what_was_drawn() -> None:
    [made, *_] = run(Scripted(plain), order(1)).made
    assert made.meta["teacher"] == "scripted" and made.meta["model"] == "m1" and made.meta["verified"] is True
    assert made.meta["prompt"] and made.meta["cost_usd"] == "0.001"
    drawn = made.meta["drawn"]
    assert isinstance(drawn, dict) and drawn["label"] in ("billing", "wifi")


@pytest.mark.parametrize("count", [1, 130])
def test_the_built_in_generator_gives_as_many_as_wanted_the_same_each_time(count: int) -> None:
    def once() -> list[object]:
        executor: Executor = Here()
        found = asyncio.run(generate_built_in(Order("router", count, 1, count * 4), executor))
        return [(made.example.input, made.example.output) for made in found.made]

    first = once()
    assert len(first) == count and first == once()


def test_what_repeats_an_accepted_example_is_not_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    spec_type = type(task_spec("code"))
    monkeypatch.setattr(spec_type, "check", lambda self, example: checked.append(self.key(example)))
    executor: Executor = Here()
    found = asyncio.run(generate_built_in(Order("code", 800, 1, 8000), executor))
    repeated = found.tally.rejected["duplicate"]
    assert len(found.made) == 800 and repeated > 20
    # Those that repeat one of their own round are checked at most once a chunk.
    assert len(checked) < len(found.made) + repeated
    assert set(checked) == {made.key for made in found.made}
