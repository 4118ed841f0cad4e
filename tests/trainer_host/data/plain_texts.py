"""A folder of texts in a language that a small model learns quickly: each kind of word stands in its own place."""

from __future__ import annotations

import functools
import random
from pathlib import Path

KINDS = ("who", "does", "how", "what", "where")


@functools.cache
def words(kind: str, count: int) -> list[str]:
    """Words of a kind, the same at every call, each ending as its kind does."""
    draw = random.Random(kind)
    made = dict.fromkeys(
        "".join(draw.choice("bdfgklmnprstvz") + draw.choice("aeiou") for _ in range(2)) for _ in range(9 * count)
    )
    return [word + kind[-1] for word in list(made)[:count]]


def sentence(draw: random.Random, count: int) -> str:
    """One word of each kind."""
    return " ".join(draw.choice(words(kind, count)) for kind in KINDS) + "."


def write_texts(folder: Path, files: int, sentences: int, count: int = 24, seed: int = 1) -> Path:
    """`files` texts of so many sentences, over `count` words of each kind; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    for number in range(files):
        lines = [sentence(draw, count) for _ in range(sentences)]
        (folder / f"{number:03}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
