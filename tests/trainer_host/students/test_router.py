from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.trainer_host.conftest import Trained, nothing
from tests.trainer_host.samples import FRONT_DESK, easy_dataset
from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded
from trainer_host.data.transfer import import_rows
from trainer_host.errors import DataError
from trainer_host.students import student_for
from trainer_host.students.baselines import majority_accuracy, naive_bayes_accuracy
from trainer_host.students.router import STUDENT
from trainer_host.training.run import train_run
from trainer_host.workspace import Workspace


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(workspace: Workspace, tmp_path: Path) -> None:
    dataset = easy_dataset(workspace, tmp_path)
    seconds = 2.5  # a third of the steps that it would plan; every one of them must repeat
    first, _ = train_run(workspace, dataset, "first", seed=1, seconds=seconds, on_progress=nothing)
    again, _ = train_run(workspace, dataset, "again", seed=1, seconds=seconds, on_progress=nothing)
    other, _ = train_run(workspace, dataset, "other", seed=2, seconds=seconds, on_progress=nothing)
    for name in ("weights.safetensors", "config.json"):
        assert (first.folder / name).read_bytes() == (again.folder / name).read_bytes()
    assert first.weights == again.weights != other.weights


def test_sentences_of_people_are_routed_better_than_by_the_baselines(workspace: Workspace, tmp_path: Path) -> None:
    """On the guide's rows, over three splits, because one of 69 held-out rows says little."""
    ours, bayes, most = [], [], []
    for seed in (1, 2, 3):
        name = f"desk-{seed}"
        dataset = import_rows(workspace, FRONT_DESK, task="router", name=name, seed=seed, held_out=0.25)
        run, _ = train_run(workspace, dataset, name, seed=seed, seconds=None, on_progress=nothing)
        rows = {
            side: [(str(r.input["text"]), str(r.output["label"])) for r in dataset.rows(side)]
            for side in ("train", "heldout")
        }
        ours.append(accuracy(run.folder, rows["heldout"]))
        bayes.append(naive_bayes_accuracy(rows["train"], rows["heldout"]))
        most.append(majority_accuracy(rows["train"], rows["heldout"]))
    assert np.mean(most) < 0.25
    assert np.mean(ours) > np.mean(bayes) + 0.02
    assert np.mean(ours) > 0.7


def accuracy(run: Path, rows: list[tuple[str, str]]) -> float:
    import torch

    from edge_runtime.tasks.text import encode
    from trainer_host.students.router import load_config

    module, _, _ = STUDENT.module(run)
    config = load_config(run)
    tokens = torch.from_numpy(np.concatenate([encode(text, config.features).ids for text, _ in rows]))
    with torch.inference_mode():
        best = module(tokens).argmax(1).tolist()
    return sum(config.labels[i] == label for i, (_, label) in zip(best, rows, strict=True)) / len(rows)


def test_a_text_about_nothing_known_is_unsure(exported_once: Trained) -> None:
    item = next(i for i in exported(exported_once.run) if i.file == "model.int8.onnx")
    with loaded(exported_once.run, student_for("router"), item, "onnxruntime") as specialist:
        assert specialist.run({"text": "rain and snow today please"})["unsure"] is False
        for text in ("zxqv wkjh", "the parliament voted", "мир", "12345", "train rain song band wind ticket"):
            assert specialist.run({"text": text})["unsure"] is True, text


def test_a_budget_too_small_to_train_in_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    dataset = easy_dataset(workspace, tmp_path)
    with pytest.raises(DataError, match="allow at least"):
        train_run(workspace, dataset, "quick", seed=1, seconds=0.1, on_progress=nothing)
    assert not (workspace.runs / "quick").exists()


def test_an_unknown_task_has_no_student() -> None:
    for task in ("poet", "baselines", "../x", ""):
        with pytest.raises(DataError, match="no student"):
            student_for(task)


def test_the_front_desk_has_no_repeated_rows() -> None:
    with FRONT_DESK.open(encoding="utf-8") as source:
        texts = [row["text"].lower() for row in csv.DictReader(source)]
    assert len(texts) == len(set(texts)) == 275
