"""`enigma data import` of a recording: frames, and what was done after each."""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer_host.commands.options import workspace_of
from trainer_host.errors import TrainerError
from trainer_host.presentation import Presenter

TASK = "video_gen"


def import_recorded(args: argparse.Namespace, name: str, show: Presenter) -> None:
    """A dataset of next frames."""
    from trainer_host.data.recorded_frames import import_frames

    if args.group is not None or args.scrub or args.inventory is not None or args.column:
        raise TrainerError("Recorded frames take no --group, --scrub, --inventory or --column; leave it out.")
    sheet = args.sheet or Path(f"{name}.png")
    with show.working("reading frames"):
        made = import_frames(
            workspace_of(args), args.file, name=name, seed=args.seed, held_out=args.held_out, sheet=sheet
        )
    counts = made.dataset.counts
    show.say(
        f"Dataset '{made.dataset.name}': {counts['train']:,} frames to train, {counts['heldout']:,} held out, of {made.frames:,} with "
        f"{made.size[0]} x {made.size[1]} pixels in {made.colours} colours."
    )
    show.table(["action", "frames"], [[action, f"{count:,}"] for action, count in made.actions.items()])
    if made.same:
        show.warn(f"after {made.same:,} frames nothing changes; they are learnt, too.")
    show.say(f"Some frames, and what was done after each: {sheet}")
    show.say(f"Next: enigma train --data {made.dataset.name}")
