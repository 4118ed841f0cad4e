"""What the comparison of serial lines says of damaged commands is so."""

from __future__ import annotations

import pytest

pytest.importorskip("serial")

from benchmarks import serial_line


def test_no_damaged_command_is_taken_for_another_and_lines_of_json_take_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_line, "DAMAGED", 2000)
    ours, theirs = serial_line.damage().values()
    assert ours == 0 and theirs > 5
