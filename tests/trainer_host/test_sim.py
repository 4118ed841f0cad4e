"""`enigma sim` becomes the bridge's own process, with what was asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from trainer_host.cli import main
from trainer_host.commands import sim


def test_it_is_the_bridge_in_the_folder_with_the_firmware_and_mujoco(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execv", lambda program, command: ran.append(command))
    monkeypatch.setattr(sim, "find_spec", lambda name: object())
    (tmp_path / "rooms").mkdir()
    assert main(["sim", "rooms", "--folder", "house"]) == 0
    assert Path.cwd() == tmp_path / "house"
    rest = ["--on", "simavr", "--physics", "mujoco"]
    assert ran == [[sys.executable, "-c", sim.RUN, "robot", "simulate", str(tmp_path / "rooms"), *rest]]
    monkeypatch.setattr(sim, "find_spec", lambda name: None)
    assert main(["sim"]) == 2
    assert "pip install 'enigma[sim]', or --physics plain" in capsys.readouterr().err
    assert main(["sim", "--physics", "plain", "--on", "simulation"]) == 0
    assert ran[1][3:] == ["robot", "simulate", "flat", "--on", "simulation", "--physics", "plain"]
