"""Starts a training in several processes of this machine, as `torchrun` does, and again where one was killed."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence

from trainer_host.errors import TrainerError

RERUNS = 2  # of a training whose process was killed; it goes on at its last checkpoint
# Without the first, a training that begins again can't find its processes (pytorch#135712). Torch's threads would
# wait for each other in every operator, and each process has a processor of its own.
ENVIRONMENT = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": "1"}
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Told(TrainerError):
    """A process of a training has an error for the person, which it says itself; trying again wouldn't help."""

    exit_code = 3


def run_together(count: int, words: Sequence[str], on_rerun: Callable[[str], None]) -> int:
    """Run `python WORDS` as `count` processes; returns 0, or the exit status of one that said its error itself.

    on_rerun: gets a sentence whenever a process was lost and all begin again. Raises `TrainerError` where that
    happened more than `RERUNS` times.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    told = ""
    for _ in range(1 + RERUNS):
        if told:
            on_rerun(f"A process of the training was lost ({told}); it goes on at its last checkpoint.")
        with tempfile.TemporaryDirectory(prefix="enigma-torchrun-") as logs, _surroundings():
            config = LaunchConfig(
                min_nodes=1,
                max_nodes=1,
                nproc_per_node=count,
                run_id=uuid.uuid4().hex,
                rdzv_backend="c10d",
                rdzv_endpoint="localhost:0",
                local_addr="localhost",
                max_restarts=0,  # torchrun would also start again what the person has to change
                logs_specs=DefaultLogsSpecs(log_dir=logs),
            )
            try:
                elastic_launch(config, sys.executable)(*words)
                return 0
            except SignalException as stopped:
                if stopped.sigval == signal.SIGINT:
                    raise KeyboardInterrupt from None
                raise SystemExit(128 + stopped.sigval) from None
            except ChildFailedError as failed:
                codes = [failure.exitcode for failure in failed.failures.values()]
        if Told.exit_code in codes:
            return Told.exit_code
        code = min(codes)  # a signal's is negative, and what the others say then only follows from it
        told = f"signal {-code}" if code < 0 else f"exit status {code}"
    raise TrainerError(
        f"A process of the training was lost {1 + RERUNS} times ({told}); it may need more memory than there is. "
        "The same command goes on at the last checkpoint."
    )


@contextlib.contextmanager
def _surroundings() -> Iterator[None]:
    """The environment that the processes get, and all that torch's launcher changes as it was."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    os.environ.update({name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()})
    # It reports on each process in its own words; ours follow.
    loud = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith(_LAUNCHER)]
    disabled = [logger for logger in loud if not logger.disabled]
    for logger in disabled:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in disabled:
            logger.disabled = False
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_LAUNCHER = "torch.distributed"
