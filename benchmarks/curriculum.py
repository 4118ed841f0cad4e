"""Whether easy rows first help: a decoder on sums of one to three digits, with and without `--curriculum`.

    python benchmarks/curriculum.py [--seeds 3] [--seconds 40] [--rows 6000] [--json FILE]

The student is the decoder of the language tasks, as chat uses it, and has to add by itself, digit by digit. (That of the
task math is no use here: its device computes, and the model sees [1] + [2] however long the numbers are.) Both learn the same rows in the same number of steps from the same weights at first; a third of the rows each has one,
two and three digits, and that is their difficulty. Held out are sums that no training row holds. "right" is the share of
held-out answers that are right, by digits; the perplexity is that of their answers' tokens.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from edge_runtime.tasks.dialogue import Writer
from trainer_host.data.dataset import Dataset, Row, seal, write_rows
from trainer_host.students.language.perplexity import perplexity
from trainer_host.students.language.rows import conversations
from trainer_host.students.language.student import LanguageStudent
from trainer_host.training.run import train_run
from trainer_host.workspace import Workspace

DIGITS = (1, 2, 3)
HELD_OUT = 60  # of each number of digits above one: there are only 100 sums of one
TEACHER = "benchmark"
LONGEST = 12  # tokens of an answer


@dataclass(frozen=True)
class Result:
    """One training. right: share of right answers by digits; all: of all of them."""

    seed: int
    curriculum: bool
    steps: int
    right: dict[int, float]
    all: float
    perplexity: float


def sums(count: int, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on, `count` of them, and held-out ones."""
    rng = random.Random(seed)
    train: list[Row] = []
    unseen: list[Row] = []
    for digits in DIGITS:
        low, high = (0 if digits == 1 else 10 ** (digits - 1)), 10**digits - 1
        pairs: set[tuple[int, int]] = set()
        while len(pairs) < min((high - low + 1) ** 2, count // len(DIGITS) + HELD_OUT):
            pairs.add((rng.randint(low, high), rng.randint(low, high)))
        drawn = sorted(pairs)
        rng.shuffle(drawn)
        aside = min(HELD_OUT, len(drawn) // 5)
        unseen += [_row(pair, digits) for pair in drawn[:aside]]
        kept = drawn[aside:]
        train += [_row(kept[at % len(kept)], digits) for at in range(count // len(DIGITS))]
    rng.shuffle(train)
    return train, unseen


def _row(pair: tuple[int, int], digits: int) -> Row:
    one, other = pair
    asked = f"{_apart(one)} + {_apart(other)} ="
    difficulty = (digits - DIGITS[0]) / (DIGITS[-1] - DIGITS[0])
    talk: dict[str, object] = {"messages": [{"role": "user", "content": asked}]}
    return Row(talk, {"reply": _apart(one + other)}, {"difficulty": difficulty, "group": asked})


def _apart(number: int) -> str:
    """With spaces, so that a digit is a token."""
    return " ".join(str(number))


def dataset_of(folder: Path, count: int) -> Dataset:
    """The rows as a dataset."""
    folder.mkdir(parents=True)
    train, unseen = sums(count, 1)
    write_rows(folder / "train.jsonl", train)
    write_rows(folder / "heldout.jsonl", unseen)
    return seal(folder, name=folder.name, task="chat", teacher=TEACHER, seed=1, params={}, figures={})


def trained(workspace: Workspace, dataset: Dataset, seed: int, seconds: float, curriculum: bool) -> Result:
    """Train and examine once."""
    name = f"sums-{seed}-{'easy-first' if curriculum else 'plain'}"
    run, report = train_run(
        workspace,
        dataset,
        name,
        seed=seed,
        seconds=seconds,
        on_progress=lambda share, words: None,
        curriculum=curriculum,
        settings={"size": "nano", "rows": 4},
    )
    student = LanguageStudent("chat")
    scores: dict[int, list[float]] = {digits: [] for digits in DIGITS}
    rows = list(dataset.rows("heldout"))
    with student._reference(run.folder) as specialist:
        for row in rows:
            digits = round(float(str(row.meta["difficulty"])) * (DIGITS[-1] - DIGITS[0])) + DIGITS[0]
            answer = specialist.run({**row.input, "max_tokens": LONGEST})
            scores[digits].append(float(answer["reply"] == row.output["reply"]))
        assert isinstance(specialist, Writer)
        found = perplexity(run.folder, conversations(rows, "chat"), specialist.language, combo=False)
    every = [score for digits in DIGITS for score in scores[digits]]
    right = {digits: round(statistics.mean(scores[digits]), 4) for digits in DIGITS}
    steps = int(report.figures.get("steps", 0))
    return Result(seed, curriculum, steps, right, round(statistics.mean(every), 4), round(found, 4))


def main() -> None:
    """Train all and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=40, help="of each, as planned (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=6000, help="to train on (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    results: list[Result] = []
    print(f"{'seed':>5} {'order':12} {'steps':>6} {'1 digit':>8} {'2 digits':>9} {'3 digits':>9} {'all':>6} {'perplexity':>11}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        dataset = dataset_of(workspace.data / "sums", args.rows)
        for seed in range(1, args.seeds + 1):
            for curriculum in (False, True):
                made = trained(workspace, dataset, seed, args.seconds, curriculum)
                results.append(made)
                right = [made.right[digits] for digits in DIGITS]
                print(
                    f"{seed:5} {'easy first' if curriculum else 'plain':12} {made.steps:6} {right[0]:8.1%} {right[1]:9.1%} "
                    f"{right[2]:9.1%} {made.all:6.1%} {made.perplexity:11.3f}",
                    flush=True,
                )
    for curriculum in (False, True):
        same = [made for made in results if made.curriculum == curriculum]
        mean, worth = statistics.mean(made.all for made in same), statistics.mean(made.perplexity for made in same)
        print(
            f"{'easy first' if curriculum else 'plain'}: {mean:.1%} right, perplexity {worth:.3f} (means of {len(same)})"
        )
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(made) for made in results], indent=1) + "\n")


if __name__ == "__main__":
    main()
