"""The options of `enigma export` that say how a device will run a language model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from trainer_host.errors import DataError

if TYPE_CHECKING:
    from trainer_host.students import ExportOptions


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
