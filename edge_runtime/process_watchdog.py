"""Ends this process where it doesn't come on in time, so that whoever supervises it starts it again.

A thread watches, as what reads a disk that hangs stands still for ever, and the event loop with it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

START_SECONDS = 240.0  # of a start, but for loading specialists: twice what anything small on a disk may take
STATUS = 75  # EX_TEMPFAIL of sysexits.h: another try may succeed


def late_start(state: Path) -> str:
    """What is said where a start doesn't come on."""
    return (
        f"The start of the device in {state} didn't come on in time, so it is ended: its disk doesn't answer. Look at the disk; "
        "a supervisor starts the device again by itself."
    )


class ProcessWatchdog:
    """Watches from the first `expect` until `rest`. end: ends the process with a status, whatever its other threads do."""

    def __init__(self, end: Callable[[int], object] = os._exit) -> None:
        self._end = end
        self._changed = threading.Condition()
        self._due: float | None = None
        self._sentence = ""
        self._thread: threading.Thread | None = None

    def expect(self, seconds: float, sentence: str) -> None:
        """From now on, whatever was expected before: without another word within so long, say this and end the process."""
        with self._changed:
            self._due, self._sentence = time.monotonic() + seconds, sentence
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
                self._thread.start()

    def rest(self) -> None:
        """Nothing is expected any more; the thread ends."""
        with self._changed:
            self._due = self._thread = None
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while self._due is not None and self._thread is threading.current_thread():
                left = self._due - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            else:
                return
            sentence = self._sentence
        with contextlib.suppress(OSError):  # not by the log, whose lock may be held by who stands still
            os.set_blocking(2, False)  # nobody may read it
            os.write(2, f"enigma-edge: {sentence}\n".encode())
        self._end(STATUS)
