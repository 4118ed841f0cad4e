"""What `enigma-bridge` says of a board and of the line, and one sentence for each mistake."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from firmware_bridge.cli import main
from firmware_bridge.errors import PortError
from firmware_bridge.ports import Port, finder, open_port, paths_of
from firmware_bridge.simulator import Simulated


def test_a_board_is_described_watched_and_measured(simulated: Simulated, capsys: pytest.CaptureFixture[str]) -> None:
    port = ["--port", str(simulated.link)]
    assert main(["info", *port]) == 0
    said = capsys.readouterr().out
    assert "rover, firmware 0.1.0, protocol 1" in said and "left         -1 to 1" in said
    assert main(["monitor", *port, "--count", "2", "--every", "0.01", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 2 and rows[1]["time"] > rows[0]["time"] and rows[0]["flags"] & 1
    assert main(["monitor", *port, "--count", "1", "--every", "0.01"]) == 0
    assert "flags session" in capsys.readouterr().out
    for every, why in (("0", "0.001 s or more"), ("nan", "0.001 s or more"), ("61", "from 0.0 to 60.0 s")):
        assert main(["monitor", *port, "--every", every]) == 1
        assert why in capsys.readouterr().err
    assert main(["bench", *port, "--count", "20", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["count"], made["bad"]) == (20, 0) and 0 < made["p50_ms"] <= made["p99_ms"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["info", "--port", "/dev/nowhere"], "There is no port /dev/nowhere"),
        (["info"], "No board is plugged in"),
        (["flash"], "No board is plugged in"),
        (["bench", "--count", "1"], "--count must be 2 or more"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_bridge.ports.ports", list)
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("enigma-bridge: ") and sentence in said.err
    assert len(said.err.splitlines()) == 1


def test_a_port_is_found_by_its_id_whatever_its_path_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_bridge.ports.ports", lambda: [Port("/dev/ttyUSB0", "1a86:7523:@1-2", "USB Serial")])
    find = finder("/dev/ttyUSB0")
    monkeypatch.setattr("firmware_bridge.ports.ports", lambda: [Port("/dev/ttyUSB3", "1a86:7523:@1-2", "USB Serial")])
    assert find() == ["/dev/ttyUSB3"]  # the cable went out and in
    assert paths_of("1a86:7523:@1-2") == paths_of(None) == ["/dev/ttyUSB3"]
    assert paths_of("2341:0043:85") == [] and paths_of("/dev/ttyACM0") == ["/dev/ttyACM0"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tty").touch()
    assert paths_of("tty") == ["tty"] and finder("tty")() == ["tty"]


def test_without_pyserial_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(PortError, match=r"pip install 'enigma\[serial\]'"):
        open_port("/dev/ttyACM0")
