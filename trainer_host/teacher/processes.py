"""Whether a process that wrote something down still runs: by its number, and by when it began, for numbers come again."""

from __future__ import annotations

import os
from pathlib import Path

_SLACK = 2.0  # seconds; a start is told in hundredths of a second since the machine's, which is told in whole seconds


def runs(process: int, at: float) -> bool:
    """Whether the process with that number is one that ran at the time `at` (seconds since 1970).

    In a container the same number comes with every start. Where the system doesn't tell when a process began, the
    number alone decides.
    """
    if process != os.getpid():
        if os.name != "posix":
            return False  # there, this question would end the process
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
    began = _began(process)
    return began is None or began <= at + _SLACK


def _began(process: int) -> float | None:
    """proc(5): field 22 of /proc/PID/stat counts ticks since the machine's start, btime of /proc/stat."""
    try:
        after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
        return int(boot.split()[1]) + int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, StopIteration, ValueError, IndexError):
        return None
