"""Every task's student in one table: teach, train, export and gate as a person would, beside two trivial answers.

    python benchmarks/students.py [--task TASK ...] [--examples 300] [--home DIR] [--markdown FILE] [--json FILE]

Each task's built-in teacher writes the rows, so nothing is fetched: `--examples` to learn from, and 300 more to be
examined in. Of those no question was learnt, no expression of a sum, and no template, where the task has templates.
Those "other rows" of router and robot ask what no row asked; their templates may have been practised.
Scores are the task's own metric, int8 or less in the runtime that a device would use. "most common" always gives the
training rows' most frequent answer, "nearest" that of the training row whose question shares most words with the one
asked. `AIMS` says what each task has to reach, and by how much it has to beat the better of both.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import wave
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.media import Media
from edge_runtime.tasks import Specialist
from trainer_host.compress.files import exported
from trainer_host.compress.gate import CARD, REFERENCE, Score, opened
from trainer_host.data.dataset import Dataset, Row, open_dataset
from trainer_host.data.quality import files_of
from trainer_host.students import student_for
from trainer_host.tasks import TASKS, Example, task_spec
from trainer_host.teacher.lesson import BUILT_IN, Lesson
from trainer_host.teacher.teach import give
from trainer_host.training.run import Run, open_run
from trainer_host.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

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
# Its usual plan, of 240 seconds on two cores, is more than the five minutes of one that `AIMS` allow.
SECONDS = {"vision": "44"}
HELD_OUT = 300  # rows to be examined in
EXAMINED = 200  # of them, for the trivial answers: each looks through all training rows
EXTRA = 100  # of those that a task is examined in besides
HOME_LEAST = 1000  # rows of the home grammar at least; it holds back a tenth, with templates of their own
HOME_EXAM = 2000
_SUM = re.compile(r"\d{1,2} [+-] \d{1,2}")
_MESSAGES = Path(__file__).parents[1] / "tests/exams/router_en/messages.csv"


@dataclass(frozen=True)
class Aim:
    """What a task has to reach: figure: of the student's own, by its name; least: 0 to 1.

    margin: by how much `figure` must exceed the better trivial answer; None where that has no such figure.
    files: the share of answers whose file another program must open.
    """

    says: str
    least: float
    margin: float | None
    figure: str = "accuracy"
    files: float = 0.0


# What 300 rows and five minutes of one processor have to reach. A trivial answer to a prompt for a file can be right in part.
AIMS = {
    "chat": Aim("chrF of the answer", 0.0, 0.05),
    "code": Aim("programs that pass their tests", 0.0, 0.10),
    "vision": Aim("drawn shapes named right", 0.90, 0.50),
    "avatar": Aim("emotion, gesture and gaze all right", 0.90, 0.30),
    "image_gen": Aim("facts of the prompt seen in the picture", 0.70, 0.30, files=0.98),
    "audio_gen": Aim("facts of the prompt heard in the sound", 0.70, 0.20, files=0.95),
    "video_gen": Aim("facts of the prompt seen in the film", 0.70, 0.30, files=0.98),
    "3d_gen": Aim("overlap with the body that was asked", 0.85, 0.50, files=0.95),
    "game": Aim("a best action", 0.90, 0.30),
    "robot": Aim("all calls right", 0.90, 0.30, figure="other rows"),
    "math": Aim("sums and differences below 100", 0.80, None, figure="sums below 100"),
    "router": Aim("the right label", 0.95, 0.20, figure="other rows"),
}
MOST_CPU_S = 300.0


@dataclass(frozen=True)
class Line:
    """One task. scores: 0 to 1; bytes and p50_ms: of the smallest file that passed, p50 of a whole answer.

    more: figures besides, by name. refused: files that the gate refuses, which lose too much in few bits.
    """

    task: str
    rows: int
    heldout: int
    parameters: float
    train_s: float
    cpu_s: float
    runtime: str
    precision: str
    bytes: int
    p50_ms: float
    score: float
    fp32: float
    common: float
    nearest: float
    more: Mapping[str, float] = field(default_factory=dict)
    refused: tuple[str, ...] = ()

    @property
    def figures(self) -> dict[str, float]:
        """By the names that an `Aim` knows."""
        return {"accuracy": self.score, **self.more}

    def unmet(self, aim: Aim) -> list[str]:
        """What is missing, in words; nothing where the aim is met."""
        made, best = self.figures.get(aim.figure, 0.0), max(self.common, self.nearest)
        found = [] if made >= aim.least else [f"{made:.3f} of {aim.least:.2f}"]
        if aim.margin is not None and made < best + aim.margin:
            found.append(f"{made - best:+.3f} of {aim.margin:+.2f} over {best:.3f}")
        if self.more.get("files", 0.0) < aim.files:
            found.append(f"files {self.more.get('files', 0.0):.3f} of {aim.files:.2f}")
        return found + ([f"{self.cpu_s:.0f} CPU s of {MOST_CPU_S:.0f}"] if self.cpu_s > MOST_CPU_S else [])


def main() -> None:
    """Measure the tasks that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", action="append", choices=TASKS, help="may be repeated (default: all twelve)")
    parser.add_argument("--examples", type=int, help="rows to learn from, of each (default: the task's)")
    parser.add_argument("--home", type=Path, help="keep everything here (default: nowhere)")
    parser.add_argument("--markdown", type=Path, help="write the table here too")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = args.home or Path(folder)
        lines = []
        for task in args.task or TASKS:
            lines.append(measure(task, args.examples or EXAMPLES[task], home))
            print(markdown(lines[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    table = markdown(lines)
    print(table)
    if args.markdown is not None:
        args.markdown.write_text(table + "\n", encoding="utf-8")
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n")


def measure(task: str, examples: int, home: Path) -> Line:
    """Run the commands of one task."""
    name = f"built-in-{task.replace('_', '-')}"
    workspace = Workspace(home)
    dataset, exam = taught(workspace, task, name, examples)
    limit = ("--seconds", SECONDS[task]) if task in SECONDS else ()
    spent = _enigma(home, "train", "--data", dataset.name, "--name", name, *limit)
    _enigma(home, "export", name)
    _enigma(home, "gate", name, allowed=(0, 1))
    run = open_run(workspace.run(name))
    scores = [
        Score(**{**raw, "outside": tuple(raw["outside"])})
        for raw in json.loads((run.folder / CARD).read_bytes())["scores"]
    ]
    small = [score for score in scores if score.file != REFERENCE]
    best = min([score for score in small if not score.outside] or small, key=lambda score: score.bytes)
    fp32 = next(score.accuracy for score in scores if score.file == REFERENCE)
    training = json.loads((run.folder / "training.json").read_text())
    accuracy, figures = best.accuracy, dict(best.figures)
    with examined(run, task, best) as specialist:
        if exam is not dataset:  # the gate's rows are few
            figures = student_for(task).evaluate(run.folder, exam.folder, specialist, HELD_OUT)
            accuracy = figures["accuracy"]
        more = besides(task, dataset, specialist)
    common, nearest = trivial(dataset, exam)
    own = ("answered", "accuracy_answered", "as_asked")
    return Line(
        task,
        dataset.counts["train"],
        int(figures.get("rows", exam.counts["heldout"])),
        float(training["figures"].get("parameters", 0)),
        float(training["seconds"]),
        spent,
        f"{best.runtime} {best.version}",
        best.precision,
        best.bytes,
        best.p50_ms,
        accuracy,
        fp32,
        common,
        nearest,
        {**more, **{key.replace("_", " "): figures[key] for key in own if key in figures}},
        tuple(sorted({score.file for score in small if score.outside})),
    )


def taught(workspace: Workspace, task: str, name: str, examples: int) -> tuple[Dataset, Dataset]:
    """(what is learnt from, whose held-out rows examine); the same but for many home commands."""
    if task == "robot" and examples >= HOME_LEAST:
        _enigma(workspace.home, "teach", "--task", task, "--examples", str(round(examples / 0.9)))
        exam = str(max(HOME_EXAM, examples // 4))
        _enigma(workspace.home, "teach", "--task", task, "--examples", exam, "--seed", "2", "--name", "exam")
        return open_dataset(workspace.dataset("home-en")), open_dataset(workspace.dataset("exam"))
    share = min(0.5, max(0.05, HELD_OUT / (examples + HELD_OUT)))
    options: dict[str, dict[str, object]] = {"vision": {"whole": True}} if task == "vision" else {}
    lesson = Lesson(BUILT_IN, (task,), round(examples / (1 - share)), BUILT_IN, held_out=share, options=options)
    made = give(workspace, lesson, None).taught[0].dataset
    assert made.name == name
    return made, made


@contextmanager
def examined(run: Run, task: str, score: Score) -> Iterator[Specialist]:
    """The specialist on the file of a score."""
    item = next(item for item in exported(run) if item.file == score.file)
    with opened(run, student_for(task), item, score.runtime) as (specialist, _):
        yield specialist


def besides(task: str, dataset: Dataset, specialist: Specialist) -> dict[str, float]:
    """What a task is examined in besides its held-out rows."""
    if task in ("router", "robot"):
        others = [(row.input, row.output) for row in drawn(dataset, HELD_OUT, lambda row: True)]
        figures = {"other rows": _score(task, others, specialist)}
        if task == "router":
            with _MESSAGES.open(encoding="utf-8") as source:
                written = [({"text": row["text"]}, {"label": row["label"]}) for row in csv.DictReader(source)]
            figures["messages by hand"] = _score(task, written, specialist)
        return figures
    if task == "math":
        sums = drawn(dataset, EXTRA, lambda row: _SUM.fullmatch(str(row.output["expression"])) is not None)
        return {"sums below 100": _score(task, [(row.input, row.output) for row in sums], specialist)}
    if AIMS[task].files:
        asked = [row.input for row in dataset.rows("heldout")][:EXTRA]
        return {"files": _mean([opens(specialist.run(dict(request))) for request in asked])}
    return {}


def drawn(dataset: Dataset, count: int, wanted: Callable[[Example], bool]) -> list[Example]:
    """Examples of the built-in teacher that no training row asks the same as, and that share no sum with one."""
    spec, rng = task_spec(dataset.task), random.Random("examined besides")
    rows = [Example(row.input, row.output) for row in dataset.rows("train")]
    met = {spec.key(row) for row in rows} | {spec.group(row) for row in rows}
    found: list[Example] = []
    while len(found) < count:
        example = spec.built_in(rng)
        names = {spec.key(example), spec.group(Example(example.input, example.output))} - {None}
        if wanted(example) and not names & met:
            found.append(example)
            met |= names
    return found


def opens(answer: Mapping[str, object]) -> float:
    """1 where the file of an answer is one that another program reads to its end, with something in it."""
    media = next((value for value in answer.values() if isinstance(value, Media)), None)
    if media is None:
        return 0.0
    kind = media.content_type.partition("/")[0]
    read = {"image": _picture, "audio": _sound, "model": _body}[kind]
    try:
        return float(read(io.BytesIO(media.content), media.content_type))
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, wave.Error):  # what Pillow, wave and trimesh raise
        return 0.0


def _picture(source: io.BytesIO, content_type: str) -> bool:
    from PIL import Image

    with Image.open(source) as picture:
        frames = getattr(picture, "n_frames", 1)
        for frame in range(frames):
            picture.seek(frame)
            picture.load()
    return frames > 1 or content_type != "image/apng"


def _sound(source: io.BytesIO, content_type: str) -> bool:
    with wave.open(source) as sound:
        size = sound.getnframes() * sound.getsampwidth() * sound.getnchannels()
        return len(sound.readframes(sound.getnframes())) == size > 0


def _body(source: io.BytesIO, content_type: str) -> bool:
    import trimesh

    return len(trimesh.load(source, file_type="glb", force="mesh").faces) > 0


def trivial(dataset: Dataset, exam: Dataset) -> tuple[float, float]:
    """Mean scores of the most common answer, and of the answer to the training row that looks most alike."""
    spec = task_spec(dataset.task)
    train = list(dataset.rows("train"))
    asked = list(exam.rows("heldout"))[:EXAMINED]
    common = json.loads(Counter(json.dumps(row.output, sort_keys=True) for row in train).most_common(1)[0][0])

    def words(row: Row, place: Dataset) -> frozenset[str]:
        return frozenset(spec.key(Example(row.input, row.output, files_of(place, row))).lower().split())

    known = [words(row, dataset) for row in train]

    def closest(row: Row) -> Row:
        mine = words(row, exam)
        return train[max(range(len(known)), key=lambda at: len(mine & known[at]) / max(1, len(mine | known[at])))]

    scores = [(spec.score(row.output, common), spec.score(row.output, closest(row).output)) for row in asked]
    return _mean([one for one, _ in scores]), _mean([other for _, other in scores])


def markdown(lines: Sequence[Line]) -> str:
    """The table, as it stands in the docs."""
    head = [
        "task", "rows", "training", "CPU", "model", "answer", "score", "fp32", "most common", "nearest", "besides",
        "aim", "met",
    ]  # fmt: skip
    body = [
        [
            line.task,
            f"{line.rows:,} + {line.heldout:,}",
            f"{line.train_s:.0f} s",
            f"{line.cpu_s:.0f} s",
            f"{line.parameters / 1e6:.2f} M, {line.bytes / 1e6:.2f} MB {line.precision}, {line.runtime}",
            f"{line.p50_ms:.2f} ms",
            f"{line.score * 100:.1f} %",
            f"{line.fp32 * 100:.1f} %",
            f"{line.common * 100:.1f} %",
            f"{line.nearest * 100:.1f} %",
            ", ".join(f"{key} {value * 100:.1f} %" for key, value in line.more.items()),
            said(AIMS[line.task]),
            "yes" if not (missing := line.unmet(AIMS[line.task])) else f"no: {'; '.join(missing)}",
        ]
        for line in lines
    ]
    rows = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def said(aim: Aim) -> str:
    """An aim in words."""
    parts = [f"at least {aim.least * 100:.0f} %"] if aim.least else []
    parts += [f"{aim.margin * 100:.0f} points over the trivial"] if aim.margin is not None else []
    parts += [f"{aim.files * 100:.0f} % files that open"] if aim.files else []
    return f"{aim.says}: {', '.join(parts)}"


def _score(task: str, asked: Sequence[tuple[Mapping[str, object], Mapping[str, object]]], of: Specialist) -> float:
    spec = task_spec(task)
    return _mean([spec.score(dict(wanted), of.run(dict(request))) for request, wanted in asked])


def _enigma(home: Path, *words: str, allowed: tuple[int, ...] = (0,)) -> float:
    """Processor seconds that a command took, its own processes included."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "trainer_host.cli", "--home", str(home), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"  {' '.join(words)}: {time.perf_counter() - begun:.0f} s, {spent:.0f} CPU s", file=sys.stderr, flush=True)
    if done.returncode not in allowed:
        sys.exit(f"enigma {' '.join(words)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return spent


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


if __name__ == "__main__":
    main()
