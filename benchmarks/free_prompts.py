"""How a specialist takes prompts that people wrote freely: pictures, films, sounds or bodies, on its int8 file.

    python benchmarks/free_prompts.py RUN [--home DIR] [--prompts FILE] [--mistakes] [--json FILE]

RUN must be exported. The prompts are those of tests/exams/TASK/fresh.jsonl, which were written before any model was asked, and none of which
teaches; some ask for what no specialist of the task can make. Everything goes through the device's own code, and the host's verifier looks
for what was asked in what was made, as it does with a teacher's answers. "right": all that was asked is there and the answer is sure, or it
is unsure of what it can't make; "unsure": of the other answers those that say so; "wrong": those that don't. They are shares of the prompts.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import judging
from trainer_host.tasks import Json, Rejected, TaskSpec, task_spec

if TYPE_CHECKING:
    from edge_runtime.tasks import Specialist

EXAMS = Path(__file__).parents[1] / "tests" / "exams"
MADE = {"image_gen": "scene", "video_gen": "scene", "audio_gen": "program", "3d_gen": "program"}


def main() -> None:
    """Ask, judge, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    judging.add_arguments(parser)
    parser.add_argument("--prompts", type=Path, help="one JSON object a line (default: the task's own exam)")
    parser.add_argument("--mistakes", action="store_true", help="print each answer that isn't right")
    args = parser.parse_args()
    with judging.opened(args) as (specialist, run, item):
        if run.task not in MADE:
            parser.error(f"Free prompts are written for {', '.join(MADE)}; '{run.name}' is a {run.task}.")
        file = args.prompts or EXAMS / run.task / "fresh.jsonl"
        asked = [cast(Json, json.loads(line)) for line in file.read_text("utf-8").splitlines()]
        found = [_judged(task_spec(run.task), specialist, row, args.mistakes) for row in asked]
    shares: Json = {what: round(found.count(what) / len(found), 4) for what in ("right", "unsure", "wrong")}
    judging.report({"run": run.name, "file": item.file, "prompts": len(found), **shares}, args.json)


def _judged(spec: TaskSpec, specialist: Specialist, row: Json, tell: bool) -> str:
    got = specialist.run({"prompt": row["prompt"]})
    unsure = bool(got["unsure"])
    missed = _missed(spec, row, got)
    right = unsure if row["unsure"] else not unsure and missed is None
    found = "right" if right else "unsure" if unsure else "wrong"
    if tell and not right:
        print(f"{found}: {row['prompt']}: {missed or 'all is there'}")
    return found


def _missed(spec: TaskSpec, row: Json, got: Json) -> str | None:
    """What the verifier finds to be missing; None where all that was asked is there."""
    name = MADE[spec.name]
    try:
        spec.verify({"request": row["prompt"], "facts": row["shows"]}, [{name: got.get(name)}])
    except Rejected as error:
        return str(error)
    return None


if __name__ == "__main__":
    main()
