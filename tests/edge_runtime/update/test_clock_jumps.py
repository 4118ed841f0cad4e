"""Clocks that jump: what serves goes on, what has expired installs nothing and says so, and signed times are a floor."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_runtime.cli import main
from edge_runtime.engines import available_runtimes
from edge_runtime.update.source import follow

from ..conftest import RunningDevice, edge
from .following import Site
from .updating import NEW, OLD, Case, prepare

YEAR_1970 = datetime(1970, 1, 2, tzinfo=UTC)
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)

pytestmark = [
    pytest.mark.skipif(LIBRARY is None, reason="libfaketime isn't installed (Debian: apt-get install faketime)"),
    pytest.mark.skipif("onnxruntime" not in available_runtimes(), reason="the tiny model is an .onnx file"),
]


def at(when: datetime) -> dict[str, str]:
    """The environment of a process whose clock says this at its start, and goes on."""
    text = when.astimezone().strftime("@%Y-%m-%d %H:%M:%S")
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME": text,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # its cure for old C libraries makes each wait for another thread a busy one
    }


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return prepare(tmp_path_factory.mktemp("clock"))


@pytest.fixture
def state(case: Case, tmp_path: Path) -> Path:
    return Path(shutil.copytree(case.base, tmp_path / "device"))


@pytest.fixture
def devices(state: Path) -> Iterator[list[RunningDevice]]:
    running: list[RunningDevice] = []
    yield running
    for device in running:
        device.stop()


def check(device: RunningDevice) -> dict:
    """Ask the repository now; the report."""
    reply = device.request("POST", "/v1/updates/check", {}, {"Authorization": f"Bearer {device.token}"})
    assert reply.status == 200, reply.body
    return reply.json


def until(device: RunningDevice, version: str) -> None:
    """Wait until a version serves."""
    ends = time.monotonic() + 60
    while device.version() != version:
        assert time.monotonic() < ends, device.log
        time.sleep(0.05)


def test_a_device_whose_clock_is_back_in_1970_answers_and_takes_updates(
    state: Path, devices: list[RunningDevice]
) -> None:
    devices.append(RunningDevice(state, **at(YEAR_1970)))
    assert devices[0].run("turn on the light").status == 200
    assert check(devices[0])["cause"] == ""
    until(devices[0], NEW)
    assert devices[0].run("turn on the light").status == 200


def test_ten_years_ahead_a_device_answers_installs_nothing_and_says_why(
    case: Case, state: Path, devices: list[RunningDevice]
) -> None:
    devices.append(RunningDevice(state, **at(datetime.now(UTC) + timedelta(days=3653))))
    assert devices[0].run("turn on the light").status == 200
    cause = check(devices[0])["cause"]
    assert "expired at" in cause
    assert "nothing new is installed, what runs goes on" in cause
    assert cause in devices[0].log
    assert devices[0].version() == OLD
    assert devices[0].stop() == 0
    # Nothing of that year was learnt: with the clock set right, it takes what is wanted.
    assert case.update(state) == 0
    assert case.served(state) == NEW


def test_a_signed_time_is_a_floor_that_a_clock_set_back_does_not_get_below(tmp_path: Path) -> None:
    """Keys that stay offline sign for a year. Who then serves their old word, beside fresh timestamps, is found out."""
    time_of = [datetime.now(UTC)]
    site = Site(tmp_path / "home", lambda: time_of[0])
    site.want(site.publish(OLD))
    state = tmp_path / "device"
    follow(state, site.root.read_bytes(), [str(site.public)])
    assert main(["updates", "apply", str(site.public), "--state", str(state)]) == 0
    time_of[0] += timedelta(days=400)
    site.repository.refresh()  # by the keys that are online
    late = edge("updates", "apply", site.public, "--state", state, **at(YEAR_1970))
    assert late.returncode == 1
    assert "targets metadata expired at" in late.stdout
    assert f"it is {time_of[0]:%Y-%m-%d}" in late.stdout
