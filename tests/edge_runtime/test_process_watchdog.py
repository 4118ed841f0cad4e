"""A process that doesn't come on ends with a sentence: a start on a disk that hangs, and an end that doesn't come."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge_runtime.process_watchdog import STATUS, ProcessWatchdog

from .conftest import edge_environment

_SHORT = """
import sys
from edge_runtime import cli, process_watchdog
process_watchdog.START_SECONDS = 0.2
sys.exit(cli.main(["run", "--state", sys.argv[1], "--listen", "127.0.0.1:0"]))
"""


def test_what_comes_on_in_time_goes_on_and_what_does_not_ends_the_process(capfd: pytest.CaptureFixture[str]) -> None:
    ended, over = threading.Event(), []

    def end(status: int) -> None:
        over.append(status)
        ended.set()

    watchdog = ProcessWatchdog(end)
    with watchdog._changed:  # so that it doesn't look between the two, however long this process stands there
        watchdog.expect(0.05, "It was to go on.")
        watchdog.expect(60, "It went on.")
    assert not ended.wait(0.2)
    watchdog.rest()
    with watchdog._changed:
        watchdog.expect(0.05, "It was to rest.")
        watchdog.rest()
    assert not ended.wait(0.2)
    watchdog.expect(0.05, "The disk doesn't answer.")
    assert ended.wait(60)
    assert over == [STATUS] and capfd.readouterr().err == "enigma-edge: The disk doesn't answer.\n"


def test_a_start_on_a_disk_that_hangs_ends_with_a_sentence(tmp_path: Path) -> None:
    state = tmp_path / "device"
    state.mkdir()
    os.mkfifo(state / "config.toml")  # whoever opens it stands still in the kernel, as on such a disk
    done = subprocess.run(
        [sys.executable, "-c", _SHORT, state], env=edge_environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == STATUS
    assert f"The start of the device in {state} didn't come on in time" in done.stderr
