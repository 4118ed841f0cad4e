from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reaches the disk when is shown by tests of their own (tests/edge_runtime/update); here it only costs time."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
