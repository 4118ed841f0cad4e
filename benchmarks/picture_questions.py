"""What a specialist that answers questions about pictures reaches on pictures that nothing was learnt from, in each int8 file.

    python benchmarks/picture_questions.py [--examples 1200] [--seconds 200] [--pictures 250] [--size nano] [--exam 11]
    python benchmarks/picture_questions.py --home HOME --run NAME      # of a run that is there, exported

Drawn scenes, each with a combination of a number, a colour and a shape that no picture to learn from shows. unseen: the
questions for those. AUROC: how often a question of its kinds is surer (confidence times familiarity) than a foreign one: in
words that it doesn't know, and in words that it knows and that mean nothing together.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import cast

import numpy as np

from edge_runtime.media import Media
from edge_runtime.tasks import Specialist
from trainer_host.compress.files import export_run, exported
from trainer_host.compress.gate import latency, opened
from trainer_host.media.picture_questions import Question, questions, scene_of
from trainer_host.media.scatter import taken
from trainer_host.students import student_for
from trainer_host.tasks.vision_pictures import png
from trainer_host.teacher.lesson import BUILT_IN, Lesson
from trainer_host.teacher.teach import give
from trainer_host.training.run import Run, open_run, train_run
from trainer_host.training.uncertainty import calibration_error, separation
from trainer_host.workspace import Workspace

FOREIGN = (
    "How many dogs are there?", "Is the star shiny?", "Wie viele rote Kreise gibt es?", "What is the weather like?",
    "Who painted the picture?", "Is there a person behind the square?", "How old is the circle?",
    "What does the triangle weigh?", "¿Cuál es el color del fondo?", "Is it night or day?", "What is written on the sign?",
    "Where was this photo taken?", "How many legs does the star have?", "Is the circle happy?", "Do you like the picture?",
)  # fmt: skip
MEANINGLESS = (
    "What is there?", "Is the picture a triangle?", "How many stars does the circle have?", "Is the background a square?",
    "Does the star see the circle?", "Which circle is the picture?", "Are there more?", "Is the red?",
    "What kind of background is the star?", "How does the circle stand?",
)  # fmt: skip
Asked = list[tuple[Media, Question]]


def exam(pictures: int, seed: int) -> Asked:
    """Questions about fresh pictures, all of which show an unseen combination."""
    rng = random.Random(f"exam {seed}")
    made: Asked = []
    for _ in range(pictures):
        view = scene_of(rng, examined=True)
        picture = Media("image/png", png(taken(view)))
        made += [(picture, question) for question in questions(rng, view.scene)]
    return made


def surely(answer: dict[str, object]) -> float:
    """How sure an answer is that the question is one of its kinds."""
    return cast(float, answer["confidence"]) * cast(float, answer["familiar"])


def examine(specialist: Specialist, asked: Asked) -> None:
    """Print the figures of one file."""
    right: dict[str, list[bool]] = defaultdict(list)
    answers = [specialist.run({"image": picture, "question": question.text}) for picture, question in asked]
    for answer, (_, question) in zip(answers, asked, strict=True):
        good = answer["answer"] == question.answer
        for name in ("all", question.asks, *(("unseen", f"unseen {question.answer}") if question.unseen else ())):
            right[name].append(good)
    hits = np.array(right["all"])
    sure = np.array([cast(float, answer["confidence"]) for answer in answers])
    certain = np.array([not answer["unsure"] for answer in answers])
    told = ", ".join(f"{name} {np.mean(hit):.3f} ({len(hit)})" for name, hit in sorted(right.items()))
    print(f"    {told}")
    print(
        f"    ECE {calibration_error(sure, hits):.3f}, answered {certain.mean():.3f}, right of those {hits[certain].mean():.3f}"
    )
    own = np.array([surely(answer) for answer in answers])
    for name, foreign in (("unknown words", FOREIGN), ("known words without meaning", MEANINGLESS)):
        got = [specialist.run({"image": picture, "question": text}) for picture, _ in asked[::40] for text in foreign]
        doubtful = np.mean([bool(answer["unsure"]) for answer in got])
        auroc = separation(own, np.array([surely(answer) for answer in got]))
        print(f"    {name}: AUROC {auroc:.3f}, unsure {doubtful:.3f}")


def trained(workspace: Workspace, examples: int, seconds: float, size: str) -> Run:
    """As by the commands: taught, trained, exported."""
    options: dict[str, dict[str, object]] = {"vision": {"questions": True}}
    lesson = Lesson("asked", ("vision",), examples, BUILT_IN, options=options)
    dataset = give(workspace, lesson, None).taught[0].dataset
    started = time.process_time()
    run, report = train_run(
        workspace,
        dataset,
        "asked",
        seed=1,
        seconds=seconds,
        on_progress=lambda share, got: None,
        settings={"size": size},
    )
    print(f"{dataset.counts['train']} rows, {time.process_time() - started:.0f} s of one core: {report.figures}")
    export_run(run, dataset, lambda share, what: None)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=1200, help="rows of the built-in teacher (default: 1200)")
    parser.add_argument("--seconds", type=float, default=200.0, help="of training on one core (default: 200)")
    parser.add_argument("--pictures", type=int, default=250, help="that are examined (default: 250)")
    parser.add_argument("--size", default="nano", help="nano, micro or small (default: nano)")
    parser.add_argument("--exam", type=int, default=11, help="seed of the examined pictures (default: 11)")
    parser.add_argument("--home", type=Path, help="of a run that is there")
    parser.add_argument("--run", help="its name")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        if args.home and args.run:
            run = open_run(Workspace(args.home).runs / args.run)
        else:
            run = trained(Workspace(Path(name) / "home"), args.examples, args.seconds, args.size)
        asked, student = exam(args.pictures, args.exam), student_for("vision")
        dataset = Workspace(run.folder.parent.parent).data / run.dataset
        for item in exported(run):
            if item.precision != "int8" and item.file != "model.fp32.onnx":
                continue
            with opened(run, student, item, item.runtimes[0]) as (specialist, engine):
                p50, _ = latency(specialist, student.golden(run.folder, dataset, 32), engine)
                print(f"  {item.file} ({item.bytes / 1e6:.2f} MB, {p50:.2f} ms)")
                examine(specialist, asked)


if __name__ == "__main__":
    main()
