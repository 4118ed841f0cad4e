"""Foxglove's own packages read our recordings; `ENIGMA_FOXGLOVE` names a folder where
`npm install @mcap/core @mcap/nodejs @foxglove/rosmsg @foxglove/rosmsg2-serialization` was run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import pytest

from firmware_bridge.ros2.definitions import NAME
from firmware_bridge.ros2.names import DEFAULT
from firmware_bridge.ros2.recording import Recorder
from tests.firmware_bridge.ros2.test_types import TYPES, WANTED, any_value

PACKAGES = os.environ.get("ENIGMA_FOXGLOVE", "")
pytestmark = pytest.mark.skipif(not PACKAGES, reason="ENIGMA_FOXGLOVE names no folder with Foxglove's packages")


def test_foxgloves_reader_decodes_every_message_as_we_do(tmp_path: Path) -> None:
    chance, sent = random.Random(11), list[tuple[str, object]]()
    with Recorder(tmp_path / "drive", TYPES) as recorder:
        for number in range(200):
            type_ = WANTED[number % len(WANTED)]
            data = TYPES.encode(TYPES.make(type_, any_value((NAME, type_), chance)), type_)
            recorder.write(f"/{type_.split('/')[-1]}", type_, data, DEFAULT, 1_700_000_000_000_000_000 + number)
            sent.append((type_, TYPES.plain(TYPES.decode(data, type_))))
    script = Path(__file__).with_name("foxglove") / "read.mjs"
    command = ["node", str(script), str(Path(PACKAGES).resolve()), str(tmp_path / "drive" / "drive.mcap")]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    read = [json.loads(line) for line in lines]
    assert [each["type"] for each in read] == [type_ for type_, _ in sent]
    for each, (_, message) in zip(read, sent, strict=True):
        assert _close(each["message"]) == _close(message)


def _close(value: object) -> object:
    """Numbers to seven digits, as a float32 has them; 64-bit ones are JavaScript's, and so of 53 bits."""
    if isinstance(value, dict):
        return {key: _close(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_close(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, int | float) and not isinstance(value, bool) else value
