"""A chat of a few words that a small language model is trained on in seconds."""

from __future__ import annotations

from pathlib import Path

from tests.trainer_host.samples import write_jsonl
from trainer_host.data.dataset import Dataset
from trainer_host.data.transfer import import_rows
from trainer_host.workspace import Workspace

COLOURS = ("red", "blue", "green", "grey", "pink", "gold", "black", "white")
THINGS = ("car", "door", "cup", "hat", "box", "boat")


def small_talk(workspace: Workspace, folder: Path, name: str = "talk") -> Dataset:
    """48 questions after colours, of about 20 tokens each."""
    rows: list[dict[str, object]] = [
        {"messages": [{"role": "user", "content": f"a {colour} {thing}?"}], "reply": f"{colour}"}
        for colour in COLOURS
        for thing in THINGS
    ]
    file = write_jsonl(folder / f"{name}.jsonl", rows)
    return import_rows(workspace, file, task="chat", name=name, seed=1, held_out=0.2)
