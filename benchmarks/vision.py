"""What students of the task vision reach on pictures they haven't seen, in each runtime, on the device's int8 files.

    python benchmarks/vision.py [--only detector] [--examples 4000] [--seconds 240]
    python benchmarks/vision.py --run NAME [--home HOME] [--exam 11] [--examples 1500]    # an exported run of drawn pictures

detector: drawn scenes of one to seven shapes. classifier: drawn pictures of one shape. digits: those of scikit-learn
(1,797 pictures of 8 x 8, where that package is installed), imported from folders as a person's own. Each is taught,
trained, exported and examined as by the commands. AUROC: how often a picture of its own task is surer than one of the
other classifier's. With --run nothing is trained: a fifth of so many fresh pictures, drawn by another seed, is asked about.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import cast

import numpy as np

from edge_runtime.tasks import Specialist
from trainer_host.compress.files import export_run, exported
from trainer_host.compress.gate import latency, opened
from trainer_host.data.dataset import Dataset
from trainer_host.data.pictures import import_pictures
from trainer_host.students import student_of
from trainer_host.students.vision import load_config
from trainer_host.students.vision_data import seen_rows
from trainer_host.teacher.lesson import BUILT_IN, Lesson
from trainer_host.teacher.teach import give
from trainer_host.training.run import Run, open_run, train_run
from trainer_host.training.uncertainty import separation
from trainer_host.workspace import Workspace, default_home

FOREIGN = 200  # pictures of another task


def drawn(workspace: Workspace, name: str, examples: int, whole: bool, seed: int = 1) -> Dataset:
    """The built-in teacher's pictures."""
    options: dict[str, dict[str, object]] = {"vision": {"whole": True}} if whole else {}
    lesson = Lesson(name, ("vision",), examples, BUILT_IN, options=options, seed=seed)
    return give(workspace, lesson, None).taught[0].dataset


def digits(workspace: Workspace, folder: Path) -> Dataset | None:
    """scikit-learn's digits in folders, None where it isn't installed."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        return None
    from PIL import Image

    found = load_digits()
    for number, (pixels, label) in enumerate(zip(found.images, found.target, strict=True)):
        place = folder / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(pixels * 255 / 16).astype(np.uint8)).save(place / f"{number}.png")
    return import_pictures(workspace, folder, name="digits").dataset


def confidences(specialist: Specialist, dataset: Dataset) -> np.ndarray:
    """Of a classifier, on the held-out pictures of any dataset."""
    rows = seen_rows(dataset.folder, "heldout")[:FOREIGN]
    return np.array([float(cast(float, specialist.run({"image": row.media})["confidence"])) for row in rows])


def examine(workspace: Workspace, name: str, dataset: Dataset, seconds: float, other: Dataset | None) -> None:
    """Train, export and print a line per int8 file."""
    started = time.perf_counter()
    run, report = train_run(
        workspace, dataset, name, seed=1, seconds=seconds, on_progress=lambda share, figures: None, settings={}
    )
    took = time.perf_counter() - started
    export_run(run, dataset, lambda share, what: None)
    baselines = {key: value for key, value in report.figures.items() if key.endswith("_baseline")}
    print(
        f"{name}: {dataset.counts['train']} rows, {took:.0f} s, {report.figures['parameters']:,.0f} parameters, {baselines}"
    )
    answered(run, dataset, other)


def answered(run: Run, dataset: Dataset, other: Dataset | None) -> None:
    """A line per int8 file about the dataset's held-out pictures."""
    student = student_of(run)
    for item in exported(run):
        if item.precision != "int8":
            continue
        with opened(run, student, item, item.runtimes[0]) as (specialist, engine):
            figures = student.evaluate(run.folder, dataset.folder, specialist, None)
            p50, _ = latency(specialist, student.golden(run.folder, dataset.folder, 32), engine)
            if other is not None:
                own, foreign = confidences(specialist, dataset), confidences(specialist, other)
                figures["auroc"] = separation(own, foreign)
        told = ", ".join(f"{key} {value:.4f}" for key, value in figures.items() if key != "rows")
        print(f"  {item.file} ({item.bytes / 1e6:.2f} MB, {p50:.2f} ms): {told}")


def main() -> None:
    """Train and examine, or examine a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("detector", "classifier", "digits"), help="one of the three (default: all)")
    parser.add_argument("--examples", type=int, default=4000, help="of the detector; the classifier gets a quarter")
    parser.add_argument("--seconds", type=float, default=240.0, help="of training on two cores, each (default: 240)")
    parser.add_argument("--run", help="an exported run of drawn pictures, instead of training")
    parser.add_argument("--home", type=Path, help="the run's (default: as for enigma)")
    parser.add_argument("--exam", type=int, default=11, help="seed of its pictures (default: 11)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        workspace, folder = Workspace(Path(name) / "home"), Path(name) / "digits"
        if args.run is not None:
            run = open_run(Workspace((args.home or default_home()).absolute()).run(args.run))
            whole = load_config(run.folder).kind == "classifier"
            answered(run, drawn(workspace, "exam", args.examples, whole, args.exam), None)
            return
        if args.only in (None, "detector"):
            examine(workspace, "detector", drawn(workspace, "scenes", args.examples, False), args.seconds, None)
        shapes = drawn(workspace, "shapes", max(300, args.examples // 4), True) if args.only != "detector" else None
        numbers = digits(workspace, folder) if args.only != "detector" else None
        if shapes is not None and args.only in (None, "classifier"):
            examine(workspace, "classifier", shapes, args.seconds, numbers)
        if numbers is not None and args.only in (None, "digits"):
            examine(workspace, "digits", numbers, args.seconds / 4, shapes)


if __name__ == "__main__":
    main()
