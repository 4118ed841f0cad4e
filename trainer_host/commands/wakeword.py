"""`enigma wakeword`: a phrase of your own that wakes a device, taught by synthetic speakers."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands.options import Commands, add_seed, command, finite, group, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for, tell_left_out

if TYPE_CHECKING:
    from trainer_host.data.dataset import Dataset
    from trainer_host.presentation import Presenter
    from trainer_host.speech.recordings import Recordings

_SYNTHETIC = (
    "It was measured on synthetic speakers, not yet on people; try it with the voices that will use it "
    "(see docs/wake-word.md)."
)


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma wakeword data` and `teach`."""
    actions = group(
        commands,
        "wakeword",
        "Teach a device to wake at a phrase of your own.",
        "Synthetic speakers say a phrase, what sounds like it, and much else; a small model learns to wait for it.",
    )
    made = command(actions, "data", data, "Write a phrase's dataset, to train with 'enigma train'.")
    _add_options(made)
    made = command(actions, "teach", teach, "The whole way: dataset, training, export, gate, signed bundle.")
    _add_options(made)
    made.add_argument("--seconds", type=finite, metavar="N", help="plan the training for about this long")
    made.add_argument("--size", metavar="SIZE", help="nano, micro or tiny (default: micro)")


def data(args: argparse.Namespace) -> None:
    """The dataset alone."""
    _one_thread()
    show = presenter_for()
    made = _dataset(args, show)
    show.say(f"Next: enigma train --data {made.name}")


def teach(args: argparse.Namespace) -> int:
    """All stages; exit code 1 where the gate refuses."""
    _one_thread()
    from trainer_host.trainer_ai import TrainerAI

    show = presenter_for()
    if args.seconds is not None and args.seconds <= 0:
        raise TrainerError("--seconds must be above 0.")
    made = _dataset(args, show)
    with show.working("teaching") as step:
        found = TrainerAI(workspace_of(args).home).train(
            made.name,
            seed=args.seed,
            seconds=args.seconds,
            settings={"size": args.size} if args.size else None,
            on_progress=lambda what, share: step(share, what),
        )
    if found.bundle is None:
        show.warn(f"{made.name} wasn't signed.\n{found.refused}")
        return 1
    show.table(*_figures(args, found.run))
    said = _SYNTHETIC if args.recordings is None else ""
    show.say(f"Wrote {found.bundle} ({found.bundle.stat().st_size / 1e6:.2f} MB)\n{said}".rstrip())
    show.say(f"Next: enigma push {made.name}, then on the device: enigma-edge listen {made.name}")
    return 0


def _add_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("phrase", metavar="PHRASE", help='in English words, as in "hey robot"')
    made.add_argument("--name", metavar="NAME", help="of dataset, run and specialist (default: the phrase)")
    made.add_argument(
        "--amount", type=finite, default=1.0, metavar="X", help="times the usual amount of speech (default: 1)"
    )
    made.add_argument(
        "--recordings",
        type=Path,
        metavar="FOLDER",
        help="WAVs of people: the phrase in FOLDER/PHRASE/ (or FOLDER/PHRASE/WHO/), other sounds in any other folder, or a .csv of file, label",
    )
    made.add_argument("--sheet", type=Path, metavar="PNG", help="with --recordings: where to show some of them")
    made.add_argument("--hours", type=finite, metavar="N", help="of other talk by held-out speakers (default: 1)")
    add_seed(made)


def _dataset(args: argparse.Namespace, show: Presenter) -> Dataset:
    from trainer_host.speech.phrases import checked_phrase
    from trainer_host.speech.rows import make_dataset

    if args.hours is not None and not 0 < args.hours <= 500:
        raise TrainerError("--hours must be from above 0 to 500.")
    phrase = checked_phrase(args.phrase)
    name = args.name or re.sub(r"[^a-z0-9]+", "-", phrase)
    if args.sheet is not None and args.recordings is None:
        raise TrainerError("--sheet shows recordings; name their folder with --recordings.")
    recordings = _recordings(args, phrase, show) if args.recordings is not None else None
    made = make_dataset(
        workspace_of(args),
        name,
        phrase,
        seed=args.seed,
        scale=args.amount,
        held_out_hours=args.hours,
        recordings=recordings,
    )
    counts = made.counts
    show.say(f"Dataset '{name}': {counts['train']:,} sounds to train with, {counts['heldout']:,} held out")
    return made


def _recordings(args: argparse.Namespace, phrase: str, show: Presenter) -> Recordings:
    """What people recorded, said to the person."""
    from trainer_host.speech.kinds import PHRASE
    from trainer_host.speech.recordings import contact_sheet, read_recordings
    from trainer_host.workspace import storage_errors, write_atomic

    with show.working("reading recordings"):
        found = read_recordings(args.recordings, phrase)
    said = sum(one.kind == PHRASE for one in found.kept)
    people = f" by {len(found.speakers)} people" if found.speakers else ""
    show.say(f"{said} recordings of '{phrase}'{people}, {len(found.kept) - said} of other sounds.")
    for reason, count in found.refused.items():
        tell_left_out(show, "file", count, reason, found.first[reason])
    if args.sheet is not None:
        with storage_errors(args.sheet):
            folder = args.recordings if args.recordings.is_dir() else args.recordings.parent
            write_atomic(args.sheet, contact_sheet(folder, found))
        show.say(f"Some of them, the phrase framed where it was found: {args.sheet}")
    return found


def _figures(args: argparse.Namespace, name: str) -> tuple[list[str], list[list[str]]]:
    """What the gate measured of each file, on held-out speakers."""
    from trainer_host.compress.gate import read_report
    from trainer_host.training.run import open_run

    scores = read_report(open_run(workspace_of(args).run(name))).scores
    by_people = all("people_miss" in one.figures for one in scores)
    rows = [
        [
            one.file,
            one.runtime,
            f"{one.figures['miss'] * 100:.1f}",
            f"{one.figures['alarms_per_hour']:.2f}",
            f"{one.figures['hours']:.2f}",
            f"{one.figures['near_alarms'] * 100:.1f}",
            f"{one.bytes / 1000:.0f}",
            *([f"{one.figures['people_miss'] * 100:.1f}"] if by_people else []),
        ]
        for one in scores
    ]
    headers = ["people missed %"] if by_people else []
    return ["file", "runtime", "missed %", "alarms/h", "hours", "near misses %", "kB", *headers], rows


def _one_thread() -> None:
    """Sounds are worked on in small pieces, which a BLAS with many threads only waits for; read when numpy loads."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
