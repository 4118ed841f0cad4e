"""Does a student learn more from a bigger model's probabilities than from its rows alone, at equal steps?

    python benchmarks/distillation.py [--task chat] [--teacher tiny] [--rows 2400] [--few 900] [--seeds 1 2 3] [--json FILE]

The teacher learns from all training rows, the nano students from few of them (or as many). Scores are the task's own on
held-out rows, in float, through the code that a device runs. The students have the teacher's tokenizer, as a perplexity per
token needs, and differ in nothing but how much its probabilities count: nearly nothing, or `--weight`. The first seed draws
the rows and trains the teacher; each draws a pair of students.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer_host.compress.files import export_run, exported
from trainer_host.compress.gate import loaded
from trainer_host.data.dataset import Dataset
from trainer_host.data.transfer import import_rows
from trainer_host.students import student_of
from trainer_host.tasks import Example, task_spec
from trainer_host.training.distil import SHARE, TEMPERATURE
from trainer_host.training.run import Run, train_run
from trainer_host.workspace import Workspace

FP32 = "model.fp32.onnx"
ALONE = 0.001  # of the teacher's probabilities: as good as none, and the same tokenizer and steps


def main() -> None:
    """A teacher, and for each seed a student with it and one without."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", default="chat", help="one that a language model writes (default: chat)")
    parser.add_argument("--teacher", default="tiny", help="its size (default: tiny)")
    parser.add_argument(
        "--rows", type=int, default=2400, help="that the teacher learns from, and is examined by (default: 2400)"
    )
    parser.add_argument("--few", type=int, default=900, help="that the students learn from (default: 900)")
    parser.add_argument("--epochs", type=float, default=3, help="of the students (default: 3)")
    parser.add_argument("--weight", type=float, default=SHARE, help=f"of the teacher (default: {SHARE:g})")
    parser.add_argument("--temperature", type=float, default=TEMPERATURE, help=f"default: {TEMPERATURE:g}")
    parser.add_argument("--teacher-epochs", type=float, default=4, help="of the teacher (default: 4)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="default: 1 2 3")
    parser.add_argument("--examined", type=int, default=200, help="held-out rows (default: 200)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "home")
        first = args.seeds[0]
        whole, few = datasets(workspace, Path(folder), args.task, args.rows, args.few, first)
        how = {"size": args.teacher, "epochs": args.teacher_epochs, "rows": 8}
        teacher = trained(workspace, whole, "teacher", first, how)
        lines = [("teacher", first, score(teacher, whole, args.examined))]
        print(f"teacher: {lines[0][2]}", flush=True)
        for seed in args.seeds:
            for name, weight in (("alone", ALONE), ("distilled", args.weight)):
                soft = {"teacher": "teacher", "distil_weight": weight, "temperature": args.temperature}
                settings = {"size": "nano", "epochs": args.epochs, "rows": 4, **soft}
                run = trained(workspace, few, f"{name}-{seed}", seed, settings)
                lines.append((name, seed, score(run, whole, args.examined)))
                print(f"{name} {seed}: {lines[-1][2]}", flush=True)
    means = {
        name: {
            key: statistics.mean(figures[key] for one, _, figures in lines if one == name) for key in lines[0][2]
        }
        for name in ("teacher", "alone", "distilled")
    }  # fmt: skip
    for name, figures in means.items():
        print(f"{name:10s} " + ", ".join(f"{key} {value:.4f}" for key, value in figures.items()))
    if args.json is not None:
        args.json.write_text(json.dumps({"means": means, "runs": lines}, indent=1) + "\n")


def datasets(workspace: Workspace, folder: Path, task: str, rows: int, few: int, seed: int) -> tuple[Dataset, Dataset]:
    """All rows, and a few of its training rows."""
    spec = task_spec(task)
    examples: dict[str, Example] = {}
    rng = random.Random(f"distillation {seed}")
    while len(examples) < rows:
        example = spec.built_in(rng)
        examples.setdefault(spec.key(example), example)
    whole = imported(workspace, folder, task, "whole", [{**one.input, **one.output} for one in examples.values()], 0.15)
    some = [{**row.input, **row.output} for row in list(whole.rows("train"))[:few]]
    return whole, imported(workspace, folder, task, "few", some, 0.05)


def imported(
    workspace: Workspace, folder: Path, task: str, name: str, rows: Sequence[Mapping[str, object]], held_out: float
) -> Dataset:
    """A dataset of rows."""
    file = folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return import_rows(workspace, file, task=task, name=name, seed=1, held_out=held_out)


def trained(workspace: Workspace, dataset: Dataset, name: str, seed: int, settings: Mapping[str, object]) -> Run:
    """A run, and what it took."""
    begun = time.process_time()
    run, report = train_run(
        workspace, dataset, name, seed=seed, seconds=None, settings=settings, on_progress=lambda share, values: None
    )
    print(f"{name}: {report.figures['steps']:g} steps, {time.process_time() - begun:.0f} s of processor", flush=True)
    export_run(run, dataset, lambda share, what: None)
    return run


def score(run: Run, dataset: Dataset, examined: int) -> dict[str, float]:
    """Of held-out rows of all rows, none of which a student or the teacher learnt from."""
    student = student_of(run)
    item = next(item for item in exported(run) if item.file == FP32)
    with loaded(run, student, item, item.runtimes[0]) as specialist:
        figures = student.evaluate(run.folder, dataset.folder, specialist, examined)
    return {key: round(figures[key], 4) for key in ("accuracy", "perplexity")}


if __name__ == "__main__":
    main()
