"""A loop whose clock doesn't wait: where nothing is to do, it is the time at which something is. So a minute's drive takes seconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.time = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.time += timeout
        elif not ready and timeout is None:
            ready = super().select(1.0)
        return ready


class QuickLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._quick = _Selector()
        super().__init__(self._quick)

    def time(self) -> float:
        return self._quick.time


def run(main: Coroutine[Any, Any, T], patch: pytest.MonkeyPatch) -> T:
    """Runs it to its end. What would run in a thread runs here, since the clock wouldn't wait for it."""

    async def here(work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return work(*args, **kwargs)

    patch.setattr(asyncio, "to_thread", here)
    with asyncio.Runner(loop_factory=QuickLoop) as runner:
        return runner.run(main)
