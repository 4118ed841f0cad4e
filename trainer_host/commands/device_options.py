"""The options of `enigma export` and `enigma bundle` that say how a device will run a language model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from trainer_host.commands.options import workspace_of
from trainer_host.errors import DataError
from trainer_host.presentation import presenter_for

if TYPE_CHECKING:
    from trainer_host.compress.gate import GateReport
    from trainer_host.release.draft import DraftReport
    from trainer_host.students import ExportOptions
    from trainer_host.training.run import Run


def add_options(made: argparse.ArgumentParser) -> None:
    """The options."""
    text = made.add_argument_group("language models, for devices")
    text.add_argument("--adapter", action="store_true", help="of a run with --init RUN --lora: the adapter alone")
    text.add_argument("--adapters", action="store_true", help="let the model take adapters while it runs on a device")
    text.add_argument("--cache", choices=("float", "int8"), help="keep keys and values in a quarter of the memory")


def chosen_options(args: argparse.Namespace) -> ExportOptions | None:
    """How the files are to be written, None where nothing is said; raises `DataError` for what doesn't go together."""
    from trainer_host.students import ExportOptions

    if args.adapter and (args.adapters or args.cache):
        raise DataError("An adapter runs in its base's files; give --adapters and --cache where you export the base.")
    if not args.adapters and args.cache is None:
        return None
    return ExportOptions(args.adapters, args.cache or "float")


def add_draft(made: argparse.ArgumentParser) -> None:
    """The option of `enigma bundle`."""
    made.add_argument(
        "--draft", metavar="RUN", help="a smaller run of the same tokens that guesses ahead, where that is quicker"
    )


def examined_draft(args: argparse.Namespace, run: Run, report: GateReport) -> DraftReport | None:
    """What the draft gains, said to the person; None where none is named, or it isn't worth its memory."""
    if args.draft is None:
        return None
    from trainer_host.release.draft import WORTH, examine_draft
    from trainer_host.training.run import dataset_of, open_run

    workspace, show = workspace_of(args), presenter_for()
    with show.working("trying the draft") as step:
        found = examine_draft(run, dataset_of(workspace, run), report, open_run(workspace.run(args.draft)), step)
    show.say(
        f"With the draft '{found.run}' {found.gain:.2f} times as quick ({found.plain:g} -> {found.guessed:g} tokens per "
        f"second of one processor); {found.same} of {found.prompts} answers have the same tokens."
    )
    if not found.kept:
        show.warn(f"The bundle goes without it: a draft must change no answer, and gain {WORTH:g} times at the least.")
    return found if found.kept else None
