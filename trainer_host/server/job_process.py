"""The process of a job: `python -m trainer_host.server.job_process FOLDER ID HOME COMMANDS`.

COMMANDS is JSON, a list of lists of words. What becomes of them is written beside the job, for a server that began
after this process and isn't its parent.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def run(folder: Path, job: str, home: str, commands: list[list[str]]) -> int:
    """Run `enigma` once per command until one fails; the exit status of the last."""
    from trainer_host.cli import main
    from trainer_host.presentation import PROGRESS
    from trainer_host.workspace import write_atomic

    code = 0
    for number, words in enumerate(commands):
        os.environ[PROGRESS] = str(folder / f"{job}.{number}.progress")
        whole = ["--home", home, *words]
        sys.argv = ["enigma", *whole]  # what the history of trainings says to make it again
        try:
            code = main(whole)
        except SystemExit as stopped:
            if isinstance(stopped.code, str):
                sys.stderr.write(f"{stopped.code}\n")
            code = stopped.code if isinstance(stopped.code, int) else 1
        if code:
            break
    write_atomic(folder / f"{job}.end", json.dumps({"code": code}).encode() + b"\n", 0o600)
    return code


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2], sys.argv[3], json.loads(sys.argv[4])))
