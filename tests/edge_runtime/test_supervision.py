"""What systemd is told, by a real daemon over a real socket of its kind."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edge_runtime.supervision import Supervisor, unit_file

from .conftest import StartDevice, edge


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(path))
    listener.settimeout(60)
    return listener


def test_a_daemon_says_that_it_is_ready_lives_begins_again_and_stops(start_device: StartDevice, tmp_path: Path) -> None:
    with _listening(tmp_path / "notify") as listener:
        device = start_device(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000")
        said: list[str] = []
        while said.count("WATCHDOG=1") < 3:  # a tenth of a second apart, where the machine has time for it
            said += listener.recv(4096).decode().splitlines()
        device.request("POST", "/v1/restart", {}, {"Authorization": f"Bearer {device.token}"})
        while said.count("READY=1") < 2:  # the process begins again, and to systemd it never ended
            said += listener.recv(4096).decode().splitlines()
        device.stop()
        listener.setblocking(False)
        while True:
            try:
                said += listener.recv(4096).decode().splitlines()
            except BlockingIOError:
                break
    assert said.count("RELOADING=1") == 1 and said.count("STOPPING=1") == 1 and said.count("WATCHDOG=1") >= 3
    assert "STATUS=ready: no specialist yet" in said
    assert said.index("READY=1") < said.index("RELOADING=1") < said.index("STOPPING=1")


def test_an_abstract_address_works_and_one_that_is_gone_hurts_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"enigma-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(60)
        Supervisor({"NOTIFY_SOCKET": "@" + name}).ready("ready")
        assert listener.recv(100) == b"READY=1\nSTATUS=ready"
        Supervisor({"NOTIFY_SOCKET": "@" + name}).starting(40)
        assert listener.recv(100) == b"EXTEND_TIMEOUT_USEC=100000000"
    Supervisor({"NOTIFY_SOCKET": str(tmp_path / "none")}).stopping()
    assert "can't be told" in caplog.text
    Supervisor({}).stopping()


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}],
)
async def test_signs_of_life_are_given_only_where_this_process_is_asked(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with _listening(tmp_path / "notify") as listener:
        async with Supervisor({**environment, "NOTIFY_SOCKET": str(tmp_path / "notify")}).watched():
            pass
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.recv(100)


def test_the_unit_file_runs_this_installation_on_this_state(tmp_path: Path) -> None:
    printed = edge("unit", "--state", tmp_path, "--user", "enigma").stdout
    lines = printed.splitlines()
    assert {"Type=notify", "TimeoutStartSec=300", "WatchdogSec=30"} <= set(lines)
    assert "ExecReload=/bin/kill -HUP $MAINPID" in lines
    assert {"User=enigma", "WantedBy=multi-user.target"} <= set(lines)
    started = next(line for line in lines if line.startswith("ExecStart="))
    assert started.endswith(f"run --state {tmp_path}") and started.startswith("ExecStart=/")
    own = unit_file(tmp_path, None)
    assert "User=" not in own and "WantedBy=default.target" in own
