"""Says what orders would come to, without a robot: the same checks and the same planner, in a room that isn't there.

A line of JSON is asked for each list of orders, {"at": [x, y] or a place, "calls": [...]}, and one is answered:
{"accepted": true, "ends": [[x, y], ...], "metres": m} with where each order ends, or {"accepted": false, "reason"}.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from firmware_bridge.robot import config
from firmware_bridge.robot import room as rooms
from firmware_bridge.robot.config import FAR, Place, Robot, RobotError
from firmware_bridge.robot.orders import Orders
from firmware_bridge.robot.plan import Point, length
from firmware_bridge.robot.zones import Ground

LINE = 64 * 1024  # characters
REMEMBERED = 4096  # ways


class Rehearsal(Orders):
    """Orders that are taken and not carried out. A way is planned once, as nothing moves meanwhile."""

    def __init__(self, robot: Robot, ground: Ground) -> None:
        super().__init__(robot, ground)
        self._ways: dict[tuple[Point, Point], list[Point] | str] = {}

    async def way(self, start: Point, place: Place, seen: object = None) -> list[Point]:
        """See `Orders`."""
        key = (start, (place.x, place.y))
        if key not in self._ways:
            if len(self._ways) >= REMEMBERED:
                self._ways.clear()
            try:
                self._ways[key] = await super().way(start, place)
            except RobotError as error:
                self._ways[key] = str(error)
        known = self._ways[key]
        if isinstance(known, str):
            raise RobotError(known)
        return known

    async def ask(self, asked: object) -> dict[str, object]:
        """The answer to one list of orders."""
        try:
            if not isinstance(asked, dict) or not isinstance(asked.get("calls"), list):
                raise RobotError('Send {"at": [x, y] or a place, "calls": [...]}.')
            if not all(isinstance(call, dict) for call in asked["calls"]):
                raise RobotError("A call must be an object.")
            await self.take(asked["calls"], (*self._start(asked.get("at")), 0.0))
            orders = list(self.queue)
        except RobotError as error:
            return {"accepted": False, "reason": str(error)}
        finally:
            self.queue.clear()
        metres = sum(length(order.points) for order in orders)
        return {
            "accepted": True,
            "ends": [[order.place.x, order.place.y] for order in orders],
            "metres": round(metres, 3),
        }

    def _start(self, at: object) -> Point:
        if isinstance(at, str):
            place = self.robot.place(at)
            return place.x, place.y
        if isinstance(at, list) and len(at) == 2 and all(isinstance(v, int | float) and abs(v) <= FAR for v in at):
            return float(at[0]), float(at[1])
        raise RobotError("at must be a place's name, or x and y in metres.")


def in_room(name: str, robot: Path | None = None) -> Rehearsal:
    """A rehearsal in a room that comes with the bridge, or in a folder with walls.toml. Raises RobotError."""
    folder = rooms.ROOMS / name if name in rooms.names() else Path(name)
    toml = robot or folder / "robot.toml"
    room = rooms.load(name, toml)
    declared = config.load(toml)
    if not declared.fence:
        raise RobotError("Going somewhere needs a fence in robot.toml.")
    made = Rehearsal(declared, Ground(declared))
    made.walls(room.map(declared.body.radius).walls())
    return made


def answers(rehearsal: Rehearsal, lines: Iterable[str]) -> Iterator[str]:
    """A line for each line."""
    with asyncio.Runner() as runner:
        for line in lines:
            try:
                asked = json.loads(line) if len(line) <= LINE else None
            except (ValueError, RecursionError):
                asked = None
            yield json.dumps(runner.run(rehearsal.ask(asked)))
