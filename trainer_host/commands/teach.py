"""`enigma teach`: a dataset from a teacher."""

from __future__ import annotations

import argparse

from trainer_host.commands.options import Commands, add_seed, command, workspace_of
from trainer_host.commands.quickstart import check_examples
from trainer_host.presentation import presenter_for


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma teach`."""
    made = command(commands, "teach", teach, "Let the built-in teacher write a dataset of home commands.")
    made.add_argument("--name", default="home-en", metavar="NAME", help="of the dataset (default: home-en)")
    made.add_argument("--examples", type=int, default=24_000, metavar="N", help="how many (default: 24000)")
    add_seed(made)


def teach(args: argparse.Namespace) -> None:
    """A dataset from the built-in teacher."""
    from trainer_host.quickstart import teach_home

    check_examples(args.examples)
    show = presenter_for()
    with show.working("teaching") as step:
        made = teach_home(workspace_of(args), args.name, examples=args.examples, seed=args.seed, on_step=step)
    show.say(f"Dataset '{made.name}': {made.counts['train']:,} rows to train, {made.counts['heldout']:,} held out.")
