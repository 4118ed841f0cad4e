"""What the commands have in common: `--home`, `--seed`, and the workspace that they work in."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from trainer_host.workspace import Workspace, default_home

Command = Callable[[argparse.Namespace], int | None]
Commands = argparse._SubParsersAction  # what `add_subparsers` returns; argparse has no public name for it


def add_home(parser: argparse.ArgumentParser) -> None:
    """`--home`, which may stand before or behind the command."""
    parser.add_argument(
        "--home",
        type=Path,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="where everything is kept (default: ENIGMA_HOME, else the platform's user data folder)",
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """`--seed`."""
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same bytes (default: 1)")


def finite(text: str) -> float:
    """A number, for argparse, which says what is none; nan and infinity aren't, as no bound would hold them."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no finite number")
    return value


def command(
    commands: Commands[argparse.ArgumentParser], name: str, function: Command, text: str
) -> argparse.ArgumentParser:
    """A parser whose arguments `function` gets."""
    made = commands.add_parser(name, help=text, description=text)
    made.set_defaults(command=function)
    add_home(made)
    return made


def group(
    commands: Commands[argparse.ArgumentParser], name: str, text: str, description: str
) -> Commands[argparse.ArgumentParser]:
    """A command that has actions of its own, as `enigma data list`."""
    made = commands.add_parser(name, help=text, description=description)
    return made.add_subparsers(title="actions", required=True, metavar="ACTION")


def workspace_of(args: argparse.Namespace) -> Workspace:
    """The workspace of `--home`, else the default one."""
    chosen: Path | None = getattr(args, "home", None)
    return Workspace((chosen if chosen is not None else default_home()).absolute())
