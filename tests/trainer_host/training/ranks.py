"""Several processes that train as one: `python -m tests.trainer_host.training.ranks FOLDER ddp|fsdp [KILL_AT_STEP]`.

They are forked from one that has imported torch, which takes longer than their training. `torchrun` itself starts those of
tests/trainer_host/commands/test_train.py, and these where it is asked to.
"""

from __future__ import annotations

import os
import signal
import sys
import uuid
from pathlib import Path

import torch._dynamo  # noqa: F401  DDP imports it
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from tests.trainer_host.training.sums import SETTINGS, model, rows, settings_for
from trainer_host.training.loop import train_language


def rank(folder: Path, parallel: str, kill_at: int) -> None:
    """One of the processes; the first kills itself once where it is told to."""
    first_try = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"

    def progress(share: float, values: dict[str, float]) -> None:
        if first_try and round(share * SETTINGS.steps) == kill_at:
            (folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    train_language(model(), rows(60), rows(20, 1), folder, settings_for(parallel), progress, parallel=parallel)


def main(folder: Path, parallel: str, kill_at: int) -> None:
    """Two of them, both again where one was lost, by torchrun's own agent; one where torchrun started this."""
    if "RANK" in os.environ:
        rank(folder, parallel, kill_at)
        return
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=2,
        start_method="fork",
        logs_specs=DefaultLogsSpecs(log_dir=str(folder / "logs")),
    )
    elastic_launch(config, rank)(folder, parallel, kill_at)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else -1)
