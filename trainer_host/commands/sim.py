"""`enigma sim`: a small house with a robot in it that MuJoCo moves, served as a real one is."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from trainer_host.commands.options import Commands, command
from trainer_host.errors import TrainerError

# Another process, as nothing of the bridge is imported here.
RUN = "import sys; from firmware_bridge.cli import main; sys.exit(main(sys.argv[1:]))"


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma sim`."""
    text = "Start a small house with a robot that isn't there: MuJoCo moves it, and it is served as a real one is."
    sim = command(commands, "sim", run, text)
    sim.add_argument("room", metavar="ROOM", nargs="?", default="flat", help="as of enigma-bridge robot simulate")
    sim.add_argument(
        "--folder", type=Path, default=Path(), metavar="DIR", help="where robot.toml and its socket are (default: .)"
    )
    sim.add_argument(
        "--on",
        choices=("simavr", "simulation"),
        default="simavr",
        help="the firmware in simavr, at the end of a serial line, or a board that isn't there (default: simavr)",
    )
    sim.add_argument("--physics", choices=("mujoco", "plain"), default="mujoco", help="(default: mujoco)")


def run(args: argparse.Namespace) -> None:
    """This process becomes the bridge's."""
    if args.physics == "mujoco" and find_spec("mujoco") is None:
        raise TrainerError("MuJoCo isn't installed: pip install 'enigma[sim]', or --physics plain.")
    args.folder.mkdir(parents=True, exist_ok=True)
    room = str(Path(args.room).resolve()) if Path(args.room).is_dir() else args.room
    os.chdir(args.folder)
    wanted = ["robot", "simulate", room, "--on", args.on, "--physics", args.physics]
    os.execv(sys.executable, [sys.executable, "-c", RUN, *wanted])  # which is ended as this command would be
