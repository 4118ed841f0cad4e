"""`enigma show`: a specialist's answers to held-out rows as one page to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer_host.commands.options import Commands, command, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for

ROWS = 400


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma show`."""
    made = command(
        commands, "show", show, "Ask a run its held-out rows, and write figures, mistakes and samples as one HTML page."
    )
    made.add_argument("run", metavar="RUN", help="the name of an exported run")
    made.add_argument("--data", metavar="NAME", help="ask the held-out rows of this dataset (default: the run's own)")
    made.add_argument("--rows", type=int, default=ROWS, metavar="N", help=f"ask at most so many (default: {ROWS})")
    made.add_argument("--out", type=Path, metavar="FILE", help="default: RUN.html")


def show(args: argparse.Namespace) -> None:
    """A page."""
    from trainer_host.data import open_dataset
    from trainer_host.evaluation.answers import examine
    from trainer_host.evaluation.show import show as page_of
    from trainer_host.training.run import dataset_of, open_run
    from trainer_host.workspace import storage_errors, write_atomic

    out = args.out or Path(f"{args.run}.html")
    if out.suffix != ".html":
        raise TrainerError(f"{out.name} must end in .html.")
    if args.rows < 1:
        raise TrainerError("--rows must be 1 or more.")
    workspace, shown = workspace_of(args), presenter_for()
    run = open_run(workspace.run(args.run))
    dataset = dataset_of(workspace, run) if args.data is None else open_dataset(workspace.dataset(args.data))
    with shown.working("asking") as step:
        examined = examine(run, dataset, args.rows, step)
    with storage_errors(out):
        write_atomic(out.absolute(), page_of(run, examined).encode("utf-8"))
    shown.say(f"Wrote {out}; open it in any browser.")
