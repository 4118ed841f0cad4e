"""Wheels for the board in simavr: its motors turn them, they turn its encoders; so a robot drives that isn't there."""

from __future__ import annotations

import asyncio
import math
import time

from firmware_bridge.robot.config import Body
from firmware_bridge.simulator import Simulated

EVERY = 0.02
GRAVITY, GYRO = 8192, 65.5  # raw values of the firmware's MPU-6050: of a g, and of a degree a second
LAG = 0.08  # seconds in which motors get most of the speed that they are told


class Wheels:
    """Where the robot really is; `run` goes on until it is cancelled."""

    def __init__(self, board: Simulated, body: Body, x: float, y: float, heading: float) -> None:
        self.pose = (x, y, heading)
        self.trail = [(x, y)]
        self._board, self._body = board, body

    async def run(self) -> None:
        """Turns the wheels as the motors say, by the machine's clock as simavr does."""
        speeds, rest = [0.0, 0.0], [0.0, 0.0]
        at = time.monotonic()
        while True:
            await asyncio.sleep(EVERY)
            now = time.monotonic()
            dt, at = now - at, now
            duties = await asyncio.to_thread(self._board.motors)
            for wheel, name in enumerate(("left", "right")):
                wanted = duties[wheel] / 1000 * self._body.wheel_speed
                speeds[wheel] += (wanted - speeds[wheel]) * (1 - math.exp(-dt / LAG))
                rest[wheel] += speeds[wheel] * dt * self._body.counts_per_metre
                edges = math.trunc(rest[wheel])
                rest[wheel] -= edges
                if edges:
                    await asyncio.to_thread(self._board.ask, f"turn {name} {edges}")
            v, w = sum(speeds) / 2, (speeds[1] - speeds[0]) / self._body.track
            await asyncio.to_thread(self._board.ask, f"imu 0 0 {GRAVITY} 0 0 0 {round(math.degrees(w) * GYRO)}")
            x, y, heading = self.pose
            middle = heading + w * dt / 2
            self.pose = (x + v * dt * math.cos(middle), y + v * dt * math.sin(middle), heading + w * dt)
            self.trail.append(self.pose[:2])
