"""Starts `enigma-edge` as a process of its own on a state folder, and stops it again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer_host.errors import TrainerError

START_SECONDS = 30.0  # a device is ready within one; a busy machine may need many
STOP_SECONDS = 10.0
COMMAND = (sys.executable, "-m", "edge_runtime.cli")


def running_url(state: Path) -> str | None:
    """The address of the daemon that runs on this state folder, None where none does."""
    from edge_runtime.errors import EdgeError
    from edge_runtime.update.slots import lock

    if not (state / "daemon.json").is_file():
        return None
    try:
        handle = lock(state)
        if handle is not None:  # nobody holds it: what a killed daemon left behind doesn't count
            os.close(handle)
            return None
        return str(json.loads((state / "daemon.json").read_bytes())["url"])
    except (EdgeError, OSError, ValueError, KeyError):
        return None


@contextmanager
def edge_running(state: Path, log: Path) -> Iterator[str]:
    """The address of a daemon on this state folder: one that runs already, else one that ends with the block.

    Raises `TrainerError` with the end of its log where it doesn't start.
    """
    if url := running_url(state):
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="enigma-edge-") as folder, log.open("wb") as sink:
        port_file = Path(folder) / "port"
        process = subprocess.Popen(
            [*COMMAND, "run", "--state", str(state), "--listen", "127.0.0.1:0", "--port-file", str(port_file)],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=_environment(),
            # Its own session: Ctrl-C is for this process, which then stops the device in order.
            start_new_session=True,
        )
        try:
            yield f"http://127.0.0.1:{_port(process, port_file, log)}"
        finally:
            _stop(process)


def pairing_code(state: Path) -> str:
    """A one-time code for a host, as `enigma-edge pair` prints it on the device."""
    done = subprocess.run(
        [*COMMAND, "pair", "--state", str(state)],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
        env=_environment(),
    )
    if done.returncode != 0:
        raise TrainerError(f"The device gives no pairing code: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def _environment() -> dict[str, str]:
    # The device must find its package when the host runs from a source tree.
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def _port(process: subprocess.Popen[bytes], port_file: Path, log: Path) -> int:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        text = port_file.read_text(encoding="ascii").strip() if port_file.exists() else ""
        if text.isdigit():
            return int(text)
        time.sleep(0.02)
    tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
    raise TrainerError(f"enigma-edge didn't start (see {log}): {' '.join(tail)[-400:] or 'no message'}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
