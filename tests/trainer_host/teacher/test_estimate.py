from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from trainer_host.errors import TrainerError
from trainer_host.teacher.budget import prompt_bound
from trainer_host.teacher.estimate import Estimate, Yield, estimate, summed
from trainer_host.teacher.prices import Flat, Unknown, batch_price, price_of
from trainer_host.teacher.protocol import Image, Message, Request, Usage
from trainer_host.teacher.providers import PROVIDERS

FLAT = Flat(Decimal("0.25"), Decimal(2))
MINI = price_of(PROVIDERS["openai"])
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
Draw = Callable[[random.Random], Usage]


def request(text: str = "Write one example.", max_tokens: int = 1024) -> Request:
    return Request((Message("user", text),), system="You write examples.", max_tokens=max_tokens)


def job(draw: Draw, passes: float, repairs: float, wanted: int, seed: int) -> tuple[list[Usage], Yield]:
    """The usage of all requests until `wanted` examples are accepted."""
    rng = random.Random(seed)
    usages, drawn, accepted, repaired = [], 0, 0, 0
    while accepted < wanted:
        drawn += 1
        usages.append(draw(rng))
        if rng.random() < repairs:
            usages.append(draw(rng))
            repaired += 1
        accepted += rng.random() < passes
    return usages, Yield(drawn, accepted, repaired)


def short(rng: random.Random) -> Usage:
    return Usage(rng.randint(280, 320), rng.randint(60, 110))


def long(rng: random.Random) -> Usage:
    return Usage(rng.randint(500, 900), max(20, int(rng.gauss(400, 120))))


def cached(rng: random.Random) -> Usage:
    return Usage(1500, int(rng.lognormvariate(5, 0.4)), cache_read=1280)


TASKS: list[tuple[Draw, float, float]] = [(short, 0.97, 0.02), (long, 0.8, 0.2), (cached, 0.6, 0.3)]


def sampled(draw: Draw, passes: float, repairs: float, seed: int, size: int = 10) -> Estimate:
    rng = random.Random(seed)
    usages: list[Usage] = []
    accepted = repaired = 0
    for _ in range(size):
        usages.append(draw(rng))
        if rng.random() < repairs:
            usages.append(draw(rng))
            repaired += 1
        accepted += rng.random() < passes
    outcome = Yield(size, accepted, repaired)
    return estimate([(request(), usage) for usage in usages], 300, FLAT, outcome=outcome)


@pytest.mark.parametrize(("draw", "passes", "repairs"), TASKS)
def test_the_range_holds_in_at_least_nine_of_ten_jobs(draw: Draw, passes: float, repairs: float) -> None:
    held = {"cost": 0, "input": 0, "output": 0, "requests": 0}
    trials = 150
    for seed in range(trials):
        usages, _ = job(draw, passes, repairs, 300, seed)
        made = sampled(draw, passes, repairs, seed + 10_000)
        assert made.cost is not None
        billed = sum((FLAT.cost(usage) or Decimal(0) for usage in usages), Decimal(0))
        held["cost"] += made.cost.low <= billed <= made.cost.high
        held["input"] += made.input_tokens.low <= sum(usage.input for usage in usages) <= made.input_tokens.high
        held["output"] += made.output_tokens.low <= sum(usage.output for usage in usages) <= made.output_tokens.high
        held["requests"] += made.requests.low <= len(usages) <= made.requests.high
    assert all(count >= 0.9 * trials for count in held.values()), held


def test_a_sample_of_the_job_itself_gives_its_figures() -> None:
    usages, outcome = job(long, 0.8, 0.2, 300, 1)
    made = estimate([(request(), usage) for usage in usages], 300, MINI, outcome=outcome, at=NOON)
    billed = sum((MINI.cost(usage, NOON) or Decimal(0) for usage in usages), Decimal(0))
    assert made.cost is not None and made.rejected is not None and made.repaired is not None
    assert math.isclose(made.cost.likely, billed, rel_tol=1e-9)
    assert math.isclose(made.requests.likely, len(usages), rel_tol=1e-9)
    assert math.isclose(made.rejected.likely, outcome.drawn - 300, abs_tol=1e-6)
    assert math.isclose(made.repaired.likely, outcome.repaired, rel_tol=1e-9)
    # The more was sampled, the narrower.
    assert made.cost.high < billed * Decimal("1.2")


def test_money_is_priced_per_request_and_half_in_a_batch() -> None:
    sonnet = price_of(PROVIDERS["anthropic"].__class__("anthropic", "anthropic", "", "claude-sonnet-4-5"))
    batch = batch_price(PROVIDERS["anthropic"], sonnet)
    made = estimate([(request(), Usage(300, 150))] * 5, 1000, sonnet, batch=batch, outcome=Yield(5, 5))
    assert made.cost is not None and made.batch_cost is not None
    assert made.cost.likely == Decimal("3.15")
    assert made.batch_cost.likely == Decimal("1.575")
    said = "\n".join(made.sentences())
    assert "≈ 1,000 requests for 1000 examples" in said
    assert "300,000 tokens in" in said and "150,000 out" in said
    assert "≈ $3.15 ($3.15 to $" in said and "$1.58" in said and "with --batch" in said
    assert "5 of 5 draws were accepted" in said


def test_an_unknown_price_is_said_and_never_zero() -> None:
    made = estimate([(request(), Usage(300, 150))], 10, Unknown("the table has no such model"))
    assert made.cost is None
    said = "\n".join(made.sentences())
    assert "The cost can't be told: price unknown" in said and "--price IN,OUT" in said and "$" not in said
    assert made.plain()["cost_usd"] is None


def test_a_free_teacher_costs_nothing_and_the_sentence_says_why() -> None:
    made = estimate([(request(), Usage(300, 150))] * 3, 10, price_of(PROVIDERS["ollama"]))
    assert "≈ $0.00 ($0.00 to $0.00), free: ollama runs on your own machine." in made.sentences()


def test_without_asking_the_range_says_how_little_is_known() -> None:
    prompts = [(request("word " * 200, 500), None)] * 5
    made = estimate(prompts, 100, Flat(Decimal(1), Decimal(1)))
    assert made.repaired is None and made.rejected is None
    assert "nothing was asked" in made.sentences()[-1]
    # A short English word and its space are one token.
    assert made.input_tokens.low <= 100 * 205 <= made.input_tokens.likely
    assert made.input_tokens.likely <= made.input_tokens.high <= 100 * prompt_bound(prompts[0][0])
    assert (made.output_tokens.high, made.output_tokens.low) == (100 * 500, 100 * 25)
    assert made.cost is not None
    assert made.cost.low < made.cost.likely < made.cost.high


def test_several_requests_per_example_are_counted_also_where_nothing_is_asked() -> None:
    once = estimate([(request(), None)] * 5, 100, FLAT)
    twice = estimate([(request(), None)] * 10, 100, FLAT, outcome=Yield(5, 5))
    assert (once.requests.likely, twice.requests.likely) == (100, 200)
    assert twice.input_tokens.likely == 2 * once.input_tokens.likely
    assert "5 drawn prompts" in twice.basis


def test_pictures_count_also_where_nothing_is_asked() -> None:
    seen = Request((Message("user", "What is here?", (Image("image/png", b"x" * 50),)),), max_tokens=10)
    made = estimate([(seen, None)], 1, MINI)
    assert 700 < made.input_tokens.likely < 1000
    assert made.input_tokens.high == prompt_bound(seen)


def test_a_sample_of_which_nothing_passed_still_gives_figures() -> None:
    made = estimate([(request(), Usage(300, 150))] * 5, 100, MINI, outcome=Yield(5, 0))
    assert 500 < made.requests.likely < 1000
    assert made.requests.high >= made.requests.likely >= made.requests.low >= 100


def test_several_tasks_are_summed_and_one_unknown_price_makes_the_whole_unknown() -> None:
    one = estimate([(request(), Usage(300, 150))] * 5, 100, MINI, at=NOON)
    other = estimate([(request(), Usage(100, 50))] * 5, 50, MINI, at=NOON)
    both = summed([one, other])
    assert one.cost is not None and other.cost is not None and both.cost is not None
    assert (both.examples, both.requests.likely) == (150, 150)
    assert both.cost.likely == one.cost.likely + other.cost.likely
    assert summed([one, estimate([(request(), Usage(1, 1))], 1, Unknown("x"))]).cost is None
    assert summed([one]) == one


def test_json_holds_whole_numbers_and_exact_amounts() -> None:
    found = estimate([(request(), Usage(300, 150))] * 5, 100, MINI, outcome=Yield(5, 5), at=NOON).plain()
    requests, cost = found["requests"], found["cost_usd"]
    assert isinstance(requests, dict) and isinstance(cost, dict)
    assert (requests["likely"], requests["low"]) == (100, 100)
    assert isinstance(requests["high"], int) and 150 < requests["high"] < 250
    assert (cost["likely"], cost["low"]) == ("0.037500000", "0.037500000")
    assert abs(Decimal(cost["high"]) - Decimal("0.000375") * requests["high"]) < Decimal("0.000375")
    assert found["batch_cost_usd"] is None


@pytest.mark.parametrize(("samples", "count"), [([], 5), ([(request(), None)], 0), ([(request(), None)], -3)])
def test_nothing_to_estimate_is_one_sentence(samples: list[tuple[Request, Usage | None]], count: int) -> None:
    with pytest.raises(TrainerError, match="at least one example"):
        estimate(samples, count, MINI)
