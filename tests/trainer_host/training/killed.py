"""Trains in a process that a test kills: `python -m tests.trainer_host.training.killed FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.trainer_host.training.sums import SETTINGS, model, rows
from trainer_host.training.loop import train_language


def main(folder: Path) -> None:
    """Say each step on standard output."""

    def progress(share: float, values: dict[str, float]) -> None:
        sys.stdout.write(f"{share:.3f} {values['loss']:.6f}\n")
        sys.stdout.flush()

    train_language(model(), rows(60), rows(20, 1), folder, SETTINGS, progress)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
