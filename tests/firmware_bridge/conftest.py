"""The firmware is built once, and runs in simavr behind a pseudo terminal; where what that needs is missing, tests skip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge import clock, simulator
from firmware_bridge.simulator import Simulated


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the AVR image and the program that runs it."""
    if why := simulator.missing():
        pytest.skip(why)
    return simulator.build(tmp_path_factory.mktemp("firmware"), "avr", "sim")


@pytest.fixture
def simulated(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulated]:
    """A board that just started. Where the machine does other work its clock is late, as a real one's never is."""
    monkeypatch.setattr(clock, "JUMP", 10.0)
    with Simulated(built, tmp_path / "tty") as board:
        yield board
