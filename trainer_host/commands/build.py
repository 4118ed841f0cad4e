"""`enigma build`: a specialist for each task, combos, and one model for all, from the same data."""

from __future__ import annotations

import argparse

from trainer_host.commands.options import Commands, add_seed, command, finite, workspace_of
from trainer_host.presentation import presenter_for


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command."""
    made = command(
        commands,
        "build",
        build,
        "Train, examine and sign a specialist for each task, combos, and one model for all tasks, from the same data.",
    )
    made.add_argument("--data", action="append", required=True, metavar="NAME", help="a dataset; may be repeated")
    made.add_argument("--to", required=True, metavar="NAME", help="what the models' names begin with")
    made.add_argument(
        "--combo",
        action="append",
        default=[],
        metavar="A,B",
        help="tasks of a combo, or datasets of pictures for one encoder with a head each; may be repeated",
    )
    made.add_argument("--seconds", type=finite, metavar="N", help="plan about this long for each task of a model")
    add_seed(made)


def build(args: argparse.Namespace) -> int:
    """A table of models and tasks; exit code 1 where the gate refused one."""
    from trainer_host.building import build_kinds, compared, table
    from trainer_host.trainer_ai import TrainerAI

    show = presenter_for()
    combos = [[task.strip() for task in text.split(",")] for text in args.combo]
    with show.working("building") as step:
        made = build_kinds(
            TrainerAI(workspace_of(args).home),
            args.data,
            args.to,
            combos,
            seed=args.seed,
            seconds=args.seconds,
            on_progress=lambda what, share: step(share, what),
        )
    show.table(*table(made))
    for sentence in compared(made):
        show.say(sentence)
    refused = [item for item in made if item.bundle is None]
    for item in refused:
        show.warn(f"{item.run} wasn't signed.\n{item.refused}")
    ready = next((item for item in made if item.bundle is not None), None)
    if ready is not None:
        show.say(f"Next: enigma push {ready.run}; with a router on the device, 'enigma ask auto' picks who answers.")
    return 1 if refused else 0
