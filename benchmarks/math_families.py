"""Whether a model of `math` solves families of problems that it never learnt: all of a family is left out of its rows.

    python -m benchmarks.math_families [--size tiny] [--rows 24000] [--seed 3] [--json FILE]

The rows are those of `enigma teach --task math --option math.stories=true` but for three sorts of families, which `--seed`
draws before anything is learnt:

- structures: a beginning, events and a question in their order, as groups - lose - share, which no row of any setting has;
- pairs: a setting and a structure, each learnt with others and never with each other;
- named: problems of `math_problems`, of which no row is left; nor is any story of the same structure.

What each event and each question means by itself is learnt in other families, and so is each word of structures and pairs;
different questions may come to the same operation, as sharing and packing do. That words are understood which no row has
isn't promised. Named families tell their problems in sentences of their own, and not all of their words are in the rows.

Models are examined as a device runs them: the exported int8 file in onnxruntime, the answer computed by the device's code,
exact match. "learnt": other problems of families that are learnt, for comparison. "frequent" always gives the rows' most
frequent answer. "nearest" takes the row whose question shares most words and pairs of words, and its expression with the
numbers of the question asked.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from edge_runtime.arithmetic.places import PLACE
from edge_runtime.tasks import math
from trainer_host.compress.files import export_run, exported
from trainer_host.compress.gate import loaded
from trainer_host.data.transfer import import_rows
from trainer_host.students import student_for
from trainer_host.tasks import Example, task_spec
from trainer_host.tasks.math import STORIES_SHARE, example_of
from trainer_host.tasks.math_problems import FAMILIES, Problem
from trainer_host.tasks.math_stories import Story, Structure, fits, setting_names, story, told
from trainer_host.training.run import Run, train_run
from trainer_host.workspace import Workspace

# The families of `math_problems` that tell a story, and their structures.
NAMED: dict[str, tuple[Structure, ...]] = {
    "get_more": (("begin", "gain", "now"), ("two", "now"), ("two days", "now")),
    "give_away": (("begin", "lose", "now"), ("of", "now"), ("begin", "than")),
    "groups": (("groups", "now"),),
    "share": (("begin", "share"),),
    "shopping": (("groups", "gain groups", "now"),),
    "change": (("groups", "change"),),
    "passengers": (("begin", "lose", "gain", "now"),),
    "average": (("three days", "average"),),
    "rows": (("groups", "lose", "now"),),
    "fraction_of": (("begin", "part of"),),
    "prices": (("groups", "now"), ("begin", "worth")),
    "discount": (("begin", "less", "now"),),
    "tip": (("begin", "more", "now"),),
    "what_percent": (("begin", "percentage"),),
    "growth": (("begin", "growth"),),
    "journey": (("groups", "gain groups", "gain", "now"),),
}
EVENTS = (0, 1, 2)  # of a structure that is left out
EACH = 8  # structures of each
PAIRS, NAMED_OUT = 40, 5
PROBLEMS = {"structures": 6, "pairs": 3, "named": 20}  # of each family
KNOWN = 60  # problems of families that are learnt, beside the exam
ELSEWHERE = 4  # rows at least of a pair's structure, in other settings


@dataclass(frozen=True)
class LeftOut:
    """What no row may be of."""

    structures: frozenset[Structure]
    pairs: frozenset[tuple[str, Structure]]
    named: tuple[str, ...]

    def lets(self, setting: str, structure: Structure) -> bool:
        """Whether a story of this family may be learnt."""
        return (
            structure not in self.structures
            and (setting, structure) not in self.pairs
            and not any(structure in NAMED[name] for name in self.named)
        )


@dataclass(frozen=True)
class Learnt:
    """A row. family: setting and structure of a story; name: of one of `math_problems`."""

    problem: Problem
    family: tuple[str, Structure] | None = None
    name: str | None = None


@dataclass(frozen=True)
class Asked:
    """A problem of the exam. sort: of its family; family: by name."""

    sort: str
    family: str
    example: Example


def left_out(seed: int) -> LeftOut:
    """The families that a seed leaves out."""
    rng = random.Random(f"families left out {seed}")
    named = tuple(sorted(rng.sample(sorted(NAMED), NAMED_OUT)))
    taken = {structure for name in NAMED for structure in NAMED[name]}
    structures: set[Structure] = set()
    for events in EVENTS:
        wanted = len(structures) + EACH
        while len(structures) < wanted:
            made = story(rng).structure
            if len(made) == events + 2 and made not in taken:
                structures.add(made)
    pairs: set[tuple[str, Structure]] = set()
    while len(pairs) < PAIRS:
        found = story(rng)
        made = found.structure
        if len(made) <= 3 and made not in taken | structures:
            pairs.add((found.setting, made))
            taken.add(made)
    return LeftOut(frozenset(structures), frozenset(pairs), named)


def learnt(count: int, without: LeftOut, seed: int) -> list[Learnt]:
    """What is learnt: as the built-in teacher draws it, and every pair's structure in some other settings."""
    rng = random.Random(f"families learnt {seed}")
    made: list[Learnt] = []
    for setting, structure in sorted(without.pairs):
        others = [other for other in setting_names() if other != setting and fits(other, structure)]
        made += [_told(told(rng, rng.choice(others), structure)) for _ in range(ELSEWHERE)]
    return made + [drawn(rng, without) for _ in range(count - len(made))]


def drawn(rng: random.Random, without: LeftOut) -> Learnt:
    """One of the built-in teacher's, but for what is left out."""
    if rng.random() < STORIES_SHARE:
        return _told(story(rng, without.lets))
    while True:
        family = rng.choice(FAMILIES[rng.randint(1, 6)])
        if _name(family) not in without.named:
            return Learnt(family(rng), name=_name(family))


def _told(made: Story) -> Learnt:
    return Learnt(made.problem, (made.setting, made.structure))


def exam(without: LeftOut, seed: int) -> list[Asked]:
    """Problems of what was left out, and of nothing else."""
    rng = random.Random(f"families examined {seed}")
    made: list[Asked] = []
    for structure in sorted(without.structures):
        places = [setting for setting in setting_names() if fits(setting, structure)]
        for place in rng.choices(places, k=PROBLEMS["structures"]):
            events = len(structure) - 2
            made.append(Asked("structures", f"{events} events", example_of(told(rng, place, structure).problem)))
    for setting, structure in sorted(without.pairs):
        for _ in range(PROBLEMS["pairs"]):
            made.append(
                Asked("pairs", f"{len(structure) - 2} events", example_of(told(rng, setting, structure).problem))
            )
    for _ in range(KNOWN):
        made.append(Asked("learnt", "", example_of(drawn(rng, without).problem)))
    for level in FAMILIES.values():
        for family in level:
            if _name(family) in without.named:
                made += [Asked("named", _name(family), example_of(family(rng))) for _ in range(PROBLEMS["named"])]
    return made


def _name(family: object) -> str:
    return getattr(family, "__name__", "").strip("_")


class Nearest:
    """The answers of the row whose question looks most alike, with its numbers swapped for those asked."""

    def __init__(self, rows: Sequence[Example]) -> None:
        self._rows = [(_shape(row), math.reply(row.input, row.output)) for row in rows]

    def run(self, request: math.Json) -> math.Json:
        """An answer as the device gives it."""
        asked = _shape(Example(request, {}))
        _, text = max(self._rows, key=lambda row: len(asked & row[0]) / len(asked | row[0]))
        return math.answer(request, text)


def _shape(row: Example) -> frozenset[object]:
    words = re.findall(r"\w+|%|\$", PLACE.sub(" 0 ", str(math.messages(row.input)[0]["content"])).lower())
    return frozenset(words) | frozenset(pairwise(words))


def trained(folder: Path, size: str, rows: Sequence[Example], seed: int, settings: dict[str, object]) -> Run:
    """A run of a size on rows, exported."""
    folder.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(folder / "home")
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps({**row.input, **row.output}) + "\n" for row in rows))
    data = import_rows(workspace, file, task="math", name="families", seed=seed, held_out=0.05)
    run, _ = train_run(
        workspace, data, "families", seed=seed, seconds=None, settings={"size": size, **settings}, on_progress=progress
    )
    export_run(run, data, lambda share, what: None)
    return run


def progress(share: float, values: Mapping[str, float]) -> None:
    """How far a training is, to standard error."""
    print(f"\r{share:4.0%}", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Train, examine and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="tiny", help="of the model (default: tiny)")
    parser.add_argument("--rows", type=int, default=24000, help="to learn from (default: 24000)")
    parser.add_argument("--epochs", type=float, default=1.5, help="default: 1.5")
    parser.add_argument("--batch", type=int, default=4, help="packed rows per step (default: 4)")
    parser.add_argument("--seed", type=int, default=3, help="of the families that are left out (default: 3)")
    parser.add_argument("--lines", action="store_true", help="the model works line by line, as with math.steps")
    parser.add_argument("--home", type=Path, metavar="DIR", help="keep the rows and the model here (default: nowhere)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--wrong", action="store_true", help="print what was answered wrong")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    without = left_out(args.seed)
    rows = [example_of(made.problem) for made in learnt(args.rows, without, args.seed)]
    if args.lines:
        rows = [replace(row, output={**row.output, "stepwise": True}) for row in rows]
    asked = exam(without, args.seed)
    spec = task_spec("math")
    print(f"left out by name: {', '.join(without.named)}; {len(rows):,} rows, {len(asked)} problems", flush=True)
    common = Counter(str(row.output["answer"]) for row in rows).most_common(1)[0][0]
    nearest = Nearest(rows)
    scores: dict[str, list[float]] = {
        "frequent": [spec.score(one.example.output, {"answer": common}) for one in asked],
        "nearest": [spec.score(one.example.output, nearest.run(one.example.input)) for one in asked],
    }
    with tempfile.TemporaryDirectory() as name:
        begun = time.process_time()
        run = trained(args.home or Path(name), args.size, rows, args.seed, {"epochs": args.epochs, "rows": args.batch})
        cpu = time.process_time() - begun
        item = next(item for item in exported(run) if item.precision == "int8" and item.file.endswith(".onnx"))
        with loaded(run, student_for("math"), item, item.runtimes[0]) as specialist:
            answers = [specialist.run(dict(one.example.input)) for one in asked]
    scores[args.size] = [spec.score(one.example.output, got) for one, got in zip(asked, answers, strict=True)]
    if args.wrong:
        for one, got, right in zip(asked, answers, scores[args.size], strict=True):
            if not right:
                print(
                    one.sort,
                    one.family,
                    one.example.input["question"],
                    one.example.output["expression"],
                    got,
                    sep="\n  ",
                )
    table = tabled(asked, scores)
    print("\n".join(table))
    print(f"{cpu:.0f} CPU s of training and export")
    if args.json is not None:
        args.json.write_text(json.dumps({"named": without.named, "cpu": cpu, "table": table}, indent=1) + "\n")


def tabled(asked: Sequence[Asked], scores: dict[str, list[float]]) -> list[str]:
    """Lines of the table: every sort and family, and all."""
    groups: dict[tuple[str, str], list[int]] = {}
    for at, one in enumerate(asked):
        keys = [(one.sort, one.family), (one.sort, "all"), ("all left out", "")]
        for key in keys if one.sort != "learnt" else keys[:1]:
            groups.setdefault(key, []).append(at)
    lines = [f"{'left out':24} {'problems':>8} " + " ".join(f"{name:>9}" for name in scores)]
    for (sort, family), places in sorted(groups.items()):
        means = " ".join(f"{sum(some[at] for at in places) / len(places):9.1%}" for some in scores.values())
        lines.append(f"{sort + ' ' + family:24} {len(places):8} {means}")
    return lines


if __name__ == "__main__":
    main()
