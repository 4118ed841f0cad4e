"""`enigma quickstart`: the whole way in one command."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from trainer_host.commands.options import Commands, add_seed, command, workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for
from trainer_host.workspace import storage_errors, write_atomic

MIN_EXAMPLES, MAX_EXAMPLES = 1000, 1_000_000


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma quickstart`."""
    made = command(
        commands, "quickstart", quickstart, "From nothing to a signed home specialist on a device, in minutes."
    )
    made.add_argument(
        "--examples", type=int, default=24_000, metavar="N", help="how many to teach with (default: 24000)"
    )
    add_seed(made)
    made.add_argument("--no-input", action="store_true", help="end after the last stage, without a prompt")
    made.add_argument("--json", type=Path, metavar="FILE", help="write seconds and figures of each stage here")


def quickstart(args: argparse.Namespace) -> None:
    """All seven stages, then a prompt on a terminal."""
    from trainer_host.quickstart import home_course, run_quickstart

    check_examples(args.examples)
    interactive = not args.no_input and sys.stdin is not None and sys.stdin.isatty()
    workspace, show = workspace_of(args), presenter_for()
    with storage_errors(workspace.home):
        workspace.home.mkdir(parents=True, exist_ok=True)
        if args.json is not None:
            _check_writable(args.json)
    course = home_course(args.examples, args.seed)

    def write(summary: dict[str, object]) -> None:
        if args.json is not None:
            with storage_errors(args.json):
                write_atomic(args.json.absolute(), json.dumps(summary, indent=1, ensure_ascii=False).encode() + b"\n")

    run_quickstart(workspace, course, show, interactive=interactive, on_summary=lambda made: write(made.to_json()))


def _check_writable(path: Path) -> None:
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise TrainerError(f"{path} can't be written; give --json a file in a folder that exists.")


def check_examples(count: int) -> None:
    """How many examples of home commands the built-in teacher may be asked for; raises `TrainerError`."""
    if not MIN_EXAMPLES <= count <= MAX_EXAMPLES:
        raise TrainerError(f"--examples must be from {MIN_EXAMPLES} to {MAX_EXAMPLES}, not {count}.")
