"""A small world in which things move: a ball that bounces, and a paddle that is moved; it is recorded as a person would."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np

from edge_runtime.media.pictures import png_of

SIDE = 64
GROUND, WALL, BALL, PADDLE = (20, 20, 60), (120, 120, 120), (250, 250, 250), (220, 60, 30)
MOVES = {"left": -3, "stay": 0, "right": 3}


class Bouncing:
    """Where the ball is and goes, and where the paddle's left end is, in pixels."""

    def __init__(self, rng: random.Random) -> None:
        self.x, self.y = rng.randint(4, 56), rng.randint(4, 40)
        self.across, self.down = rng.choice((-2, 2)), rng.choice((-2, 2))
        self.paddle = rng.randint(4, 48)

    def step(self, action: str) -> None:
        """One frame on."""
        self.paddle = min(max(self.paddle + MOVES[action], 2), 50)
        if not 2 <= self.x + self.across <= 59:
            self.across = -self.across
        if not 2 <= self.y + self.down <= 52:
            self.down = -self.down
        self.x, self.y = self.x + self.across, self.y + self.down

    def frame(self) -> np.ndarray:
        """uint8 [SIDE, SIDE, 3]."""
        pixels = np.full((SIDE, SIDE, 3), GROUND, np.uint8)
        pixels[:2], pixels[:, :2], pixels[:, -2:] = WALL, WALL, WALL
        pixels[self.y : self.y + 3, self.x : self.x + 3] = BALL
        pixels[58:61, self.paddle : self.paddle + 12] = PADDLE
        return pixels


def recorded(folder: Path, frames: int, seed: int = 1, episode: int = 60) -> Path:
    """A recording of the world: numbered pictures and actions.csv."""
    folder.mkdir()
    rng = random.Random(seed)
    lines, world, held = [("frame", "action", "episode")], Bouncing(rng), "stay"
    for number in range(frames):
        if number % episode == 0:
            world = Bouncing(rng)
        name = f"{number + 1:05d}.png"
        (folder / name).write_bytes(png_of(world.frame()))
        held = rng.choice(tuple(MOVES)) if rng.random() < 0.4 else held
        lines.append((name, "" if number % episode == episode - 1 else held, str(number // episode)))
        world.step(held)
    with (folder / "actions.csv").open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(lines)
    return folder
