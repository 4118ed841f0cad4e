"""Students of pictures and films against what a look-up reaches, by rows learnt: the share of what was asked that is seen.

    python benchmarks/pictures.py [--task image_gen] [--rows 2000] [--heldout 300] [--epochs 8] [--direct]

The rows are the built-in teacher's. The student answers through the device's own code from its int8 file; every answer
is drawn, and what was asked is looked for in the picture (in all frames of a film) by the host's verifier. Beside it:
the scene of the most common plan, and the scene of the learnt prompt that has most words in common. --direct: the
student learns the rows' scenes with their coordinates in place of plans.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import cast

from edge_runtime.engines.language import open_language_engine
from edge_runtime.tasks import task_module
from edge_runtime.tasks.dialogue import TextTask
from trainer_host.data.dataset import Row, seal
from trainer_host.students.language.student import LanguageStudent
from trainer_host.tasks import Example, TaskSpec, task_spec

Json = dict[str, object]
_FAR = 10**6  # seeds of held-out rows begin here


def rows_of(spec: TaskSpec, first: int, count: int) -> list[Row]:
    """So many rows of the built-in teacher."""
    made = (spec.built_in(random.Random(seed)) for seed in range(first, first + count))
    return [Row(example.input, example.output, {"difficulty": spec.difficulty(example)}) for example in made]


def figures(spec: TaskSpec, heldout: list[Row], answer: Callable[[Json], Json]) -> Json:
    """score: mean share of a row's facts that are seen; whole: rows of which all are; by_fact: shares by kind of fact."""
    scores: list[float] = []
    asked: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for row in heldout:
        got = answer(row.input)
        scores.append(spec.score(row.output, got))
        for fact in cast(list[Json], row.output["shows"]):
            name = str(fact["fact"])
            asked[name] += 1
            # "Nothing else" is about all that is counted, so it keeps the counts beside it.
            facts = [other for other in cast(list[Json], row.output["shows"]) if other["fact"] == "count"]
            if name != "nothing else":
                met[name] += spec.score({**row.output, "shows": [fact]}, got) == 1
            else:
                met[name] += spec.score({**row.output, "shows": [*facts, fact]}, got) == 1
    return {
        "score": round(sum(scores) / len(scores), 4),
        "whole": round(sum(score == 1 for score in scores) / len(scores), 4),
        "by_fact": {name: round(met[name] / count, 3) for name, count in asked.most_common()},
    }


def baselines(task: TextTask, train: list[Row], heldout: list[Row], spec: TaskSpec) -> Json:
    """What the scene of the most common plan reaches, and the scene of the learnt prompt that is most alike."""
    plans = Counter(task.reply(row.input, row.output) for row in train)
    common = plans.most_common(1)[0][0]
    usual = next(row.output for row in train if task.reply(row.input, row.output) == common)
    known = [(set(str(row.input["prompt"]).lower().split()), row.output) for row in train]

    def nearest(request: Json) -> Json:
        words = set(str(request["prompt"]).lower().split())
        return max(known, key=lambda pair: len(words & pair[0]) / len(words | pair[0]))[1]

    return {
        "majority": figures(spec, heldout, lambda _: usual),
        "nearest prompt": figures(spec, heldout, nearest),
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=("image_gen", "video_gen"), default="image_gen")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--heldout", type=int, default=300)
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--baselines", action="store_true", help="only these, without a training")
    chosen = parser.parse_args()
    spec, module = task_spec(chosen.task), task_module(chosen.task)
    heldout = rows_of(spec, _FAR, chosen.heldout)
    asked = {spec.key(row_example) for row_example in map(_example, heldout)}
    train = [row for row in rows_of(spec, 0, chosen.rows) if spec.key(_example(row)) not in asked]
    if chosen.direct:
        train = [Row(row.input, {"scene": row.output["scene"]}, row.meta) for row in train]
    if chosen.baselines:
        print(json.dumps(baselines(cast(TextTask, module), train, heldout, spec), indent=1))
        return
    student: LanguageStudent = importlib.import_module(f"trainer_host.students.{chosen.task}").STUDENT
    with tempfile.TemporaryDirectory(prefix="enigma-pictures-") as folder:
        data, run = Path(folder) / "data", Path(folder) / "run"
        data.mkdir()
        run.mkdir()
        for name, rows in (("train", train), ("heldout", heldout)):
            (data / f"{name}.jsonl").write_text("".join(f"{row.to_json()}\n" for row in rows), encoding="utf-8")
        seal(data, name="data", task=chosen.task, teacher="built-in", seed=0, params={}, figures={})
        started = time.process_time()
        options: Json = {} if chosen.epochs is None else {"epochs": chosen.epochs}
        report = student.train(
            data, run, seed=1, seconds=None, on_progress=lambda share, values: None, settings=options
        )
        trained = time.process_time() - started
        student.write_models(run, lambda share, what: None)
        engine = open_language_engine(run / "model.int8.onnx")
        try:
            specialist = module.load(student._draft(run), run, cast("object", engine))  # type: ignore[arg-type]
            started = time.process_time()
            made = figures(spec, heldout, specialist.run)
            each = (time.process_time() - started) / len(heldout)
        finally:
            engine.close()
        size = (run / "model.int8.onnx").stat().st_size
    print(
        json.dumps(
            {
                "task": chosen.task,
                "rows": len(train),
                **made,
                "training CPU seconds": round(trained, 1),
                "bytes": size,
                "CPU seconds for an answer and its examination": round(each, 3),
                **report.figures,
            },
            indent=1,
        )
    )


def _example(row: Row) -> Example:
    return Example(row.input, row.output)


if __name__ == "__main__":
    main()
