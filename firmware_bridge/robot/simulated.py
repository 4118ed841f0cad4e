"""A `World` for the firmware in simavr: its motors turn wheels there, they turn its encoders; so a robot drives that isn't there."""

from __future__ import annotations

import asyncio
import math
import time

from firmware_bridge.robot.simulator import World
from firmware_bridge.simulator import Simulated

EVERY = 0.02
GRAVITY, GYRO = 8192, 65.5  # raw values of the firmware's MPU-6050: of a g, and of a degree a second
LONGEST = 0.2  # seconds that go by at once: less than the world's deadman, as the firmware's is the one that counts
TURNS = 200  # ms after which the gyro says that it stands, where nothing more is told


class Wheels:
    """The robot in the world; `run` goes on until it is cancelled."""

    def __init__(self, board: Simulated, world: World) -> None:
        self.world, self._board = world, board

    @property
    def pose(self) -> tuple[float, float, float]:
        """Where it really is."""
        return self.world.pose

    @property
    def trail(self) -> list[tuple[float, float]]:
        """Where it was."""
        return self.world.trail

    async def run(self) -> None:
        """Turns the wheels as the motors say, by the machine's clock as simavr does; while this process stands, so do they."""
        told = [0, 0]
        at = time.monotonic()
        while True:
            await asyncio.sleep(EVERY)
            now = time.monotonic()
            passed, at = min(now - at, LONGEST), now
            left, right = await asyncio.to_thread(self._board.motors)
            self.world.drive(left / 1000, right / 1000)
            self.world.step(passed)
            for wheel, name in enumerate(("left", "right")):
                edges = math.trunc(self.world.counts[wheel]) - told[wheel]
                told[wheel] += edges
                if edges:
                    await asyncio.to_thread(self._board.ask, f"turn {name} {edges}")
            rate = round(math.degrees(self.world.speed[1]) * GYRO)
            await asyncio.to_thread(self._board.ask, f"imu 0 0 {GRAVITY} 0 0 0 {rate} {TURNS}")
