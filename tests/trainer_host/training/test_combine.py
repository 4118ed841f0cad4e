from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer_host.samples import easy_dataset
from tests.trainer_host.training.language_runs import language_run, small_model
from trainer_host.commands import merge as commands
from trainer_host.data.dataset import Dataset
from trainer_host.errors import DataError, TrainerError
from trainer_host.students.language.model import LanguageModel
from trainer_host.training.combine import fork_run, merge_runs
from trainer_host.training.lineage import read_lineage
from trainer_host.training.merging import METHODS, Recipe
from trainer_host.training.run import open_run
from trainer_host.training.weights import load_weights
from trainer_host.workspace import Workspace


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path) -> Dataset:
    return easy_dataset(workspace, tmp_path)


def enigma(workspace: Workspace, *words: str) -> None:
    """The commands, as the command line enters them."""
    parser = argparse.ArgumentParser()
    commands.add(parser.add_subparsers(required=True))
    args = parser.parse_args([*words, "--home", str(workspace.home)])
    args.command(args)


def test_a_merge_a_fork_of_it_and_a_merge_of_that_keep_all_their_makers(workspace: Workspace, dataset: Dataset) -> None:
    for seed, name in enumerate(("ada", "bob")):
        language_run(workspace, dataset, name, small_model(seed), tasks=(f"task-{name}",))
    enigma(workspace, "merge", "ada", "bob", "--to", "both", "--weights", "3,1", "--author", "Ada")
    enigma(workspace, "fork", "both", "mine", "--author", "Grace")
    enigma(workspace, "merge", "mine", "ada", "--to", "last", "--method", "slerp", "--author", "Hedy")
    run = open_run(workspace.run("last"))
    family = read_lineage(run.folder)
    assert family is not None
    assert family.attribution() == [
        "last by Hedy (Apache-2.0, merge slerp)",
        "mine by Grace (Apache-2.0, fork)",
        "both by Ada (Apache-2.0, merge average)",
        "ada by Ada (Apache-2.0, trained)",
        "bob by Ada (Apache-2.0, trained)",
    ]
    both = load_file(workspace.run("both") / "weights.safetensors")
    wanted = 0.75 * small_model(0).embed_tokens.weight + 0.25 * small_model(1).embed_tokens.weight
    assert torch.allclose(both["embed_tokens.weight"], wanted, atol=1e-6)
    model = LanguageModel(small_model(0).config)
    load_weights(run.folder, model)  # a merge is a model like any other
    assert bool(torch.isfinite(model(torch.arange(6)[None])).all())
    assert "task-bob" in (run.folder / "config.json").read_text()


def test_a_run_whose_record_was_taken_away_has_no_children(workspace: Workspace, dataset: Dataset) -> None:
    for seed, name in enumerate(("ada", "bob")):
        language_run(workspace, dataset, name, small_model(seed))
    merge_runs(workspace, ["ada", "bob"], "both", Recipe("average"), author="Ada")
    (workspace.run("both") / "lineage.json").unlink()
    with pytest.raises(DataError, match="made from others"):
        fork_run(workspace, "both", "mine", author="Eve")
    assert not (workspace.runs / "mine").exists()


def test_ties_finds_the_ancestor_that_its_models_share(workspace: Workspace, dataset: Dataset) -> None:
    language_run(workspace, dataset, "root", small_model(0))
    for name in ("left", "right"):
        fork_run(workspace, "root", name, author="Ada")
    found, _ = merge_runs(workspace, ["left", "right"], "both", Recipe("ties"), author="Ada")
    named, _ = merge_runs(workspace, ["left", "right"], "named", Recipe("ties"), author="Ada", base="root")
    weights = [load_file(run.folder / "weights.safetensors") for run in (found, named)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_base_that_nobody_descends_from_is_a_parent_too(workspace: Workspace, dataset: Dataset) -> None:
    for seed, name in enumerate(("ada", "bob", "root")):
        language_run(workspace, dataset, name, small_model(seed))
    with pytest.raises(DataError, match="share no ancestor"):
        merge_runs(workspace, ["ada", "bob"], "both", Recipe("dare"), author="Ada")
    _, family = merge_runs(workspace, ["ada", "bob"], "both", Recipe("dare"), author="Ada", base="root")
    assert [one.name for one in family.ancestors] == ["ada", "bob", "root"]
    assert family.own.shares == (0.5, 0.5, 0.0)


def test_runs_that_do_not_fit_leave_nothing_behind(workspace: Workspace, dataset: Dataset) -> None:
    language_run(workspace, dataset, "ada", small_model(0))
    language_run(workspace, dataset, "wide", small_model(1, width=32))
    language_run(workspace, dataset, "words", small_model(2), tokenizer='{"other": 1}')
    for other, told in (("wide", "different shapes"), ("words", "different tokenizers"), ("ada", "named twice")):
        with pytest.raises(TrainerError, match=told):
            merge_runs(workspace, ["ada", other], "both", Recipe("average"), author="Ada")
    language_run(workspace, dataset, "bob", small_model(3))
    with pytest.raises(TrainerError, match="name of its own"):
        merge_runs(workspace, ["ada", "bob"], "bob", Recipe("average"), author="Ada")
    fork_run(workspace, "bob", "shared", author="Bob", licence="CC-BY-SA-4.0")
    with pytest.raises(DataError, match="must be too"):
        merge_runs(workspace, ["ada", "shared"], "both", Recipe("average"), author="Ada")
    assert sorted(workspace.names(workspace.runs)) == ["ada", "bob", "shared", "wide", "words"]


def test_the_same_merge_gives_the_same_bytes(workspace: Workspace, dataset: Dataset) -> None:
    for seed, name in enumerate(("ada", "bob")):
        language_run(workspace, dataset, name, small_model(seed))
    made = [merge_runs(workspace, ["ada", "bob"], "both", Recipe("average"), author="Ada")[0].weights for _ in "ab"]
    assert made[0] == made[1]


def test_the_command_offers_all_methods() -> None:
    assert commands.METHODS == METHODS  # said twice, so that `enigma --help` needn't import torch


def test_weights_that_are_no_numbers_are_one_sentence(workspace: Workspace) -> None:
    with pytest.raises(TrainerError, match="numbers with commas"):
        enigma(workspace, "merge", "a", "b", "--to", "c", "--author", "Ada", "--weights", "much,little")
