"""Small runs of language models for tests: no training, only what a run folder holds."""

from __future__ import annotations

import json
from dataclasses import replace

import torch

from trainer_host.data.dataset import Dataset
from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.model import LanguageModel
from trainer_host.training.run import CARD, FORMAT, Run, open_run, write_json
from trainer_host.training.weights import save_weights
from trainer_host.workspace import Workspace

SHAPE = LanguageConfig(48, 16, 2, 2, 1, 32, 32)


def small_model(seed: int, **changes: object) -> LanguageModel:
    """A model of 16 dimensions."""
    torch.manual_seed(seed)
    return LanguageModel(replace(SHAPE, **changes))  # type: ignore[arg-type]


def language_run(
    workspace: Workspace,
    dataset: Dataset,
    name: str,
    model: LanguageModel,
    *,
    tokenizer: str = "{}",
    tasks: tuple[str, ...] = ("chat",),
) -> Run:
    """A run folder with a model as if it had been trained on the dataset."""
    import hashlib

    folder = workspace.runs / name
    folder.mkdir(parents=True)
    save_weights(folder, model)
    weights = f"sha256:{hashlib.sha256((folder / 'weights.safetensors').read_bytes()).hexdigest()}"
    (folder / "tokenizer.json").write_text(tokenizer)
    (folder / "template.json").write_text("{}")
    config = {"format": 1, "model": model.config.to_json(), "size": "nano", "tasks": list(tasks)}
    (folder / "config.json").write_text(json.dumps(config))
    card = {"name": name, "task": dataset.task, "dataset": dataset.name, "content": dataset.content}
    card |= {"teacher": dataset.teacher, "weights": weights}
    write_json(folder / CARD, {"format": FORMAT, **card, "seed": 1, "seconds": None, "curriculum": False})
    return open_run(folder)
