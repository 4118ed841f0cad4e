"""The command `enigma`: teach, train, compress, gate, bundle and push specialists, and ask them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from edge_runtime.command_line import Arguments
from trainer_host.commands import (
    audit,
    build,
    chat,
    cloud,
    data,
    devices,
    fleet,
    keys,
    merge,
    pack,
    quickstart,
    release,
    rollout,
    runs,
    selftest,
    serve,
    show,
    sim,
    stages,
    sweep,
    teach,
    teacher,
    train_base,
    tune,
    voice,
    wakeword,
)
from trainer_host.commands.options import Command, add_home
from trainer_host.errors import TrainerError

if TYPE_CHECKING:
    from types import FrameType


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status. Errors are one sentence on standard error."""
    args = build_parser().parse_args(arguments)
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    from edge_runtime import local_only

    if local_only.wanted():
        local_only.enforce()
    stop_when_told()
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
    command: Command = args.command
    return command(args) or 0


def stop_when_told() -> None:
    """End in order on SIGTERM, and where the terminal is closed: what this command started must end with it."""
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        # As if it were told to: some commands save what they have then, and set handlers of their own.
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options; docs/cli.md is made from it."""
    parser = Arguments(
        prog="enigma",
        description="Teaches small specialist models and puts them, signed and checked, on devices.",
    )
    parser.add_argument("--version", action="version", version=f"enigma {_version()}")
    add_home(parser)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for family in (
        quickstart,
        keys,
        teach,
        teacher,
        audit,
        data,
        pack,
        stages,
        train_base,
        show,
        build,
        sweep,
        cloud,
        runs,
        tune,
        merge,
        devices,
        release,
        rollout,
        fleet,
        chat,
        serve,
        selftest,
        sim,
        wakeword,
        voice,
    ):
        family.add(commands)
    return parser


def _version() -> str:
    from edge_runtime import __version__

    return __version__


if __name__ == "__main__":
    sys.exit(main())
