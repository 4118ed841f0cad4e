"""Several answers of one language model: written by turns, each in its own cache, within the memory there is."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import time
from collections.abc import AsyncGenerator, Iterator
from typing import cast

import pytest

from edge_runtime.engines.language import LanguageEngine
from edge_runtime.errors import EngineError
from edge_runtime.language.generate import Piece
from edge_runtime.language.sampling import Sampling
from edge_runtime.language.specialist import LanguageSpecialist
from edge_runtime.serving import memory
from edge_runtime.serving.generations import Serving
from edge_runtime.serving.streaming import StreamWorker
from edge_runtime.serving.turns import PRIORITIES, Turns, Urgency
from tests.edge_runtime.serving.test_generations import Specialist, loaded
from tests.edge_runtime.serving.test_streaming import Slow, Writer, slow

ORDER: list[str] = []


def asks(text: str, most: int = 12, seed: int = 1):  # type: ignore[no-untyped-def]
    def begin(language: LanguageSpecialist) -> Iterator[Piece]:
        sampling = Sampling(temperature=1, seed=seed)
        for piece in language.stream([{"role": "user", "content": text}], sampling=sampling, max_tokens=most):
            ORDER.append(text)
            yield piece

    return begin


async def written(pieces: AsyncGenerator[Piece, None]) -> tuple[list[int | None], int]:
    """The tokens of an answer, and how many of its prompt's were in the cache."""
    got = [piece async for piece in pieces]
    assert got[-1].usage is not None
    return [piece.token for piece in got], got[-1].usage.cached


def worker(writer: Writer, most: int = 4, turns: int = 1, **options: object) -> StreamWorker:
    ORDER.clear()
    return StreamWorker("w", writer, 16, lambda: None, Turns(turns), most=most, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("at_once", [1, 3])
async def test_answers_at_once_are_the_same_as_one_after_the_other_and_each_gets_its_turn(at_once: int) -> None:
    names = ["one", "two", "three", "four"]
    alone = slow()
    single = worker(alone, most=1)
    wanted = [(await written(single.stream(asks(name), 60)))[0] for name in names]
    together = worker(slow(), turns=at_once)
    got = await asyncio.gather(*(written(together.stream(asks(name), 60)) for name in names))
    assert [tokens for tokens, _ in got] == wanted
    if at_once == 1:  # each has several tokens before anybody has all
        half = ORDER[: len(ORDER) // 2]
        assert min(half.count(name) for name in names) >= 3
    for each in (single, together):
        each.stop()
        assert await asyncio.to_thread(each.join, 60)


@pytest.mark.parametrize(("seconds", "changes"), [(0.0, 8), (1000.0, 1)])
async def test_a_turn_lasts_its_time_but_who_is_more_urgent_passes_at_the_next_token(
    monkeypatch: pytest.MonkeyPatch, seconds: float, changes: int
) -> None:
    monkeypatch.setattr("edge_runtime.serving.streaming.TURN_SECONDS", seconds)
    both = worker(slow(), most=3)
    await asyncio.gather(*(written(both.stream(asks(name, most=30), 60)) for name in ("one", "two")))
    written_in = list(ORDER)
    assert sum(one != other for one, other in itertools.pairwise(written_in)) >= changes
    assert changes > 1 or written_in == sorted(written_in)  # the first one to its end
    ORDER.clear()
    usual = asyncio.create_task(written(both.stream(asks("usual", most=40), 60)))
    while len(ORDER) < 2:  # noqa: ASYNC110 - an answer has no event for its tokens
        await asyncio.sleep(0)
    urgent = Urgency(PRIORITIES["high"])
    await written(both.stream(asks("urgent", most=5), 9, urgent))
    await usual
    first, tokens = ORDER.index("urgent"), ORDER.count("urgent")
    assert ORDER[first : first + tokens] == ["urgent"] * tokens and ORDER[-1] == "usual"
    both.stop()
    assert await asyncio.to_thread(both.join, 5)


async def test_a_conversation_finds_its_own_cache_again() -> None:
    both = worker(slow(), most=2)
    for _ in range(3):
        got = await asyncio.gather(*(written(both.stream(asks(name), 60)) for name in ("first", "second")))
    assert all(cached > 20 for _, cached in got)  # all but the last token of its own prompt
    both.stop()


async def test_leaving_one_answer_stops_its_work_alone() -> None:
    both = worker(slow(), most=2)
    stays = asyncio.create_task(written(both.stream(asks("stays", most=20), 60)))
    async with contextlib.aclosing(both.stream(asks("leaves", most=200), 60)) as pieces:
        async for _ in pieces:
            if ORDER.count("stays") >= 2:
                break
    left = ORDER.count("leaves")
    tokens, _ = await stays
    assert ORDER.count("leaves") <= left + 2
    single = worker(slow(), most=1)
    assert tokens == (await written(single.stream(asks("stays", most=20), 60)))[0]
    for each in (both, single):
        each.stop()


async def test_an_answer_of_high_priority_gets_all_turns_and_a_near_deadline_only_the_first() -> None:
    two = worker(slow(), most=2)
    usual = asyncio.create_task(written(two.stream(asks("usual", most=40), 60)))
    while ORDER.count("usual") < 2:  # noqa: ASYNC110 - a thread writes it
        await asyncio.sleep(0.005)
    await written(two.stream(asks("urgent", most=8), 60, Urgency(PRIORITIES["high"])))
    between = ORDER[ORDER.index("urgent") :]
    assert between[:8].count("usual") <= 1
    await written(two.stream(asks("near", most=8), 60, Urgency(seconds=30.0)))
    assert "usual" in ORDER[ORDER.index("near") :][:4]
    await usual
    two.stop()


async def test_who_finds_no_memory_waits_for_the_answer_before(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = worker(slow(), room=lambda: False)
    await asyncio.gather(*(written(refused.stream(asks(name, most=4), 60)) for name in ("one", "two")))
    assert refused.spares == 0 and ORDER[:4] in (["one"] * 4, ["two"] * 4)

    class Full(Slow):
        def another(self) -> LanguageEngine:
            raise EngineError("There is no memory for another text.")

    slow_one = slow()
    writer = Writer(Full(slow_one.engine._predict, slow_one.engine.vocabulary))
    full = worker(writer)
    got = await asyncio.gather(*(written(full.stream(asks(name, most=4), 60)) for name in ("one", "two", "three")))
    assert len(got) == 3
    for each in (refused, full):
        each.stop()
        assert await asyncio.to_thread(each.join, 60)


def served(budget: int, answers: int = 4) -> tuple[Serving, Writer]:
    """A model of 1,000 bytes, each text of which takes 2,048 more."""
    writer = slow()
    made = dataclasses.replace(loaded(cast("Specialist", writer), "w"), memory=1000)
    serving = Serving(16, 60.0, Turns(1), budget, lambda digest: made, answers)
    serving.swap(made)
    return serving, writer


@pytest.fixture(autouse=True)
def numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    """`loaded` wants a version."""
    monkeypatch.setattr(Writer, "number", 1, raising=False)
    monkeypatch.setattr(Writer, "close", lambda self: None, raising=False)
    monkeypatch.setattr(Writer, "runtime", "numpy", raising=False)
    monkeypatch.setattr(Writer, "version", "1", raising=False)


async def test_caches_count_in_the_budget_and_are_given_back_to_a_model_that_needs_it() -> None:
    serving, writer = served(1000 + 2 * 2048)
    names = ("one", "two", "three", "four")
    running = [asyncio.create_task(written(serving.stream("w", asks(name)))) for name in names]
    while len(writer.engine.others) < 2:  # noqa: ASYNC110 - threads open them
        await asyncio.sleep(0.005)
    assert serving.held == {"w": 1000 + 2 * 2048}  # two more would be beyond it
    await asyncio.gather(*running)
    await serving.make_room("new", 4000)
    assert serving.held == {"w": 1000} and all(other.closed for other in writer.engine.others)
    serving.release("new")
    await serving.close()


async def test_without_a_budget_the_memory_of_the_machine_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    serving, writer = served(0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 4000)
    await asyncio.gather(*(written(serving.stream("w", asks(name, most=3))) for name in ("one", "two")))
    assert not writer.engine.others
    await serving.close()


async def test_a_cache_that_nobody_used_for_a_while_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_runtime.serving.streaming.SPARE_SECONDS", 0.05)
    serving, writer = served(0)
    await asyncio.gather(*(written(serving.stream("w", asks(name))) for name in ("one", "two")))
    ends = time.monotonic() + 60
    while serving.held != {"w": 1000} and time.monotonic() < ends:  # noqa: ASYNC110 - a thread closes it
        await asyncio.sleep(0.01)
    assert [other.closed for other in writer.engine.others] == [True]
    await serving.close()
