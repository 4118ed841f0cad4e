from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.tasks.familiar import BITS, FILE, familiarity
from tests.trainer_host.conftest import Trained, nothing
from tests.trainer_host.samples import FRONT_DESK, easy_dataset
from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded
from trainer_host.data.transfer import import_rows
from trainer_host.errors import DataError
from trainer_host.students import student_for
from trainer_host.students.baselines import majority_accuracy, naive_bayes_accuracy
from trainer_host.students.familiar import SHARE, known_of, threshold_of_familiarity
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


def test_what_is_familiar_travels_and_tells_foreign_texts_from_the_tasks_own(exported_once: Trained) -> None:
    run, dataset = exported_once.run, exported_once.dataset
    assert STUDENT.assets(run.folder)[FILE].stat().st_size == BITS // 8
    item = next(i for i in exported(run) if i.file == "model.int8.onnx")
    with loaded(run, student_for("router"), item, "onnxruntime") as specialist:
        own = [specialist.run({"text": row.input["text"]}) for row in dataset.rows("heldout")]
        foreign = [
            specialist.run({"text": text}) for text in ("no train was ever late", "please vote", "the red bus sings")
        ]
    least = STUDENT.manifest_fields(run.folder)["thresholds"]["familiar"]  # type: ignore[index]
    assert np.mean([answer["familiar"] >= least for answer in own]) > 0.8
    assert max(answer["familiar"] for answer in foreign) < np.mean([answer["familiar"] for answer in own])


def test_of_new_texts_as_many_are_familiar_as_was_asked_for_and_of_foreign_ones_few() -> None:
    rng = np.random.default_rng(1)
    texts = [" ".join(f"w{word}" for word in rng.zipf(1.4, 8) % 400) for _ in range(600)]
    labels = [("a", "b")[number % 2] for number in range(600)]
    known = known_of(texts[:400], labels[:400])
    least = threshold_of_familiarity(texts[:400], labels[:400], range(400), 1)
    new = [familiarity(known, text, ("a", "b"), number % 2) for number, text in enumerate(texts[400:])]
    foreign = [familiarity(known, text.replace("w", "x"), ("a", "b"), 0) for text in texts]
    assert np.mean(np.array(new) >= least) >= SHARE - 0.02
    assert least > 0.1 and np.mean(np.array(foreign) >= least) < 0.1


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
