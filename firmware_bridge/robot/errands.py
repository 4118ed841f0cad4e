"""What a call comes to: the parts that are carried out one after the other, each checked and planned from where the last one ends.

A thing is looked for where it was seen last, else where the inventory has it, else in all places. Without a detector it can only
be gone to, and fetched where the robot itself put it down.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from firmware_bridge.robot.config import FAR, Place, RobotError
from firmware_bridge.robot.things import TOLD

if TYPE_CHECKING:
    from firmware_bridge.robot.orders import Order, Orders
    from firmware_bridge.robot.things import Thing

NO_GRIPPER = "This robot has no gripper, so it can't fetch anything or put it down; it can go there."
NAMES = ("go_to", "dock", "move", "turn", "find", "fetch", "place", "follow", "undock", "stop")


async def parts(
    orders: Orders, call: dict[str, object], last: Place, holds: Thing | None, now: float
) -> tuple[list[Order], Thing | None]:
    """The parts of a call, and what the gripper holds then. last: where the robot is before. Raises RobotError."""
    from firmware_bridge.robot.orders import Order

    name, arguments = call.get("name"), call.get("arguments") or {}
    if not isinstance(arguments, dict):
        raise RobotError("arguments must be an object.")
    if name not in ("find", "fetch", "place", "follow"):
        place = _place(orders, call, arguments, last)
        return [Order(place, await orders.way((last.x, last.y), place))], holds
    targets = call.get("targets") or []
    if not isinstance(targets, list) or len(targets) > 1 or (not targets and name != "follow"):
        raise RobotError(f'{name} needs one thing: {{"name": "{name}", "targets": ["cup"]}}.')
    thing = orders.things.thing(targets[0]) if targets else None
    made: list[Order]
    if name == "follow":
        made = []
        if thing is not None and orders.things.detects(now):
            told = orders.things.where(thing)
            if told is None or now - told.at > TOLD:
                made = await _find(orders, thing, None, last, now)
        return [*made, Order(made[-1].place if made else last, does="follow", thing=thing)], holds
    assert thing is not None
    if name == "find":
        return await _find(orders, thing, arguments.get("in"), last, now), holds
    if orders.gripper is None:
        raise RobotError(NO_GRIPPER)
    if thing.person:
        raise RobotError(f"{thing.name} is a person, whom no robot carries.")
    made = []
    if holds != thing:
        if holds is not None:
            raise RobotError(f"The gripper holds {holds.name!r}: say first where to put it.")
        made = await _find(orders, thing, arguments.get("from"), last, now, take=True)
        made.append(Order(made[-1].place, does="take", thing=thing))
    at = made[-1].place if made else last
    to = arguments.get("to")
    goal = orders.robot.place(str(to)) if to else last
    if made or math.dist((at.x, at.y), (goal.x, goal.y)) > 1e-6:
        made.append(Order(goal, await orders.way((at.x, at.y), goal)))
    made.append(Order(goal, does="put", thing=thing))
    return made, None


async def _find(
    orders: Orders, thing: Thing, where: object, last: Place, now: float, take: bool = False
) -> list[Order]:
    """To where a thing is or may be, and looking for it there."""
    from firmware_bridge.robot.orders import Order

    start = (last.x, last.y)
    known = orders.things.where(thing) if not where else None
    detects = orders.things.detects(now)
    areas = [orders.robot.place(area) for area in orders.things.areas if _stands(orders, area)]
    home = orders.robot.place(thing.area) if thing.area else None
    if known is not None:
        there = await orders.near(start, thing, known)
        if not detects and take:
            return [there]
        first, rest = there, [home, *areas] if home is not None else areas
    elif not detects and take:
        raise RobotError(f"This robot has no detector of things, so it can't know where exactly {thing.name!r} lies.")
    elif where or home is not None:
        place = orders.robot.place(str(where)) if where else home
        assert place is not None
        first = Order(place, await orders.way(start, place))
        rest = [] if where else areas
    elif not detects:
        raise RobotError(f"This robot has no detector of things, and nobody knows where {thing.name!r} is.")
    else:
        if not areas:
            raise RobotError(f"There is no place to look for {thing.name!r}: the inventory's areas name none.")
        areas = sorted(areas, key=lambda each: math.dist(start, (each.x, each.y)))
        first, rest = Order(areas[0], await orders.way(start, areas[0])), areas[1:]
    if not detects:
        first.why = "It should be here; this robot has no detector that looks."
        return [first]
    others = tuple({each.name: each for each in rest if each.name != first.place.name}.values())
    look = Order(first.place, does="look", thing=thing, rest=others)
    return [first, look, *([Order(first.place, does="near", thing=thing)] if take or known is None else [])]


def _stands(orders: Orders, area: str) -> bool:
    wanted = area.lower().replace("_", " ")
    return any(place.name.lower() == wanted for place in orders.robot.places)


def _place(orders: Orders, call: dict[str, object], arguments: dict[str, object], last: Place) -> Place:
    """Where a call leads to from where the one before ended."""
    name = call.get("name")
    if name == "go_to" and {"x", "y"} <= arguments.keys():
        x, y = _within(arguments["x"], FAR, "go_to: x"), _within(arguments["y"], FAR, "go_to: y")
        heading = math.atan2(y - last.y, x - last.x) if math.dist((x, y), (last.x, last.y)) > 1e-6 else last.heading
        if "degrees" in arguments:
            heading = math.radians(_within(arguments["degrees"], 360.0, "go_to: degrees"))
        return Place(f"{x:.2f}, {y:.2f}", x, y, heading)
    if name == "go_to":
        targets = call.get("targets") or [arguments.get("place")]
        if not isinstance(targets, list) or len(targets) != 1 or not isinstance(targets[0], str):
            raise RobotError('go_to needs one place: {"name": "go_to", "targets": ["kitchen"]}, or x and y in metres.')
        return orders.robot.place(targets[0])
    if name == "dock":
        return orders.robot.place(orders.robot.dock or "dock")
    if name == "move":
        way = _within(arguments.get("metres"), 20.0, "move: metres")
        x, y = last.x + way * math.cos(last.heading), last.y + way * math.sin(last.heading)
        return Place(f"{way:g} m on", x, y, last.heading)
    if name == "turn":
        angle = _within(arguments.get("degrees"), 360.0, "turn: degrees")
        return Place(f"turned by {angle:g} degrees", last.x, last.y, last.heading + math.radians(angle))
    raise RobotError(f"The robot has no action {str(name)[:40]!r}: {', '.join(NAMES[:-1])} and {NAMES[-1]} are.")


def _within(value: object, most: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= most:
        raise RobotError(f"{what} must be a number from {-most:g} to {most:g}.")
    return float(value)
