"""The quickstart's stages with a small router course; its home course is run by the benchmark of the README."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.trainer_host.samples import REPO, easy_dataset
from trainer_host.data.dataset import Dataset
from trainer_host.presentation import OnStep, PlainPresenter
from trainer_host.quickstart import Course, run_quickstart
from trainer_host.release import devices
from trainer_host.release.edge_process import edge_running, running_url
from trainer_host.students import text_heads
from trainer_host.workspace import Workspace

STAGES = ["teach", "train", "compress", "gate", "bundle", "push", "ask"]


def course(folder: Path) -> Course:
    def teach(workspace: Workspace, on_step: OnStep) -> Dataset:
        on_step(0.5, "rows")
        return easy_dataset(workspace, folder)

    sentences = (("rain and snow today", None), ("buy a train ticket", None), ("zxqv", None))
    return Course("easy", "router", "test rows", teach, sentences, lambda specialist: {"cases": 3, "accuracy": 0.5})


def test_seven_stages_end_with_answers_and_a_second_time_reuses_pairing_and_bundle(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_heads, "FEW", text_heads.Aside(10, 2))  # models that calibrate: a third of the trainings
    workspace.home.mkdir()
    out = io.StringIO()
    first = run_quickstart(workspace, course(tmp_path), PlainPresenter(out), interactive=False)
    assert list(first.stages) == STAGES
    assert all(float(str(stage["seconds"])) > 0 for stage in first.stages.values())
    assert "passed" in out.getvalue() and "weather" in out.getvalue() and "hassil" in out.getvalue()
    push, ask = _figures(first.stages["push"]), _figures(first.stages["ask"])
    assert push["changed"] is True and push["paired_now"] is True
    sentences = ask["sentences"]
    assert isinstance(sentences, list)
    assert [s["label"] for s in sentences[:2]] == ["weather", "travel"]
    assert sentences[2]["unsure"] is True
    json.dumps(first.to_json())
    assert running_url(workspace.device) is None

    again = run_quickstart(workspace, course(tmp_path), PlainPresenter(out), interactive=False)
    push = _figures(again.stages["push"])
    assert push["changed"] is False and push["paired_now"] is False
    assert _figures(again.stages["bundle"])["address"] == _figures(first.stages["bundle"])["address"]
    assert len(devices.known_devices(workspace)) == 1
    assert len(list(workspace.bundles.glob("*.enigma"))) == 1


def test_a_device_that_forgot_this_host_is_paired_again(workspace: Workspace, tmp_path: Path) -> None:
    workspace.device.mkdir(parents=True)
    device = devices.Device("local", "http://127.0.0.1:9", "enigma_unknown", "0" * 16)
    devices.remember(workspace, device)
    with edge_running(workspace.device, tmp_path / "log") as url:
        assert not devices.still_paired(devices.Device("local", url, device.token, device.id))
        assert running_url(workspace.device) == url
        with edge_running(workspace.device, tmp_path / "log2") as same:
            assert same == url
        assert running_url(workspace.device) == url
    assert running_url(workspace.device) is None


def test_a_device_that_cannot_start_is_told_with_its_own_words(workspace: Workspace, tmp_path: Path) -> None:
    from trainer_host.errors import TrainerError

    workspace.device.mkdir(parents=True)
    (workspace.device / "config.toml").write_text("nonsense = 1\n")
    with (
        pytest.raises(TrainerError, match=r"didn't start .*nonsense"),
        edge_running(workspace.device, tmp_path / "log"),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_the_host_stops_the_device(workspace: Workspace, tmp_path: Path, number: signal.Signals) -> None:
    workspace.device.mkdir(parents=True)
    code = (
        "import sys, time; from pathlib import Path; from trainer_host import cli; "
        "from trainer_host.release.edge_process import edge_running\n"
        "cli.stop_when_told()\n"
        "with edge_running(Path(sys.argv[1]), Path(sys.argv[2])) as url:\n"
        "    print(url, flush=True)\n"
        "    time.sleep(60)\n"
    )
    host = subprocess.Popen(
        [sys.executable, "-c", code, str(workspace.device), str(tmp_path / "log")],
        cwd=REPO,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert host.stdout is not None
    assert host.stdout.readline().startswith("http://127.0.0.1:")
    assert running_url(workspace.device) is not None
    os.kill(host.pid, number)
    host.wait(60)
    host.stdout.close()
    until = time.monotonic() + 60
    while running_url(workspace.device) is not None and time.monotonic() < until:
        time.sleep(0.05)
    assert running_url(workspace.device) is None


def _figures(stage: dict[str, object]) -> dict[str, object]:
    figures = stage["figures"]
    assert isinstance(figures, dict)
    return figures
