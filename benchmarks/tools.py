"""Tool calling: a nano student of seven tools, examined on ten, three of which no training row showed.

    python benchmarks/tools.py [--examples N] [--epochs N] [--examined N] [--home DIR] [--json FILE]

The built-in teacher writes the rows, so nothing is fetched; its words for the examined rows are drawn anew, and none of
them is about a tool of the training's other half, which are invented. Answers come from the smallest exported file,
through the code that a device runs.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from trainer_host.compress.files import exported
from trainer_host.compress.gate import loaded, read_report
from trainer_host.students import student_for
from trainer_host.tasks import Example, Json
from trainer_host.tasks.chat_tools import NOT_ASKED, ToolChat
from trainer_host.training.run import open_run
from trainer_host.workspace import Workspace

FIRST_SEED = 10_000_000  # far from those of the training rows


def tool(name: str, about: str, required: tuple[str, ...] = (), **properties: Json) -> Json:
    """A tool in OpenAI's form."""
    parameters = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


def choice(*values: str) -> Json:
    """A parameter with a list of values."""
    return {"type": "string", "enum": list(values)}


def whole(low: int, high: int) -> Json:
    """A parameter that is a whole number."""
    return {"type": "integer", "minimum": low, "maximum": high}


TEXT: Json = {"type": "string"}
YES_NO: Json = {"type": "boolean"}
ROOMS = choice("kitchen", "living room", "hall", "bathroom")
SEEN = [
    tool("set_light", "Set a lamp", ("room", "level"), room=ROOMS, level=whole(0, 100)),
    tool("add_note", "Write down a note", ("text",), text=TEXT, pinned=YES_NO),
    tool("set_alarm", "Set an alarm clock", ("hour",), hour=whole(0, 23), minute=whole(0, 59)),
    tool("heat_room", "Heat up a room", ("room", "degrees"), room=ROOMS, degrees={"type": "number", "minimum": 5, "maximum": 25}),
    tool("play_music", "Play some music", ("title",), title=TEXT, shuffle=YES_NO, volume=whole(0, 100)),
    tool("send_message", "Send a message to somebody", ("person", "message"), person=TEXT, message=TEXT),
    tool("stop_everything", "Stop everything that runs"),
]  # fmt: skip
UNSEEN = [
    tool("start_vacuum", "Start the vacuum cleaner", ("area",), area=choice("bedroom", "corridor", "office"), power=choice("quiet", "strong")),
    tool("buy_groceries", "Put groceries on the shopping list", ("item",), item=TEXT, quantity=whole(1, 20)),
    tool("reserveSeat", "Reserve seats in a cinema", ("film", "seats"), film=TEXT, seats=whole(1, 9), balcony=YES_NO),
]  # fmt: skip


def main() -> None:
    """Teach, train, export, gate, and examine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--examples", type=int, default=2500, help="rows (default: 2500)")
    parser.add_argument("--epochs", type=float, default=6, help="of the training (default: 6)")
    parser.add_argument("--examined", type=int, default=300, help="requests of the examination (default: 300)")
    parser.add_argument("--home", type=Path, help="keep everything here (default: nowhere)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = args.home or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        (home / "tools.json").write_text(json.dumps(SEEN))
        option = f"chat.tools={home / 'tools.json'}"
        enigma(home, "teach", "--task", "chat", "--examples", str(args.examples), "--option", option)
        more = ("--size", "nano", "--epochs", str(args.epochs))
        enigma(home, "train", "--data", "built-in-chat", "--name", "tools", *more)
        enigma(home, "export", "tools")
        enigma(home, "gate", "tools")
        figures = examine(home, args.examined)
    for name, value in figures.items():
        print(f"{name:45s} {value:.4f}")
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def examine(home: Path, examined: int) -> dict[str, float]:
    """Ask for each of the ten tools, and for none, and count."""
    run = open_run(Workspace(home).run("tools"))
    best = min(read_report(run).chosen(), key=lambda score: score.bytes)
    files = {item.file: item for item in exported(run)}
    spec = ToolChat([*SEEN, *UNSEEN], invented_share=0.0)
    new = {str(one["function"]["name"]) for one in UNSEEN}  # type: ignore[index]
    counts: Counter[str] = Counter()
    with loaded(run, student_for("chat"), files[best.file], best.runtime) as specialist:
        for seed in range(FIRST_SEED, FIRST_SEED + examined):
            row = spec.built_in(random.Random(seed))
            answer = specialist.run(row.input)
            count(row, answer, new, counts)
    unseen, seen = counts["unseen"], counts["seen"]
    return {
        "file, bytes": best.bytes,
        "name and arguments exact, seen tools": counts["seen right"] / seen,
        "name and arguments exact, unseen tools": counts["unseen right"] / unseen,
        "name and arguments exact, all": (counts["seen right"] + counts["unseen right"]) / (seen + unseen),
        "name right, all": counts["name right"] / (seen + unseen),
        "answers that call nothing readable": counts["broken"] / examined,
        "no tool: precision": counts["still right"] / max(1, counts["still said"]),
        "no tool: recall": counts["still right"] / counts["still"],
        "questions that act": counts["questions that act"] / counts["questions"],
        "of exact ones, sure": counts["sure right"] / max(1, counts["seen right"] + counts["unseen right"]),
        "of wrong answers, sure": counts["sure wrong"] / max(1, counts["wrong"]),
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
        counts["still right"] += right and not broken
        if row.output["reply"] == NOT_ASKED:
            counts["questions"] += 1
            counts["questions that act"] += bool(got)
    counts["still said"] += not got and not broken
    counts["wrong"] += not right
    counts["sure right" if right and wanted else "sure wrong" if not right else "sure still"] += not answer["unsure"]


def enigma(home: Path, *words: str) -> None:
    """A command, as a person enters it."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "trainer_host.cli", "--home", str(home), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(f"  {' '.join(words)}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    if done.returncode:
        sys.exit(f"enigma {' '.join(words)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
