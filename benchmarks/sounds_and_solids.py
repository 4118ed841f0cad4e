"""How many rows of the built-in teacher 3d_gen and audio_gen need: held-out prompts, int8, through the device's code.

    python benchmarks/sounds_and_solids.py [--task TASK ...] [--rows N ...] [--asked N] [--json FILE]

Beside each student stand three answers that nobody trained: "common", the most frequent notation of the training rows;
"nearest", the program of the training row whose prompt shares most words with the one asked; and "looked up", that
row's notation over the asked prompt's own numbers and names, which is what the notation alone is worth. Scores are the
task's own metric; `as_asked` is the share of rows in which everything that was asked holds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.engines.language import open_language_engine
from edge_runtime.tasks import task_module
from trainer_host.data.dataset import Json, Row, seal, write_rows
from trainer_host.students.language.rows import text_task
from trainer_host.students.programs import ProgramStudent
from trainer_host.tasks import task_spec

TASKS = ("3d_gen", "audio_gen")


def main() -> None:
    """Measure each task with each number of rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", action="append", choices=TASKS, help="may be repeated (default: both)")
    parser.add_argument("--rows", action="append", type=int, help="may be repeated (default: 300, 1000, 3000)")
    parser.add_argument("--asked", type=int, default=200, help="held-out prompts (default: 200)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    found = []
    for task in args.task or TASKS:
        for rows in args.rows or (300, 1000, 3000):
            found.append(measure(task, rows, args.asked))
            print(json.dumps(found[-1]), flush=True)
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


def measure(task: str, count: int, asked: int) -> dict[str, float | str]:
    """Train with so many rows, and examine the int8 file on prompts that it hasn't seen."""
    rows = built_in(task, count + asked)
    held, train = rows[:asked], rows[asked:]
    student = student_of(task)
    with tempfile.TemporaryDirectory() as name:
        data, run = Path(name) / "data", Path(name) / "run"
        data.mkdir()
        run.mkdir()
        write_rows(data / "train.jsonl", train)
        write_rows(data / "heldout.jsonl", held)
        seal(data, name="data", task=task, teacher="built-in", seed=1, params={}, figures={})
        begun = time.process_time()
        student.train(data, run, seed=1, seconds=None, on_progress=shown)
        spent = time.process_time() - begun
        student.write_models(run, lambda share, what: None)
        file = run / "model.int8.onnx"
        engine = open_language_engine(file)
        try:
            device = task_module(task).load(student._draft(run), run, engine)  # type: ignore[arg-type]
            begun = time.process_time()
            figures = student.evaluate(run, data, device, asked)
            each = (time.process_time() - begun) / asked
        finally:
            engine.close()
        size = file.stat().st_size
    figures = {name: round(value, 4) for name, value in figures.items()}
    return {
        "task": task,
        "rows": count,
        "training cpu s": round(spent, 1),
        "int8 bytes": size,
        "answer and examination cpu ms": round(each * 1000, 1),
        **figures,
        **untrained(task, train, held),
    }


def built_in(task: str, count: int) -> list[Row]:
    """Distinct rows of the task's own teacher."""
    spec, rng = task_spec(task), random.Random(1)
    rows: dict[str, Row] = {}
    while len(rows) < count:
        example = spec.built_in(rng)
        rows.setdefault(spec.key(example), Row(example.input, example.output, {"difficulty": spec.difficulty(example)}))
    return list(rows.values())


def student_of(task: str) -> ProgramStudent:
    """The task's student."""
    if task == "3d_gen":
        from trainer_host.students import gen_3d

        return gen_3d.STUDENT
    from trainer_host.students import audio_gen

    return audio_gen.STUDENT


def untrained(task: str, train: Sequence[Row], held: Sequence[Row]) -> dict[str, float]:
    """Mean scores of the three answers that nobody trained."""
    module, spec = text_task(task), task_spec(task)
    seen = [frozenset(str(module.messages(row.input)[0]["content"]).lower().split()) for row in train]
    notations = [module.reply(row.input, row.output) for row in train]
    common = Counter(notations).most_common(1)[0][0]
    scores: dict[str, list[float]] = {"common": [], "nearest": [], "looked up": []}
    for row in held:
        mine = frozenset(str(module.messages(row.input)[0]["content"]).lower().split())
        at = max(range(len(seen)), key=lambda at: len(mine & seen[at]) / len(mine | seen[at]))
        answers: list[Json] = [
            module.answer(row.input, common),
            train[at].output,
            module.answer(row.input, notations[at]),
        ]
        for name, answer in zip(scores, answers, strict=True):
            scores[name].append(spec.score(row.output, answer))
    return {name: round(sum(values) / len(values), 4) for name, values in scores.items()}


def shown(share: float, figures: dict[str, float]) -> None:
    """A line of progress."""
    print(f"\r{share:5.0%} loss {figures.get('loss', 0):.3f} ", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
