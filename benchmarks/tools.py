"""Tool calling: a student (nano, unless it begins with a run) of seven tools, examined on ten, three of which no training row showed.

    python benchmarks/tools.py [--tools exam|development] [--examples N] [--start RUN] [--epochs N] [--examined N] [--home DIR] [--json FILE]

The built-in teacher writes the rows, so nothing is fetched; its words for the examined rows are drawn anew, and none of
them is about a tool of the training's other half, which are invented. The same requests are asked in frames by hand as
well, which no row has, and so are sentences that were written freely (tests/exams/tools_en, tools_en_2). Each file that `enigma export`
made is examined through the code that a device runs, in every runtime that the gate examined it in.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script

from benchmarks.tool_exam import Case, asked_back, read_cases
from benchmarks.tool_exam import examine as examine_free
from benchmarks.tool_sets import SETS, ToolSet
from edge_runtime.tasks import Specialist
from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded, read_report
from trainer_host.students import student_for
from trainer_host.tasks import Example, Json
from trainer_host.tasks.chat_tools import NOT_ASKED, ToolChat
from trainer_host.tasks.tool_schemas import Call
from trainer_host.training.run import open_run
from trainer_host.workspace import Workspace

_TESTS = Path(__file__).resolve().parent.parent / "tests" / "exams"
EXAMS = {
    "exam": {"free sentences": "tools_en", "free sentences, the second": "tools_en_2"},
    "development": {"free sentences": "tools_en_dev"},
}
# How a tool is named together with its values, in the frames of `ToolSet`.
_JOINTS = ((" with ", ", "), (" with ", " and "), (", ", ", "), (": ", ", "), (" ", " "), (" (", ", "), (" to ", ", "))
FIRST_SEED = 50_000_000  # far from those of the training rows, and of the exams that anything was chosen by


class Reworded(ToolChat):
    """The built-in teacher with other sentences around what a tool does."""

    def __init__(self, tools: ToolSet) -> None:
        super().__init__([*tools.seen, *tools.unseen], invented_share=0.0)
        self._set = tools

    def acting(self, rng: random.Random, schema: Json, call: Call) -> tuple[str, str]:
        """See `ToolChat`."""
        return _framed(rng, rng.choice(self._set.acts), schema, call)

    def talking(self, rng: random.Random, schema: Json, call: Call) -> tuple[str, str]:
        """See `ToolChat`."""
        return _framed(rng, rng.choice(self._set.about), schema, call)


def _framed(rng: random.Random, frame: str, schema: Json, call: Call) -> tuple[str, str]:
    """A call by its tool's description or name, and its arguments in any order, within a frame."""
    about = str(schema["description"])
    if rng.random() < 0.3:
        about = " ".join(re.findall(r"[A-Z]?[a-z]+", call.name)).lower()
    kinds = Counter(type(value) for value in call.arguments.values())
    parts = []
    for key, value in call.arguments.items():
        plain = "enum" in schema["parameters"]["properties"][key] or kinds[type(value)] == 1  # type: ignore[index]
        parts.append(_argument(rng, key.replace("_", " "), value, plain))
    rng.shuffle(parts)
    first, between = rng.choice(_JOINTS)
    said = (
        about[:1].lower() + about[1:] + (first + between.join(parts) + (")" if first == " (" else "") if parts else "")
    )
    return frame, frame.format(what=said, What=said[:1].upper() + said[1:])


def _argument(rng: random.Random, name: str, value: object, plain: bool) -> str:
    if isinstance(value, bool):
        return f"{name} {rng.choice(('on', 'yes') if value else ('off', 'no'))}"
    text = f'"{value}"' if isinstance(value, str) and " " in value and rng.random() < 0.5 else str(value)
    if plain and rng.random() < 0.4:
        return text
    return rng.choice(
        (f"{name} {text}", f"{name} {text}", f"{text} as the {name}", f"the {name} {text}", f"{name} = {text}")
    )


def main() -> None:
    """Teach, train, export, gate, and examine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tools", choices=SETS, default="exam", help="which ten (default: exam)")
    parser.add_argument("--examples", type=int, default=2500, help="rows (default: 2500)")
    parser.add_argument(
        "--start", type=Path, metavar="RUN", help="a run's folder to begin with (default: nano, from nothing)"
    )
    parser.add_argument(
        "--context", type=int, default=1536, help="of --start: its tokens suit other texts (default: 1536)"
    )
    parser.add_argument("--epochs", type=float, default=6, help="of the training (default: 6)")
    parser.add_argument("--examined", type=int, default=600, help="requests of each examination (default: 600)")
    parser.add_argument(
        "--home", type=Path, help="keep everything here; what is there isn't trained again (default: nowhere)"
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    tools = SETS[args.tools]
    with tempfile.TemporaryDirectory() as folder:
        home = args.home or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "runs" / "tools").is_dir():
            (home / "tools.json").write_text(json.dumps(tools.seen))
            option = f"chat.tools={home / 'tools.json'}"
            enigma(home, "teach", "--task", "chat", "--examples", str(args.examples), "--option", option)
            begin: tuple[str, ...] = ("--size", "nano")
            if args.start is not None:
                shutil.copytree(args.start, home / "runs" / "start", dirs_exist_ok=True)
                begin = ("--init", "start", "--context", str(args.context))
            more = (*begin, "--epochs", str(args.epochs))
            enigma(home, "train", "--data", "built-in-chat", "--name", "tools", *more)
        enigma(home, "export", "tools")
        enigma(home, "gate", "tools")
        exams = {name: read_cases(_TESTS / folder / "cases.jsonl") for name, folder in EXAMS[args.tools].items()}
        figures = examine(home, tools, exams, args.examined)
    names = list(next(iter(figures.values())))
    print(f"{'':45s} {' '.join(f'{file:>24s}' for file in figures)}")
    for name in names:
        print(f"{name:45s} {' '.join(f'{one[name]:24.4f}' for one in figures.values())}")
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def examine(
    home: Path, tools: ToolSet, exams: Mapping[str, Sequence[Case]], examined: int
) -> dict[str, dict[str, float]]:
    """The figures of each file in each runtime, by "precision, runtime"."""
    run = open_run(Workspace(home).run("tools"))
    files = {item.file: item for item in exported(run)}
    made: dict[str, dict[str, float]] = {}
    for score in read_report(run).scores:
        with loaded(run, student_for("chat"), files[score.file], score.runtime) as specialist:
            known = figures_of(specialist, ToolChat([*tools.seen, *tools.unseen], invented_share=0.0), tools, examined)
            other = figures_of(specialist, Reworded(tools), tools, examined)
            free = {name: examine_free(cases, tools, specialist.run) for name, cases in exams.items()}
        made[f"{score.precision}, {score.runtime}"] = {
            "bytes": score.bytes,
            **known,
            **{f"other frames: {name}": value for name, value in other.items()},
            **{f"{exam}: {name}": value for exam, found in free.items() for name, value in found.items()},
        }
    return made


def figures_of(specialist: Specialist, spec: ToolChat, tools: ToolSet, examined: int) -> dict[str, float]:
    """Ask for each of the ten tools, and for none, and count."""
    new = {str(one["function"]["name"]) for one in tools.unseen}  # type: ignore[index]
    counts: Counter[str] = Counter()
    for seed in range(FIRST_SEED, FIRST_SEED + examined):
        row = spec.built_in(random.Random(seed))
        count(row, specialist.run(row.input), new, counts)
    unseen, seen = counts["unseen"], counts["seen"]
    right = counts["seen right"] + counts["unseen right"]
    return {
        "requests for a seen tool": seen,
        "requests for an unseen tool": unseen,
        "exact, seen tools": counts["seen right"] / seen,
        "exact, unseen tools": counts["unseen right"] / unseen,
        "exact, all": right / (seen + unseen),
        "name right, all": counts["name right"] / (seen + unseen),
        "unreadable answers": counts["broken"] / examined,
        "asked back, of requests": counts["asked, call"] / (seen + unseen),
        "asked back, of the rest": counts["asked, still"] / counts["still"],
        "answered without a call": counts["still said"],
        "no tool: precision": counts["still right"] / max(1, counts["still said"]),
        "no tool: recall": counts["still left"] / counts["still"],
        "questions, negations, reports": counts["questions"],
        "of these, acted on": counts["questions that act"] / counts["questions"],
        "of exact ones, sure": counts["sure right"] / max(1, right),
        "of wrong answers, sure": counts["sure wrong"] / max(1, counts["wrong"]),
        "wrong answers": counts["wrong"],
    }


def count(row: Example, answer: Json, new: set[str], counts: Counter[str]) -> None:
    """Add one answer."""
    wanted, got = row.output.get("tool_calls") or [], answer.get("tool_calls") or []
    broken = answer["finish"] == "stop" and not got and not answer["reply"]
    counts["broken"] += broken
    right = wanted == got
    if wanted:
        assert isinstance(wanted, list)
        kind = "unseen" if wanted[0]["name"] in new else "seen"
        counts[kind] += 1
        counts[f"{kind} right"] += right
        counts["name right"] += isinstance(got, list) and bool(got) and got[0]["name"] == wanted[0]["name"]
    else:
        counts["still"] += 1
        counts["still left"] += right and not broken
        counts["still right"] += right and not broken and not asked_back(answer)
        if row.output["reply"] == NOT_ASKED:
            counts["questions"] += 1
            counts["questions that act"] += bool(got)
    asked = asked_back(answer)
    counts[f"asked, {'call' if wanted else 'still'}"] += asked
    counts["still said"] += not got and not broken and not asked
    counts["wrong"] += not right
    counts["sure right" if right and wanted else "sure wrong" if not right else "sure still"] += not answer["unsure"]


def enigma(home: Path, *words: str) -> None:
    """A command, as a person enters it; says what it took of a processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "trainer_host.cli", "--home", str(home), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"  {' '.join(words)}: {seconds:.0f} CPU s", file=sys.stderr, flush=True)
    if done.returncode:
        sys.exit(f"enigma {' '.join(words)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
