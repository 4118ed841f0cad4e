"""`enigma runs`: the history of trainings, their differences and curves, and undo and redo of checkpoints."""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer_host.commands.options import Commands, command, group, workspace_of
from trainer_host.presentation import presenter_for


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The family `enigma runs`."""
    actions = group(commands, "runs", "The history of trainings.", "What was trained, from what, and how it went.")
    command(actions, "list", show_all, "All trainings, the latest last.")
    made = command(actions, "show", show, "Everything about a training.")
    made.add_argument("run", metavar="RUN", help="its number, or the name of the run")
    made = command(actions, "diff", diff, "What differs between two trainings.")
    made.add_argument("one", metavar="RUN", help="its number, or the name of the run")
    made.add_argument("other", metavar="OTHER", help="its number, or the name of the run")
    made = command(actions, "plot", plot, "Draw the curves of trainings as a PNG.")
    made.add_argument("run", metavar="RUN", nargs="+", help="numbers, or names of runs")
    made.add_argument("--figure", default="loss", metavar="NAME", help="what is drawn (default: loss)")
    made.add_argument("--out", type=Path, default=Path("runs.png"), metavar="FILE", help="default: runs.png")
    made = command(actions, "undo", undo, "Go back to the checkpoint before the current one.")
    made.add_argument("run", metavar="RUN", help="its number, or the name of the run")
    made = command(actions, "redo", redo, "Go forward to the checkpoint that was undone.")
    made.add_argument("run", metavar="RUN", help="its number, or the name of the run")


def show_all(args: argparse.Namespace) -> None:
    """A table."""
    from trainer_host.training.runs import history_of

    with history_of(workspace_of(args).home) as history:
        entries = history.entries()
    if not entries:
        presenter_for().say("Nothing was trained here yet; begin with 'enigma train'.")
        return
    rows = [
        [
            str(entry.id),
            entry.name,
            entry.task,
            entry.status,
            "" if entry.seconds is None else f"{entry.seconds:.1f} s",
            f"{entry.figures['loss']:.4f}" if "loss" in entry.figures else "",
            entry.data.removeprefix("sha256:")[:10],
            entry.revision or "",
        ]
        for entry in entries
    ]
    presenter_for().table(["number", "run", "task", "status", "time", "loss", "data", "revision"], rows)


def show(args: argparse.Namespace) -> None:
    """A training's card."""
    import json

    from trainer_host.training.runs import history_of

    with history_of(workspace_of(args).home) as history:
        entry = history.find(args.run)
        curves = history.curves(entry.id)
    rows = [
        ["number", str(entry.id)],
        ["run", entry.name],
        ["task", entry.task],
        ["status", entry.status if entry.error is None else f"{entry.status}: {entry.error}"],
        ["data", entry.data],
        ["revision", entry.revision or "none"],
        ["again", entry.command],
        ["settings", json.dumps(entry.config, sort_keys=True)],
        ["curves", ", ".join(curves) or "none"],
        *[[name, f"{value:g}"] for name, value in entry.figures.items()],
    ]
    presenter_for().table(["what", "value"], rows)


def diff(args: argparse.Namespace) -> None:
    """A table of what isn't the same."""
    from trainer_host.training.runs import differences, history_of

    with history_of(workspace_of(args).home) as history:
        one, other = history.find(args.one), history.find(args.other)
    found = differences(one, other)
    if not found:
        presenter_for().say(f"{args.one} and {args.other} have the same settings, data, revision and figures.")
        return
    presenter_for().table(["what", args.one, args.other], [list(row) for row in found])


def plot(args: argparse.Namespace) -> None:
    """A PNG."""
    from trainer_host.training.plot import draw_curves
    from trainer_host.training.runs import history_of

    with history_of(workspace_of(args).home) as history:
        entries = [history.find(which) for which in args.run]
        curves = [(f"{entry.id} {entry.name}", history.points(entry.id, args.figure)) for entry in entries]
    draw_curves(args.figure.replace("_", " "), curves, args.out)
    presenter_for().say(f"Wrote {args.out}")


def undo(args: argparse.Namespace) -> None:
    """The checkpoint before."""
    _move(args, True)


def redo(args: argparse.Namespace) -> None:
    """The checkpoint behind."""
    _move(args, False)


def _move(args: argparse.Namespace, back: bool) -> None:
    from trainer_host.training.runs import history_of
    from trainer_host.training.undo import move

    with history_of(workspace_of(args).home) as history:
        entry = history.find(args.run)
    found, run = move(workspace_of(args), entry, back=back)
    show = presenter_for()
    loss = "" if found.loss is None else f" (held-out loss {found.loss:.4f})"
    show.say(f"'{entry.name}' stands at the checkpoint of step {found.step} now{loss}; a training goes on from there.")
    if run is not None:
        show.say(f"Its weights are those of that step, {run.weights[:19]}; export, gate and bundle it again.")
        show.say(f"Next: enigma export {run.name}")
    else:
        show.say("The training hasn't ended, so there is no run whose weights would change.")
