"""`enigma rollout` and `enigma fleet` as a person uses them, with devices that tell the database how they fare."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest

from tests.trainer_host.fleet.samples import Devices, published
from trainer_host import cli
from trainer_host.fleet.database import open_store
from trainer_host.release.repository import Repository
from trainer_host.workspace import Workspace

_parser = functools.cache(cli.build_parser)  # all commands' takes longer than some of them


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("ENIGMA_HOME", str(tmp_path))
    monkeypatch.delenv("ENIGMA_FLEET_DATABASE", raising=False)
    monkeypatch.setattr(cli, "build_parser", _parser)
    published(tmp_path, "1.0.0", "2.0.0")
    return Workspace(tmp_path)


def run(capsys: pytest.CaptureFixture[str], line: str, status: int = 0) -> str:
    assert cli.main(line.split()) == status
    said = capsys.readouterr()
    return said.err if status else said.out


def look(home: Workspace, devices: Devices) -> None:
    with open_store(home) as store:
        devices.look(Repository.of(home))
        devices.tell(store, 1e9)


def test_a_rollout_from_start_to_its_pause_and_back(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    devices = Devices({f"d{n}": ("kitchen",) for n in range(4)}, lambda device, version: version == "2.0.0")
    look(home, devices)
    said = run(capsys, "rollout start easy --release 1.0.0 --where kitchen --soak 0s --stages 1,100%")
    assert said.startswith("r-0001: easy 1.0.0 to devices with kitchen, 1 device first.\n")
    assert re.search(r"Waiting for name-d\d; 'enigma rollout watch'", said)
    for _ in range(2):
        look(home, devices)
        run(capsys, "rollout resume r-0001", status=2)
        step(home)
    assert run(capsys, "rollout watch") == "No rollout runs; 'enigma rollout status' shows how they ended.\n"
    assert "r-0001  easy          1.0.0  devices with kitchen  done    100%  4 of 4" in run(capsys, "rollout status")

    assert "It goes back to 1.0.0" in run(capsys, "rollout start easy --release 2.0.0 --where kitchen --soak 0s")
    look(home, devices)
    assert (
        run(capsys, "rollout watch r-0002")
        == "r-0002 is paused: 1 of 1 devices failed: 2 of 4 golden vectors differ.\n"
    )
    assert re.search(
        r"easy 1\.0\.0 \(rolled back\) +easy: 2 of 4 golden vectors differ\.", run(capsys, "fleet list --no-look")
    )
    shown = run(capsys, "rollout status r-0002")
    assert "Paused: 1 of 1 devices failed: 2 of 4 golden vectors differ. More than 2% failures pause it; " in shown
    assert re.search(r"1 device +1 +0 +1  paused", shown)
    assert re.search(r"name-d\d +1\.0\.0  rolled back  100\.0% +12\.5 +40\.2  2 of 4 golden vectors differ", shown)
    plain = json.loads(run(capsys, "rollout status r-0002 --json"))
    assert plain["stages"][0]["failed"] == 1 and plain["devices"][0]["cause"] == "2 of 4 golden vectors differ."
    assert "go back to easy 1.0.0" in run(capsys, "rollout abort r-0002")
    assert [one.id for one in Repository.of(home).desired()] == ["r-0001"]

    log = run(capsys, "fleet audit --rollout r-0002 --verify")
    assert [line.split()[3] for line in log.splitlines() if line[:2].strip().isdigit()] == [
        "rollout.started",
        "device.failed",
        "rollout.paused",
        "rollout.aborted",
    ]
    mark = log.split("--known: ")[1].strip()
    path = home.home / "fleet" / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b"rollout.paused", b"rollout.PAUSED"))
    assert "The log was changed: line" in run(capsys, f"fleet audit --known {mark}", status=1)


def test_devices_are_listed_tagged_and_forgotten(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert "enigma devices pair" in run(capsys, "fleet list")
    devices = Devices({"d1": ("hall",), "d2": ("kitchen",)})
    look(home, devices)
    run(capsys, "rollout start easy --release 1.0.0 --where kitchen --stages 100%")
    assert run(capsys, "fleet tag d1 kitchen beta") == "name-d1: hall, kitchen, beta.\n"
    look(home, devices)
    assert set(devices.runs) == {"d1", "d2"}
    listed = run(capsys, "fleet list --where kitchen")
    assert re.search(
        r"name-d1  d1  hall, kitchen \(given\), beta \(given\)  there, .*  easy 1\.0\.0 \(committed\)", listed
    )
    assert run(capsys, "fleet tag name-d1 --remove kitchen") == "name-d1: hall, beta.\n"
    assert "in its own configuration" in run(capsys, "fleet tag d1 --remove hall", status=2)
    assert "can't be a tag" in run(capsys, "fleet tag d1 Küche", status=2)
    assert json.loads(run(capsys, "fleet list --where kitchen --json"))[0]["id"] == "d2"
    assert re.search(r"easy +1\.0\.0  committed  100\.0% +12\.5 +40\.2", run(capsys, "fleet show d1"))
    run(capsys, "fleet forget d1")
    assert run(capsys, "fleet show d1", status=2) == (
        "enigma: No device 'd1' is known; 'enigma fleet list' shows names and ids.\n"
    )


def test_bad_input_is_one_sentence(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for line, says in [
        ("rollout start easy --release 9.0.0", "isn't published; there are 1.0.0, 2.0.0."),
        ("rollout start easy --release 1.0.0", "nobody could try"),
        ("rollout start easy --release 1.0.0 --stages 5", "end with 100%"),
        ("rollout start easy --release 1.0.0 --soak soon", "isn't a time"),
        ("rollout start easy --release 1.0.0 --most-failures 50%", "can't be more than 100%"),
        ("rollout start easy --release 1.0.0 --when asleep", "is no condition"),
        ("rollout pause r-0009", "There is no rollout 'r-0009'"),
        ("rollout watch --every 1d", "from 1s to 1h"),
        ("rollout status --database mysql://u@h/x", "postgresql://USER"),
        ("fleet webhooks add http://hooks.example.com/x", "hooks.example.com"),
        ("fleet webhooks remove w1", "There is no webhook"),
        ("fleet tag nobody", "Say which tags"),
    ]:
        said = run(capsys, line, status=2)
        assert says in said and said.count("\n") == 1 and "Traceback" not in said


def test_without_a_repository_it_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENIGMA_HOME", str(tmp_path / "empty"))
    assert "enigma release init" in run(capsys, "rollout status", status=2)
    assert not (tmp_path / "empty").exists()


def test_a_webhook_is_added_with_a_secret_that_is_shown_once(
    home: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run(capsys, "fleet webhooks add http://127.0.0.1:9/x --events rollout.")
    assert "Standard Webhooks): whsec_" in said
    listed = run(capsys, "fleet webhooks list")
    assert "http://127.0.0.1:9/x" in listed and "whsec" not in listed
    assert run(capsys, "fleet webhooks remove w1") == "http://127.0.0.1:9/x is told nothing more.\n"


def step(home: Workspace) -> None:
    from trainer_host.fleet.service import Fleet

    with open_store(home) as store:
        for _ in range(3):
            Fleet(store, Repository.of(home)).step()
