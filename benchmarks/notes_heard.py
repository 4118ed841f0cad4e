"""Whether an audio_gen plays the notes that it is asked for: heard in the sound itself, each within 20 cents and 20 ms.

    python benchmarks/notes_heard.py RUN [--home DIR] [--pieces 200] [--seed 9] [--file FILE] [--json FILE]

Fresh prompts for music by the built-in teacher, none of which the run's dataset has. "settled": prompts that leave no note open (a melody "in D minor" may
go any way). "notes": of the settled ones, those of which every note is heard, and no other. "asked": of all, those in which everything that was asked is heard.
"real-time factor": processor seconds of an answer by seconds of its sound.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.fresh import fresh
from benchmarks.judging import add_arguments, opened, report
from edge_runtime.media import Media
from edge_runtime.media.sound import read_program
from edge_runtime.media.speech import Utterance
from edge_runtime.media.wav import RATE, read_wav
from trainer_host.media.hearing import hear
from trainer_host.media.sound_facts import Sound, read_facts, unmet
from trainer_host.students.audio_gen import as_written, settles
from trainer_host.tasks import Example, Json, Rejected
from trainer_host.workspace import Workspace, default_home


def main() -> None:
    """Listen to a run's music."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--pieces", type=int, default=200, help="prompts (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=9, help="of the prompts (default: %(default)s)")
    args = parser.parse_args()
    with opened(args) as (specialist, run, item):
        workspace = Workspace((args.home or default_home()).absolute())
        examples = fresh(workspace, run, args.pieces, f"notes {args.seed}", music)
        before = time.process_time()
        answers = [specialist.run(example.input) for example in examples]
        spent = time.process_time() - before
    sounded = sum(len(read_wav(cast(Media, answer["sound"]).content)) for answer in answers if answer["sound"]) / RATE
    report(
        {
            "file": item.file,
            "bytes": item.bytes,
            **judge(examples, answers),
            "real-time factor": round(spent / sounded, 4) if sounded else None,
        },
        args.json,
    )


def music(example: Example) -> bool:
    """Whether notes are asked for."""
    return not isinstance(read_program(example.output["program"]), Utterance)


def judge(examples: Sequence[Example], answers: Iterable[Json]) -> Json:
    """Figures of the answers to these prompts."""
    asked: list[bool] = []
    notes: list[bool] = []
    surely: list[bool] = []
    for example, answer in zip(examples, answers, strict=True):
        wanted, facts = read_program(example.output["program"]), read_facts(example.output["shows"])
        sound: Sound | None = None
        program = read_program(answer["program"]) if answer["program"] is not None else None
        if isinstance(program, tuple):
            with contextlib.suppress(Rejected):
                sound = hear(read_wav(cast(Media, answer["sound"]).content), program)
        asked.append(sound is not None and not unmet(facts, sound))
        if settles(wanted, facts):
            notes.append(sound is not None and as_written(wanted, sound))
        if not answer["unsure"]:
            surely.append(asked[-1])
    made: Json = {"pieces": len(examples), "settled": len(notes), "sure": round(len(surely) / len(examples), 4)}
    figures = {"notes": notes, "asked": asked, "asked, of the sure": surely}
    return made | {name: round(float(np.mean(each)), 4) for name, each in figures.items() if each}


if __name__ == "__main__":
    main()
