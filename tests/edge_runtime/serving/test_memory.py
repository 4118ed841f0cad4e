"""What a settled process still gives back."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from edge_runtime.serving import memory
from edge_runtime.serving.generations import Serving

from .test_generations import Specialist, freed, loaded


@pytest.fixture
def settled() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


async def test_a_model_from_before_is_freed_without_a_search_for_garbage(settled: None) -> None:
    serving = Serving(queue=8, deadline_seconds=5)
    old = Specialist(1)
    serving.swap(loaded(old))
    await serving.run("s", {})
    memory.settle()
    assert gc.get_freeze_count() > 0
    gc.disable()
    serving.swap(loaded(Specialist(2)))
    assert await freed(old)
    gone = weakref.ref(old)
    del old
    for _ in range(50):
        if gone() is None:
            break
        await asyncio.sleep(0.02)  # until the thread that closed it has ended
    assert gone() is None
    await serving.close()
