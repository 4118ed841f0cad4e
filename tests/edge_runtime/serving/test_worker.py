"""Where a specialist runs: on its own thread, and in the event loop once it is known to be quick."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from edge_runtime.errors import BadRequest, EngineError
from edge_runtime.serving.worker import INLINE_AFTER, INLINE_SECONDS, Worker, _own


class Specialist:
    """Answers with the thread it ran on, as slowly as it is asked to."""

    def __init__(self) -> None:
        self.running = 0

    def run(self, request: dict[str, object]) -> dict[str, object]:
        self.running += 1
        assert self.running == 1, "two requests at a time"
        try:
            if isinstance(hold := request.get("hold"), threading.Event):
                assert hold.wait(60)
            time.sleep(float(str(request.get("sleep", 0))))
            ends = time.thread_time() + float(str(request.get("compute", 0)))
            while time.thread_time() < ends:
                pass
            if "fail" in request:
                raise BadRequest("No.") if request["fail"] == "politely" else ZeroDivisionError
            return {"thread": threading.get_ident()}
        finally:
            self.running -= 1


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    made = Worker("s", Specialist(), 64, lambda: None)
    yield made
    made.stop()
    assert await asyncio.to_thread(made.join, 60)


async def inline(worker: Worker, **request: object) -> bool:
    """Whether a request was answered in this thread."""
    answer = await worker.run(request, 60)
    return answer.value["thread"] == threading.get_ident()


async def quicken(worker: Worker) -> None:
    """Ask until it answers in the loop; a busy machine may make some answers slow."""
    ends = time.monotonic() + 60
    while not await inline(worker):
        assert time.monotonic() < ends


async def test_the_first_answers_come_from_the_thread(worker: Worker) -> None:
    assert [await inline(worker) for _ in range(INLINE_AFTER)] == [False] * INLINE_AFTER
    await quicken(worker)


@pytest.mark.parametrize("slowly", ["sleep", "compute"])
async def test_a_slow_answer_sends_it_back_to_the_thread(worker: Worker, slowly: str) -> None:
    await quicken(worker)
    await worker.run({slowly: 2 * INLINE_SECONDS}, 60)
    assert not await inline(worker)


def test_what_other_programs_took_of_the_processor_is_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def used(seconds: float, waited: int) -> SimpleNamespace:
        return SimpleNamespace(ru_utime=seconds, ru_stime=0.0, ru_nvcsw=waited)

    monkeypatch.setattr("edge_runtime.serving.worker._used", lambda: used(1.001, 7))
    before = used(1.0, 7)
    assert _own(0.02, before) == pytest.approx(0.001)  # type: ignore[arg-type]
    assert _own(0.0005, before) == 0.0005  # type: ignore[arg-type]
    assert _own(0.02, used(1.0, 6)) == 0.02  # type: ignore[arg-type]  # it gave the processor away itself
    assert _own(0.02, None) == 0.02


@pytest.mark.parametrize(("how", "error"), [("politely", BadRequest), ("hard", EngineError)])
async def test_an_error_is_raised_alike_and_sends_it_back(worker: Worker, how: str, error: type[Exception]) -> None:
    with pytest.raises(error) as on_thread:
        await worker.run({"fail": how}, 60)
    await quicken(worker)
    with pytest.raises(error) as in_loop:
        await worker.run({"fail": how}, 60)
    assert str(in_loop.value) == str(on_thread.value)
    assert not await inline(worker)


async def test_nothing_overtakes_what_waits(worker: Worker) -> None:
    """While the thread runs a request, the next ones queue behind it, quick or not."""
    await quicken(worker)
    worker._quick = 0
    hold = threading.Event()
    slow = asyncio.create_task(worker.run({"hold": hold}, 60))
    await asyncio.sleep(0.01)
    worker._quick = INLINE_AFTER
    following = asyncio.create_task(inline(worker))
    await asyncio.sleep(0.01)
    hold.set()
    assert not await following  # and the specialist saw one at a time
    assert slow.done()


async def test_one_who_asks_in_a_loop_leaves_the_others_their_turns(worker: Worker) -> None:
    await quicken(worker)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for _ in range(50):
        await worker.run({}, 60)
    task.cancel()
    assert turns >= 50
