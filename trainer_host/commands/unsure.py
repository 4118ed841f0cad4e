"""`enigma data unsure`: of inputs that a specialist was unsure about, those that a teacher should be asked first."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from trainer_host.commands.options import Commands, command, workspace_of
from trainer_host.errors import DataError
from trainer_host.presentation import presenter_for


def add(actions: Commands[argparse.ArgumentParser]) -> None:
    """The action, for the group `data`."""
    made = command(actions, "unsure", unsure, "Choose the most useful of inputs that a specialist was unsure about.")
    made.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help='a .jsonl of objects with "text" and "confidence" (0 to 1), and "scores" of a router\'s answer if kept',
    )
    made.add_argument(
        "--known", metavar="NAME", help="the dataset that it was trained on: what is like its rows teaches less"
    )
    made.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help="where the chosen lines go, most useful first"
    )
    made.add_argument("--count", type=int, default=50, metavar="N", help="how many at most (default: 50)")


def unsure(args: argparse.Namespace) -> None:
    """A file of inputs."""
    from trainer_host.training.uncertainty import doubt_of, most_useful
    from trainer_host.workspace import storage_errors, write_atomic

    lines, texts, doubt = [], [], []
    with storage_errors(args.file):
        found = args.file.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(found, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text, sure = row["text"], float(row["confidence"])
            scores = [float(score) for score in row.get("scores", {}).values()]
            if not isinstance(text, str) or not all(0 <= number <= 1 for number in (sure, *scores)):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DataError(
                f'Line {number} of {args.file.name} isn\'t as in {{"text": "...", "confidence": 0.4}}; mend or delete it.'
            ) from None
        lines.append(line)
        texts.append(text)
        doubt.append(doubt_of(sure, scores))
    chosen = most_useful(texts, doubt, args.count, _known(args))
    with storage_errors(args.to):
        write_atomic(args.to.absolute(), "".join(lines[place] + "\n" for place in chosen).encode("utf-8"))
    presenter_for().say(
        f"Wrote {len(chosen)} of {len(lines)} inputs to {args.to}; add a label to each and import them."
    )


def _known(args: argparse.Namespace) -> list[str]:
    """The texts that have labels already."""
    if args.known is None:
        return []
    from trainer_host.data import open_dataset

    rows = open_dataset(workspace_of(args).dataset(args.known)).rows("train")
    return [text for row in rows if isinstance(text := row.input.get("text"), str)]
