"""`enigma voice`: a voice of its own for a device, learnt from a teacher's or from recordings of a person's."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from trainer_host.commands import own_voice
from trainer_host.commands.options import Commands, add_seed, command, group, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for

USUAL_VOICE, USUAL_SENTENCES = "slt", 1500


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma voice data`."""
    actions = group(
        commands,
        "voice",
        "Give a device a voice of its own.",
        "A voice of flite says sentences and tells their sounds, or a person's recordings are aligned with their texts; a small "
        "network learns to speak like it.",
    )
    made = command(
        actions,
        "data",
        data,
        "Let a teacher speak, or read a person's recordings, to train a voice with 'enigma train'.",
    )
    made.add_argument("name", metavar="NAME", help="of the dataset")
    made.add_argument("--voice", metavar="VOICE", help="slt, rms, awb or kal16 (default: slt, a woman's)")
    made.add_argument(
        "--sentences", type=int, metavar="N", help="that are made up and said (default: 1,500, 75 minutes)"
    )
    made.add_argument(
        "--texts", type=Path, metavar="FILE", help="lines to be said besides: names and words that a device will say"
    )
    made.add_argument(
        "--common",
        type=int,
        metavar="N",
        help="so many of the commonest English words are known besides (default: 20,000 where the extra speech is installed, else none)",
    )
    made.add_argument(
        "--recordings",
        type=Path,
        metavar="FOLDER",
        help="learn a person's voice instead: WAVs, and a metadata.csv with lines as 1.wav|Good morning.",
    )
    own_voice.add_options(made)
    made.add_argument("--sheet", type=Path, metavar="PNG", help="recordings: where to show some of them")
    add_seed(made)


def data(args: argparse.Namespace) -> None:
    """The dataset."""
    show = presenter_for()
    if args.recordings is not None:
        _of_recordings(args)
        return
    for given, name in ((args.speaker, "speaker"), (args.speaker_agrees, "speaker-agrees"), (args.sheet, "sheet")):
        if given:
            raise TrainerError(f"--{name} is for a person's voice; say where its --recordings are, or leave it out.")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from trainer_host.speech.voice_rows import make_voice

    with show.working("speaking"):
        made = make_voice(
            workspace_of(args),
            args.name,
            args.voice or USUAL_VOICE,
            seed=args.seed,
            sentences=USUAL_SENTENCES if args.sentences is None else args.sentences,
            texts=args.texts,
            common=args.common,
        )
    counts = made.counts
    show.say(
        f"Dataset '{made.name}': {counts['train']:,} sentences to train with, {counts['heldout']:,} held out, "
        f"{made.figures['words']:,} words"
    )
    show.say(f"Next: enigma train --data {made.name}")


def _of_recordings(args: argparse.Namespace) -> None:
    for name in ("voice", "sentences", "texts"):
        if getattr(args, name) is not None:
            raise TrainerError(f"--{name} is for a voice of flite; a person's is learnt from the --recordings alone.")
    table = own_voice.table_of(args.recordings, {})
    own_voice.import_recordings(args, table, args.name, {}, presenter_for(), args.common)
