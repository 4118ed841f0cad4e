"""What benchmarks of one file of a run share: which run and file, the specialist as a device has it, and where figures go."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.compress.files import ModelFile, exported
from trainer_host.compress.gate import loaded
from trainer_host.students import student_of
from trainer_host.tasks import Json
from trainer_host.training.run import Run, open_run
from trainer_host.workspace import Workspace, default_home

if TYPE_CHECKING:
    from edge_runtime.tasks import Specialist


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the workspace, the file, and where to write figures."""
    parser.add_argument("run", help="an exported run")
    parser.add_argument("--home", type=Path, help="default: as for enigma")
    parser.add_argument("--file", default="model.int8.onnx", help="of the run (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures here too")


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[tuple[Specialist, Run, ModelFile]]:
    """The specialist over the file that was asked for, in the first runtime that it was exported for."""
    run = open_run(Workspace((args.home or default_home()).absolute()).run(args.run))
    item = next(item for item in exported(run) if item.file == args.file)
    with loaded(run, student_of(run), item, item.runtimes[0]) as specialist:
        yield specialist, run, item


def report(figures: Json, file: Path | None) -> None:
    """Print figures, and write them to a file where there is one."""
    print(json.dumps(figures, indent=1))
    if file is not None:
        file.write_text(json.dumps(figures, indent=1) + "\n")
