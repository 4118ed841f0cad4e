"""`enigma merge`, `fork` and `lineage`: models from models, and whom they come from."""

from __future__ import annotations

import argparse

from trainer_host.commands.options import Commands, add_seed, command, finite, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for

METHODS = ("average", "slerp", "ties", "dare")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The three commands."""
    made = command(commands, "merge", merge, "Merge language models of one size into one.")
    made.add_argument("runs", nargs="+", metavar="RUN", help="two or more runs")
    made.add_argument("--to", required=True, metavar="NAME", help="the new run")
    made.add_argument("--method", choices=METHODS, default="average", help="default: average")
    made.add_argument("--weights", metavar="A,B", help="how much each counts, as in 0.7,0.3 (default: all the same)")
    made.add_argument("--base", metavar="RUN", help="ties, dare: what all were made from (default: what they share)")
    made.add_argument(
        "--density", type=finite, metavar="SHARE", help="ties, dare: how much of what was learned is kept"
    )
    _credit(made)
    add_seed(made)
    made = command(commands, "fork", fork, "Copy a run under another name; its makers stay named.")
    made.add_argument("run", metavar="RUN", help="the run's name")
    made.add_argument("name", metavar="NAME", help="of the fork")
    _credit(made)
    made = command(
        commands, "lineage", lineage, "Show whom a run comes from, with licences; exit code 2 where a link is broken."
    )
    made.add_argument("run", metavar="RUN", help="the run's name")


def _credit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--author", required=True, metavar="WHO", help="who makes it; and who made parents without a record"
    )
    parser.add_argument("--licence", default="Apache-2.0", metavar="ID", help="default: Apache-2.0")


def merge(args: argparse.Namespace) -> None:
    """A run of several."""
    from trainer_host.training.combine import merge_runs
    from trainer_host.training.merging import Recipe

    show = presenter_for()
    recipe = Recipe(args.method, _numbers(args.weights), args.density, args.seed)
    run, family = merge_runs(
        workspace_of(args), args.runs, args.to, recipe, author=args.author, licence=args.licence, base=args.base
    )
    show.say(f"Run '{run.name}', weights {run.weights[:19]}")
    show.say("Made from:\n" + "\n".join(f"  {line}" for line in family.attribution()[1:]))
    show.say(f"Next: enigma export {run.name}")


def fork(args: argparse.Namespace) -> None:
    """A copy."""
    from trainer_host.training.combine import fork_run

    run, family = fork_run(workspace_of(args), args.run, args.name, author=args.author, licence=args.licence)
    show = presenter_for()
    show.say(f"Run '{run.name}', weights {run.weights[:19]}")
    show.say("\n".join(family.tree()))


def lineage(args: argparse.Namespace) -> None:
    """The family tree."""
    from trainer_host.training.lineage import read_lineage
    from trainer_host.training.run import open_run

    run, show = open_run(workspace_of(args).run(args.run)), presenter_for()
    family = read_lineage(run.folder)
    if family is None:
        show.say(f"'{run.name}' was trained on the dataset '{run.dataset}' and has no parents.")
        return
    show.say("\n".join(family.tree()))
    packs = [line for line in family.attribution() if line.startswith("data ")]
    if packs:
        show.say("\n".join(packs))


def _numbers(text: str | None) -> tuple[float, ...]:
    if text is None:
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise TrainerError(f"--weights takes numbers with commas, as in 0.7,0.3, not '{text[:40]}'.") from None
