"""The daemon as a process: starting, stopping, sharing a folder, staying small."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.client import DeviceClient, DeviceUnreachable, Unauthorized
from edge_runtime.engines import available_runtimes

from . import tiny
from .conftest import END_SECONDS, RunningDevice, StartDevice, edge, edge_environment


def test_sigterm_ends_it_cleanly_and_the_last_answers_arrive(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    device = start_device()
    device.push(bundles["v1"])
    statuses: list[int] = []

    def ask() -> None:
        while True:
            try:
                statuses.append(device.run("turn on the light").status)
            except (ConnectionError, OSError):
                return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(statuses) <= 10:
        time.sleep(0.01)
    assert device.stop() == 0
    for thread in threads:
        thread.join()
    assert len(statuses) > 10
    assert set(statuses) <= {200, 503}
    assert statuses.count(503) <= 4
    assert not (state / "daemon.json").exists()
    assert "stopped" in device.log and "Traceback" not in device.log


def told(device: RunningDevice, path: str, wanted: Callable[[dict], bool]) -> None:
    """Wait until the daemon tells its owner so."""
    while not wanted(device.get(path, Authorization=f"Bearer {device.token}").json):
        assert device.process.poll() is None, device.log
        time.sleep(0.02)


def test_sighup_takes_the_plan_and_the_pipelines_as_they_are_now_and_loads_nothing_anew(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    """llama.cpp#21823: "when I send almost any signal, llama-server dies"."""
    device = start_device()
    device.push(bundles["v1"])
    tick = state / "pipelines" / "tick.toml"
    tick.parent.mkdir()
    tick.write_text('[source]\nkind = "timer"\nevery_seconds = 50\n[[sinks]]\nkind = "event"\n')
    (state / "serving.toml").write_text('[ab.either]\na = "tiny"\nb = "other"\nshare = 0\n')
    device.process.send_signal(signal.SIGHUP)
    told(device, "/v1/pipelines", lambda found: [each["state"] for each in found["pipelines"]] == ["running"])
    told(device, "/v1/plan", lambda plan: plan["missing"] == ["other"])
    assert device.run("turn on the light", "either").json["answered_by"] == "tiny"
    tick.unlink()
    (state / "serving.toml").write_text("pinned = 5")
    device.process.send_signal(signal.SIGHUP)
    told(device, "/v1/pipelines", lambda found: found["pipelines"] == [])
    assert device.run("turn on the light", "either").status == 200  # by the plan before
    assert "pinned must be a list" in device.log and device.log.count("listens on") == 1
    assert 'enigma_model_loads{specialist="tiny"} 1' in device.get("/metrics").body.decode()
    assert device.stop() == 0


def test_the_log_is_an_object_on_each_line_for_who_wants_that(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    (state / "config.toml").write_text('[log]\nformat = "json"\n')
    device = start_device()
    device.push(bundles["v1"])
    (state / "serving.toml").write_text('[ab."two\\nlines"]\n')
    device.process.send_signal(signal.SIGHUP)
    while "can't be used" not in device.log:
        time.sleep(0.02)
    assert device.stop() == 0
    assert " INFO " not in device.log.replace("INFO: Created TensorFlow Lite", "")  # LiteRT writes by itself
    lines = [json.loads(line) for line in device.log.splitlines() if line.startswith("{")]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    (activated,) = (line["event"] for line in lines if line.get("event", {}).get("type") == "activated")
    assert (activated["specialist"], activated["version"], activated["runtime"]) == ("tiny", "1.0.0", tiny.RUNTIME)
    assert any(line["level"] == "error" and "serving.toml can't be used" in line["message"] for line in lines)


def test_a_terminal_that_is_closed_ends_the_daemon_in_it_cleanly(state: Path, tmp_path: Path) -> None:
    terminal, inside = pty.openpty()
    command = [sys.executable, "-m", "edge_runtime.cli", "run", "--state", str(state), "--listen", "127.0.0.1:0"]
    daemon = subprocess.Popen(
        [*command, "--port-file", str(tmp_path / "port")],
        stdin=inside,
        stderr=subprocess.PIPE,
        text=True,
        env=edge_environment(),
    )
    os.close(inside)
    while not (tmp_path / "port").exists():
        assert daemon.poll() is None
        time.sleep(0.01)
    daemon.send_signal(signal.SIGHUP)
    _, log = daemon.communicate(timeout=END_SECONDS)
    os.close(terminal)
    assert daemon.returncode == 0 and "stopped" in log and "Traceback" not in log


def test_who_nobody_asks_sleeps_and_is_awake_again_for_the_next_who_does(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    """ollama's keep_alive, and its opposite: pinned in the plan it would stay."""
    (state / "config.toml").write_text("[models]\nidle_seconds = 0.2\n[update]\ntrial = false\n")
    device = start_device()
    device.push(bundles["v1"])
    for _ in range(2):
        told(device, "/v1/models", lambda found: found["models"][0]["asleep"])
        assert device.run("turn on the light").status == 200


def test_a_folder_serves_one_daemon_at_a_time(start_device: StartDevice, state: Path) -> None:
    first = start_device()
    second = edge("run", "--state", state, "--listen", "127.0.0.1:0")
    assert second.returncode == 1
    assert "Another enigma-edge uses" in second.stderr
    first.kill()
    start_device()  # what a killed one left behind doesn't hinder


def test_a_port_in_use_is_told(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        failed = edge("run", "--state", state, "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert failed.returncode == 1
    assert "choose another --listen" in failed.stderr


def test_status_is_for_people_and_programs(start_device: StartDevice, bundles: dict[str, Path], state: Path) -> None:
    absent = edge("status", "--state", state)
    assert (absent.returncode, "No daemon runs" in absent.stderr) == (1, True)
    device = start_device()
    device.push(bundles["v1"])
    shown = edge("status", "--state", state)
    assert shown.returncode == 0, shown.stderr
    assert f"tiny 1.0.0 (router, {tiny.RUNTIME}" in shown.stdout
    assert '"ready": true' in edge("status", "--json", "--state", state).stdout


@pytest.mark.parametrize(("runtime", "limit_mb"), [("onnxruntime", 82), ("ai-edge-litert", 66)])
def test_it_stays_small_with_one_model(
    start_device: StartDevice, tmp_path: Path, runtime: str, limit_mb: int, state: Path
) -> None:
    if runtime not in available_runtimes():
        pytest.skip(f"{runtime} isn't usable here")
    pytest.importorskip("onnx" if runtime == "onnxruntime" else "flatbuffers")
    described = tiny.manifest() if runtime == "onnxruntime" else tiny.litert_manifest()
    tiny.make_bundle(tmp_path / "one.enigma", described)
    device = start_device()
    assert device.push(tmp_path / "one.enigma").json["runtime"] == runtime
    device.stop()
    device = start_device()
    for _ in range(50):
        assert device.run("turn on the light").status == 200
    status = device.get("/v1/status", Authorization=f"Bearer {device.token}").json
    assert status["specialists"][0]["runtime"] == runtime
    assert status["rss_bytes"] < limit_mb * 2**20


def test_it_comes_up_while_a_client_sends_nonsense_to_an_unknown_specialist(
    start_device: StartDevice,
) -> None:
    device = start_device()
    assert device.get("/readyz").json == {"status": "ready"}  # nothing installed is nothing missing
    assert device.run("hello").status == 404


async def test_a_unix_socket_serves_programs_on_the_device_and_goes_with_the_daemon(
    start_device: StartDevice, bundles: dict[str, Path], state: Path
) -> None:
    path = state.parent / "edge.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))  # as a killed daemon leaves it
    left.close()
    assert edge("install", bundles["v1"], "--state", state).returncode == 0
    (state / "config.toml").write_text(f'[server]\nsocket = "{path}"\n')
    device = start_device()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    async with DeviceClient(f"unix://{path}") as client:
        assert "label" in await client.run("tiny", {"text": "hi"})
        with pytest.raises(Unauthorized):
            await client.status()
    async with DeviceClient(f"unix://{path}", device.token) as client:
        events = client.events()
        assert (await client.status())["ready"] and (await anext(events))["type"] == "serving"
        await events.aclose()
    second = edge(
        "run", "--state", state.parent / "another", "--listen", "127.0.0.1:0", "--config", state / "config.toml"
    )
    assert second.returncode == 1 and "choose another server.socket" in second.stderr
    assert device.stop() == 0 and not path.exists()
    async with DeviceClient(f"unix://{path}") as client:
        with pytest.raises(DeviceUnreachable, match=r"edge\.sock"):
            await client.models()
