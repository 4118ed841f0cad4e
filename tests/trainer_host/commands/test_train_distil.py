"""`enigma train --teacher`: a run learns the probabilities of another one."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from edge_runtime.language.template import encode_chat
from edge_runtime.language.tokenizer import Tokenizer
from tests.trainer_host.samples import easy_dataset
from tests.trainer_host.training.small_talk import small_talk
from trainer_host.commands import train as commands
from trainer_host.data.dataset import open_dataset
from trainer_host.errors import DataError, TrainerError
from trainer_host.students.language.model import LanguageModel
from trainer_host.students.language.rows import conversations
from trainer_host.students.language.run_files import read_template, trained_model
from trainer_host.training.combine import lineage_of
from trainer_host.training.lineage import founder, read_lineage, write_lineage
from trainer_host.training.run import is_run, open_run
from trainer_host.training.runs import history_of
from trainer_host.workspace import Workspace

OPTIONS = ("--data", "talk", "--rows", "4", "--epochs", "6", "--rate", "3e-3", "--optimizer", "adamw")


def enigma(workspace: Workspace, *words: str) -> None:
    parser = argparse.ArgumentParser()
    commands.add(parser.add_subparsers(required=True))
    args = parser.parse_args(["train", *words, "--home", str(workspace.home)])
    args.command(args)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A dataset, the run `big`, which is a little larger and was shown the rows more often, and its student `small`."""
    folder = tmp_path_factory.mktemp("distil")
    workspace = Workspace(folder / "home")
    small_talk(workspace, folder)
    enigma(workspace, *OPTIONS, "--size", "micro", "--context", "32", "--name", "big")
    enigma(workspace, *OPTIONS, "--epochs", "4", "--name", "small", "--teacher", "big", "--distil-weight", "1")
    return workspace


def test_the_student_is_nearer_to_its_teacher_than_one_that_learnt_from_the_rows_alone(shared: Workspace) -> None:
    enigma(shared, *OPTIONS, "--epochs", "4", "--context", "32", "--name", "alone")
    folder = shared.run("big")
    tokenizer, template = Tokenizer.read(folder / "tokenizer.json"), read_template(folder)
    rows = list(open_dataset(shared.dataset("talk")).rows("heldout"))
    ids = [encode_chat(tokenizer, template, one.messages, answering=False) for one in conversations(rows, "chat")]
    big, small, alone = (trained_model(open_run(shared.run(name)).folder)[1] for name in ("big", "small", "alone"))

    def answers(model: LanguageModel) -> torch.Tensor:
        """Logits of the held-out rows' answers."""
        parts = []
        for tokens, learn in ids:
            logits = model(torch.tensor(tokens)[None])[0, :-1]
            parts.append(logits[torch.tensor(learn[1:])])
        return torch.log_softmax(torch.cat(parts), -1)

    with torch.no_grad():
        theirs = answers(big)
        near, far = (
            float(F.kl_div(answers(one), theirs, log_target=True, reduction="batchmean")) for one in (small, alone)
        )
    assert near < 0.8 * far, (near, far)
    tokenizers = {(shared.run(name) / "tokenizer.json").read_text() for name in ("big", "small")}
    assert len(tokenizers) == 1


def test_the_teacher_is_named_wherever_the_student_goes(shared: Workspace) -> None:
    teacher, small = open_run(shared.run("big")), open_run(shared.run("small"))
    assert small.distilled == teacher.weights and small.settings["teacher"] == "big"
    assert json.loads((small.folder / "config.json").read_text())["distilled"]["sha256"] == teacher.weights
    with history_of(shared.home) as history:
        assert history.find("small").config["distilled"] == teacher.weights
    of_run = {"seed": 1, "seconds": None, "curriculum": False, "settings": small.settings}
    dataset = open_dataset(shared.dataset("talk"))
    assert is_run(shared, dataset, "small", **of_run)  # type: ignore[arg-type]
    assert lineage_of(shared, small, "Ada", "Apache-2.0").attribution() == [
        "small by Ada (Apache-2.0, distilled)",
        "big by Ada (Apache-2.0, trained)",
    ]
    # A teacher whose makers are known passes them on at once.
    shutil.copytree(teacher.folder, shared.runs / "known")
    card = json.loads((shared.runs / "known" / "run.json").read_text())
    (shared.runs / "known" / "run.json").write_text(json.dumps({**card, "name": "known"}))
    write_lineage(shared.runs / "known", founder("known", teacher.weights, "CC-BY-SA-4.0", ("Grace",), dataset))
    enigma(shared, *OPTIONS, "--epochs", "0.1", "--name", "heir", "--teacher", "known")
    family = read_lineage(shared.run("heir"))
    assert family is not None
    assert family.attribution() == [
        "heir by Grace (CC-BY-SA-4.0, distilled)",
        "known by Grace (CC-BY-SA-4.0, trained)",
    ]


def test_a_teacher_that_can_not_teach_is_one_sentence(shared: Workspace, tmp_path: Path) -> None:
    easy_dataset(shared, tmp_path)
    other = shared.runs / "other"
    if not other.exists():
        shutil.copytree(shared.run("big"), other)
        text = json.loads((other / "tokenizer.json").read_text())
        (other / "tokenizer.json").write_text(json.dumps(text))  # no longer the same bytes
    for words, told in (
        (("--teacher", "nobody"), "nobody"),
        (("--name", "big", "--teacher", "big"), "can't learn from itself"),
        (("--teacher", "big", "--init", "other"), "'enigma teach' with a local teacher"),
        (("--teacher", "big", "--context", "64"), "--context 32"),
        (("--distil-weight", "0.5"), "--teacher names a run"),
        (("--teacher", "big", "--distil-weight", "2"), "--distil-weight must be above 0 and at most 1"),
    ):
        with pytest.raises((DataError, TrainerError), match=told):
            enigma(shared, *OPTIONS, "--name", "refused", *words)
    with pytest.raises(DataError, match="leave out --teacher"):
        enigma(shared, "--data", "easy", "--teacher", "big")
    assert not (shared.runs / "refused").exists()
