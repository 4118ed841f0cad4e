"""`enigma bundle FILE.gguf`: a language model that a person brings, signed for devices."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from trainer_host.commands.options import workspace_of
from trainer_host.errors import NotThere, TrainerError
from trainer_host.presentation import presenter_for

_OPTIONS = ("task", "data", "context", "rows", "cache")


def add_options(made: argparse.ArgumentParser) -> None:
    """The options of `enigma bundle` for a .gguf file."""
    text = made.add_argument_group("of a .gguf file")
    text.add_argument("--task", metavar="TASK", help="what it is for (default: chat)")
    text.add_argument("--data", metavar="NAME", help="examine it on this dataset's held-out rows")
    text.add_argument("--rows", type=int, metavar="N", help="on so many of them (default: the task's)")
    text.add_argument(
        "--context",
        type=int,
        metavar="N",
        help="most tokens of a text with its answer (default: the file's, at most 2048)",
    )
    text.add_argument("--cache", choices=("float", "int8"), help="int8 keeps keys and values in half the memory")


def refuse_options(args: argparse.Namespace) -> None:
    """Raise `TrainerError` where a run is bundled with a file's options."""
    for option in _OPTIONS:
        if getattr(args, option) is not None:
            raise TrainerError(f"--{option} is for a .gguf file; a run has its own, so leave it out.")


def bundle(args: argparse.Namespace) -> None:
    """A signed bundle of a person's file."""
    from edge_runtime.bundle import MAX_BUNDLE_BYTES
    from trainer_host.data import open_dataset
    from trainer_host.release.keys import signing_key
    from trainer_host.release.own_gguf import bundle_own, read_own

    workspace, show, path = workspace_of(args), presenter_for(), Path(args.run).expanduser()
    if not path.is_file():
        raise NotThere(f"There is no file {path}.")
    if args.runtime not in (None, "gguf"):
        raise TrainerError("A .gguf file runs in llama.cpp alone; leave --runtime out.")
    if args.rows is not None and args.rows < 1:
        raise TrainerError("--rows must be 1 or more.")
    name = args.name or re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:48].strip("-")
    with show.working("examining in llama.cpp"):
        made = bundle_own(
            workspace,
            path,
            signing_key(workspace),
            name=name,
            task=args.task or "chat",
            licence=args.licence,
            version=args.version,
            context=args.context,
            dataset=None if args.data is None else open_dataset(workspace.dataset(args.data)),
            rows=args.rows,
            cache=args.cache or "float",
        )
    what = "Wrote" if made.fresh else "The same bundle was there already:"
    show.say(f"{what} {made.path} ({made.bytes / 1e6:.2f} MB, {made.golden} golden vectors)\n{made.address}")
    if not read_own(path).chats:
        show.warn(
            f"{path.name} has no chat template, so it is asked in ChatML; a model that learnt no chats answers oddly."
        )
    show.say("There is no float model to compare it with, so the gate was that it opens and answers the same twice.")
    if made.bytes > MAX_BUNDLE_BYTES:
        most = -(-made.bytes // 2**20)
        show.warn(f"A device takes it where its config.toml says max_bundle_mb = {most} or more under [update].")
    show.say(f"Next: enigma push {name}")
