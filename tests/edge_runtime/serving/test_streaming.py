"""The thread of a language model: bounded, with a deadline for the beginning, and quick to stop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from edge_runtime.errors import BadRequest, EngineError, Overloaded
from edge_runtime.language.generate import Piece
from edge_runtime.language.sampling import Sampling
from edge_runtime.language.specialist import LanguageSpecialist
from edge_runtime.language.template import CHATML
from edge_runtime.language.tokenizer import Tokenizer
from edge_runtime.serving.streaming import StreamWorker
from tests.edge_runtime.language.engines import NumpyEngine, random_engine, tokenizer_table, writing_engine

TOKENIZER = Tokenizer(tokenizer_table())
HELLO = [{"role": "user", "content": "hello"}]
STEP = 0.01


class Slow(NumpyEngine):
    """Takes its time for each token, as a real model; leave: waits for that instead."""

    leave: threading.Semaphore | None = None

    def feed(self, tokens: object, wanted: int = 1):  # type: ignore[no-untyped-def]
        if self.leave is None:
            time.sleep(STEP)
        else:
            assert self.leave.acquire(timeout=60)
        return super().feed(tokens, wanted)  # type: ignore[arg-type]


class Writer:
    """A specialist over it."""

    def __init__(self, engine: Slow) -> None:
        self.engine = engine
        self.language = LanguageSpecialist(engine, TOKENIZER, CHATML, 256, ["chat"], {})

    def run(self, request: dict[str, object]) -> dict[str, object]:
        if "wrong" in request:
            raise BadRequest("That is wrong.")
        if "broken" in request:
            raise ZeroDivisionError
        return {"text": "".join(piece.text for piece in self.language.stream(HELLO))}


def slow() -> Writer:
    random = random_engine(TOKENIZER.size)
    return Writer(Slow(random._predict, TOKENIZER.size))


def begin(language: LanguageSpecialist) -> Iterator[Piece]:
    return language.stream(HELLO, sampling=Sampling(temperature=1, seed=1))


def test_closing_a_stream_stops_the_model_within_one_token_and_the_next_one_is_served() -> None:
    async def check() -> None:
        writer, idle = slow(), asyncio.Event()
        leave = writer.engine.leave = threading.Semaphore(0)
        worker = StreamWorker("w", writer, 4, idle.set)
        for wanted in (1, 3):
            before, got = len(writer.engine.fed), 0
            async with contextlib.aclosing(worker.stream(begin, 60)) as pieces:
                leave.release()
                async for _ in pieces:
                    got += 1
                    if got == wanted:
                        break
                    leave.release()
            leave.release(100)  # now it may write whatever it likes
            await asyncio.wait_for(idle.wait(), 60)
            assert len(writer.engine.fed) - before <= wanted + 1 and worker.waiting == 0
            while leave.acquire(blocking=False):
                pass
            idle.clear()
        worker.stop()
        assert worker.join(60)

    asyncio.run(check())


def test_whoever_stops_waiting_for_a_whole_answer_stops_it_too() -> None:
    async def check() -> None:
        writer, idle = slow(), asyncio.Event()
        leave = writer.engine.leave = threading.Semaphore(3)
        worker = StreamWorker("w", writer, 4, idle.set)
        asking = asyncio.create_task(worker.run({}, 60))
        while len(writer.engine.fed) < 3:  # noqa: ASYNC110 - in another thread
            await asyncio.sleep(STEP)
        asking.cancel()
        await asyncio.wait([asking])
        leave.release(100)  # now it may write whatever it likes
        await asyncio.wait_for(idle.wait(), 60)
        assert len(writer.engine.fed) <= 4
        worker.stop()

    asyncio.run(check())


async def test_the_queue_is_bounded_and_the_deadline_is_for_the_beginning(leap: Callable[[float], None]) -> None:
    worker = StreamWorker("w", slow(), 2, lambda: None)
    async with contextlib.aclosing(worker.stream(begin, 60)) as pieces:
        await anext(pieces)
        waits = asyncio.create_task(worker.run({}, 60))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="wait already"):
            await worker.run({}, 60)
        leap(61)
        with pytest.raises(Overloaded, match="No answer began"):
            await waits
        for _ in range(8):  # beyond its own deadline
            await anext(pieces)
    worker.stop()


def test_errors_come_out_and_the_thread_goes_on() -> None:
    async def check() -> None:
        idle: list[int] = []
        worker = StreamWorker("w", slow(), 2, lambda: idle.append(1))
        with pytest.raises(BadRequest, match="That is wrong"):
            await worker.run({"wrong": 1}, 60)
        with pytest.raises(EngineError, match="log says why"):
            await worker.run({"broken": 1}, 60)
        async with contextlib.aclosing(worker.stream(begin, 60)) as pieces:
            assert (await anext(pieces)).token is not None
        async with asyncio.timeout(60):
            while not idle:  # noqa: ASYNC110 - the thread tells the loop a moment after the last piece
                await asyncio.sleep(STEP)
        worker.stop()

    asyncio.run(check())


def test_a_call_that_the_model_begins_keeps_to_its_tools_schema() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    probe = Writer(random_engine(TOKENIZER.size, context=1000))
    prompt = next(
        piece.usage.prompt for piece in probe.language.stream(HELLO, tools=[tool], max_tokens=1) if piece.usage
    )
    script = [*TOKENIZER.encode("<tool_call>"), *TOKENIZER.encode("nonsense" * 9)]
    engine = writing_engine(TOKENIZER, prompt, script, context=1000)
    language = LanguageSpecialist(engine, TOKENIZER, CHATML, 1000, ["chat"], {})
    text = "".join(piece.text for piece in language.stream(HELLO, tools=[tool], max_tokens=60))
    assert text.startswith('<tool_call>{"name"') and "</tool_call>" in text
    assert cast(str, text).index('"f"') < text.index('"arguments"')
