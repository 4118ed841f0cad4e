"""Records an Atari game for `enigma data import`, in a process of its own: frames as PNG, and what was done after each in actions.csv.

    python -m venv atari && atari/bin/pip install ale-py pillow numpy        # GPL-2: no part of Enigma, which neither imports nor needs it
    atari/bin/python benchmarks/record_atari.py pong recording --frames 6000 --seed 1
    enigma data import recording --task video_gen --name pong

A frame is one of four of the game's. The player follows the ball at some times, and does what comes at others; an episode has 300 frames.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

GAMES = {
    "pong": {"stay": "NOOP", "up": "RIGHT", "down": "LEFT"},
    "breakout": {"stay": "NOOP", "right": "RIGHT", "left": "LEFT", "fire": "FIRE"},
}
EACH, EPISODE = 4, 300
WHITE, GREEN, RED = (236, 236, 236), (92, 186, 92), (200, 72, 72)
NEAR = 4  # pixels between ball and paddle that the player lets be


def main() -> None:
    """Play, and write what is seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("game", choices=sorted(GAMES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=6000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    args = parser.parse_args()
    import ale_py
    import ale_py.roms

    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", args.seed)
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(ale_py.roms.get_rom_path(args.game))
    actions = {name: getattr(ale_py.Action, button) for name, button in GAMES[args.game].items()}
    args.folder.mkdir(parents=True, exist_ok=True)
    with (args.folder / "actions.csv").open("w", encoding="utf-8", newline="") as out:
        table = csv.writer(out)
        table.writerow(("frame", "action", "episode"))
        played(ale, args.game, actions, args.frames, random.Random(f"{args.game} {args.seed}"), args.folder, table)


def played(
    ale: Any, game: str, actions: dict[str, Any], count: int, rng: random.Random, folder: Path, table: Any
) -> None:
    """Write `count` frames and their lines; the last of an episode has no action."""
    done, episode = 0, 0
    while done < count:
        ale.reset_game()
        episode += 1
        for _ in range(rng.randint(15, 45)):
            for _ in range(EACH):
                ale.act(actions["stay"])
        held, left, skill = "stay", 0, rng.choice((0.0, 0.5, 0.9))
        for number in range(EPISODE):
            frame = ale.getScreenRGB()
            ball, paddle = seen(frame, game)
            if left <= 0:
                held, left = rng.choice(list(actions)), rng.randint(1, 6)
                if ball is not None and paddle is not None and rng.random() < skill:
                    less, more = ("up", "down") if game == "pong" else ("left", "right")
                    held, left = less if ball < paddle - NEAR else more if ball > paddle + NEAR else "stay", 1
                elif ball is None and "fire" in actions and rng.random() < 0.5:
                    held, left = "fire", 1
            left -= 1
            done += 1
            name = f"{done:06d}.png"
            Image.fromarray(frame).save(folder / name, compress_level=1)
            for _ in range(EACH):
                ale.act(actions[held])
            last = ale.game_over() or number == EPISODE - 1 or done >= count
            table.writerow((name, "" if last else held, episode))
            if last:
                break


def seen(frame: np.ndarray, game: str) -> tuple[float | None, float | None]:
    """Where ball and paddle are, along the paddle's way, in pixels; None for what isn't there."""
    if game == "pong":
        return _middle(frame[34:194], WHITE, 0), _middle(frame[34:194, 80:], GREEN, 0)
    return _middle(frame[93:188, 8:152], RED, 1), _middle(frame[189:193, 8:152], RED, 1)


def _middle(part: np.ndarray, colour: tuple[int, int, int], axis: int) -> float | None:
    places = np.argwhere((part == colour).all(axis=2))[:, axis]
    return float(places.mean()) if len(places) else None


if __name__ == "__main__":
    main()
