"""What the safety envelope costs a command, and what 100,000 commands that are meant to break it achieve.

    python benchmarks/safety_envelope.py                      microseconds of processor time a command
    python benchmarks/safety_envelope.py --commands 100000    and hypothesis's attacks on it; minutes

The robot goes round in a room with 100 zones, close to them all the time, so that most commands need a look along the path.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from firmware_bridge.robot.config import parse
from firmware_bridge.robot.envelope import Envelope, Why
from firmware_bridge.robot.zones import Ground

ROOM = 20.0
RUNS = 3


def cost(commands: int, seed: int = 7) -> tuple[np.ndarray, float]:
    """Microseconds of each command (ask, pose and step), and the part of them that a zone changed."""
    rng = np.random.default_rng(seed)
    angles = rng.uniform(0, 2, (100, 1)) + np.arange(5) * (2 * math.pi / 5)
    corners = rng.uniform(1, ROOM - 1, (100, 1, 2)) + 0.3 * np.stack([np.cos(angles), np.sin(angles)], axis=2)
    robot = parse(
        {
            "body": {"radius": 0.18, "track": 0.3, "wheel_speed": 0.9, "counts_per_metre": 2000},
            "proximity": {},
            "tilt": {},
            "fence": [[0, 0], [ROOM, 0], [ROOM, ROOM], [0, ROOM]],
            "zones": [{"name": f"zone {at}", "corners": each.tolist()} for at, each in enumerate(corners)],
        }
    )
    ground = Ground(robot)
    envelope = Envelope(robot, ground)
    now, x, y, heading = 0.0, 0.0, 0.0, 0.0
    while ground.clearance(x, y) < 0.3:
        x, y = rng.uniform(0, ROOM, 2)
    taken, changed = np.empty(commands), 0
    far = [9.0] * 360
    orders = np.column_stack([rng.uniform(0, 0.5, commands), rng.uniform(-1.5, 1.5, commands)]).tolist()
    for at in range(commands):
        now += 0.02
        envelope.scan(now, -math.pi, math.pi / 180, far)  # comes with its own clock, and isn't part of a command
        v, w = orders[at - at % 50]
        begun = time.thread_time_ns()
        envelope.pose(now, x, y, heading, 0.02, 0.02)
        envelope.tilt(now, 0.0, 0.0)
        envelope.moving(envelope.v)
        envelope.ask(now, v, w)
        v, w, why = envelope.step(now)
        taken[at] = (time.thread_time_ns() - begun) / 1000
        changed += bool(why & (Why.ZONE | Why.LEAVING))
        heading += w * 0.02
        x, y = x + v * 0.02 * math.cos(heading), y + v * 0.02 * math.sin(heading)
    return taken, changed / commands


def attack(commands: int) -> None:
    """Has hypothesis look for a way through; raises AssertionError where there is one."""
    from hypothesis import HealthCheck, given, settings

    from tests.firmware_bridge.robot import test_envelope as test

    examples = math.ceil(commands / test.TURNS)
    settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))(
        given(test.STARTS, test.attacks(), test.BOOLEANS)(test.attack)
    )()
    print(f"{examples * test.TURNS:,} adversarial commands in {examples:,} runs: no violation, none stuck")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=0, help="adversarial commands (default: none)")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    runs = [cost(20_000) for _ in range(RUNS)]
    # The same commands each time, so what differs between runs is the machine's, and the least is the command's own.
    for words, taken in (
        ("in one run", runs[0][0]),
        (f"least of {RUNS} runs", np.min([each for each, _ in runs], axis=0)),
    ):
        p50, p99 = np.percentile(taken, [50, 99])
        print(f"a command, {words}: mean {taken.mean():.1f} us, p50 {p50:.1f}, p99 {p99:.1f}, most {taken.max():.0f}")
    print(f"{runs[0][1]:.0%} of them changed by a zone")
    if args.commands:
        begun = time.process_time()
        attack(args.commands)
        print(f"{time.process_time() - begun:.0f} CPU s")


if __name__ == "__main__":
    main()
