"""The command that the history keeps of a training makes it again."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tests.trainer_host.training.small_talk import small_talk
from trainer_host.cli import main
from trainer_host.training.run import open_run
from trainer_host.training.runs import history_of
from trainer_host.workspace import Workspace


def test_a_kept_command_gives_the_same_weights_in_another_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split("train --data talk --rows 4 --epochs 1 --context 32 --rate 0.0012 --seed 7 --name little-talk")
    made = []
    for name in ("one", "two"):
        workspace = Workspace(tmp_path / name)
        small_talk(workspace, tmp_path)
        monkeypatch.setenv("ENIGMA_HOME", str(workspace.home))
        monkeypatch.setattr(sys, "argv", ["/opt/bin/enigma", *words])
        assert main(words) in (0, None)
        with history_of(workspace.home) as history:
            entry = history.find("little-talk")
        made.append((open_run(workspace.run("little-talk")).weights, entry.data, entry.config, entry.command))
        words = shlex.split(entry.command)[1:]  # the second is what the first one kept
    assert made[0] == made[1] and made[0][3].startswith("enigma train --data talk")
