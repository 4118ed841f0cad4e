"""`enigma voice data` says what was made and what is next, or what is wrong."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trainer_host.cli import main
from trainer_host.speech import voice_rows


def test_the_command_passes_on_what_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def make_voice(workspace: object, name: str, voice: str, **how: object) -> object:
        asked.append((name, voice, how))
        return SimpleNamespace(name=name, counts={"train": 77, "heldout": 3}, figures={"words": 1234})

    monkeypatch.setattr(voice_rows, "make_voice", make_voice)
    words = ["voice", "data", "alice", "--voice", "rms", "--sentences", "80", "--seed", "4", "--texts", "own.txt"]
    words += ["--common", "7"]
    assert main(["--home", str(tmp_path), *words]) == 0
    assert asked == [("alice", "rms", {"seed": 4, "sentences": 80, "texts": Path("own.txt"), "common": 7})]
    said = capsys.readouterr()
    assert "77 sentences to train with, 3 held out, 1,234 words" in said.out + said.err
    assert "Next: enigma train --data alice" in said.out + said.err


def test_another_voice_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--home", str(tmp_path), "voice", "data", "alice", "--voice", "nobody"]) == 2
    assert "choose slt, rms, awb, kal16" in capsys.readouterr().err
