"""`enigma data import` of captioned pictures."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from trainer_host.commands.options import workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import Presenter, tell_left_out

TASK = "image_gen"


def captions_in(args: argparse.Namespace, columns: Mapping[str, str]) -> Path | None:
    """The table of captions that is imported, None where it is something else, as rows of plans; raises `TrainerError`."""
    from trainer_host.data.captioned import caption_table

    found = caption_table(args.file, columns) if args.task in (None, TASK) else None
    if found is None and args.task == TASK and args.file.is_dir():
        raise TrainerError(
            f"The task {TASK} learns from a .csv with the columns picture and caption, in UTF-8; {args.file} has none."
        )
    return found


def import_captioned(
    args: argparse.Namespace, table: Path, name: str, columns: Mapping[str, str], show: Presenter
) -> None:
    """A dataset of captioned pictures."""
    from trainer_host.data.captioned import import_captions

    if args.sheet is not None or args.group is not None or args.scrub or args.inventory is not None:
        raise TrainerError("Captioned pictures take no --sheet, --group, --scrub or --inventory; leave it out.")
    with show.working("reading pictures"):
        made = import_captions(
            workspace_of(args), table, name=name, seed=args.seed, held_out=args.held_out, columns=columns
        )
    counts = made.dataset.counts
    show.say(
        f"Dataset '{made.dataset.name}': {counts['train']:,} captions to train, {counts['heldout']:,} held out, of "
        f"{made.pictures:,} pictures."
    )
    for reason, (count, line) in made.refused.items():
        tell_left_out(show, "row", count, reason, f"the first in line {line}")
    if made.duplicates:
        show.warn(f"{made.duplicates} rows say the same of the same picture as earlier ones and were left out.")
    show.say(f"Next: enigma train --data {made.dataset.name}")
