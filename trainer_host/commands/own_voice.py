"""`enigma voice data --recordings` and `enigma data import` of one speaker's recordings: a voice like theirs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.commands.options import workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import Presenter

if TYPE_CHECKING:
    from trainer_host.speech.clips import Left

TASK = "audio_gen"
SHOWN = 20  # recordings that were left out, and words


def add_options(parser: argparse.ArgumentParser) -> None:
    """What only a voice's recordings take."""
    parser.add_argument("--speaker", metavar="NAME", help="recordings of a voice: whose of the table's column speaker")
    parser.add_argument(
        "--speaker-agrees",
        action="store_true",
        help="recordings of a voice: it is your own, or its speaker agreed that a voice is made of it",
    )


def table_in(args: argparse.Namespace, columns: Mapping[str, str]) -> Path | None:
    """The table of recordings with texts that `data import` is given, None where it is something else; raises `TrainerError`."""
    from trainer_host.speech.transcripts import voice_table

    heard = args.phrase is None and args.amount is None
    found = voice_table(args.file, columns) if args.task in (None, TASK) and heard else None
    if found is None and args.task == TASK and args.file.is_dir():
        raise TrainerError(f"{args.file} has no table of recordings; put a metadata.csv there, with lines as {_LINE}.")
    if found is None and (args.speaker is not None or args.speaker_agrees):
        raise TrainerError(
            f"--speaker{'-agrees' if args.speaker is None else ''} is for recordings with a table of file and text; "
            f"{args.file} has none."
        )
    if found is not None and (args.group is not None or args.scrub or args.inventory is not None):
        raise TrainerError("Recordings of a voice take no --group, --scrub or --inventory; leave it out.")
    return found


def table_of(place: Path, columns: Mapping[str, str]) -> Path:
    """The table that `voice data --recordings` is given; raises `TrainerError`."""
    from trainer_host.speech.transcripts import voice_table

    if not place.exists():
        raise TrainerError(f"There is no {place}; name a folder of WAVs with a metadata.csv, with lines as {_LINE}.")
    found = voice_table(place, columns)
    if found is None:
        raise TrainerError(
            f"{place} has no table of WAVs and what is said in them; put a metadata.csv there, with lines as {_LINE}."
        )
    return found


def import_recordings(
    args: argparse.Namespace,
    table: Path,
    name: str,
    columns: Mapping[str, str],
    show: Presenter,
    common: int | None = None,
) -> None:
    """A voice's dataset of recordings."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if not args.speaker_agrees:
        raise TrainerError(
            "A voice is its speaker's own: say --speaker-agrees where it is yours, or where its speaker agreed to this."
        )
    from trainer_host.speech.own_voice import import_voice
    from trainer_host.workspace import storage_errors, write_atomic

    sheet = args.sheet or Path(f"{name}.png")
    with show.working("listening") as step:
        made = import_voice(
            workspace_of(args),
            name,
            table,
            seed=args.seed,
            columns=columns,
            speaker=args.speaker,
            common=common,
            told=lambda done, every: step(done / every, f"{done:,} of {every:,} recordings"),
        )
    with storage_errors(sheet):
        write_atomic(sheet, made.sheet)
    counts, clips, figures = made.dataset.counts, made.clips, made.dataset.figures
    low, middle, high = (round(hertz) for hertz in clips.pitch)
    show.say(
        f"{len(clips.kept):,} recordings, {clips.minutes:.1f} minutes; the voice lies at {low} to {high} Hz, often {middle}."
    )
    if made.unknown:
        show.warn(
            f"nobody here can spell {', '.join(made.unknown[:SHOWN])}; flite could (on Debian: apt-get install flite)."
        )
    _tell("left out", clips.left, show)
    _tell("listen to", clips.doubts, show)
    show.say(f"Some of them as spectrograms, with the sounds' borders: {sheet}")
    show.say(
        f"Dataset '{made.dataset.name}': {counts['train']:,} sentences to train with, {counts['heldout']:,} held out, "
        f"{figures['words']:,} words"
    )
    show.say(f"Next: enigma train --data {made.dataset.name}")


def _tell(title: str, some: tuple[Left, ...], show: Presenter) -> None:
    if not some:
        return
    show.table([title, "why", ""], [[one.file, one.why, one.detail] for one in some[:SHOWN]])
    if len(some) > SHOWN:
        show.say(f"and {len(some) - SHOWN:,} more")


_LINE = "1.wav|Good morning."
