"""Which of torchrun's processes this is: the first one writes what a training leaves behind."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from trainer_host.errors import DataError

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """number: from 0; count: of all processes, on all machines; started: whether torchrun did it."""

    number: int = 0
    count: int = 1
    started: bool = False

    @property
    def first(self) -> bool:
        """Whether this one writes."""
        return self.number == 0


def ranks() -> Ranks:
    """From RANK and WORLD_SIZE, which torchrun sets; without them the only process."""
    if "RANK" not in os.environ:
        return Ranks()
    return Ranks(int(os.environ["RANK"]), int(os.environ.get("WORLD_SIZE", "1")), True)


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """The processes can talk to each other while the block runs; a lone one needs nobody."""
    here = ranks()
    if not here.started:
        yield here
        return
    import torch.distributed as dist

    from trainer_host.training.distributed import join

    join()
    try:
        yield here
    finally:
        dist.destroy_process_group()


def from_first(make: Callable[[], T]) -> T:
    """What the first process makes, in all of them, inside `joined`; the others wait for it."""
    if not ranks().started:
        return make()
    import torch.distributed as dist

    box: list[T | None] = [make() if dist.get_rank() == 0 else None]
    dist.broadcast_object_list(box)
    return box[0]  # type: ignore[return-value]  # T may be None itself


def share_of(rows: int, most: int) -> int:
    """How many of a step's rows a process handles at once: `most`, or fewer so that all get equally many parts.

    Raises `DataError` where the processes can't have equally many rows.
    """
    count = ranks().count
    if count == 1:
        return most
    if rows % count:
        raise DataError(
            f"A step of {rows} rows can't be shared by {count} processes; set --rows to a multiple of {count}."
        )
    share = rows // count
    return next(size for size in range(min(most, share), 0, -1) if share % size == 0)
