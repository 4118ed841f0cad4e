"""`enigma voice`: a voice of its own for a device, learnt from a teacher's."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from trainer_host.commands.options import Commands, add_seed, command, group, workspace_of
from trainer_host.presentation import presenter_for


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma voice data`."""
    actions = group(
        commands,
        "voice",
        "Give a device a voice of its own.",
        "A voice of flite says sentences and tells their sounds; a small network learns to speak like it.",
    )
    made = command(actions, "data", data, "Let a teacher speak, to train a voice with 'enigma train'.")
    made.add_argument("name", metavar="NAME", help="of the dataset")
    made.add_argument(
        "--voice", default="slt", metavar="VOICE", help="slt, rms, awb or kal16 (default: slt, a woman's)"
    )
    made.add_argument(
        "--sentences", type=int, default=500, metavar="N", help="that are made up and said (default: 500, 25 minutes)"
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
    add_seed(made)


def data(args: argparse.Namespace) -> None:
    """The dataset."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from trainer_host.speech.voice_rows import make_voice

    show = presenter_for()
    with show.working("speaking"):
        made = make_voice(
            workspace_of(args),
            args.name,
            args.voice,
            seed=args.seed,
            sentences=args.sentences,
            texts=args.texts,
            common=args.common,
        )
    counts = made.counts
    show.say(
        f"Dataset '{made.name}': {counts['train']:,} sentences to train with, {counts['heldout']:,} held out, "
        f"{made.figures['words']:,} words"
    )
    show.say(f"Next: enigma train --data {made.name}")
