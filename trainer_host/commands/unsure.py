"""`enigma data unsure`: of inputs that a specialist was unsure about, those that a teacher should be asked first."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from trainer_host.commands.options import Commands, command
from trainer_host.errors import DataError
from trainer_host.presentation import presenter_for


def add(actions: Commands[argparse.ArgumentParser]) -> None:
    """The action, for the group `data`."""
    made = command(actions, "unsure", unsure, "Choose the most useful of inputs that a specialist was unsure about.")
    made.add_argument(
        "file", type=Path, metavar="FILE", help='a .jsonl of objects with "text" and "confidence" (0 to 1)'
    )
    made.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help="where the chosen lines go, most useful first"
    )
    made.add_argument("--count", type=int, default=50, metavar="N", help="how many at most (default: 50)")


def unsure(args: argparse.Namespace) -> None:
    """A file of inputs."""
    from trainer_host.training.uncertainty import most_useful
    from trainer_host.workspace import storage_errors, write_atomic

    lines, texts, confidence = [], [], []
    with storage_errors(args.file):
        found = args.file.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(found, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text, sure = row["text"], float(row["confidence"])
            if not isinstance(text, str) or not 0 <= sure <= 1:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f'Line {number} of {args.file.name} isn\'t as in {{"text": "...", "confidence": 0.4}}; mend or delete it.'
            ) from None
        lines.append(line)
        texts.append(text)
        confidence.append(sure)
    chosen = most_useful(texts, confidence, args.count)
    with storage_errors(args.to):
        write_atomic(args.to.absolute(), "".join(lines[place] + "\n" for place in chosen).encode("utf-8"))
    presenter_for().say(
        f"Wrote {len(chosen)} of {len(lines)} inputs to {args.to}; add a label to each and import them."
    )
