"""`enigma-bridge robot`: what it says of a file, makes of a record, and keeps of tokens."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.cli import main
from firmware_bridge.robot.tokens import Tokens
from tests.firmware_bridge.robot.building import walk
from tests.firmware_bridge.robot.test_serve import TOML


def test_check_says_which_places_can_be_reached_and_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "robot.toml"
    file.write_text(TOML)
    assert main(["robot", "check", "--robot", str(file)]) == 0
    said = capsys.readouterr().out
    assert (
        "2 zones: stairs, bath" in said and "table: can be reached" in said and "tub: The robot can't stand at" in said
    )
    file.write_text(TOML.replace("radius = 0.15", "radius = 'wide'"))
    assert main(["robot", "check", "--robot", str(file)]) == 1
    assert "radius in [body] must be a number" in capsys.readouterr().err


def test_tokens_are_shown_once_kept_as_hashes_and_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    robot = ["--robot", str(tmp_path / "robot.toml")]
    assert main(["robot", "token", "ear", "--scope", "act", *robot]) == 0
    token = capsys.readouterr().out.strip()
    kept = tmp_path / "robot.tokens"
    assert token not in kept.read_text() and kept.stat().st_mode & 0o777 == 0o600
    assert Tokens(kept).scopes(token) == {"act"} and Tokens(kept).scopes("other") == set()
    assert main(["robot", "token", "ear", "--remove", *robot]) == 0
    assert Tokens(kept).scopes(token) == set()
    kept.chmod(0o644)
    assert main(["robot", "token", "ear", "--scope", "act", *robot]) == 1
    assert "may be read by others" in capsys.readouterr().err


def test_without_a_robot_that_is_served_each_command_says_what_to_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "robot.token").write_text("x")
    for words in (["state"], ["stop"], ["go", "kitchen"], ["drive", "0.1", "--seconds", "0.1"]):
        assert main(["robot", *words, "--robot", str(tmp_path / "robot.toml")]) == 1
        assert "start enigma-bridge robot serve" in capsys.readouterr().err


def test_a_record_becomes_a_map_and_rubbish_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, log, out = walk(4, rounds=0.25), tmp_path / "log.npz", tmp_path / "map.npz"
    np.savez(log, ranges=made.ranges, odometry=made.odometry, first=made.first, step=made.step)
    assert main(["robot", "map", str(log), str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scans"] > 20 and out.exists() and out.with_suffix(".png").exists()
    np.savez(log, ranges=made.ranges, odometry=made.odometry[:3], first=0.0, step=0.1)
    assert main(["robot", "map", str(log), str(out)]) == 1
    log.write_bytes(b"rubbish")
    assert main(["robot", "map", str(log), str(out)]) == 1
    assert "is no record" in capsys.readouterr().err
