"""What a device tells of itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge_runtime.config import Config
from edge_runtime.device import Device
from edge_runtime.telling import metrics_text, status


async def test_how_long_a_device_is_up_doesnt_follow_a_clock_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)  # as a board without a clock of its own starts
    device = Device(tmp_path, Config())
    monkeypatch.setattr(time, "time", lambda: 1.8e9)
    assert 0 <= float(str(status(device)["uptime_seconds"])) < 1e6
    told = next(line for line in metrics_text(device).splitlines() if line.startswith("enigma_up_seconds"))
    assert 0 <= float(told.split()[-1]) < 1e6
