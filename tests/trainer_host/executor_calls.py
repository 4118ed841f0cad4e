"""Functions that the tests of the executors run elsewhere: they must be importable by name."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


class TwoParts(Exception):
    """Can be pickled, and not read again: its __init__ wants what its args don't have."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def add(one: int, two: int) -> int:
    return one + two


def add_slowly(one: int, two: int, seconds: float) -> int:
    time.sleep(seconds)
    return one + two


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def how_many_run(folder: str) -> int:
    """Of this function, in the middle of this call."""
    mine = Path(folder) / str(os.getpid())
    mine.touch()
    time.sleep(0.3)
    found = len(list(Path(folder).iterdir()))
    time.sleep(0.1)
    mine.unlink()
    return found


def process_id() -> int:
    return os.getpid()


def never_ends() -> None:
    """Not even when it is told to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        pass


def starts_a_child_and_never_ends(note: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(note).write_text(str(child.pid))
    never_ends()


def exits(status: int) -> None:
    os._exit(status)


def crashes() -> None:
    ctypes.string_at(0)


def dies_the_first_time(folder: str, times: int) -> int:
    """Dies so often, and then says how often it was run."""
    runs = len(list(Path(folder).iterdir()))
    (Path(folder) / str(runs)).touch()
    if runs < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return runs + 1


def fails(error: Exception) -> None:
    raise error


def fails_with_two_parts() -> None:
    raise TwoParts("one", "two")


def returns_what_cannot_travel() -> object:
    return lambda: None


def bytes_of(length: int) -> bytes:
    return b"x" * length


def length_of(content: bytes) -> int:
    return len(content)


def talks() -> tuple[str, int]:
    """Prints, and reads what there is to read."""
    sys.stdout.write("a line that belongs in no pipe\n")
    sys.stdout.flush()
    os.write(1, b"another one\n")
    return sys.stdin.read(), sum(1 for _ in os.read(0, 10))


def environment() -> dict[str, str]:
    return dict(os.environ)


def fails_by_timeout() -> None:
    raise TimeoutError("of its own")


def evaluate_slowly(text: str, folder: str) -> int:
    """The sum in "1 + 2"; leaves a note of each run. On the Ray node that is named in the file `trap` it hangs."""
    node, trap = os.environ["RAY_RAYLET_PID"], Path(folder) / "trap"
    caught = trap.exists() and trap.read_text() == node
    (Path(folder) / f"{text}-{time.monotonic_ns()}-{node}{'-caught' if caught else ''}").touch()
    time.sleep(600 if caught else 0.1)
    one, _, two = text.split()
    return int(one) + int(two)
