"""Answers that are written at once share runs of the model, and are what each would be alone, token for token."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from edge_runtime.engines.language import LanguageEngine, open_language_engine
from edge_runtime.errors import EngineError, Stuck
from edge_runtime.language.generate import Piece
from edge_runtime.language.specialist import LanguageSpecialist
from edge_runtime.language.together import Together
from edge_runtime.serving.streaming import StreamWorker
from edge_runtime.serving.turns import Turns
from tests.edge_runtime.language.engines import NumpyEngine, random_engine
from tests.edge_runtime.serving.test_answers import asks, written
from tests.edge_runtime.serving.test_streaming import TOKENIZER, Writer

NAMES = ["one", "two two", "three", "a fourth, longer than the others", "five", "six", "seven", "eight"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("torch", reason="the model file is made by the trainer's export")
    from tests.trainer_host.export.decoders import SHAPE, decoder
    from trainer_host.export.language_onnx import export_language_onnx

    config, path = replace(SHAPE, context=256), tmp_path_factory.mktemp("together") / "model.onnx"
    export_language_onnx(decoder(config).state_dict(), config, path, "int8")
    return path


def greedy(name: str, most: int = 40):  # type: ignore[no-untyped-def]
    def begin(language: LanguageSpecialist) -> Iterator[Piece]:
        return language.stream([{"role": "user", "content": name}], max_tokens=most)

    return begin


def worker(engine: LanguageEngine, most: int, at_once: int = 1, **options: float) -> StreamWorker:
    writer = Writer(cast("NumpyEngine", engine))
    return StreamWorker("w", writer, 16, lambda: None, Turns(at_once), most=most, **options)  # type: ignore[arg-type]


async def ended(*workers: StreamWorker) -> None:
    for each in workers:
        each.stop()
        assert await asyncio.to_thread(each.join, 60)


@pytest.mark.parametrize("at_once", [1, 3])
async def test_answers_at_once_are_those_alone_and_share_most_runs(
    file: Path, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_runtime.engines.language_together import Together as Rows

    single, several = worker(open_language_engine(file), 1), worker(open_language_engine(file), 4, at_once)
    shared: list[int] = []
    usual = Rows.step
    monkeypatch.setattr(Rows, "step", lambda *told: (shared.append(len(told[2])), usual(*told))[1])
    for begin in (greedy, asks):  # the likeliest token each time, and drawn ones
        wanted = [(await written(single.stream(begin(name, 40), 60)))[0] for name in NAMES]
        assert not shared or begin is asks
        got = await asyncio.gather(*(written(several.stream(begin(name, 40), 60)) for name in NAMES))
        assert [tokens for tokens, _ in got] == wanted
    tokens = 2 * sum(map(len, wanted))
    assert shared and (at_once > 1 or sum(shared) > tokens / 2)
    await ended(single, several)


async def test_who_leaves_takes_nothing_from_those_that_its_runs_were_shared_with(file: Path) -> None:
    single, several = worker(open_language_engine(file), 1), worker(open_language_engine(file), 4)
    wanted = [(await written(single.stream(greedy(name, 60), 60)))[0] for name in NAMES[:3]]

    async def leave(name: str, after: int) -> None:
        async with contextlib.aclosing(several.stream(greedy(name, 200), 60)) as pieces:
            async for _ in pieces:
                after -= 1
                if not after:
                    return

    staying = [asyncio.create_task(written(several.stream(greedy(name, 60), 60))) for name in NAMES[:3]]
    for number in range(12):  # one after the other, into the cache of the one before
        await leave(NAMES[3 + number % 5], 1 + number % 4)
    assert [(await task)[0] for task in staying] == wanted
    await ended(single, several)


class Hangs(NumpyEngine):
    """Several texts at once don't come back."""

    def __init__(self, *told: object) -> None:
        super().__init__(*told)  # type: ignore[arg-type]
        self.gate, self.hung = threading.Event(), 0

    def feed_together(self, texts: list[tuple[NumpyEngine, int]]) -> list[np.ndarray | EngineError]:
        self.hung += len(texts)
        self.gate.wait()
        return [engine.feed([token])[0] for engine, token in texts]


async def test_who_was_taken_along_into_a_run_that_hangs_waits_no_longer_than_who_began_it() -> None:
    engine = Hangs(random_engine(TOKENIZER.size)._predict, TOKENIZER.size)
    several = worker(cast("LanguageEngine", engine), 3, hang_seconds=0.5)
    async with asyncio.timeout(60):
        failed = await asyncio.gather(
            *(written(several.stream(greedy(name, 200), 60)) for name in NAMES[:3]), return_exceptions=True
        )
    assert engine.hung >= 2 and any(isinstance(each, Stuck) for each in failed)
    assert sum(isinstance(each, EngineError) for each in failed) >= engine.hung - 1
    engine.gate.set()
    await ended(several)


def test_an_urgent_answer_takes_none_along_that_is_less_so() -> None:
    engine = Hangs(random_engine(9)._predict, 9)
    engine.gate.set()
    together = Together(engine)  # type: ignore[arg-type]
    low, high, usual = (together.ask(cast("LanguageEngine", engine.another()), 1, priority) for priority in (2, 0, 1))
    together.answer(usual)
    assert high.done.is_set() and not low.done.is_set()
    together.withdraw(high)
    together.withdraw(low)
    assert not low.done.is_set() and not together._waiting
