"""Tries a staged bundle in a process of its own: a model that hangs, crashes or takes all memory does it there.

    python -m edge_runtime.update.trial < what to try, as JSON

The daemon loads what stood this by itself afterwards, by the same code; nothing of the trial is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import edge_runtime
from edge_runtime import strict_json
from edge_runtime.bundle import Manifest
from edge_runtime.bundle.manifest import MANIFEST_NAME
from edge_runtime.config import ModelsConfig
from edge_runtime.errors import AdmissionError, EdgeError, StateError, TookTooLong, by_code
from edge_runtime.update.slots import Slots

_END_SECONDS = 10.0
_HERE = Path(edge_runtime.__file__).parents[1]  # what the daemon runs is what tries


def try_out(state: Path, staged: Path, models: ModelsConfig, seconds: float) -> None:
    """Load a staged bundle elsewhere and ask its golden vectors; raises what `admit` would raise. Blocks.

    `TookTooLong` after so many seconds, when the process is killed; `AdmissionError` where it ended otherwise than it should;
    `StateError` where it couldn't be started.
    """
    asked = {
        "state": str(state),
        "staged": str(staged),
        "threads": models.threads,
        "runtimes": list(models.runtimes),
        "ways": models.ways,
    }
    path = os.pathsep.join([str(_HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    # -P: nothing from the folder that the daemon happens to run in
    command = [sys.executable, "-P", "-m", "edge_runtime.update.trial"]
    pipe, environment = subprocess.PIPE, {**os.environ, "PYTHONPATH": path}
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment)
    except OSError as cause:  # no memory for it, or too many processes
        raise StateError(
            f"The process to try it in can't be started: {cause.strerror}; it is tried again later."
        ) from None
    try:
        answer, _ = process.communicate(json.dumps(asked).encode(), seconds)
    except OSError as cause:
        raise StateError(
            f"The process to try it in can't be asked: {cause.strerror}; it is tried again later."
        ) from None
    except subprocess.TimeoutExpired:
        raise TookTooLong(
            f"It wasn't loaded and checked within {seconds:.0f} seconds, in a process of its own."
        ) from None
    finally:
        if process.poll() is None:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # on a disk that hangs not even SIGKILL ends it
                process.wait(_END_SECONDS)
    _judge(process.returncode, answer)


def _judge(status: int, answer: bytes) -> None:
    if status == 0:
        return
    failed: EdgeError | None = None
    with contextlib.suppress(EdgeError):  # it ended before it could answer
        told = strict_json.loads_object(answer, "The trial's answer")
        failed = by_code(str(told.get("code")))(str(told.get("message")))
    if failed is not None:
        raise failed
    if status == -signal.SIGILL:
        raise AdmissionError(
            "The process that tried it was ended by signal 4: its runtime has instructions that this processor lacks; install one "
            "that was built for it, or leave it out of models.runtimes."
        )
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    raise AdmissionError(f"The process that tried it {how}: it may crash, or need more memory than there is.")


def main() -> int:
    """Try what standard input names; what went wrong is written to standard output."""
    with contextlib.suppress(OSError):  # where memory runs out, this process goes and not the daemon
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    answer = os.dup(1)
    os.dup2(2, 1)  # whatever a runtime prints isn't the answer
    asked = json.load(sys.stdin)
    try:
        _try(Slots(Path(asked["state"])), Path(asked["staged"]), asked["threads"], asked["runtimes"], asked["ways"])
    except EdgeError as error:
        os.write(answer, json.dumps({"code": error.code, "message": str(error)}).encode())
        return 1
    return 0


def _try(slots: Slots, staged: Path, threads: int, runtimes: list[str], ways: dict[str, bool]) -> None:
    from edge_runtime.update.adapters import find_base, wanted_by
    from edge_runtime.update.admit import admit

    files = slots.files_in(staged)
    manifest = Manifest.from_json((files / MANIFEST_NAME).read_bytes())
    wanted = wanted_by(manifest)
    base = None if wanted is None else find_base(slots, wanted)
    admit(manifest, slots.head_of(staged), files, threads, runtimes, base, **ways)


if __name__ == "__main__":
    os._exit(main())  # without the ends of a runtime's threads, for which nobody waits
