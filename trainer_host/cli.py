"""The command `enigma`: teach, train, compress, gate, bundle and push specialists, and ask them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from trainer_host.errors import TrainerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    Command = Callable[[argparse.Namespace], int | None]

COMMANDS = "trainer_host.commands"
TASKS = ("robot", "router")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status. Errors are one sentence on standard error."""
    args = build_parser().parse_args(arguments)
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # A device that this command started must end with it, also when it is told to stop.
    signal.signal(signal.SIGTERM, _stop)
    from edge_runtime.errors import EdgeError

    try:
        return _run(args)
    except TrainerError as error:
        print(f"enigma: {error}", file=sys.stderr)
        return error.exit_code
    except EdgeError as error:
        print(f"enigma: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output went away, as in `enigma data show NAME | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"enigma: {error.filename or 'a file'} can't be used: {error.strerror or error}.", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(
            f"enigma: the package '{error.name}' is missing; install Enigma with the extra 'trainer'.", file=sys.stderr
        )
        return 2
    except KeyboardInterrupt:
        print("enigma: stopped.", file=sys.stderr)
        return 130


def _run(args: argparse.Namespace) -> int:
    import importlib

    command: Command = getattr(importlib.import_module(COMMANDS), args.command)
    return command(args) or 0


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options; docs/cli.md is made from it."""
    parser = argparse.ArgumentParser(
        prog="enigma",
        description="Teaches small specialist models and puts them, signed and checked, on devices.",
    )
    parser.add_argument("--version", action="version", version=f"enigma {_version()}")
    _add_home(parser)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _quickstart(commands)
    _data(commands)
    _stages(commands)
    _devices(commands)
    return parser


def _version() -> str:
    from edge_runtime import __version__

    return __version__


def _add_home(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--home",
        type=Path,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="where everything is kept (default: ENIGMA_HOME, else the platform's user data folder)",
    )


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, function: str, text: str
) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=text, description=text)
    made.set_defaults(command=function)
    _add_home(made)
    return made


def _seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same bytes (default: 1)")


def _quickstart(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    made = _command(
        commands, "quickstart", "quickstart", "From nothing to a signed home specialist on a device, in minutes."
    )
    made.add_argument(
        "--examples", type=int, default=24_000, metavar="N", help="how many to teach with (default: 24000)"
    )
    _seed(made)
    made.add_argument("--no-input", action="store_true", help="end after the last stage, without a prompt")
    made.add_argument("--json", type=Path, metavar="FILE", help="write seconds and figures of each stage here")
    made = _command(commands, "teach", "teach", "Let the built-in teacher write a dataset of home commands.")
    made.add_argument("--name", default="home-en", metavar="NAME", help="of the dataset (default: home-en)")
    made.add_argument("--examples", type=int, default=24_000, metavar="N", help="how many (default: 24000)")
    _seed(made)


def _data(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    data = commands.add_parser("data", help="List, show, import and export datasets.", description="Datasets.")
    actions = data.add_subparsers(title="actions", required=True, metavar="ACTION")
    _command(actions, "list", "data_list", "List the datasets.")
    made = _command(actions, "show", "data_show", "Show a dataset's figures and some of its rows.")
    made.add_argument("name", metavar="NAME", help="of the dataset")
    made.add_argument("--rows", type=int, default=5, metavar="N", help="how many rows to show (default: 5)")
    made = _command(actions, "import", "data_import", "Make a dataset out of your own labelled rows.")
    made.add_argument("file", type=Path, metavar="FILE", help="a .csv with a header, or a .jsonl")
    made.add_argument("--task", required=True, choices=TASKS, help="what the rows teach")
    made.add_argument("--name", metavar="NAME", help="of the dataset (default: the file's name)")
    made.add_argument(
        "--held-out", type=float, default=0.2, metavar="SHARE", help="kept for the examination (default: 0.2)"
    )
    made.add_argument("--group", metavar="FIELD", help="rows with equal values here stay on one side of the split")
    made.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=NAME",
        help="what your file calls a field, as in text=Message; may be repeated",
    )
    made.add_argument("--inventory", type=Path, metavar="FILE", help="robot: the home of rows that name none (JSON)")
    _seed(made)
    made = _command(actions, "export", "data_export", "Write a dataset's rows to a .csv or .jsonl file.")
    made.add_argument("name", metavar="NAME", help="of the dataset")
    made.add_argument("file", type=Path, metavar="FILE", help="ends in .csv or .jsonl")


def _stages(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    made = _command(commands, "train", "train", "Train a specialist on a dataset.")
    made.add_argument("--data", required=True, metavar="NAME", help="the dataset")
    made.add_argument("--task", choices=TASKS, help="the dataset's task; checked where it is given")
    made.add_argument("--name", metavar="RUN", help="of the run (default: the dataset's name)")
    made.add_argument("--seconds", type=float, metavar="N", help="plan for about this long (default: the task's)")
    _seed(made)
    made = _command(commands, "export", "export", "Write a run's model files: ONNX and TFLite, fp32 and int8.")
    made.add_argument("run", metavar="RUN", help="the run's name")
    made = _command(commands, "gate", "gate", "Examine a run's model files in each runtime that will run them.")
    made.add_argument("run", metavar="RUN", help="the run's name")
    made.add_argument("--rows", type=int, metavar="N", help="examine with this many held-out rows (default: all)")
    made = _command(commands, "exam", "exam", "Examine a home specialist on sentences written by hand, beside hassil.")
    made.add_argument("run", metavar="RUN", help="the run's name")
    made.add_argument("--sentences", metavar="FOLDER", help="cases.jsonl and homes/ (default: the project's own exam)")
    made.add_argument("--wrong", action="store_true", help="list the sentences that it got wrong")
    made = _command(commands, "bundle", "bundle", "Make a signed bundle of a run that passed the gate.")
    made.add_argument("run", metavar="RUN", help="the run's name")
    made.add_argument("--name", metavar="NAME", help="of the specialist (default: the run's name)")
    made.add_argument("--version", metavar="X.Y.Z", help="default: the next one where the content is new")
    made.add_argument("--licence", default="Apache-2.0", metavar="ID", help="default: Apache-2.0")


def _devices(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    made = _command(commands, "push", "push", "Deliver a bundle to a paired device.")
    made.add_argument("bundle", metavar="BUNDLE", help="a .enigma file, or a specialist's name for its newest one")
    made.add_argument("--device", metavar="NAME", help="default: the only one that is paired")
    made = _command(commands, "ask", "ask", "Ask a specialist on a device; without a text, a prompt.")
    made.add_argument("specialist", metavar="SPECIALIST", help="its name on the device")
    made.add_argument("text", nargs="*", metavar="TEXT", help="what to ask")
    made.add_argument("--device", metavar="NAME", help="default: the only one that is paired")
    made.add_argument("--area", metavar="ID", help="robot: the room that the speaker is in")
    made.add_argument("--inventory", type=Path, metavar="FILE", help="robot: the home (default: the sample home)")
    made.add_argument("--json", action="store_true", help="print the device's whole answer")
    devices = commands.add_parser("devices", help="List, pair and forget devices.", description="Paired devices.")
    actions = devices.add_subparsers(title="actions", required=True, metavar="ACTION")
    _command(actions, "list", "devices_list", "List the paired devices.")
    made = _command(actions, "pair", "devices_pair", "Pair with a device, which then takes this host's bundles.")
    made.add_argument("url", metavar="URL", help="as printed by 'enigma-edge run'")
    made.add_argument("code", metavar="CODE", help="as printed by 'enigma-edge pair' on the device")
    made.add_argument("--name", metavar="NAME", help="what to call it here (default: device- and its id)")
    made = _command(actions, "forget", "devices_forget", "Remove a device from this host.")
    made.add_argument("name", metavar="NAME", help="what it is called here")
    _command(commands, "keys", "keys", "Show the public half of the key that signs this host's bundles.")


if __name__ == "__main__":
    sys.exit(main())
