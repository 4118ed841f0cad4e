"""A process that asks models for the host's server, which stays small and lives on whatever happens here.

`python -m trainer_host.evaluation.bench HOME` reads an order per line as JSON and writes an answer per line:
`{"answer": ...}`, or `{"error": sentence}`. An exam writes lines of `{"share": 0 to 1, "note": ...}` before.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.errors import EdgeError
from trainer_host.data.dataset import Json
from trainer_host.errors import DataError, TrainerError
from trainer_host.workspace import Workspace

if TYPE_CHECKING:
    from edge_runtime.tasks import Specialist
    from trainer_host.training.run import Run

MOST_LOADED = 2  # the pair that is compared
TELL_SECONDS = 0.25  # how far an exam is, is told so often, and when it comes to another run
OnStep = Callable[[float, str], None]


class Bench:
    """The models that were asked last stay loaded."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._loaded: OrderedDict[str, tuple[Run, Specialist, contextlib.ExitStack]] = OrderedDict()

    def do(self, order: Json, on_step: OnStep = lambda share, note: None) -> Json:
        """One order; raises `TrainerError` or `EdgeError`. on_step: hears how far an exam is, 0 to 1."""
        what, name = str(order["do"]), str(order["run"])
        if what == "ask":
            return self._ask(name, str(order["text"]), order.get("task"))
        from trainer_host.evaluation.heat import attention, confusion
        from trainer_host.training.run import dataset_of, open_run

        if what == "examine":
            names = [str(one) for one in order["runs"]]  # type: ignore[attr-defined]
            return self._examine(names, int(str(order["rows"])), on_step)
        run = open_run(self._workspace.run(name))
        if what == "attention":
            layer, head = (None if order[key] is None else int(str(order[key])) for key in ("layer", "head"))
            return asdict(attention(run, str(order["text"]), layer, head))
        found = confusion(run, dataset_of(self._workspace, run), int(str(order["rows"])), lambda share, note: None)
        return {"maps": {what: asdict(heat) for what, heat in found.items()}}

    def _examine(self, names: list[str], rows: int, on_step: OnStep) -> Json:
        from trainer_host.evaluation.compare import compare, differ
        from trainer_host.training.run import dataset_of, open_run

        runs = [open_run(self._workspace.run(name)) for name in names]
        made = compare(runs, dataset_of(self._workspace, runs[0]), rows=rows, on_step=on_step)
        best = max(made, key=lambda one: one.accuracy)
        worse = [one.run for one in made if one is not best and differ(best, one)]
        return {"models": [asdict(one) for one in made], "best": best.run, "worse": worse}

    def _ask(self, name: str, text: str, inner: object) -> Json:
        from trainer_host.asking import MADE, WRITTEN, describe, make_request

        run, specialist = self._open(name)
        if run.task in (*MADE, "vision"):
            raise DataError(f"A {run.task} answers with or about files; compare them with 'enigma show' on the host.")
        request = make_request(run.task, text, inner=None if inner is None else str(inner))
        if run.task not in WRITTEN:
            specialist.run(request)  # the first answer pays for what is loaded late; one that is written is long enough
        started = time.perf_counter()
        answer = specialist.run(request)
        took = (time.perf_counter() - started) * 1000
        task = str(answer.get("task", run.task))
        said = str(answer.get(WRITTEN[task])) if task in WRITTEN else describe(run.task, answer)
        messages: list[Json] = [{"role": "user", "content": text}]
        if task in WRITTEN:
            from trainer_host.students.language.rows import text_task

            asked = request["request"] if run.task == "combo" else request
            messages = list(text_task(task).messages(asked))  # type: ignore[arg-type]
        return {"task": task, "text": said, "ms": round(took, 2), "weights": run.weights, "messages": messages}

    def _open(self, name: str) -> tuple[Run, Specialist]:
        from trainer_host.compress.files import exported
        from trainer_host.compress.gate import loaded
        from trainer_host.evaluation.compare import smallest
        from trainer_host.students import student_of
        from trainer_host.training.run import open_run

        run = open_run(self._workspace.run(name))
        before = self._loaded.pop(name, None)
        if before is not None and before[0].weights != run.weights:
            before[2].close()
            before = None
        if before is None:
            while len(self._loaded) >= MOST_LOADED:
                self._loaded.popitem(last=False)[1][2].close()
            stack, item = contextlib.ExitStack(), smallest(exported(run))
            before = run, stack.enter_context(loaded(run, student_of(run), item, item.runtimes[0])), stack
        self._loaded[name] = before
        return before[0], before[1]


def main(home: str) -> None:
    """Answer until standard input ends."""
    # What libraries print must not fall between the answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    bench = Bench(Workspace(Path(home)))
    told, about = 0.0, ""

    def write(line: Json) -> None:
        out.write(json.dumps(line, ensure_ascii=False) + "\n")
        out.flush()

    def tell(share: float, note: str) -> None:
        nonlocal told, about
        if (now := time.monotonic()) - told >= TELL_SECONDS or note != about:
            told, about = now, note
            write({"share": round(share, 4), "note": note})

    for line in sys.stdin:
        try:
            answer: Json = {"answer": bench.do(json.loads(line), tell)}
        except (TrainerError, EdgeError) as error:
            answer = {"error": str(error)}
        except ModuleNotFoundError as error:
            answer = {"error": f"The package '{error.name}' is missing on the host; install Enigma's extra 'trainer'."}
        write(answer)


if __name__ == "__main__":
    main(sys.argv[1])
