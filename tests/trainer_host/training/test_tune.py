"""Tuned runs, on a tiny model over bytes: what the losses do is tested beside them."""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from edge_runtime import strict_json
from edge_runtime.language.golden import golden_rows
from edge_runtime.language.template import CHATML
from edge_runtime.language.tokenizer import Tokenizer
from tests.trainer_host.samples import easy_dataset, write_jsonl
from tests.trainer_host.training.language_runs import language_run
from trainer_host.commands import tune as commands
from trainer_host.data.dataset import Dataset
from trainer_host.data.transfer import import_rows
from trainer_host.errors import DataError, TrainerError
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.model import LanguageModel
from trainer_host.students.language.preferences_data import Preference, write_preferences
from trainer_host.students.language.tokenizers import train_tokenizer
from trainer_host.tasks import task_spec
from trainer_host.teacher.protocol import Message
from trainer_host.training.lineage import read_lineage
from trainer_host.training.run import Run, open_run
from trainer_host.training.runs import history_of
from trainer_host.workspace import Workspace


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path) -> Dataset:
    examples = [task_spec("math").built_in(random.Random(seed)) for seed in range(40)]
    file = write_jsonl(tmp_path / "sums.jsonl", [{**one.input, **one.output} for one in examples])
    return import_rows(workspace, file, task="math", name="sums", seed=1, held_out=0.2)


@pytest.fixture
def run(workspace: Workspace, dataset: Dataset) -> Run:
    """A model that knows nothing yet, in a whole run folder."""
    torch.manual_seed(1)
    tokenizer = train_tokenizer(["[1] + [2] | {}"], 320)
    made = language_run(
        workspace, dataset, "first", LanguageModel(LanguageConfig(320, 32, 2, 2, 1, 64, 256)), tokenizer=tokenizer
    )
    (made.folder / "template.json").write_bytes(strict_json.dumps(CHATML.to_json()))
    pairs = golden_rows(Tokenizer.read(made.folder / "tokenizer.json"))
    (made.folder / "golden_texts.json").write_bytes(strict_json.dumps(pairs))
    config = json.loads((made.folder / "config.json").read_text())
    (made.folder / "config.json").write_text(json.dumps({**config, "tasks": ["math"], "unsure": {}}))
    return made


def enigma(workspace: Workspace, *words: str) -> None:
    """The command, as the command line enters it."""
    parser = argparse.ArgumentParser()
    commands.add(parser.add_subparsers(required=True))
    args = parser.parse_args([*words, "--home", str(workspace.home)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["/opt/bin/enigma", *words])
        args.command(args)


def preferences(path: Path, count: int = 30) -> Path:
    """Answers that add are preferred to those that subtract, whatever is asked."""
    made = [
        Preference((Message("user", f"[1] of {number} and [2]?"),), "[1] + [2] | {}", "[1] - [2] | {}")
        for number in range(count)
    ]
    write_preferences(path, made)
    return path


def test_preferences_make_a_new_run_that_follows_them_and_names_the_first(
    workspace: Workspace, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run.folder / "weights.safetensors").read_bytes()
    options = ("--pairs", str(preferences(tmp_path / "p.jsonl")), "--epochs", "4", "--rate", "0.003")
    enigma(workspace, "tune", "first", "--to", "kinder", "--author", "Ada", *options)
    shown = capsys.readouterr().out
    assert "Next: enigma export kinder" in shown
    tuned = open_run(workspace.run("kinder"))
    figures = json.loads((tuned.folder / "training.json").read_text())["figures"]
    assert figures["preferred"] >= 0.9
    assert (run.folder / "weights.safetensors").read_bytes() == before
    family = read_lineage(tuned.folder)
    assert family is not None
    assert family.attribution()[:2] == ["kinder by Ada (Apache-2.0, dpo)", "first by Ada (Apache-2.0, trained)"]
    assert "unsure" in json.loads((tuned.folder / "config.json").read_text())
    with history_of(workspace.home) as history:
        entry = history.find("kinder")
        assert (entry.status, "loss" in history.curves(entry.id)) == ("done", True)
        assert entry.command.startswith("enigma tune first --to kinder --author Ada --pairs ")


def test_rewards_make_a_new_run_with_all_that_a_run_needs(workspace: Workspace, run: Run) -> None:
    options = ("--reward", "--steps", "1", "--group", "2", "--rate", "0.01")
    enigma(workspace, "tune", "first", "--to", "judged", "--author", "Ada", *options)
    tuned = open_run(workspace.run("judged"))
    assert tuned.task == "math"
    assert (
        load_file(tuned.folder / "weights.safetensors").keys() == load_file(run.folder / "weights.safetensors").keys()
    )
    assert {path.name for path in run.folder.iterdir()} <= {path.name for path in tuned.folder.iterdir()}
    assert 0 <= json.loads((tuned.folder / "training.json").read_text())["figures"]["reward after"] <= 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "--pairs FILE, --thumbs FILE or --reward, one of them"),
        (("--pairs", "p.jsonl", "--reward"), "one of them"),
        (("--reward", "--epochs", "2"), "--epochs is for --pairs"),
        (("--pairs", "p.jsonl", "--steps", "2"), "--steps is for --reward"),
        (("--reward", "--group", "1"), "--group must be a whole number from 2"),
        (("--reward", "--rate", "0"), "--rate must be above 0"),
        (("--pairs", "nowhere.jsonl"), r"nowhere\.jsonl can't be read"),
    ],
)
def test_a_tuning_that_cant_be_is_one_sentence(
    workspace: Workspace, run: Run, words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(TrainerError, match=sentence):
        enigma(workspace, "tune", "first", "--to", "new", "--author", "Ada", *words)
    assert not (workspace.runs / "new").exists()


def test_only_what_a_language_model_writes_is_tuned_and_never_in_place(
    workspace: Workspace, run: Run, tmp_path: Path
) -> None:
    file = preferences(tmp_path / "p.jsonl")
    with pytest.raises(TrainerError, match="a name of its own"):
        enigma(workspace, "tune", "first", "--to", "first", "--author", "Ada", "--pairs", str(file))
    language_run(
        workspace, easy_dataset(workspace, tmp_path), "words", LanguageModel(LanguageConfig(48, 16, 2, 2, 1, 32, 32))
    )
    with pytest.raises(DataError, match="of the task router, which no language model writes"):
        enigma(workspace, "tune", "words", "--to", "new", "--author", "Ada", "--pairs", str(file))
    file.write_text("{}\n")
    with pytest.raises(DataError, match=r"Line 1 of p\.jsonl isn't a preference"):
        enigma(workspace, "tune", "first", "--to", "new", "--author", "Ada", "--pairs", str(file))
