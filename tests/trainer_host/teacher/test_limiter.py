"""The limiter finds how many requests a provider takes, and gives slots in order."""

from __future__ import annotations

import asyncio
import heapq
import random

import pytest

from trainer_host.teacher.limiter import Limiter, Slot


class Provider:
    """A provider in simulated time. latency: by how many are open and a random number; it may refuse some."""

    def __init__(
        self, limiter: Limiter, *, takes: int | None = None, workers: int | None = None, tokens: int = 100
    ) -> None:
        self.limiter = limiter
        self.takes = takes
        self.workers = workers
        self.tokens = tokens
        self.now = 0.0
        self.refused = 0
        self.open = 0
        self.levels: list[int] = []
        self._rng = random.Random(1)
        limiter._clock = lambda: self.now

    async def run(self, count: int) -> None:
        """Let `count` requests through, one event of simulated time after the other."""
        events: list[tuple[float, int, asyncio.Future[None]]] = []

        async def sleep(seconds: float, number: int) -> None:
            done = asyncio.get_running_loop().create_future()
            heapq.heappush(events, (self.now + seconds, number, done))
            await done

        async def one(number: int) -> None:
            first = False
            while True:
                async with self.limiter.slot(first=first) as slot:
                    self.levels.append(self.limiter.limit)
                    self.open += 1
                    refused = self.takes is not None and self.open > self.takes
                    queue = max(1.0, self.open / self.workers) if self.workers else 1.0
                    seconds = 0.01 if refused else queue * self._rng.uniform(0.8, 1.2) * (50 + self.tokens) / 150
                    await sleep(seconds, number)
                    self.open -= 1
                    if not refused:
                        slot.answered(seconds, self.tokens)
                        return
                    self.refused += 1
                    slot.crowded()
                    first = True

        tasks = [asyncio.create_task(one(number)) for number in range(count)]
        while not all(task.done() for task in tasks):
            for _ in range(3):
                await asyncio.sleep(0)
            if events:
                self.now, _, done = heapq.heappop(events)
                done.set_result(None)
        await asyncio.gather(*tasks)


async def test_it_rises_to_the_bound_where_nothing_speaks_against_it() -> None:
    provider = Provider(Limiter(64))
    await provider.run(600)
    assert provider.levels[0] == 8 and provider.limiter.limit == 64 and provider.refused == 0


async def test_it_settles_below_a_providers_limit_with_few_refusals() -> None:
    provider = Provider(Limiter(64), takes=24)
    await provider.run(3000)
    assert 22 <= provider.limiter.limit <= 24
    settled = provider.levels[1000:]
    assert sum(settled) / len(settled) > 21
    assert provider.refused < 60  # 2 % of 3,000, most of them while it is being found


async def test_it_stops_rising_where_a_server_only_queues() -> None:
    """As a model on one's own machine that computes four answers at a time does."""
    provider = Provider(Limiter(64, start=4), workers=4)
    await provider.run(1500)
    assert provider.limiter.limit <= 16 and provider.now < 1.1 * 1500 / 4


async def test_longer_answers_are_not_taken_for_a_queue() -> None:
    limiter = Limiter(32)
    provider = Provider(limiter, tokens=20)
    await provider.run(300)
    provider.tokens = 2000
    await provider.run(300)
    assert limiter.limit == 32


async def test_a_burst_of_refusals_counts_once() -> None:
    limiter = Limiter(40, start=40)
    slots: list[Slot] = []
    release = asyncio.Event()

    async def one() -> None:
        async with limiter.slot() as slot:
            slots.append(slot)
            await release.wait()

    tasks = [asyncio.create_task(one()) for _ in range(40)]
    await asyncio.sleep(0)
    for slot in slots:
        slot.crowded()
    assert limiter.limit == 32 and limiter.refusals == 1
    release.set()
    await asyncio.gather(*tasks)
    assert limiter.active == 0


async def test_a_slot_that_waited_for_a_key_is_left_where_the_limit_sank_meanwhile() -> None:
    limiter = Limiter(4, start=4)
    async with limiter.slot() as one, limiter.slot() as two, limiter.slot(), limiter.slot() as four:
        assert four.may_send()
        one.crowded()
        assert limiter.limit == 3 and not two.may_send()
    async with limiter.slot() as again:
        assert again.may_send()


async def test_slots_come_in_order_and_a_repeated_request_before_the_others() -> None:
    limiter = Limiter(1)
    order: list[str] = []

    async def one(name: str, first: bool) -> None:
        async with limiter.slot(first=first):
            order.append(name)
            await asyncio.sleep(0)

    async with limiter.slot():
        tasks = []
        for name, first in [("a", False), ("b", False), ("again", True)]:
            tasks.append(asyncio.create_task(one(name, first)))
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == ["again", "a", "b"]


@pytest.mark.parametrize("seed", range(5))
async def test_cancelled_waiters_lose_no_slot(seed: int) -> None:
    rng = random.Random(seed)
    limiter = Limiter(3, start=3)

    async def one() -> None:
        async with limiter.slot():
            assert limiter.active <= 3
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(one()) for _ in range(200)]
    for _ in range(30):
        await asyncio.sleep(0)
        rng.choice(tasks).cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert limiter.active == 0
    async with asyncio.timeout(60), limiter.slot(), limiter.slot(), limiter.slot():
        assert limiter.active == 3


async def test_a_slot_that_is_left_early_goes_to_one_other_at_once() -> None:
    limiter = Limiter(1)
    came, release = asyncio.Semaphore(0), asyncio.Event()

    async def other() -> None:
        async with limiter.slot():
            came.release()
            await release.wait()

    async with limiter.slot() as slot:
        tasks = [asyncio.create_task(other()) for _ in range(2)]
        await asyncio.sleep(0)
        assert came.locked()
        slot.leave()
        slot.leave()
        await asyncio.wait_for(came.acquire(), 60)
        assert limiter.active == 1 and came.locked()
    await asyncio.sleep(0)
    assert limiter.active == 1 and came.locked()  # the end of the block isn't a second leaving
    release.set()
    await asyncio.gather(*tasks)
    assert limiter.active == 0
