"""A training that is told to end (SIGTERM) saves a checkpoint first, so that it goes on from the step it was in."""

from __future__ import annotations

import shutil
import signal
import threading
from pathlib import Path
from types import FrameType

from trainer_host.training.ranks import ranks

STEPS = "steps"  # the folder of `trainer_host.training.steps`, in that of a training that isn't done


def forget_steps(work: Path) -> None:
    """Remove what small students kept of their steps: the training is done."""
    shutil.rmtree(work / STEPS, ignore_errors=True)


class TrainingPaused(SystemExit):
    """The process ends; the same command goes on from `step`, bit for bit."""

    def __init__(self, step: int) -> None:
        super().__init__(f"Paused after step {step}; the same command goes on from there.")


class Pausing:
    """Whether the process was told to end since this was made; `close` gives the signal back to whoever had it.

    Listens in the main thread alone, where signals arrive. Processes of torchrun don't: they would have to agree on a
    step, so the last checkpoint is what they go on from.
    """

    def __init__(self) -> None:
        self.asked = False
        self._listens = threading.current_thread() is threading.main_thread() and not ranks().started
        self._before = signal.signal(signal.SIGTERM, self._ask) if self._listens else None

    def close(self) -> None:
        """Listen no more."""
        if self._listens:
            signal.signal(signal.SIGTERM, self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
