from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.trainer_host.training.sums import SETTINGS, model, rows
from trainer_host.commands import runs as command
from trainer_host.errors import DataError, NotThere, TrainerError
from trainer_host.training import checkpoints
from trainer_host.training.loop import train_language
from trainer_host.training.runs import FILE, Recording, differences, history_of, revision, sign_of_life
from trainer_host.training.undo import move
from trainer_host.workspace import Workspace

_KILLED = """
import sys, time
from pathlib import Path
from typing import Any
from trainer_host.training.runs import history_of
with history_of(Path(sys.argv[1])) as history:
    with history.training("lost", "chat", config={}, data="sha256:1", command="c", folder=Path("x")) as made:
        for step in range(1, 100):
            made.record(step, {"loss": 1 / step})
            print(step, flush=True)
        time.sleep(60)
"""


def enigma(home: Path, *arguments: str) -> None:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    args = parser.parse_args(["runs", *arguments, "--home", str(home)])
    args.command(args)


def trained(home: Path, name: str, steps: int = 10) -> None:
    settings = replace(SETTINGS, steps=steps)
    with (
        history_of(home) as history,
        history.training(
            name, "chat", config=settings.recipe(), data="sha256:2", command=f"enigma train {name}", folder=home / name
        ) as made,
    ):
        result = train_language(
            model(), rows(40), rows(10, 1), home / name, settings, lambda share, values: None, recorder=made
        )
        made.figures(result.figures)


def test_three_trainings_are_listed_with_what_makes_them_again(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        trained(tmp_path, name, 5)
    with history_of(tmp_path) as history:
        entries = history.entries()
        assert [entry.name for entry in entries] == ["one", "two", "three"]
        assert all(entry.status == "done" and entry.command == f"enigma train {entry.name}" for entry in entries)
        assert entries[0].figures["steps"] == 5 and entries[0].config["steps"] == 5
        losses = history.points(1, "loss")
        assert [step for step, _ in losses] == [1, 2, 3, 4, 5] and losses == history.points(2, "loss")
        assert round(losses[-1][1], 4) == entries[0].figures["loss"]
        assert "held_out" in history.curves(1)


def test_the_history_survives_kill_9_and_says_interrupted(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != "50":
            pass
        with history_of(tmp_path) as history:
            assert history.find("lost").status == "running"
        process.kill()
        process.wait(60)
    with history_of(tmp_path) as history:
        entry = history.find("lost")
        assert entry.status == "interrupted"
        assert len(history.points(entry.id, "loss")) >= 50
        assert history._base.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_training_that_fails_keeps_its_sentence(tmp_path: Path) -> None:
    with history_of(tmp_path) as history:
        with (
            pytest.raises(DataError),
            history.training("bad", "chat", config={}, data="d", command="c", folder=tmp_path),
        ):
            raise DataError("Row 3 is empty.")
        with (
            pytest.raises(KeyboardInterrupt),
            history.training("stopped", "chat", config={}, data="d", command="c", folder=tmp_path),
        ):
            raise KeyboardInterrupt
        assert (history.find("bad").status, history.find("bad").error) == ("failed", "Row 3 is empty.")
        assert history.find("2").status == "interrupted"
        with pytest.raises(NotThere, match="no training 'other'"):
            history.find("other")


def test_a_name_is_trained_by_one_process_at_a_time(tmp_path: Path) -> None:
    told: dict[str, Any] = {"config": {}, "data": "d", "command": "c", "folder": tmp_path}
    with history_of(tmp_path) as history, history_of(tmp_path) as other:
        with history.training("a", "chat", **told):
            with pytest.raises(TrainerError, match="'a' is being trained already"), other.training("a", "chat", **told):
                pass
            with pytest.raises(DataError, match="'a' is being trained; let it end"):
                move(Workspace(tmp_path), other.find("a"), back=True)
            with other.training("b", "chat", **told):
                pass
        with other.training("a", "chat", **told):
            pass
        assert [entry.status for entry in history.entries()] == ["done"] * 3


def test_a_process_that_ended_and_was_not_asked_for_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as ended:
        assert ended.stdout is not None and ended.stdout.read() == b""  # its end, and nobody has waited for it yet
        until = time.monotonic() + 60
        while sign_of_life(ended.pid) and time.monotonic() < until:
            time.sleep(0.01)
        assert sign_of_life(ended.pid) == ""
    assert sign_of_life(os.getpid()) != ""


def test_a_step_that_is_done_again_has_its_new_figures(tmp_path: Path) -> None:
    with (
        history_of(tmp_path) as history,
        history.training("a", "chat", config={}, data="d", command="c", folder=tmp_path) as made,
    ):
        assert isinstance(made, Recording)
        made.record(1, {"loss": 3.0})
        made.record(1, {"loss": 2.0, "rate": float("nan")})
        assert history.points(made.number, "loss") == [(1, 2.0)]


def test_differences_name_what_differs_and_nothing_else(tmp_path: Path) -> None:
    with history_of(tmp_path) as history:
        for rate in (0.1, 0.1, 0.2):
            with history.training(
                "a", "chat", config={"rate": rate, "schedule": {"kind": "wsd"}}, data="d", command="c", folder=tmp_path
            ):
                time.sleep(0)
        one, two, three = history.entries()
    assert differences(one, two) == []
    assert differences(one, three) == [("config.rate", "0.1", "0.2")]


def test_the_commands_list_show_compare_and_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    enigma(tmp_path, "list")
    assert "Nothing was trained here yet" in capsys.readouterr().out
    trained(tmp_path, "one", 5)
    trained(tmp_path, "two", 10)
    enigma(tmp_path, "list")
    listed = capsys.readouterr().out
    assert "one" in listed and "two" in listed and listed.count("done") == 2
    enigma(tmp_path, "show", "two")
    assert "enigma train two" in capsys.readouterr().out
    enigma(tmp_path, "diff", "1", "2")
    assert "config.steps" in capsys.readouterr().out
    enigma(tmp_path, "plot", "one", "two", "--out", str(tmp_path / "a.png"))
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG" and image.size == (960, 540)
        colours = {image.getpixel((x, y)) for x in range(80, 936) for y in range(56, 492)}
    assert {(0, 0x72, 0xB2), (0xD5, 0x5E, 0)} <= colours  # both curves
    with pytest.raises(DataError, match="no figures to draw"):
        enigma(tmp_path, "plot", "one", "--figure", "beauty", "--out", str(tmp_path / "b.png"))


def test_undo_and_redo_move_a_trainings_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(tmp_path, "one", 10)
    before = checkpoints.now(tmp_path / "one")
    enigma(tmp_path, "undo", "one")
    assert "step 5 now" in capsys.readouterr().out and checkpoints.now(tmp_path / "one") == 5
    enigma(tmp_path, "redo", "one")
    assert checkpoints.now(tmp_path / "one") == before == 10
    with pytest.raises(DataError, match="nothing to redo"):
        enigma(tmp_path, "redo", "one")


def test_a_file_that_is_no_history_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"something else, long enough to be no database at all" * 10)
    with pytest.raises(TrainerError, match="can't be used as the history"):
        history_of(tmp_path)


def test_a_folder_outside_git_has_no_revision(tmp_path: Path) -> None:
    assert revision(tmp_path) is None
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(tmp_path), *who, "commit", "-q", "--allow-empty", "-m", "a"], check=True)
    found = revision(tmp_path)
    assert found is not None and len(found) == 12
