"""Is a vote of several routers better than the best of them, with one down as well, and how long does it take?

    python benchmarks/ensemble.py [--examples 600] [--members 3] [--json FILE]

The members learn from the same rows of the built-in router with other seeds; templates of the held-out rows are in no
training. They answer in int8 through the device's own code for ensembles: all asked at once, probabilities averaged.
Milliseconds are medians over the held-out rows, of the wall's clock and of the processor's: of each member alone, of
their sum, and of the ensemble, where one may compute at a time and where two may (`models.at_once`); and once more of
members that compute each answer forty times, as larger models do.
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
from edge_runtime.serving.turns import USUAL, Turns, Urgency
from edge_runtime.serving.worker import Answer, Worker
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
SLOWER = 40


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
        rows = list(dataset.rows("heldout"))
        made = asyncio.run(measured(members, rows))
        for times in (1, SLOWER):
            for at_once in (1, 2):
                made |= asyncio.run(timed(members, rows, at_once, times))
    for key, value in made.items():
        print(f"{key:36s} {value:.4f}")
    if args.json is not None:
        args.json.write_text(json.dumps(made, indent=1) + "\n")


async def measured(members: dict[str, Specialist], rows: list[Row]) -> dict[str, float]:
    """Accuracy of each, of all, and of all but one."""
    down: set[str] = set()

    async def ask(name: str, request: Json, urgency: Urgency) -> Answer:
        if name in down:
            raise EngineError(f"'{name}' is down.")
        return Answer(members[name].run(request), 0.0)

    made: dict[str, float] = {}
    for name in members:
        right = sum(members[name].run(row.input)["label"] == row.output["label"] for row in rows)
        made[f"accuracy, {name}"] = right / len(rows)
    made["accuracy, best member"] = max(made.values())
    for left_out in (None, *members):
        down.clear()
        down.update({left_out} if left_out else ())
        answers = [(await ask_group("all", _group(members), row.input, USUAL, ask)).value for row in rows]
        right = sum(answer["label"] == row.output["label"] for answer, row in zip(answers, rows, strict=True))
        made[f"accuracy, without {left_out}" if left_out else "accuracy, ensemble"] = right / len(rows)
    made["rows"] = float(len(rows))
    return made


async def timed(members: dict[str, Specialist], rows: list[Row], at_once: int, times: int) -> dict[str, float]:
    """Medians in milliseconds, of the wall's clock and of the processor's, with so many that may compute at once.

    times: how often a member computes each answer, as one does that is so much slower.
    """
    turns = Turns(at_once)
    workers = {name: Worker(name, _Slow(one, times), 8, lambda: None, turns) for name, one in members.items()}

    async def ask(name: str, request: Json, urgency: Urgency) -> Answer:
        return await workers[name].run(request, 60.0, urgency=urgency)

    async def medians(which: str | None) -> tuple[float, float]:
        spent: list[tuple[float, float]] = []
        for row in [*rows[:20], *rows]:  # the first ones until the workers know how quick they are
            began, busy = time.perf_counter(), time.process_time()
            if which is None:
                await ask_group("all", _group(members), row.input, USUAL, ask)
            else:
                await ask(which, row.input, USUAL)
            spent.append((time.perf_counter() - began, time.process_time() - busy))
        wall, processor = zip(*spent[20:], strict=True)
        return 1000 * statistics.median(wall), 1000 * statistics.median(processor)

    alone = {name: await medians(name) for name in members}
    together = await medians(None)
    for worker in workers.values():
        worker.stop()
    made: dict[str, float] = {}
    about = f"x{times}, {at_once} at once"
    for at, unit in enumerate(("ms", "CPU ms")):
        made |= {f"{unit}, {about}, {name}": each[at] for name, each in alone.items()}
        made[f"{unit}, {about}, slowest"] = max(each[at] for each in alone.values())
        made[f"{unit}, {about}, sum"] = sum(each[at] for each in alone.values())
        made[f"{unit}, {about}, ensemble"] = together[at]
    return made


class _Slow:
    """A member that computes each answer several times."""

    def __init__(self, inner: Specialist, times: int) -> None:
        self._inner, self._times = inner, times

    def run(self, request: Json) -> Json:
        for _ in range(self._times - 1):
            self._inner.run(request)
        return self._inner.run(request)


def _group(members: dict[str, Specialist]) -> Group:
    return Group("ensemble", tuple(members))


if __name__ == "__main__":
    main()
