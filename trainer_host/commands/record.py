"""`enigma data record`: pictures and sounds from a paired device, to teach with."""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer_host.commands.options import Commands, command, finite, workspace_of
from trainer_host.presentation import presenter_for


def add(actions: Commands[argparse.ArgumentParser]) -> None:
    """The action, for the group `data`."""
    made = command(
        actions,
        "record",
        record,
        "Record pictures or sounds with a paired device's camera or microphone, under one label.",
    )
    made.add_argument("folder", type=Path, metavar="FOLDER", help="files go to FOLDER/LABEL/; may exist already")
    made.add_argument("--label", required=True, metavar="LABEL", help="what is seen or said, as in cup or hey-robot")
    made.add_argument("--device", metavar="NAME", help="default: the only one that is paired")
    made.add_argument(
        "--pipeline",
        metavar="NAME",
        help="of the device; its [source] says shown = true or heard = true (default: the only such)",
    )
    made.add_argument("--count", type=int, default=20, metavar="N", help="of files (default: 20)")
    made.add_argument(
        "--every",
        type=finite,
        metavar="N",
        help="seconds from picture to picture (default: 0.5), or before each sound (1)",
    )
    made.add_argument("--seconds", type=finite, default=2.0, metavar="N", help="of each sound (default: 2)")
    made.add_argument("--by", default="", metavar="WHO", help="who speaks; their sounds go to FOLDER/LABEL/WHO/")


def record(args: argparse.Namespace) -> None:
    """Until all are there, or Ctrl-C; what was written stays."""
    import asyncio

    from trainer_host.data.recording import Plan, pipeline_of, record_pictures, record_sounds
    from trainer_host.release.devices import client_of, device_named

    show = presenter_for()
    device = device_named(workspace_of(args), args.device)
    written = 0
    heard = False

    async def run() -> None:
        nonlocal heard
        async with client_of(device) as client:
            pipeline, heard = await pipeline_of(client, args.pipeline)
            every = args.every if args.every is not None else 1.0 if heard else 0.5
            plan = Plan(args.folder, args.label, args.count, every, args.seconds, args.by)
            with show.working(f"recording '{plan.label}' with {device.name}") as step:

                def took(number: int, what: str) -> None:
                    nonlocal written
                    written = number
                    step(number / plan.count, f"{number} of {plan.count}, {what}")

                await (record_sounds if heard else record_pictures)(client, pipeline, plan, took)

    try:
        asyncio.run(run())
    finally:
        if written:
            show.say(f"Wrote {written} {'sounds' if heard else 'pictures'} to {args.folder / args.label}.")
    show.say(
        f"Next, once there are two labels: enigma data import {args.folder}"
        if not heard
        else f'Next: enigma wakeword teach "{args.label.replace("-", " ")}" --recordings {args.folder}'
    )
