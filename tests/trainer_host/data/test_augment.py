"""Variations of text: they keep what is asked, and a router that learned from them reads slips better."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_runtime.tasks.text import encode
from tests.trainer_host.conftest import nothing
from trainer_host.data.augment import TEXT, slips
from trainer_host.data.dataset import Dataset
from trainer_host.data.derive import augmented
from trainer_host.data.transfer import export_rows, import_rows
from trainer_host.students import text_heads
from trainer_host.students.router import STUDENT, load_config
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.teach import give
from trainer_host.training.run import train_run
from trainer_host.workspace import Workspace


@pytest.mark.parametrize("how", sorted(TEXT))
def test_a_variation_is_another_text_with_most_of_the_letters(how: str) -> None:
    text = "Could you bring two fresh towels to our room, please?"
    made = [TEXT[how](text, random.Random(seed)) for seed in range(40)]
    assert sum(one != text for one in made) >= 38
    for one in made:
        shared = sum(min(one.lower().count(c), text.lower().count(c)) for c in set(text.lower()))
        assert shared >= 0.85 * len(text.replace(",", "").replace("?", ""))
    assert made[3] == TEXT[how](text, random.Random(3))


def read(run: Path, rows: list[tuple[str, str]]) -> float:
    module, _, _ = STUDENT.module(run)
    config = load_config(run)
    tokens = torch.from_numpy(np.concatenate([encode(text, config.features).ids for text, _ in rows]))
    with torch.inference_mode():
        best = module(tokens)[0].argmax(1).tolist()
    return sum(config.labels[i] == label for i, (_, label) in zip(best, rows, strict=True)) / len(rows)


SECONDS = 5.0  # what each training is planned for: both have learned their rows by then


def test_a_router_that_learned_from_slips_reads_slips_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_heads, "SHORT", text_heads.Aside(10, 2))  # what calibrates doesn't change what is read
    home = Workspace(tmp_path / "home")
    gains = []
    for seed in (1, 2):
        lesson = Lesson(f"plain-{seed}", ("router",), 700, "built-in", seed=seed)
        taught = give(home, lesson, None).taught[0].dataset
        # As a person's own rows: around those of the built-in teacher, which have slips too, a router practises.
        file = tmp_path / f"own-{seed}.jsonl"
        export_rows(taught, file)
        plain = import_rows(home, file, task="router", name=f"own-{seed}", seed=seed, held_out=0.2)
        more = augmented(home, f"more-{seed}", plain, times=2, seed=seed, kind="slips")
        rng = random.Random(seed)
        rows = [(slips(slips(slips(text, rng), rng), rng), label) for text, label in pairs(plain) for _ in range(2)]
        found = []
        for dataset in (plain, more):
            run, _ = train_run(home, dataset, dataset.name, seed=seed, seconds=SECONDS, on_progress=nothing)
            found.append(read(run.folder, rows))
        gains.append(found[1] - found[0])
    assert np.mean(gains) > 0.005, gains


def pairs(dataset: Dataset) -> list[tuple[str, str]]:
    return [(str(row.input["text"]), str(row.output["label"])) for row in dataset.rows("heldout")]
