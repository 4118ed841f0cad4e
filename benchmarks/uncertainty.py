"""Is a specialist's confidence honest, and does it doubt what isn't its task? Measured on its own exported file.

    python benchmarks/uncertainty.py [--task router] [--task math] [--task digits] [--examples 1500] [--json FILE]

ECE: expected calibration error over ten bins (wanted: 0.05 at most), on held-out rows. sure: the share of rows that is
answered without doubt, and how many of those are right. covered: how often the right label is among those that the answer
calls likely; of what a language model writes, how many of the right answers are sure. Both come from thresholds of the
bundle, which promise 90 % (wanted: +- 2). AUROC: how often a row of the task is surer than a foreign one (wanted: 0.9);
sureness is the confidence, times how familiar the text is where an answer says so. Foreign to the router are the requests of
labels that it was never told of (--left-out), sentences of Python's own documentation and, where small talk is left out,
everyday messages (tests/exams/router/out_of_scope.txt, written once, scored only here); to the digits 8 and 9, which it
never saw, and drawn shapes.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from edge_runtime.tasks import Specialist
from trainer_host.compress.files import export_run, exported
from trainer_host.compress.gate import loaded
from trainer_host.data.dataset import Dataset, Row
from trainer_host.data.transfer import import_rows
from trainer_host.students import student_for
from trainer_host.tasks import task_spec
from trainer_host.training.run import Run, train_run
from trainer_host.training.uncertainty import calibration_error, separation
from trainer_host.workspace import Workspace

LEFT_OUT = ("audio_gen", "chat", "math")  # labels of the router that it never learns
EVERYDAY = Path(__file__).parents[1] / "tests/exams/router/out_of_scope.txt"
FOREIGN = 300
RIGHT = 0.5  # the score from which an answer counts as right
Json = dict[str, object]


def main() -> None:
    """Train and examine what is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", action="append", help="router, digits, or a task that a language model writes")
    parser.add_argument("--examples", type=int, default=1500, help="rows of each (default: 1500)")
    parser.add_argument(
        "--left-out", action="append", help=f"a label that the router never learns (default: {', '.join(LEFT_OUT)})"
    )
    parser.add_argument("--seconds", type=float, help="of training (default: the task's)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    made: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace(Path(name) / "home")
        for task in args.task or ["router"]:
            measure = {
                "router": functools.partial(router, left_out=tuple(args.left_out or LEFT_OUT)),
                "digits": digits,
            }.get(task, written)
            made[task] = measure(workspace, Path(name), task, args.examples, args.seconds)
            print(f"{task}: " + ", ".join(f"{key} {value:.4g}" for key, value in made[task].items()), flush=True)
    if args.json is not None:
        args.json.write_text(json.dumps(made, indent=1) + "\n")


def router(
    workspace: Workspace,
    folder: Path,
    task: str,
    examples: int,
    seconds: float | None,
    left_out: Sequence[str] = LEFT_OUT,
) -> dict[str, float]:
    """Of most labels; asked about those, about the others, and about nothing."""
    spec = task_spec("router")
    kept, other = [], []
    for seed in range(examples * 3):
        row = spec.built_in(random.Random(seed))
        line = {**row.input, **row.output, "group": spec.group(row)}
        (other if row.output["label"] in left_out else kept).append(line)
    file = folder / "router.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in kept[:examples]))
    dataset = import_rows(workspace, file, task="router", name="nine", seed=1, held_out=0.3, group="group")
    run = trained(workspace, dataset, seconds)
    asked: dict[str, list[Json]] = {
        "labels never told": [{"text": line["text"]} for line in other[:FOREIGN]],
        "documentation": [{"text": text} for text in sentences(FOREIGN)],
    }
    if "chat" in left_out:
        asked["everyday messages"] = [{"text": text} for text in EVERYDAY.read_text(encoding="utf-8").splitlines()]
    return examined(
        run,
        dataset,
        asked,
        lambda row: {"text": row.input["text"]},
        lambda row, a: a["label"] == row.output["label"],
        lambda row, a: row.output["label"] in cast("list[str]", a["likely"]),
    )


def written(workspace: Workspace, folder: Path, task: str, examples: int, seconds: float | None) -> dict[str, float]:
    """A task of the language family, with its own score."""
    spec = task_spec(task)
    lines = [spec.built_in(random.Random(seed)) for seed in range(examples)]
    file = folder / f"{task}.jsonl"
    file.write_text("".join(json.dumps({**line.input, **line.output}) + "\n" for line in lines))
    dataset = import_rows(workspace, file, task=task, name=task.replace("_", "-"), seed=1, held_out=0.3)
    run = trained(workspace, dataset, seconds)
    return examined(
        run, dataset, {}, lambda row: dict(row.input), lambda row, answer: spec.score(row.output, answer) >= RIGHT
    )


def digits(workspace: Workspace, folder: Path, task: str, examples: int, seconds: float | None) -> dict[str, float]:
    """scikit-learn's digits 0 to 7; asked about those, about 8 and 9, and about drawn shapes."""
    from PIL import Image
    from sklearn.datasets import load_digits

    from trainer_host.data.pictures import import_pictures
    from trainer_host.students.vision_data import seen_rows
    from trainer_host.teacher.lesson import BUILT_IN, Lesson
    from trainer_host.teacher.teach import give

    found = load_digits()
    for number, (pixels, label) in enumerate(zip(found.images, found.target, strict=True)):
        place = folder / ("digits" if label < 8 else "others") / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(pixels * 255 / 16).astype(np.uint8)).save(place / f"{number}.png")
    dataset = import_pictures(workspace, folder / "digits", name="digits").dataset
    others = import_pictures(workspace, folder / "others", name="others").dataset
    lesson = Lesson("shapes", ("vision",), FOREIGN * 3, BUILT_IN, options={"vision": {"whole": True}})
    shapes = give(workspace, lesson, None).taught[0].dataset
    run = trained(workspace, dataset, seconds)
    asked: dict[str, list[Json]] = {
        "digits never seen": [{"image": row.media} for row in seen_rows(others.folder, "train")[:FOREIGN]],
        "drawn shapes": [{"image": row.media} for row in seen_rows(shapes.folder, "train")[:FOREIGN]],
    }
    rows = seen_rows(dataset.folder, "heldout")
    item = next(item for item in exported(run) if item.precision == "int8")
    with loaded(run, student_for("vision"), item, item.runtimes[0]) as specialist:
        answers = [specialist.run({"image": row.media}) for row in rows]
        right = [answer["label"] == row.output["label"] for row, answer in zip(rows, answers, strict=True)]  # type: ignore[attr-defined]
        covered = [row.output["label"] in cast("list[str]", a["likely"]) for row, a in zip(rows, answers, strict=True)]  # type: ignore[attr-defined]
        return figures(answers, right, covered) | foreign(specialist, answers, asked)


def trained(workspace: Workspace, dataset: Dataset, seconds: float | None) -> Run:
    """A run with its files."""
    run, _ = train_run(
        workspace, dataset, dataset.name, seed=1, seconds=seconds, on_progress=lambda share, values: None
    )
    export_run(run, dataset, lambda share, what: None)
    return run


def examined(
    run: Run,
    dataset: Dataset,
    asked: dict[str, list[Json]],
    request: Callable[[Row], Json],
    is_right: Callable[[Row, Json], bool],
    is_covered: Callable[[Row, Json], bool] | None = None,
) -> dict[str, float]:
    """The figures of the int8 file on the held-out rows."""
    item = next(item for item in exported(run) if item.precision == "int8")
    rows = list(dataset.rows("heldout"))
    with loaded(run, student_for(run.task), item, item.runtimes[0]) as specialist:
        answers = [specialist.run(request(row)) for row in rows]
        right = [is_right(row, answer) for row, answer in zip(rows, answers, strict=True)]
        if is_covered is None:
            covered = [not answer["unsure"] for answer, good in zip(answers, right, strict=True) if good]
        else:
            covered = [is_covered(row, answer) for row, answer in zip(rows, answers, strict=True)]
        return figures(answers, right, covered) | foreign(specialist, answers, asked)


def figures(answers: Sequence[Json], right: Sequence[bool], covered: Sequence[bool]) -> dict[str, float]:
    """What one list of answers tells."""
    confidence, good = confidences(answers), np.array(right, bool)
    sure = np.array([not answer["unsure"] for answer in answers])
    return {
        "rows": float(len(good)),
        "accuracy": float(good.mean()),
        "ECE": calibration_error(confidence, good),
        "sure": float(sure.mean()),
        "right of sure": float(good[sure].mean()) if sure.any() else 0.0,
        "covered": float(np.mean(covered)),
    }


def foreign(specialist: Specialist, answers: Sequence[Json], asked: dict[str, list[Json]]) -> dict[str, float]:
    """AUROC against each kind of foreign input, and how much of it is called unsure."""
    made = {}
    for name, requests in asked.items():
        got = [specialist.run(request) for request in requests]
        made[f"AUROC, {name}"] = separation(sureness(answers), sureness(got))
        made[f"unsure, {name}"] = float(np.mean([bool(answer["unsure"]) for answer in got]))
    return made


def confidences(answers: Sequence[Json]) -> np.ndarray:
    """Their confidences."""
    return np.array([float(cast(float, answer["confidence"])) for answer in answers])


def sureness(answers: Sequence[Json]) -> np.ndarray:
    """Confidence, times how familiar the input is where the answer says so."""
    familiar = np.array([float(cast(float, answer.get("familiar", 1.0))) for answer in answers])
    return confidences(answers) * familiar


def sentences(count: int) -> list[str]:
    """Of Python's documentation of itself, which every machine has; about no task of ours."""
    from pydoc_data.topics import topics

    text = " ".join(" ".join(topics[key].split()) for key in sorted(topics))
    found = [one.strip() for one in re.split(r"(?<=[a-z])\. ", text) if 20 <= len(one) <= 120 and one[:1].isupper()]
    return random.Random(1).sample(found, count)


if __name__ == "__main__":
    main()
