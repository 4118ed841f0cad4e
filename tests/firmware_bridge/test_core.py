"""The core of the firmware, by its own tests and under random bytes, with address and undefined-behaviour sanitizers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from firmware_bridge.simulator import build


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("apt-get install make gcc")
    folder = tmp_path_factory.mktemp("checks")
    return build(folder, f"{folder}/check", f"{folder}/random")


def test_the_core_holds_all_that_its_tests_say(checks: Path) -> None:
    done = subprocess.run([checks / "check"], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "250 ms without a drive, and the motors stop, whatever else is said" in done.stdout
    assert len(done.stdout.splitlines()) == 12


def test_no_bytes_break_the_core_or_keep_motors_moving(checks: Path) -> None:
    done = subprocess.run([checks / "random", "1500"], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.match(r"1500 inputs, in [1-9]\d\d+ of them something drove", done.stdout)


def test_the_image_fits_where_a_bootloader_leaves_room(built: Path) -> None:
    size = subprocess.run(["avr-size", built / "board.elf"], capture_output=True, text=True, check=True).stdout
    text, data, bss = (int(word) for word in size.splitlines()[1].split()[:3])
    assert text + data < 8192  # of 32 kB
    assert data + bss < 1024  # of 2 kB, the rest is the stack's
