"""`enigma selftest`: does the whole way work on this machine?"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from trainer_host.commands.options import Commands, add_seed, command
from trainer_host.errors import TrainerError
from trainer_host.presentation import presenter_for

TASKS = ("router", "robot", "avatar")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma selftest`."""
    made = command(
        commands,
        "selftest",
        selftest,
        "Run the whole way with a practice provider, without network, key or cost; exit code 1 for anything that breaks.",
    )
    made.add_argument("--task", action="append", choices=TASKS, help="may be repeated (default: all three)")
    made.add_argument("--keep", type=Path, metavar="DIR", help="keep what it makes here (default: it is deleted)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write seconds and figures of each step here")
    add_seed(made)


def selftest(args: argparse.Namespace) -> None:
    """All steps in a home folder of its own; the person's keys and data are neither used nor touched."""
    from trainer_host.selftest.run import selftest as run
    from trainer_host.workspace import Workspace, write_atomic

    if args.keep is not None and args.keep.exists() and any(args.keep.iterdir()):
        raise TrainerError(f"{args.keep} isn't empty; name a new folder.")
    # Its own vault is sealed by a key file: a passphrase would be asked for, a keyring would be somebody's.
    for name in [name for name in os.environ if name.endswith("_API_KEY") or "PASSPHRASE" in name]:
        del os.environ[name]
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    with ExitStack() as stack:
        home = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="enigma-selftest-")))
        outcome = run(Workspace(home.absolute()), presenter_for(), tuple(args.task or TASKS), args.seed)
    if args.json is not None:
        write_atomic(args.json.absolute(), json.dumps({"format": 1, "steps": outcome.steps}, indent=1).encode() + b"\n")
    presenter_for().say("\nEverything works on this machine.")
