"""The power is cut of a real update: at system calls that strace makes fail, and on a disk that forgets what wasn't synced.

A sample of the points; all of them are counted by `python scripts/power_cuts.py`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from edge_runtime.engines import available_runtimes

from ..conftest import ROOT, edge_environment

pytestmark = [
    pytest.mark.skipif(
        shutil.which("strace") is None, reason="strace isn't installed (Debian: apt-get install strace)"
    ),
    pytest.mark.skipif("onnxruntime" not in available_runtimes(), reason="the tiny model is an .onnx file"),
]


def cut(*options: str) -> dict:
    """What the script counts."""
    ran = subprocess.run(
        [sys.executable, ROOT / "scripts" / "power_cuts.py", "--json", *options],
        capture_output=True,
        text=True,
        env=edge_environment(OMP_NUM_THREADS="1"),
        timeout=300,
        check=False,
    )
    assert ran.stdout, ran.stderr
    return json.loads(ran.stdout)


def test_wherever_the_power_is_cut_the_model_is_old_or_new_and_the_next_run_ends_it() -> None:
    told = cut("--sample", "8", "--untried")
    assert told["bad"] == []
    assert told["total"]["survived"] == told["total"]["points"] == 8 + 8 + 2 * 4
    assert told["total"]["old"] > 0 < told["total"]["new"]
    assert told["recorded"] > 100  # calls that change the disk
