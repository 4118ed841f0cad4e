"""`enigma train-base`: from a folder of texts to a run that others begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer_host.data.plain_texts import write_texts
from trainer_host.cli import main
from trainer_host.data.dataset import open_dataset
from trainer_host.students.language.model_card import CARD
from trainer_host.training.run import open_run
from trainer_host.workspace import Workspace

QUICK = ("--size", "nano", "--context", "32", "--rows", "2", "--epochs", "0.1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "mine", 24, 16)


def enigma(home: Path, *words: str) -> int:
    return main(["--home", str(home), *words])


def test_the_same_folder_and_seed_give_the_same_weights_and_card_in_another_home(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []
    for home in (tmp_path / "one", tmp_path / "two"):
        assert enigma(home, "train-base", *QUICK, "--text", str(folder), "--out", "ground") == 0
        run = open_run(Workspace(home).run("ground"))
        assert run.task == "base" and run.content == open_dataset(Workspace(home).dataset("ground")).content
        made.append((run.weights, (run.folder / CARD).read_bytes()))
    assert made[0] == made[1]
    assert "texts to learn" in capsys.readouterr().out
    assert enigma(tmp_path / "one", "runs", "list") == 0
    assert "ground" in capsys.readouterr().out


def test_the_amount_of_text_follows_from_the_minutes_the_size_and_the_epochs() -> None:
    import argparse

    from trainer_host.commands import train_base

    def planned(*words: str) -> int:
        parser = argparse.ArgumentParser()
        train_base.add(parser.add_subparsers())
        return train_base._bytes_planned(parser.parse_args(["train-base", *words]))

    tiny = planned("--size", "tiny")
    assert planned("--size", "tiny", "--epochs", "10") == pytest.approx(tiny / 10, rel=1e-3)
    assert planned("--size", "tiny", "--minutes", "16") == pytest.approx(2 * tiny, rel=1e-3)
    assert planned("--size", "nano") > 4 * tiny
    assert planned("--size", "small", "--megabytes", "300") == 300_000_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--minutes", "1", "--megabytes", "1"), "give one of them"),
        (("--megabytes", "0"), "above 0"),
        (("--size", "huge"), "There is no size 'huge'"),
        (("--size", "xl"), "smaller --size"),
        (("--epochs", "0"), "--epochs must be above 0"),
        (("--text", "/nowhere/at/all"), "is no folder"),
        (("--out", "Not A Name"), "can't be a name"),
        (("--devices", "0"), "--devices must be"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_before_the_work(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert enigma(tmp_path, "train-base", *words) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "data").exists()
