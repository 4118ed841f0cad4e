"""A device beside a repository that a test changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.edge_runtime.update.tuf.making import Device, Made


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(Made(), tmp_path / "trust")
