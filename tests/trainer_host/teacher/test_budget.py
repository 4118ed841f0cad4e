from __future__ import annotations

import asyncio
import math
import random
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_host.errors import BudgetReached, TrainerError
from trainer_host.teacher.budget import Budget, Reservation, checked_limit, prompt_bound
from trainer_host.teacher.prices import Flat, Unknown, price_of
from trainer_host.teacher.protocol import Image, Json, Message, Request, Usage
from trainer_host.teacher.providers import PROVIDERS

# A dollar per thousand tokens, in and out: sums that one can do in the head.
PRICE = Flat(Decimal(1000), Decimal(1000))
UNKNOWN = Unknown("the table has no such model")


def request(text: str = "Say hello.", max_tokens: int = 100) -> Request:
    return Request((Message("user", text),), max_tokens=max_tokens)


def cents(tokens: int) -> Decimal:
    return Decimal(tokens) / 1000


def test_what_is_set_aside_becomes_what_was_billed() -> None:
    budget = Budget(Decimal(10), PRICE)
    held = budget.reserve(request())
    worst = cents(prompt_bound(request()) + 100)
    assert held.worst == worst
    assert (budget.spent, budget.left) == (0, 10 - worst)
    assert budget.settle(held, Usage(7, 5)) == cents(12)
    assert (budget.spent, budget.left) == (cents(12), 10 - cents(12))


def test_a_request_whose_end_nobody_knows_counts_in_full() -> None:
    budget = Budget(Decimal(10), PRICE)
    held = budget.reserve(request())
    assert budget.settle(held, None) == held.worst
    assert budget.spent == held.worst


def test_a_refused_request_costs_nothing() -> None:
    budget = Budget(Decimal(10), PRICE)
    budget.release(budget.reserve(request()))
    assert (budget.spent, budget.left) == (0, 10)


def test_the_next_request_that_could_pass_the_limit_is_refused_with_the_figures() -> None:
    budget = Budget(Decimal("0.5"), PRICE, spent_before=Decimal("0.2"))
    held = budget.reserve(request("x" * 10))
    with pytest.raises(BudgetReached) as refused:
        budget.reserve(request("x" * 10))
    sentence = str(refused.value)
    assert "The budget of $0.50 is reached: $0.20 are spent, $0.158 are set aside" in sentence
    assert "$0.142 are left" in sentence and "may cost $0.158" in sentence
    budget.release(held)
    budget.reserve(request("x" * 10))


def test_a_resumed_job_goes_on_from_what_it_had_spent() -> None:
    with pytest.raises(BudgetReached):
        Budget(Decimal("0.05"), PRICE, spent_before=Decimal("0.05")).reserve(request())


@given(
    limit=st.decimals("0.001", "5", places=3),
    before=st.decimals(0, 2, places=3),
    seed=st.integers(0, 2**32),
    steps=st.integers(1, 120),
)
def test_no_order_of_reserving_and_settling_passes_the_limit(
    limit: Decimal, before: Decimal, seed: int, steps: int
) -> None:
    rng = random.Random(seed)
    budget = Budget(limit, PRICE, spent_before=min(before, limit))
    under_way: list[tuple[Reservation, int, int]] = []
    for _ in range(steps):
        if under_way and rng.random() < 0.5:
            held, prompt, answer = under_way.pop(rng.randrange(len(under_way)))
            kind = rng.random()
            if kind < 0.1:
                budget.release(held)
            elif kind < 0.2:
                budget.settle(held, None)
            else:  # a server that bills at most the bound
                budget.settle(held, Usage(rng.randint(0, prompt), rng.randint(0, answer)))
        else:
            made = request("é" * rng.randint(0, 200), rng.randint(1, 400))
            try:
                under_way.append((budget.reserve(made), prompt_bound(made), made.max_tokens))
            except BudgetReached:
                assert budget.spent + budget.reserved + cents(prompt_bound(made) + made.max_tokens) > limit
        assert budget.spent + budget.reserved <= limit
        assert budget.left == limit - budget.spent - budget.reserved
    for held, *_ in under_way:
        budget.settle(held, None)
    assert budget.reserved == 0
    assert budget.spent <= limit


@given(seed=st.integers(0, 2**32), limit=st.decimals("0.2", "3", places=2))
async def test_tasks_at_the_same_time_never_pass_the_limit_and_use_what_others_give_back(
    seed: int, limit: Decimal
) -> None:
    rng = random.Random(seed)
    budget = Budget(limit, PRICE)
    billed: list[Decimal] = []

    async def one() -> None:
        held = await budget.reserve_soon(request())
        assert budget.spent + budget.reserved <= limit
        await asyncio.sleep(rng.choice([0, 0, 0.0001]))
        cost = budget.settle(held, Usage(10, 5))
        assert cost is not None
        billed.append(cost)

    ended = await asyncio.gather(*(one() for _ in range(60)), return_exceptions=True)
    assert all(result is None or isinstance(result, BudgetReached) for result in ended)
    assert budget.spent == sum(billed) <= limit
    assert budget.reserved == 0
    # Nobody was refused while what others gave back was enough.
    worst = cents(prompt_bound(request()) + 100)
    assert len(billed) == 60 or budget.spent + worst > limit


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    budget = Budget(Decimal("0.3"), PRICE)
    held = budget.reserve(request())
    waiting = asyncio.create_task(budget.reserve_soon(request()))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    budget.release(held)
    assert budget.left == Decimal("0.3")


def test_a_server_that_bills_more_than_the_bound_is_counted_and_bounded_higher_from_then_on() -> None:
    budget = Budget(Decimal(10), PRICE)
    first = budget.reserve(request())
    assert first.bound is not None
    budget.settle(first, Usage(int(first.bound * 1000) * 3, 0))
    assert budget.overruns == 1
    second = budget.reserve(request())
    assert second.worst == first.bound * 3
    # The next such bill is within what was set aside.
    budget.settle(second, Usage(int(first.bound * 1000) * 3, 0))
    assert budget.spent == first.bound * 6


def test_what_was_sent_before_is_set_aside_even_past_the_limit_and_stops_what_follows() -> None:
    budget = Budget(Decimal(1), PRICE)
    owed = budget.owe(Decimal(3), PRICE)
    assert (budget.reserved, budget.left) == (3, 0)
    with pytest.raises(BudgetReached):
        budget.reserve(request())
    budget.settle(owed, Usage(300, 200))
    assert (budget.spent, budget.left) == (Decimal("0.5"), Decimal("0.5"))


def test_a_reservation_ends_once() -> None:
    budget = Budget(None, PRICE)
    held = budget.reserve(request())
    budget.settle(held, None)
    for again in (lambda: budget.settle(held, None), lambda: budget.release(held)):
        with pytest.raises(ValueError, match="once"):
            again()


def test_without_a_limit_unknown_prices_are_counted_and_never_zero() -> None:
    budget = Budget(None, UNKNOWN)
    assert budget.settle(budget.reserve(request()), Usage(5, 5)) is None
    assert (budget.spent, budget.left, budget.unpriced) == (0, None, 1)


def test_a_budget_with_an_unknown_price_is_refused_at_the_start() -> None:
    with pytest.raises(TrainerError, match="--price IN,OUT") as refused:
        Budget(Decimal(1), UNKNOWN, model="gpt-unheard-of")
    assert "gpt-unheard-of" in str(refused.value)
    with pytest.raises(TrainerError, match="--price IN,OUT"):
        Budget(Decimal(1), PRICE).reserve(request(), UNKNOWN)
    with pytest.raises(TrainerError, match="unknown price"):
        Budget(Decimal(1), PRICE, unpriced_before=3)


@pytest.mark.parametrize(
    "value", ["0", "-1", "nan", "inf", "-inf", "", "two", "1,50", "1e30", 0, -2.5, math.nan, Decimal("-0.01")]
)
def test_what_is_no_budget_is_one_sentence(value: str | float | Decimal) -> None:
    with pytest.raises(TrainerError, match="can't be a budget; give an amount in US dollars above zero"):
        checked_limit(value)


@pytest.mark.parametrize(("value", "limit"), [("2.00", "2"), ("$0.05", "0.05"), (0.1, "0.1"), (3, "3")])
def test_amounts_are_taken_as_written(value: str | float, limit: str) -> None:
    assert checked_limit(value) == Decimal(limit)


def test_the_bound_counts_every_byte_of_text_the_schema_and_the_pictures() -> None:
    plain = request("x" * 1000)
    bound = prompt_bound(plain)
    assert bound >= 1000
    assert prompt_bound(replace(plain, messages=(Message("user", "東" * 1000),))) == bound + 2000
    assert prompt_bound(replace(plain, system="y" * 70)) == bound + 70
    schema: Json = {"type": "object", "properties": {"text": {"type": "string"}}}
    assert prompt_bound(replace(plain, schema=schema)) >= bound + 60
    seen = replace(plain, messages=(Message("user", "x" * 1000, (Image("image/png", b"\x89PNG"),)),))
    assert prompt_bound(seen) >= bound + 4784
    assert prompt_bound(seen, "gpt-4o-mini-2024-07-18") >= bound + 2833 + 8 * 5667


def test_a_budget_of_five_cents_stops_before_passing_it() -> None:
    price = price_of(PROVIDERS["openai"])
    budget = Budget(Decimal("0.05"), price, "gpt-5-mini")
    answered = 0
    with pytest.raises(BudgetReached):
        while True:
            held = budget.reserve(request("x" * 1200, 1024))
            budget.settle(held, Usage(300, 150))
            answered += 1
    assert answered > 100
    assert Decimal("0.047") < budget.spent <= Decimal("0.05")
