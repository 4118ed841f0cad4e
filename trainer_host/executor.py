"""Where CPU work runs: drawing, verifying and scoring examples, here in processes or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

from trainer_host.errors import TrainerError

P = ParamSpec("P")
T = TypeVar("T")

DEADLINE_SECONDS = 120.0  # no verifier has an honest reason to take longer
RERUNS = 2  # of a call whose process died: the kernel, short of memory, may have meant another one
RAY_ADDRESS = "ENIGMA_RAY_ADDRESS"


class CallFailed(TrainerError):
    """A call raised something that can't travel between processes, or its arguments or result are too big."""

    exit_code = 1


class WorkerLost(TrainerError):
    """The process or node of a call was lost as often as it was tried, or none can be had."""

    exit_code = 1


class Executor(Protocol):
    """Runs pure functions elsewhere.

    A function must be importable by name, its arguments and result picklable, and it must be harmless to run it
    twice: where a process or a node dies, the executor runs it again. Requests to a teacher are never sent from
    here; they leave from one place, which remembers them, and keys stay on one machine.
    """

    capacity: int  # how many calls run at the same time

    async def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await `function(*args)`; raises what it raises, or `TimeoutError` after `DEADLINE_SECONDS`."""

    async def close(self) -> None:
        """End the processes."""


def executor_for(address: str | None = None) -> Executor:
    """Worker processes of this machine, or a Ray cluster where an address is given here or in ENIGMA_RAY_ADDRESS.

    Raises `TrainerError` where Ray isn't installed or no cluster answers at the address.
    """
    chosen = address or os.environ.get(RAY_ADDRESS)
    if chosen:
        from trainer_host.execution.cluster import RayExecutor

        return RayExecutor(chosen)
    from trainer_host.execution.local import LocalExecutor

    return LocalExecutor()
