"""Sweeps over small trainings, in worker processes as on any machine."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.trainer_host.samples import easy_dataset
from tests.trainer_host.training.here import Here
from tests.trainer_host.training.small_talk import small_talk
from trainer_host.commands import sweep as commands
from trainer_host.errors import TrainerError
from trainer_host.training.run import open_run
from trainer_host.training.runs import FILE, history_of
from trainer_host.workspace import Workspace


def enigma(workspace: Workspace, *words: str) -> None:
    """The command, as the command line enters it."""
    parser = argparse.ArgumentParser()
    commands.add(parser.add_subparsers(required=True))
    args = parser.parse_args(["sweep", *words, "--home", str(workspace.home)])
    args.command(args)


def statuses(workspace: Workspace) -> list[tuple[str, str]]:
    with history_of(workspace.home) as history:
        return [(entry.name, entry.status) for entry in history.entries()]


def test_a_sweep_that_was_killed_goes_on_without_repeating_what_was_done(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = easy_dataset(workspace, tmp_path)
    words = ("--data", "easy", "--vary", "seed=1,2", "--seconds", "4", "--workers", "1")
    code = "import sys; from pathlib import Path; from tests.trainer_host.commands import test_sweep as t; "
    code += "from trainer_host.workspace import Workspace; t.enigma(Workspace(Path(sys.argv[1])), *sys.argv[2:])"
    begun = subprocess.Popen([sys.executable, "-c", code, str(workspace.home), *words], stdout=subprocess.DEVNULL)
    outcomes = workspace.training / "easy-best-sweep"
    end = time.monotonic() + 240
    while not list(outcomes.glob("*.json")) and time.monotonic() < end and begun.poll() is None:
        time.sleep(0.01)
    os.kill(begun.pid, signal.SIGKILL)
    begun.wait()
    done = {path.name: path.read_bytes() for path in outcomes.glob("*.json")}
    assert len(done) == 1
    # As if the signal had come between the outcome's file and the history, which is a moment.
    with sqlite3.connect(workspace.home / FILE) as base:
        base.execute("UPDATE runs SET status = 'running', ended = NULL WHERE name = 'easy-best-1'")
    monkeypatch.setattr(commands, "_executor", lambda ray, workers: Here())  # that saves starting a second worker
    enigma(workspace, *words)
    assert {path.name: path.read_bytes() for path in outcomes.glob("*.json") if path.name in done} == done
    seen = statuses(workspace)
    assert [entry for entry in seen if entry[1] == "done"] == [
        *[(f"easy-best-{number}", "done") for number in (1, 2)],
        ("easy-best", "done"),
    ]
    shown = capsys.readouterr().out
    table = re.findall(r"^ +(\d) +(\d) +([01]\.\d{4})$", shown, re.M)
    assert sorted(number for number, _, _ in table) == ["1", "2"]
    scores = [float(score) for _, _, score in table]
    assert scores == sorted(scores, reverse=True) and scores[0] > 0.9
    run = open_run(workspace.run("easy-best"))
    assert (run.content, run.seed) == (dataset.content, int(table[0][1]))
    enigma(workspace, *words)
    assert statuses(workspace) == seen
    assert "was trained with seed" in capsys.readouterr().out
    aside = (workspace.training / "easy-best-sweep" / "data" / "sweep-rows" / "heldout.jsonl").read_text().splitlines()
    assert aside
    learnt = (workspace.training / "easy-best-sweep" / "data" / "sweep-rows" / "train.jsonl").read_text().splitlines()
    held = (dataset.folder / "heldout.jsonl").read_text().splitlines()
    assert sorted(aside + learnt) == sorted((dataset.folder / "train.jsonl").read_text().splitlines())
    assert not {json.loads(row)["input"]["text"] for row in held} & {json.loads(row)["input"]["text"] for row in aside}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--vary", "rate=1e-3,x"), "--vary rate: 'x' isn't a number"),
        (("--vary", "curriculum=maybe"), "'maybe' isn't yes or no"),
        (("--vary", "name=a,b"), "can't be varied; give an option and its values"),
        (("--vary", "rate"), "can't be varied"),
        (("--vary", "rate=0.1,5"), "--rate must be above 0"),
        (("--vary", "size=nano,huge"), "There is no size 'huge'"),
        (("--vary", "rate=0.1", "--vary", "rate=0.2"), "is there twice"),
        (("--vary", "rate=0.1,0.10"), "has a value twice"),
        (("--vary", "rate=0.1,0.2", "--rate", "0.3"), "give one of the two"),
        (("--vary", "size="), "has an empty value"),
        (("--vary", "rate=0.1", "--trials", "0"), "--trials must be 1 or more"),
        (("--vary", f"seed={','.join(map(str, range(1100)))}"), "tries at most 1000"),
        (("--vary", "old=nowhere"), "There is no dataset 'nowhere'"),
    ],
)
def test_a_sweep_that_cant_be_is_one_sentence(
    workspace: Workspace, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    small_talk(workspace, tmp_path)
    with pytest.raises(TrainerError, match=sentence):
        enigma(workspace, "--data", "talk", *words)
    assert not workspace.runs.exists()


def test_settings_that_a_student_does_not_have_end_the_sweep_with_its_sentence(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    easy_dataset(workspace, tmp_path)
    monkeypatch.setattr(commands, "_executor", lambda ray, workers: Here())
    with pytest.raises(TrainerError, match=r"No combination could be trained.*A router has one size"):
        enigma(workspace, "--data", "easy", "--vary", "rate=0.1,0.2")
    assert not workspace.runs.exists()
