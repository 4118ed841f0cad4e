"""One of several processes: `torchrun -m tests.trainer_host.training.ranks FOLDER ddp|fsdp [KILL_AT_STEP]`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.trainer_host.training.sums import SETTINGS, model, rows
from trainer_host.training.loop import train_language


def main(folder: Path, parallel: str, kill_at: int) -> None:
    """The first process kills itself once where it is told to."""
    first_try = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"

    def progress(share: float, values: dict[str, float]) -> None:
        if first_try and round(share * SETTINGS.steps) == kill_at:
            (folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    train_language(model(), rows(60), rows(20, 1), folder, SETTINGS, progress, parallel=parallel)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else -1)
