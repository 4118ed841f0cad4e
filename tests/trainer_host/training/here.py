"""An executor in the process of the test, for what needs none of another process."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from trainer_host.execution.worker import packed_call, packed_outcome, unpacked
from trainer_host.executor import WorkerLost

P = ParamSpec("P")
T = TypeVar("T")


class Here:
    """See `Executor`; what goes in and out travels as between processes. lose: calls that are lost, from 1."""

    capacity = 1

    def __init__(self, lose: tuple[int, ...] = ()) -> None:
        self.lose, self.calls = lose, 0

    async def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Executor`."""
        self.calls += 1
        if self.calls in self.lose:
            raise WorkerLost("the process was lost")
        called, given, named = pickle.loads(packed_call(function, args, kwargs))
        return cast(T, unpacked(packed_outcome(True, called(*given, **named))))

    async def close(self) -> None:
        """See `Executor`."""
