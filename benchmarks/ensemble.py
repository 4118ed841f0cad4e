"""Is a vote of several routers better than the best of them, with one down as well, and how long does it take?

    python benchmarks/ensemble.py [--examples 600] [--members 3] [--json FILE]

The members learn from the same rows of the built-in router with other seeds; templates of the held-out rows are in no
training. They answer in int8 through the device's own code for ensembles: all asked at once, probabilities averaged.
Milliseconds are medians over the held-out rows, of one member alone, of all one after the other, and of the ensemble.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

from edge_runtime.errors import EngineError
from edge_runtime.serving.groups import ask_group
from edge_runtime.serving.plan import Group
from edge_runtime.serving.turns import USUAL, Urgency
from edge_runtime.serving.worker import Answer
from edge_runtime.tasks import Specialist
from trainer_host.compress.files import export_run, exported
from trainer_host.compress.gate import loaded
from trainer_host.data.dataset import Row
from trainer_host.data.transfer import import_rows
from trainer_host.students import student_for
from trainer_host.tasks import task_spec
from trainer_host.training.run import train_run
from trainer_host.workspace import Workspace

Json = dict[str, object]


def main() -> None:
    """Train the members, and ask them alone and together."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--examples", type=int, default=600, help="rows in all (default: 600)")
    parser.add_argument("--members", type=int, default=3, help="default: 3")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        workspace = Workspace(Path(name) / "home")
        spec, lines = task_spec("router"), []
        for seed in range(args.examples):
            row = spec.built_in(random.Random(seed))
            lines.append({**row.input, **row.output, "group": spec.group(row)})
        file = Path(name) / "rows.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        dataset = import_rows(workspace, file, task="router", name="rows", seed=1, held_out=0.3, group="group")
        members: dict[str, Specialist] = {}
        for seed in range(1, args.members + 1):
            run, _ = train_run(
                workspace, dataset, f"m{seed}", seed=seed, seconds=None, on_progress=lambda share, values: None
            )
            export_run(run, dataset, lambda share, what: None)
            item = next(item for item in exported(run) if item.precision == "int8")
            members[run.name] = stack.enter_context(loaded(run, student_for("router"), item, item.runtimes[0]))
        made = asyncio.run(measured(members, list(dataset.rows("heldout"))))
    for key, value in made.items():
        print(f"{key:28s} {value:.4f}")
    if args.json is not None:
        args.json.write_text(json.dumps(made, indent=1) + "\n")


async def measured(members: dict[str, Specialist], rows: list[Row]) -> dict[str, float]:
    """Accuracy of each, of all, and of all but one; times."""
    down: set[str] = set()

    async def ask(name: str, request: Json, urgency: Urgency) -> Answer:
        if name in down:
            raise EngineError(f"'{name}' is down.")
        began = time.perf_counter()
        return Answer(await asyncio.to_thread(members[name].run, request), time.perf_counter() - began)

    group = Group("ensemble", tuple(members))
    made: dict[str, float] = {}
    alone: list[float] = []
    for name in members:
        right, spent = 0, []
        for row in rows:
            answer = await ask(name, row.input, USUAL)
            right += answer.value["label"] == row.output["label"]
            spent.append(answer.seconds)
        made[f"accuracy, {name}"] = right / len(rows)
        alone.append(statistics.median(spent))
    made["accuracy, best member"] = max(made.values())
    for left_out in (None, *members):
        down.clear()
        down.update({left_out} if left_out else ())
        right, spent = 0, []
        for row in rows:
            began = time.perf_counter()
            answer = await ask_group("all", group, row.input, USUAL, ask)
            spent.append(time.perf_counter() - began)
            right += answer.value["label"] == row.output["label"]
        made[f"accuracy, without {left_out}" if left_out else "accuracy, ensemble"] = right / len(rows)
        if left_out is None:
            made["ms, ensemble"] = 1000 * statistics.median(spent)
    made["ms, slowest member"] = 1000 * max(alone)
    made["ms, one after the other"] = 1000 * sum(alone)
    made["rows"] = float(len(rows))
    return made


if __name__ == "__main__":
    main()
