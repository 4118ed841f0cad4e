"""Where CPU work runs: drawing, verifying and scoring examples, here in processes or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

DEADLINE_SECONDS = 120.0  # no verifier has an honest reason to take longer


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
