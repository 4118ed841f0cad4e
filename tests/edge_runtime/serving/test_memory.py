"""What a settled process still gives back."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from edge_runtime.serving import memory
from edge_runtime.serving.generations import Serving

from .test_generations import Specialist, freed, loaded

# A large block was freed before, from which glibc learns to keep such blocks, and a small one lies behind the next.
_FREED = """
import ctypes, sys
from edge_runtime.serving import memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
if sys.argv[1] == "at once":
    memory.give_back_large()
libc.free(libc.malloc(24 << 20))
block, behind = libc.malloc(8 << 20), libc.malloc(64)
before = memory.rss_bytes()
ctypes.memset(block, 1, 8 << 20)
libc.free(block)
print((memory.rss_bytes() - before) >> 20)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc keeps what was freed, and can be told"
)
@pytest.mark.parametrize(("way", "kept"), [("usual", 8), ("at once", 0)])
def test_a_large_block_goes_back_to_the_system_when_it_is_freed(way: str, kept: int) -> None:
    made = subprocess.run([sys.executable, "-c", _FREED, way], capture_output=True, text=True, check=True)
    assert abs(int(made.stdout) - kept) <= 1


@pytest.fixture
def settled() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


async def test_a_model_from_before_is_freed_without_a_search_for_garbage(settled: None) -> None:
    serving = Serving(queue=8, deadline_seconds=60)
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
    async with asyncio.timeout(60):
        while gone() is not None:  # noqa: ASYNC110 - until the thread that closed it has ended
            await asyncio.sleep(0.02)
    await serving.close()
