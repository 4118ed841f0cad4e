"""A small made-up language to learn: rows that count on, in two tasks; and a decoder of 30,000 numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from trainer_host.students.language.config import LanguageConfig
from trainer_host.students.language.data import Encoded
from trainer_host.students.language.model import LanguageModel
from trainer_host.training.loop import TrainSettings

CONFIG = LanguageConfig(64, 32, 2, 4, 2, 64, 64)
SETTINGS = TrainSettings(
    steps=20, rows=4, micro=1, optimizer="muon", rate=3e-3, examine_every=5, save_every=5, workers=2
)


def settings_for(parallel: str) -> TrainSettings:
    """For ddp, or for fsdp, which has no whole matrices for Muon."""
    return replace(SETTINGS, optimizer="adamw") if parallel == "fsdp" else SETTINGS


def rows(count: int, seed: int = 0, first: int = 3) -> list[Encoded]:
    """Each begins with a number and counts on; the first two tokens aren't learnt."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        start, length = rng.integers(0, 60), int(rng.integers(4, 20))
        ids = np.array([1] + [(start + k) % 60 + first for k in range(length)], np.int32)
        mask = np.ones(len(ids), bool)
        mask[:2] = False
        made.append(Encoded(ids, mask, length / 20, "counting" if i % 4 else "rare"))
    return made


def model(seed: int = 0) -> LanguageModel:
    """The same at every call."""
    torch.manual_seed(seed)
    return LanguageModel(CONFIG)


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Bit by bit."""
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All files."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
