"""Every task's student in one table: teach, train, export and gate as a person would, beside two trivial answers.

    python benchmarks/students.py [--task TASK ...] [--home DIR] [--markdown FILE] [--json FILE]

Each task's built-in teacher writes the rows, so nothing is fetched. Scores are the task's own metric on held-out rows,
int8 in the runtime that a device would use. "most common" always gives the training rows' most frequent answer,
"nearest" that of the training row whose question shares most words with the one asked.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from trainer_host.compress.gate import read_report
from trainer_host.data.dataset import Dataset, Row, open_dataset
from trainer_host.data.quality import files_of
from trainer_host.tasks import TASKS, Example, task_spec
from trainer_host.training.run import open_run
from trainer_host.workspace import Workspace

# Rows of the built-in teacher: as many as a model of the default size gains from within a few minutes.
EXAMPLES = {
    "chat": 4000,
    "code": 3000,
    "vision": 2000,
    "avatar": 4000,
    "image_gen": 4000,
    "audio_gen": 4000,
    "video_gen": 3000,
    "3d_gen": 4000,
    "game": 8000,
    "robot": 24000,
    "math": 6000,
    "router": 3000,
}
EXAMINED = 200  # held-out rows for the trivial answers: each looks through all training rows


@dataclass(frozen=True)
class Line:
    """One task. scores: 0 to 1; bytes and p50_ms: of the smallest file that passed, p50 of a whole answer."""

    task: str
    rows: int
    parameters: float
    train_s: float
    runtime: str
    precision: str
    bytes: int
    p50_ms: float
    score: float
    fp32: float
    common: float
    nearest: float


def main() -> None:
    """Measure the tasks that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", action="append", choices=TASKS, help="may be repeated (default: all twelve)")
    parser.add_argument("--examples", type=int, help="rows of each (default: the task's)")
    parser.add_argument("--home", type=Path, help="keep everything here (default: nowhere)")
    parser.add_argument("--markdown", type=Path, help="write the table here too")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = args.home or Path(folder)
        lines = [measure(task, args.examples or EXAMPLES[task], home) for task in args.task or TASKS]
    table = markdown(lines)
    print(table)
    if args.markdown is not None:
        args.markdown.write_text(table + "\n", encoding="utf-8")
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n")


def measure(task: str, examples: int, home: Path) -> Line:
    """Run the commands of one task."""
    name = f"built-in-{task.replace('_', '-')}"
    dataset_name = "home-en" if task == "robot" else name
    _enigma(home, "teach", "--task", task, "--examples", str(examples))
    _enigma(home, "train", "--data", dataset_name, "--name", name)
    _enigma(home, "export", name)
    _enigma(home, "gate", name)
    workspace = Workspace(home)
    run, dataset = open_run(workspace.run(name)), open_dataset(workspace.dataset(dataset_name))
    report = read_report(run)
    best = min(report.chosen(), key=lambda score: score.bytes)
    fp32 = next(score.accuracy for score in report.scores if score.file == "model.fp32.onnx")
    training = json.loads((run.folder / "training.json").read_text())
    common, nearest = trivial(dataset)
    return Line(
        task,
        sum(dataset.counts.values()),
        float(training["figures"].get("parameters", 0)),
        float(training["seconds"]),
        f"{best.runtime} {best.version}",
        best.precision,
        best.bytes,
        best.p50_ms,
        best.accuracy,
        fp32,
        common,
        nearest,
    )


def trivial(dataset: Dataset) -> tuple[float, float]:
    """Mean scores of the most common answer, and of the answer to the training row that looks most alike."""
    spec = task_spec(dataset.task)
    train = list(dataset.rows("train"))
    asked = list(dataset.rows("heldout"))[:EXAMINED]
    common = json.loads(Counter(json.dumps(row.output, sort_keys=True) for row in train).most_common(1)[0][0])

    def words(row: Row) -> frozenset[str]:
        return frozenset(spec.key(Example(row.input, row.output, files_of(dataset, row))).lower().split())

    known = [words(row) for row in train]

    def closest(row: Row) -> Row:
        mine = words(row)
        return train[max(range(len(known)), key=lambda at: len(mine & known[at]) / max(1, len(mine | known[at])))]

    scores = [(spec.score(row.output, common), spec.score(row.output, closest(row).output)) for row in asked]
    return _mean([one for one, _ in scores]), _mean([other for _, other in scores])


def markdown(lines: Sequence[Line]) -> str:
    """The table, as it stands in the docs."""
    head = ["task", "rows", "parameters", "training", "model", "answer", "score", "fp32", "most common", "nearest"]
    body = [
        [
            line.task,
            f"{line.rows:,}",
            f"{line.parameters / 1e6:.2f} M",
            f"{line.train_s:.0f} s",
            f"{line.bytes / 1e6:.2f} MB {line.precision}, {line.runtime}",
            f"{line.p50_ms:.2f} ms",
            f"{line.score * 100:.1f} %",
            f"{line.fp32 * 100:.1f} %",
            f"{line.common * 100:.1f} %",
            f"{line.nearest * 100:.1f} %",
        ]
        for line in lines
    ]
    rows = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _enigma(home: Path, *words: str) -> None:
    begun = time.perf_counter()
    command = [sys.executable, "-m", "trainer_host.cli", "--home", str(home), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(f"  {' '.join(words)}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    if done.returncode:
        sys.exit(f"enigma {' '.join(words)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


if __name__ == "__main__":
    main()
