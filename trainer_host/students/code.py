"""The student of the task code: a language model that reads in marks, see `edge_runtime.language.code_marks`."""

from __future__ import annotations

import random
from pathlib import Path

from trainer_host.data.dataset import Row
from trainer_host.students.writing import WritingStudent

_UNSIGNED = 5  # of so many practised rows one has no first line, which people leave out too
_SHORTENED = 2  # and of so many one has fewer words
_LEFT_OUT = 0.15  # of its words, but none of its numbers and texts


class CodeStudent(WritingStudent):
    """See `TextStudent`; some of what it practises are requests in words alone, and in fewer words."""

    def _practised(self, dataset: Path, rows: int, seed: int, seconds: float | None) -> tuple[list[Row], list[Row]]:
        learnt, aside = super()._practised(dataset, rows, seed, seconds)
        rng = random.Random(f"fewer words {seed}")
        shorter = [_shorter(row, rng) if at % _SHORTENED == 0 else row for at, row in enumerate(learnt)]
        return [_unsigned(row) if at % _UNSIGNED == 0 else row for at, row in enumerate(shorter)], aside


def _shorter(row: Row, rng: random.Random) -> Row:
    """The request without a few of its words, so that no single one decides (word dropout, arXiv 1506.00379)."""
    prompt, code = str(row.input["prompt"]), str(row.output["code"])
    left = " ".join(word for word in prompt.split(" ") if rng.random() >= _LEFT_OUT or not word.isalpha())
    if not left:
        return row
    output = {**row.output, "code": code.replace(f'"""{prompt}"""', f'"""{left}"""')}
    return Row({**row.input, "prompt": left}, output, row.meta)


def _unsigned(row: Row) -> Row:
    return Row({"prompt": row.input["prompt"]}, row.output, row.meta)


# Marked rows are short, and most of what is in them is the same for a whole family of functions.
STUDENT = CodeStudent("code", rows=4, most=2200, epochs=5)
