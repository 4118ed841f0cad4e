"""Whether files changed since they were looked at, by what the disk says of them."""

from __future__ import annotations

import time
from pathlib import Path

# Seconds. Disks tell the time of a change in ticks, so a younger file could change once more unseen ("racy git").
SETTLED = 2.0
State = tuple[tuple[int, ...], ...]


def state_of(*paths: Path) -> State:
    """Something else after every change: who may write a file can't choose when its inode says that it changed."""
    found: list[tuple[int, ...]] = []
    for path in paths:
        try:
            about = path.stat()
        except FileNotFoundError:
            found.append(())
            continue
        found.append((about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns))
    return tuple(found)


def settled(state: State) -> bool:
    """Whether all these files exist and another change of one would show."""
    now = time.time_ns()
    return all(each and now - each[-1] > SETTLED * 1e9 for each in state)
