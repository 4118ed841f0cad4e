"""The queue between any thread and the loop."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.pipelines.box import Box


@settings(max_examples=40)
@given(bound=st.integers(1, 5), moves=st.lists(st.booleans(), max_size=60))
def test_what_is_taken_is_the_newest_in_order_and_all_else_is_counted_as_dropped(bound: int, moves: list[bool]) -> None:
    """A move adds the next number, or takes one; beside it, a list that is cut at its front is the model."""

    async def play() -> None:
        box: Box[int] = Box(bound)
        model: list[int] = []
        added = taken = dropped = 0
        for adds in moves:
            if adds:
                model.append(added)
                assert box.offer(added) is (len(model) <= bound)
                dropped += len(model) > bound
                model = model[-bound:]
                added += 1
            elif model:
                assert await box.take() == model.pop(0)
                taken += 1
        assert (len(box), box.dropped) == (len(model), dropped)
        assert added == taken + dropped + len(box)

    asyncio.run(play())


async def test_threads_give_and_the_loop_takes_all_that_is_not_dropped() -> None:
    box: Box[int] = Box(8)
    got: list[int] = []

    async def take() -> None:
        while (thing := await box.take()) is not None:
            got.append(thing)

    taking = asyncio.create_task(take())

    def give() -> None:
        for number in range(5_000):
            box.offer(number)

    threads = [threading.Thread(target=give) for _ in range(3)]
    for thread in threads:
        thread.start()
    await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))
    box.close()
    await asyncio.wait_for(taking, 60)
    assert len(got) + box.dropped == 15_000


async def test_who_puts_waits_for_room_and_nothing_is_dropped() -> None:
    box: Box[int] = Box(2)

    async def put() -> None:
        for number in range(50):
            await box.put(number)
        box.close()

    putting = asyncio.create_task(put())
    await asyncio.sleep(0.01)
    assert len(box) == 2
    assert [await box.take() for _ in range(50)] == list(range(50))
    assert await asyncio.wait_for(box.take(), 60) is None and box.dropped == 0
    await putting


async def test_a_closed_box_ends_whoever_waits_and_takes_no_more() -> None:
    box: Box[int] = Box(1)
    waiting = asyncio.create_task(box.take())
    await asyncio.sleep(0)
    box.close()
    assert await asyncio.wait_for(waiting, 60) is None
    assert not box.offer(1) and await box.take() is None
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Box[int](1).take(), 0.01)
