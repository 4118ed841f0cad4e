"""What was estimated and what was set as a limit, against what a provider bills in the end."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from tests.trainer_host.teacher.fake_api import Asked, FakeApi
from trainer_host.errors import BudgetReached
from trainer_host.teacher.api import ApiTeacher
from trainer_host.teacher.audit import AuditLog, entries
from trainer_host.teacher.budget import Budget
from trainer_host.teacher.cache import ReplyCache
from trainer_host.teacher.estimate import Yield, estimate
from trainer_host.teacher.prices import Flat, price_of
from trainer_host.teacher.protocol import Key, Message, Request, Secret
from trainer_host.teacher.providers import PROVIDERS

PRICE = Flat(Decimal("0.25"), Decimal(2))
KEYS = (Key("work", Secret("sk-work-0123456789")),)
SAMPLE = 20


@dataclass(frozen=True)
class Task:
    """Prompts and answers of some length: characters, and by what share they scatter."""

    name: str
    prompt: int
    answer: int
    scatter: float
    yields: float  # share of answers that pass
    examples: int = 250


TASKS = (
    Task("short labels", 900, 120, 0.15, 0.95),
    Task("dialogues", 1800, 1600, 0.35, 0.85),
    Task("programs", 3000, 2400, 0.6, 0.7),
)


def request(task: Task, number: int) -> Request:
    rng = random.Random(f"{task.name}/{number}")
    size = int(task.prompt * rng.uniform(0.8, 1.2))
    return Request((Message("user", f"{number} " + "w" * size),), task.name, max_tokens=2000, task="chat")


def answer(asked: Asked) -> str:
    task = next(task for task in TASKS if task.name == asked.system)
    rng = random.Random(asked.text)
    return "a" * max(8, int(rng.lognormvariate(0, task.scatter) * task.answer))


def passes(task: Task, number: int) -> bool:
    return random.Random(f"passes/{task.name}/{number}").random() < task.yields


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
async def test_an_estimate_from_a_sample_is_within_a_fifth_of_what_is_billed(task: Task, tmp_path: Path) -> None:
    async with FakeApi(answer=answer) as api:
        with ReplyCache(tmp_path / "replies.sqlite") as cache:
            budget, audit = Budget(None, PRICE), AuditLog(tmp_path / "audit.jsonl")
            teacher = ApiTeacher(api.endpoint("openai"), KEYS, cache, budget, audit)
            sampled = [(request(task, number), await teacher.ask(request(task, number))) for number in range(SAMPLE)]
            outcome = Yield(SAMPLE, sum(passes(task, number) for number in range(SAMPLE)))
            made = estimate([(one, reply.usage) for one, reply in sampled], task.examples, PRICE, outcome=outcome)
            accepted = number = 0
            while accepted < task.examples:  # the job; the sample's replies are in the cache
                await teacher.ask(request(task, number))
                accepted += passes(task, number)
                number += 1
            await teacher.close()
    billed = Decimal(api.billed["input"]) * PRICE.input + Decimal(api.billed["output"]) * PRICE.output
    assert made.cost is not None
    for estimated, real in (
        (made.cost.likely, billed / 1_000_000),
        (made.input_tokens.likely, Decimal(api.billed["input"])),
        (made.output_tokens.likely, Decimal(api.billed["output"])),
        (made.requests.likely, Decimal(api.billed["requests"])),
    ):
        assert abs(estimated / real - 1) <= Decimal("0.2"), (estimated, real)
    assert made.cost.low <= billed / 1_000_000 <= made.cost.high


async def test_a_budget_of_five_cents_stops_before_the_provider_has_billed_it(tmp_path: Path) -> None:
    price = price_of(PROVIDERS["openai"])
    async with FakeApi(answer=answer, latency=0.01) as api:
        with ReplyCache(tmp_path / "replies.sqlite") as cache:
            budget, audit = Budget(Decimal("0.05"), price, "gpt-5-mini"), AuditLog(tmp_path / "audit.jsonl")
            teacher = ApiTeacher(api.endpoint("openai"), KEYS, cache, budget, audit)
            asked = [teacher.ask(request(TASKS[1], number)) for number in range(150)]
            ended = await asyncio.gather(*asked, return_exceptions=True)
            await teacher.close()
    stopped = [one for one in ended if isinstance(one, BaseException)]
    assert stopped and all(isinstance(one, BudgetReached) for one in stopped)
    # gpt-5-mini: 0.25 dollars per million tokens in, 2 out.
    billed = (api.billed["input"] * Decimal("0.25") + api.billed["output"] * 2) / 1_000_000
    assert Decimal("0.04") < billed <= Decimal("0.05")
    assert budget.spent == billed
    logged = [entry.call.cost or Decimal(0) for entry in entries(tmp_path / "audit.jsonl")]
    assert sum(logged, Decimal(0)) == billed
