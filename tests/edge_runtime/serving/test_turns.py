"""Turns at the processor over all models: the most urgent first, whatever model it is for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from edge_runtime.errors import DeadlinePassed, QueueFull
from edge_runtime.serving.seat import Seat
from edge_runtime.serving.streaming import StreamWorker
from edge_runtime.serving.turns import PRIORITIES, Turns, Urgency
from edge_runtime.serving.worker import INLINE_AFTER, Worker
from tests.edge_runtime.serving.test_streaming import begin, slow

HIGH, NORMAL, LOW = (Urgency(PRIORITIES[name]) for name in ("high", "normal", "low"))


async def until(condition: Callable[[], bool]) -> None:
    """Threads come to it."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a thread has no event of the loop's
            await asyncio.sleep(0.001)


class Gated:
    """Notes its name in a list that all share when it runs; waits for its gate."""

    def __init__(self, name: str, order: list[str], gate: threading.Event | None = None) -> None:
        self.name, self.order, self.gate = name, order, gate

    def run(self, request: dict[str, object]) -> dict[str, object]:
        self.order.append(f"{self.name}{request.get('n', '')}")
        if self.gate is not None:
            assert self.gate.wait(60)
        return {}


class Models:
    """Several models over one turn, the first of which holds it until its gate opens."""

    def __init__(self, *names: str) -> None:
        self.order: list[str] = []
        self.gate = threading.Event()
        turns = self.turns = Turns(1)
        self.busy = Worker("busy", Gated("busy", self.order, self.gate), 8, lambda: None, turns)
        self.workers = {name: Worker(name, Gated(name, self.order), 8, lambda: None, turns) for name in names}
        self.tasks: list[asyncio.Task[object]] = []

    async def __aenter__(self) -> Models:
        self.tasks.append(asyncio.create_task(self.busy.run({}, 60)))
        await until(lambda: bool(self.order))
        return self

    async def wait_for_turns(self, count: int) -> None:
        """Until so many models wait for the turn."""
        await until(lambda: len(self.turns._waiting) == count)

    def ask(self, name: str, urgency: Urgency, **request: object) -> asyncio.Task[object]:
        self.tasks.append(asyncio.create_task(self.workers[name].run(dict(request), 60, urgency=urgency)))
        return self.tasks[-1]

    async def __aexit__(self, *error: object) -> None:
        self.gate.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for worker in (self.busy, *self.workers.values()):
            worker.stop()


async def test_priority_goes_before_deadline_and_deadline_before_arrival_across_models() -> None:
    async with Models("a", "b", "c") as models:
        models.ask("a", LOW, n=1)
        models.ask("b", NORMAL, n=1)
        models.ask("b", Urgency(seconds=31), n=2)
        models.ask("c", Urgency(seconds=32), n=1)
        models.ask("a", HIGH, n=2)
        await models.wait_for_turns(3)
    assert models.order == ["busy", "a2", "b2", "c1", "b1", "a1"]


async def test_equals_go_in_the_order_in_which_they_came_so_none_starves() -> None:
    async with Models("a", "b") as models:
        for number in range(6):
            models.ask("ab"[number % 2], NORMAL, n=number)
            await asyncio.sleep(0)
        await models.wait_for_turns(2)
    assert models.order == ["busy", "a0", "b1", "a2", "b3", "a4", "b5"]


async def test_who_is_late_is_told_at_once_and_never_run_and_makes_room_for_others() -> None:
    async with Models("a") as models:
        late = [models.ask("a", Urgency(seconds=0.02), n=n) for n in range(8)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await models.workers["a"].run({}, 60)
        failures = await asyncio.gather(*late, return_exceptions=True)
        assert [type(failure) for failure in failures] == [DeadlinePassed] * 8
        assert models.workers["a"].waiting == 0  # though the model before it still runs
        models.ask("a", NORMAL, n="-in-time")
        await models.wait_for_turns(1)
    assert models.order == ["busy", "a-in-time"]


async def test_a_quick_model_answers_in_the_loop_only_while_a_turn_is_free() -> None:
    async with Models("a") as models:
        worker = models.workers["a"]
        worker._quick = INLINE_AFTER
        waiting = models.ask("a", NORMAL)
        await models.wait_for_turns(1)
        assert not waiting.done() and models.order == ["busy"]
    assert models.order == ["busy", "a"]


def test_a_turn_that_is_passed_on_comes_back() -> None:
    turns = Turns(1)
    order: list[str] = []
    seat = Seat(turns)
    seat.take(lambda: (1, 1.0, 1))

    def other(name: str, rank: tuple[int, float, int]) -> None:
        turns.take(lambda: rank)
        order.append(name)
        turns.give()

    threads = [
        threading.Thread(target=other, args=each) for each in (("urgent", (0, 9.0, 2)), ("patient", (2, 0.0, 3)))
    ]
    for thread in threads:
        thread.start()
    while len(turns._waiting) < 2:
        time.sleep(0.001)
    seat.let_pass((1, 1.0, 1))
    order.append("own")
    turns.give()
    for thread in threads:
        thread.join(60)
    assert order == ["urgent", "own", "patient"]
    assert turns.try_take() and not turns.try_take()


async def test_a_small_model_passes_between_the_tokens_of_a_language_model() -> None:
    turns = Turns(1)
    writer = slow()
    language = StreamWorker("w", writer, 4, lambda: None, turns)
    small = Worker("s", Gated("s", []), 8, lambda: None, turns)
    stream = language.stream(begin, 60)
    await anext(stream)
    leave = writer.engine.leave = threading.Semaphore(0)

    async def ask() -> None:
        asking = asyncio.create_task(small.run({}, 60))
        await until(lambda: turns.wanted or asking.done())
        leave.release(2)  # two tokens for each at the most
        await asking

    for _ in range(4):
        await ask()
    leave.release(1000)
    rest = [piece async for piece in stream]
    assert rest and rest[-1].finish
    for worker in (language, small):
        worker.stop()
