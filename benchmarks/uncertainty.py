"""Is a specialist's confidence honest, and does it doubt what isn't its task? Measured on its own exported file.

    python benchmarks/uncertainty.py [--task router] [--task avatar] [--splits 5] [--examples 1500] [--parts 3] [--json FILE]

Each split draws rows, holds some of them out (of a text's, whole templates), trains, exports, and asks the int8 file.

ECE: expected calibration error over ten bins (wanted: 0.05 at most), on held-out rows; an avatar has one of each head. sure:
the share of rows that is answered without doubt, and how many of those are right. covered: how often the right label is among
those that the answer calls likely; of what a language model writes, how many of the right answers are sure. Both come from
thresholds of the bundle, which promise 90 % (wanted: +- 2). covered_error: how much a router's figure errs by itself, as the
standard error over the templates that examine it (rows of one template fare alike), and promised_error the same over those that
calibrated it. Both together say how far splits lie from 90 % by chance; the mean over splits is what is promised, and how many
splits are outside is told beside how many would be. With --parts 3 a split has three routers of the same rows, each with another
third of the templates held out, and the mean of their figures: hard templates that by chance examine one of them calibrate the
others, so that such luck evens out. AUROC: how often a row of
the task is surer than a foreign one (wanted: 0.9); sureness is the confidence, times how familiar the text is where an answer says so,
of an avatar that of the least sure of the choices it acts by. beyond: answers that are unsure though they reach the thresholds, or sure though they don't (wanted: none); a router hands over where it is unsure.

Foreign to the router are the requests of labels that it was never told of (chat, and two others of each split), sentences of
Python's own documentation and everyday messages (tests/exams/router/out_of_scope.txt, written once, scored only here); to the
avatar gestures that it was never told of, and that documentation; to the digits, and to pictures of a person's own (--task own
--pictures FOLDER, a folder of pictures for each label), two labels that it never saw, and noise; to the drawn shapes two families
of kinds, see `strangers`. Five splits of ten labels leave each out once, and three of the shapes. A player has nothing foreign: what is no state of its games is refused.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.strangers import (
    FAMILIES,
    FOREIGN,
    HELD_OUT,
    Family,
    in_folder,
    left_out,
    noise,
    parted,
    write_digits,
)
from edge_runtime.tasks import Specialist
from trainer_host.compress.files import export_run, exported
from trainer_host.compress.gate import loaded
from trainer_host.data.build import build_dataset
from trainer_host.data.dataset import GROUP, Dataset
from trainer_host.data.labelled import reader_for
from trainer_host.data.split import deduplicate
from trainer_host.data.transfer import import_rows
from trainer_host.media.scatter import KINDS
from trainer_host.students import student_of
from trainer_host.students.game_data import read_rows
from trainer_host.students.vision_data import seen_rows
from trainer_host.tasks import HELD_OUT as HELD_OUT_GROUP
from trainer_host.tasks import Example, task_spec
from trainer_host.teacher.lesson import BUILT_IN, Lesson
from trainer_host.teacher.teach import give
from trainer_host.training.calibration import COVERED
from trainer_host.training.run import REPORT, Run, train_run
from trainer_host.training.uncertainty import calibration_error, clustered_error, separation
from trainer_host.workspace import Workspace

LEFT_OUT = "chat"  # of the router's labels never told, so that everyday messages are foreign
MORE_LEFT_OUT = 2  # others, and gestures of an avatar, drawn for each split
EVERYDAY = Path(__file__).parents[1] / "tests/exams/router/out_of_scope.txt"
OWN = 1000  # rows that examine a router: its held-out ones, and more that are drawn from the same templates
DRAWS = 10_000  # in which those are looked for
RIGHT = 0.5  # the score from which an answer counts as right
ACTED = ("emotion", "gesture", "gaze")  # what an avatar's doubt is about
HALF_A_DIGIT = 5e-5  # of a confidence, which an answer rounds to four
MOST_ERROR, LEAST_AUROC, COVERED_WITHIN = 0.05, 0.9, 0.02  # wanted
Json = dict[str, object]
Figures = dict[str, float]
Requests = dict[str, list[Json]]
T = TypeVar("T")


def main() -> None:
    """Train and examine what is named, and say how far from the aims it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", action="append", help=f"{', '.join(TASKS)}, or one that a language model writes")
    parser.add_argument("--examples", type=int, default=1500, help="rows of each (default: 1500)")
    parser.add_argument("--splits", type=int, default=1, help="how often with other rows and seeds (default: 1)")
    parser.add_argument("--first", type=int, default=1, help="the first split's number (default: 1)")
    parser.add_argument("--seconds", type=float, help="of training (default: the task's)")
    parser.add_argument(
        "--parts", type=int, default=1, help="routers of a split that together are examined in all templates"
    )
    parser.add_argument(
        "--pictures", type=Path, help="of the task own: a folder with a folder of pictures of each label"
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    tasks: list[str] = args.task or ["router"]
    if args.parts != 1 and (args.parts < 2 or tasks != ["router"]):
        parser.error("--parts is for the router alone, and of two at least.")
    made: dict[str, list[Figures]] = {}
    for task in tasks:
        for split in range(args.first, args.first + args.splits):
            with tempfile.TemporaryDirectory() as name:
                place = Place(Path(name), task, split, args.examples, args.seconds, args.parts, args.pictures)
                found = TASKS.get(task, written)(place)
            made.setdefault(task, []).append(found)
            print(f"{task} {split}: {told(found)}", flush=True)
            if args.json is not None:
                args.json.write_text(json.dumps(made, indent=1) + "\n")
        print(f"{task}, mean: {told(mean(made[task]))}; {'; '.join(missed(made[task])) or 'all aims met'}", flush=True)


class Place:
    """Where one split of one task is made."""

    def __init__(
        self,
        folder: Path,
        task: str,
        split: int,
        examples: int,
        seconds: float | None,
        parts: int = 1,
        pictures: Path | None = None,
    ) -> None:
        self.folder, self.task, self.split, self.examples, self.parts = folder, task, split, examples, parts
        self.pictures = pictures
        self.workspace = Workspace(folder / "home")
        self._seconds = seconds
        self._drawn = 0

    def draw(self) -> Example:
        """The next example of the built-in teacher; other splits have others."""
        self._drawn += 1
        return task_spec(self.task).built_in(random.Random(self.split * 10**5 + self._drawn))

    def imported(self, rows: Sequence[Example]) -> Dataset:
        """As a person's own rows, since no student practises around those; rows of one template stay together."""
        spec = task_spec(self.task)
        file = self.folder / "rows.jsonl"
        with file.open("w") as out:
            for row in rows:
                out.write(json.dumps({**row.input, **row.output, "group": spec.group(row) or spec.key(row)}) + "\n")
        name = self.task.replace("_", "-")
        return import_rows(
            self.workspace, file, task=self.task, name=name, seed=self.split, held_out=HELD_OUT, group="group"
        )

    def in_parts(self, rows: Sequence[Example]) -> Iterator[Dataset]:
        """The same rows `parts` times, with other templates held out each time, until all were."""
        spec, reader = task_spec(self.task), reader_for(self.task, inventory=None, folder=self.folder)
        read = [replace(reader.read({**row.input, **row.output}), group=spec.group(row)) for row in rows]
        kept = deduplicate(read).rows
        names = sorted({(str(row.stratum), str(row.group)) for row in kept})
        random.Random(self.split).shuffle(names)
        number = {group: at for at, (_, group) in enumerate(sorted(names, key=lambda name: name[0]))}
        for part in range(self.parts):
            made = []
            for row in kept:
                at = number[str(row.group)]
                group = HELD_OUT_GROUP if at % self.parts == part else row.group
                made.append(replace(row, row=replace(row.row, meta={GROUP: at}), group=group))
            yield build_dataset(
                self.workspace,
                f"{self.task}-{part}",
                self.task,
                made,
                teacher="person",
                seed=self.split,
                held_out=0,  # no more than those
                params={},
                figures={},
                finish=reader.finish,
            )

    def taught(self, task: str, examples: int, **options: object) -> Dataset:
        """As the built-in teacher's rows, around which its student practises."""
        lesson = Lesson(f"of-{task}", (task,), examples, BUILT_IN, seed=self.split, held_out=HELD_OUT)
        return give(self.workspace, replace(lesson, options={task: options}), None).taught[0].dataset

    def trained(self, dataset: Dataset) -> Run:
        """A run with its files."""
        run, _ = train_run(
            self.workspace,
            dataset,
            dataset.name,
            seed=self.split,
            seconds=self._seconds,
            on_progress=lambda share, values: None,
        )
        export_run(run, dataset, lambda share, what: None)
        return run

    def parted(self, key: str, never: set[str]) -> tuple[list[Example], list[Example]]:
        """As many rows as are wanted, and those drawn meanwhile whose output has something there that is never told."""
        kept: list[Example] = []
        other: list[Example] = []
        while len(kept) < self.examples:
            row = self.draw()
            (other if row.output[key] in never else kept).append(row)
        return kept, other

    def examined_by(self, dataset: Dataset, kept: Sequence[Example]) -> list[Example]:
        """Its held-out rows, and more that are drawn from the same templates, up to `OWN`; none stands in `kept` twice."""
        spec = task_spec(self.task)
        held = {spec.key(Example(row.input, row.output)) for row in dataset.rows("heldout")}
        rows = {spec.key(row): row for row in kept if spec.key(row) in held}
        templates = {spec.group(row) for row in rows.values()} - {None}
        met = {spec.key(row) for row in kept}
        for _ in range(DRAWS):
            if len(rows) >= OWN:
                break
            row = self.draw()
            if spec.group(row) in templates and (key := spec.key(row)) not in met:
                rows.setdefault(key, row)
        return list(rows.values())


def router(place: Place) -> Figures:
    """Of most labels; asked about those, about the others, and about nothing."""
    labels = sorted({str(place.draw().output["label"]) for _ in range(200)} - {LEFT_OUT})
    never = {LEFT_OUT, *random.Random(place.split).sample(labels, MORE_LEFT_OUT)}
    kept, other = place.parted("label", never)
    asked: Requests = {
        "labels never told": [{"text": row.input["text"]} for row in other[:FOREIGN]],
        "documentation": [{"text": text} for text in sentences(FOREIGN)],
        "everyday messages": [{"text": text} for text in EVERYDAY.read_text(encoding="utf-8").splitlines()],
    }
    parts = [
        examined(
            place.trained(dataset),
            place.examined_by(dataset, kept),
            asked,
            lambda row: {"text": row.input["text"]},
            lambda row, a: a["label"] == row.output["label"],
            lambda row, a: row.output["label"] in cast("list[str]", a["likely"]),
            task_spec(place.task).group,
        )
        for dataset in (place.in_parts(kept) if place.parts > 1 else [place.imported(kept)])
    ]
    if len(parts) == 1:
        return parts[0]
    made = mean(parts) | {f"covered, part {at}": one["covered"] for at, one in enumerate(parts, 1)}
    # Their errors make up for each other, so that none of them says how much the mean errs.
    return {name: value for name, value in made.items() if name not in ("covered_error", "promised_error")}


def avatar(place: Place) -> Figures:
    """Asked about commands and messages, about gestures that it was never told of, and about nothing to be acted."""
    gestures = sorted({str(place.draw().output["gesture"]) for _ in range(300)} - {"none"})
    never = set(random.Random(place.split).sample(gestures, MORE_LEFT_OUT))
    kept, other = place.parted("gesture", never)
    dataset = place.imported(kept)
    asked: Requests = {
        "gestures never told": [{"text": row.input["text"]} for row in other[:FOREIGN]],
        "documentation": [{"text": text} for text in sentences(FOREIGN)],
    }
    run, rows = place.trained(dataset), list(dataset.rows("heldout"))
    with opened(run) as specialist:
        answers = [specialist.run({"text": row.input["text"]}) for row in rows]
        hits = {
            head: np.array([a[head] == row.output[head] for row, a in zip(rows, answers, strict=True)])
            for head in ACTED
        }
        made = figures(run, answers, np.all(list(hits.values()), axis=0))
        for head, right in hits.items():
            sure = np.array([cast("dict[str, float]", a["confidence"])[head] for a in answers])
            made[f"ECE, {head}"] = calibration_error(sure, right)
        del made["ECE"]  # the least sure choice's confidence isn't the chance that all are right
        return made | foreign(specialist, answers, asked)


def digits(place: Place) -> Figures:
    """scikit-learn's digits but two; asked about those, about the two, about drawn shapes and noise."""
    folder = place.folder / "digits"
    write_digits(folder)
    return of_folder(place, folder, {"drawn shapes": pictures(place.taught("vision", FOREIGN, whole=True))}, 8)


def own(place: Place) -> Figures:
    """A person's pictures but two labels; asked about those, about the two, and about noise."""
    if place.pictures is None:
        raise SystemExit("The task own needs --pictures, a folder with a folder of pictures of each label.")
    return of_folder(place, place.pictures, {}, 32)


def of_folder(place: Place, folder: Path, asked: Requests, side: int) -> Figures:
    """A classifier of most class folders; side: of noise, in pixels."""
    dataset, never = parted(place.workspace, folder, place.folder, place.split)
    strangers = together({never_seen(family): requests for family, requests in never})
    return seen(place, dataset, {**strangers, **asked, "noise": noise(place.split, side)})


def shapes(place: Place) -> Figures:
    """The built-in teacher's shapes but two families; asked about those, about the others, about digits and noise."""
    never = left_out(FAMILIES, place.split)
    told = [kind for kind in KINDS if all(kind not in family for family in never)]
    strangers = {
        never_seen(family): pictures(place.taught("vision", FOREIGN, whole=True, labels=list(family)))
        for family in never
    }
    folder = place.folder / "digits"
    write_digits(folder)
    asked = {**together(strangers), "digits": in_folder(folder), "noise": noise(place.split, 64)}
    return seen(place, place.taught("vision", place.examples, whole=True, labels=told), asked)


def never_seen(family: Family) -> str:
    """What a figure of it is called."""
    return f"never seen, {' or '.join(family)}"


def together(strangers: Requests) -> Requests:
    """Each family's pictures, and all of them."""
    return {"never seen": [one for each in strangers.values() for one in each], **strangers}


def pictures(dataset: Dataset) -> list[Json]:
    """Requests for some of a dataset's pictures."""
    return [{"image": row.media} for row in seen_rows(dataset.folder, "train")[:FOREIGN]]


def seen(place: Place, dataset: Dataset, asked: Requests) -> Figures:
    """A classifier of pictures."""
    return examined(
        place.trained(dataset),
        seen_rows(dataset.folder, "heldout"),
        asked,
        lambda row: {"image": row.media},
        lambda row, a: a["label"] == row.objects[0].label,
        lambda row, a: row.objects[0].label in cast("list[str]", a["likely"]),
    )


def game(place: Place) -> Figures:
    """Positions of four games."""
    dataset = place.taught("game", place.examples)
    rows = read_rows(dataset.folder, "heldout")
    return examined(place.trained(dataset), rows, {}, lambda row: row.request, lambda row, a: a["action"] in row.best)


def written(place: Place) -> Figures:
    """A task of the language family, with its own score."""
    spec = task_spec(place.task)
    dataset = place.imported([place.draw() for _ in range(place.examples)])
    return examined(
        place.trained(dataset),
        list(dataset.rows("heldout")),
        {},
        lambda row: dict(row.input),
        lambda row, answer: spec.score(row.output, answer) >= RIGHT,
    )


@contextmanager
def opened(run: Run) -> Iterator[Specialist]:
    """Its int8 file in the first runtime that runs it."""
    item = next(item for item in exported(run) if item.precision == "int8")
    with loaded(run, student_of(run), item, item.runtimes[0]) as specialist:
        yield specialist


def examined(
    run: Run,
    rows: Sequence[T],
    asked: Requests,
    request: Callable[[T], Json],
    is_right: Callable[[T, Json], bool],
    is_covered: Callable[[T, Json], bool] | None = None,
    group: Callable[[T], object] | None = None,
) -> Figures:
    """The figures of the int8 file on the held-out rows; rows of one group fare alike."""
    with opened(run) as specialist:
        answers = [specialist.run(request(row)) for row in rows]
        right = np.array([is_right(row, answer) for row, answer in zip(rows, answers, strict=True)], bool)
        made = figures(run, answers, right)
        if is_covered is not None:
            hits = np.array([is_covered(row, a) for row, a in zip(rows, answers, strict=True)], bool)
            made["covered"] = float(hits.mean())
            if group is not None:
                made["covered_error"] = clustered_error(hits, [group(row) for row in rows])
                made["promised_error"] = json.loads((run.folder / REPORT).read_bytes())["figures"]["covered_error"]
        elif student_of(run).family == "language":
            made["covered"] = float(np.mean([not a["unsure"] for a, good in zip(answers, right, strict=True) if good]))
        return made | foreign(specialist, answers, asked)


def figures(run: Run, answers: Sequence[Json], good: np.ndarray) -> Figures:
    """What one list of answers tells."""
    sure = np.array([not answer["unsure"] for answer in answers])
    return {
        "rows": float(len(good)),
        "accuracy": float(good.mean()),
        "ECE": calibration_error(confidences(answers), good),
        "sure": float(sure.mean()),
        "right of sure": float(good[sure].mean()) if sure.any() else 0.0,
        "right of unsure": float(good[~sure].mean()) if not sure.all() else 0.0,
        "beyond": float(np.mean([beyond(run, answer) for answer in answers])),
    }


def beyond(run: Run, answer: Json) -> bool:
    """Whether its doubt is another one than that of the thresholds, which apply to a player with a choice only."""
    least = cast("dict[str, float]", student_of(run).manifest_fields(run.folder)["thresholds"])
    distances = [float(confidences([answer])[0]) - least["unsure"]]
    if "familiar" in least:
        distances.append(float(cast(float, answer["familiar"])) - least["familiar"])
    distance = min(distances)
    has_choice = run.task != "game" or len(cast("Json", answer["scores"])) > 1
    return abs(distance) > HALF_A_DIGIT and bool(answer["unsure"]) != (distance < 0 and has_choice)


def foreign(specialist: Specialist, answers: Sequence[Json], asked: Requests) -> Figures:
    """AUROC against each kind of foreign input, and how much of it is called unsure."""
    made: Figures = {}
    for name, requests in asked.items():
        got = [specialist.run(request) for request in requests]
        made[f"AUROC, {name}"] = separation(sureness(answers), sureness(got))
        made[f"by confidence alone, {name}"] = separation(confidences(answers), confidences(got))
        made[f"unsure, {name}"] = float(np.mean([bool(answer["unsure"]) for answer in got]))
    return made


def confidences(answers: Sequence[Json]) -> np.ndarray:
    """Their confidences, float64 [answers]; of an avatar's choices the least."""
    given = [answer["confidence"] for answer in answers]
    return np.array([min(one[head] for head in ACTED) if isinstance(one, dict) else one for one in given], np.float64)


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


def mean(splits: Sequence[Figures]) -> Figures:
    """Of each figure, over the splits that have it: not each leaves out the same labels."""
    names = dict.fromkeys(name for one in splits for name in one)
    return {name: float(np.mean([one[name] for one in splits if name in one])) for name in names}


def told(found: Figures) -> str:
    """One line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in found.items())


def missed(splits: Sequence[Figures]) -> list[str]:
    """Which aims the mean of the splits misses, and by how much; and in how many splits coverage does."""
    made = []
    for name, value in mean(splits).items():
        if name.startswith("ECE") and value > MOST_ERROR:
            made.append(f"{name} is {value - MOST_ERROR:.3f} too high")
        if name.startswith("AUROC") and value < LEAST_AUROC:
            made.append(f"{name} is {LEAST_AUROC - value:.3f} too low")
        if name == "covered":
            if abs(value - COVERED) > COVERED_WITHIN:
                made.append(f"covered is {abs(value - COVERED) - COVERED_WITHIN:.3f} outside")
            outside = sum(abs(one[name] - COVERED) > COVERED_WITHIN for one in splits)
            made += [f"covered is outside in {outside} of {len(splits)}{by_chance(splits)}"] if outside else []
        if name == "beyond" and value > 0:
            made.append(f"beyond is {value:.3f}")
    return made


def by_chance(splits: Sequence[Figures]) -> str:
    """In how many splits coverage would be outside if each were a draw around what is promised; and how far they spread."""
    if "promised_error" not in splits[0]:
        return ""
    errors = [math.hypot(one["covered_error"], one["promised_error"]) for one in splits]
    outside = sum(math.erfc(COVERED_WITHIN / error / 2**0.5) for error in errors)
    spread, expected = (
        float(np.sqrt(np.mean(np.square(some)))) for some in ([one["covered"] - COVERED for one in splits], errors)
    )
    return f" ({outside:.1f} by chance alone), {spread:.3f} from {COVERED} on average ({expected:.3f} by chance)"


TASKS = {"router": router, "avatar": avatar, "digits": digits, "shapes": shapes, "own": own, "game": game}

if __name__ == "__main__":
    main()
