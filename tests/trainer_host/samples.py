"""Rows that tests learn from: the guide's front desk, and a small generated set that is learned in a second."""

from __future__ import annotations

import json
import random
from pathlib import Path

from trainer_host.data.dataset import Dataset
from trainer_host.data.transfer import import_rows
from trainer_host.workspace import Workspace

REPO = Path(__file__).resolve().parents[2]
FRONT_DESK = REPO / "docs" / "examples" / "front-desk.csv"
WORDS = {
    "weather": ("rain", "sun", "snow", "wind", "storm", "cloud"),
    "music": ("song", "album", "band", "volume", "playlist", "radio"),
    "travel": ("train", "flight", "ticket", "hotel", "airport", "bus"),
}


def easy_rows(count: int = 30, seed: int = 0) -> list[dict[str, object]]:
    """`count` different texts per label; each holds two of the label's words."""
    rng = random.Random(seed)
    rows: dict[str, str] = {}
    for label, words in WORDS.items():
        wanted = len(rows) + count
        while len(rows) < wanted:
            first, second = rng.sample(words, 2)
            filler = rng.choice(("please", "now", "today", "about", "more", "again", "the", "my"))
            rows[f"{first} {filler} {second} {rng.choice(('ok', 'then', 'soon', 'here', 'thanks'))}"] = label
    return [{"text": text, "label": label} for text, label in rows.items()]


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    """Rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def easy_dataset(workspace: Workspace, folder: Path, name: str = "easy") -> Dataset:
    """The generated rows as a router dataset."""
    file = write_jsonl(folder / f"{name}.jsonl", easy_rows())
    return import_rows(workspace, file, task="router", name=name, seed=1, held_out=0.3)
