"""The doctor: finds what is wrong, says how to mend it, and changes nothing."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest

from edge_runtime import doctor
from edge_runtime.doctor import BAD, GOOD, WARNING, Finding, examine

from .conftest import StartDevice, edge


def found(state: Path, **more: Path) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(state, **more)}


def test_a_device_that_serves_is_well(start_device: StartDevice, bundles: dict[str, Path], state: Path) -> None:
    assert edge("install", bundles["v1"], "--state", state).returncode == 0
    start_device()
    done = edge("doctor", "--state", state)
    assert done.returncode == 0 and "BAD" not in done.stdout
    assert "ok   tiny: 1.0.0, router, answers its golden vectors" in done.stdout
    assert "ok   daemon: runs" in done.stdout and "ok   trust: bundles of test" in done.stdout
    listed = json.loads(edge("doctor", "--state", state, "--json").stdout)
    assert {item["level"] for item in listed} <= {GOOD, WARNING}


def test_a_new_device_is_told_what_comes_next_and_nothing_is_made(tmp_path: Path) -> None:
    state = tmp_path / "new"
    told = found(state, root=tmp_path)
    assert told["specialists"].level == told["trust"].level == WARNING
    assert "enigma-edge pair" in told["trust"].mend and "enigma-edge run" in told["daemon"].mend
    assert not state.exists()


def test_a_damaged_model_a_wrong_key_and_an_open_folder_are_bad(
    bundles: dict[str, Path], state: Path, tmp_path: Path
) -> None:
    assert edge("install", bundles["v1"], "--state", state).returncode == 0
    for model in state.rglob("model.*"):
        model.write_bytes(model.read_bytes()[:-40])
    (state / "config.toml").write_text("[server]\nqueeu = 1\n")
    state.chmod(0o755)
    told = found(state)
    assert told["tiny"].level == BAD and "rollback tiny" in told["tiny"].mend
    assert told["configuration"].level == BAD and "queeu" in told["configuration"].says
    assert told["state folder"].level == BAD and told["state folder"].mend == f"chmod 700 {state}"
    done = edge("doctor", "--state", state)
    assert done.returncode == 1 and "Traceback" not in done.stderr


def test_an_address_that_is_taken_is_bad(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (state / "config.toml").write_text(f'[server]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n')
        assert found(state)["address"].level == BAD


@pytest.mark.parametrize(
    ("flags", "level", "words"),
    [("0", GOOD, "never"), ("50000", WARNING, "since it started"), ("50005", BAD, "supply voltage is too low now")],
)
def test_heat_power_and_memory_are_read_where_the_board_tells_them(
    tmp_path: Path, flags: str, level: str, words: str
) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    firmware = tmp_path / "sys/devices/platform/soc/soc:firmware"
    for folder in (zone, firmware, tmp_path / "proc"):
        folder.mkdir(parents=True)
    (zone / "temp").write_text("85123\n")
    (firmware / "get_throttled").write_text(flags)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 1000000 kB\nMemAvailable:   20000 kB\n")
    told = found(tmp_path / "state", root=tmp_path)
    assert told["temperature"].level == WARNING and "85 °C" in told["temperature"].says
    assert told["power"].level == level and words in told["power"].says
    assert told["memory"].level == WARNING
    shutil.rmtree(zone.parent)
    (firmware / "get_throttled").write_text("garbage")
    told = found(tmp_path / "state", root=tmp_path)
    assert "temperature" not in told and "power" not in told


def test_a_clock_before_this_version_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor.time, "time", lambda: 0.0)
    assert found(tmp_path / "state")["clock"].level == WARNING
