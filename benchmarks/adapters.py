"""An adapter beside a full tuning: how much of a new skill it learns, with which share of the numbers.

    python benchmarks/adapters.py [--rows 3000] [--epochs 4] [--json FILE]

The base is a nano model that learnt the built-in mathematics without percentages; the skill is percentages. Tuned fully, and
with adapters of rank 2 and 4 (rates: a tenth of the base's, which is the default of --init, and all of it), on the same rows;
examined on the same held-out rows in float, by answers that are right. The base itself is the baseline.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

from trainer_host.data.dataset import Dataset, open_dataset, seal, write_rows
from trainer_host.students.language.student import LanguageStudent
from trainer_host.teacher.lesson import Lesson, checked_lesson
from trainer_host.teacher.teach import give
from trainer_host.training.adapters import FILE
from trainer_host.training.run import Run, train_run
from trainer_host.workspace import Workspace


def split(workspace: Workspace, rows: int) -> tuple[Dataset, Dataset]:
    """(without percentages, percentages alone)."""
    give(workspace, checked_lesson(Lesson("built-in", ("math",), rows, "built-in", seed=1)), None)
    data = open_dataset(workspace.dataset("built-in-math"))
    made = []
    for name, wanted in (("plain", False), ("percent", True)):
        folder = workspace.data / name
        folder.mkdir()
        for part in ("train", "heldout"):
            kept = [row for row in data.rows(part) if is_percent(str(row.input["question"])) is wanted]
            write_rows(folder / f"{part}.jsonl", kept)
        seal(folder, name=name, task="math", teacher="built-in", seed=1, params={}, figures={})
        made.append(open_dataset(folder))
    return made[0], made[1]


def is_percent(question: str) -> bool:
    """Whether a question is one of percentages."""
    return "%" in question or "percent" in question.lower()


def right(run: Run, dataset: Dataset) -> float:
    """The share of right answers to held-out rows, in float, through the device's code."""
    student = LanguageStudent("math")
    with student._reference(run.folder) as specialist:
        return student.evaluate(run.folder, dataset.folder, specialist, None)["accuracy"]


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3000, metavar="N")
    parser.add_argument("--epochs", type=float, default=4.0, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        home = Workspace(Path(name))
        plain, percent = split(home, args.rows)
        whole: dict[str, object] = {"size": "nano", "epochs": args.epochs, "rows": 8}
        more: dict[str, object] = {"init": "base", "epochs": args.epochs, "rows": 4}
        found = []
        for run_name, settings in (
            ("base", whole),
            ("full", more),
            ("full, 3e-3", {**more, "rate": 3e-3}),
            ("r=4", {**more, "lora": "r=4", "rate": 3e-3}),
            ("r=2", {**more, "lora": "r=2", "rate": 3e-3}),
        ):
            started = time.process_time()
            folder = run_name.replace(", ", "-").replace("=", "")
            data = plain if run_name == "base" else percent
            run, report = train_run(
                home, data, folder, seed=1, seconds=None, on_progress=lambda share, values: None, settings=settings
            )
            adapter = run.folder / FILE
            found.append(
                {
                    "what": run_name,
                    "right": round(right(run, percent), 4),
                    "right of the rest": round(right(run, plain), 4),
                    "share of numbers": round(adapter.stat().st_size / 4 / report.figures["parameters"], 4)
                    if adapter.is_file()
                    else 1.0,
                    "cpu seconds": round(time.process_time() - started, 1),
                }
            )
            print(found[-1], flush=True)
        if args.json:
            args.json.write_text(json.dumps({"rows": percent.counts, "found": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
