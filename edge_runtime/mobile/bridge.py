"""A specialist's orders as the robot's bridge takes them: places to go to, its dock, a stop, and a limit of its speed.

What needs an arm or a detector isn't passed on: the bridge has neither, and a robot that silently does half of what it was told
is worse than one that says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.errors import BadRequest

Json = dict[str, object]
SHARES = {"slow": 0.4, "normal": 1.0, "fast": 1.0}  # of robot.toml's speed, which nobody may go beyond
_CANT = {
    "fetch": "This robot has no arm, so it can't fetch anything; it can go there.",
    "place": "This robot has no arm, so it can't put anything down; it can go there.",
    "follow": "This robot has no detector of people and things, so it can't follow; it can go to a place.",
    "find": "This robot has no detector of people and things, so it can't look for anything; it can go to a place.",
}


def for_bridge(calls: Sequence[Json]) -> tuple[list[Json], float | None]:
    """The bridge's calls, and the share of its most speed that it may have, None: as it is.

    A patrol is one round. The bridge has one speed for all orders, so the slowest counts that was said. Calls of other packs
    are left to the bridge, as they are. Raises `BadRequest` in one sentence for what it can't do; then nothing is to be done.
    """
    made: list[Json] = []
    shares: list[float] = []
    for call in calls:
        name, arguments = str(call.get("name")), call.get("arguments")
        if name in _CANT:
            raise BadRequest(_CANT[name])
        speed = arguments.get("speed") if isinstance(arguments, dict) else None
        if isinstance(arguments, dict) and speed is not None:
            if speed not in SHARES:
                raise BadRequest(f"A speed is {', '.join(SHARES)}, not {str(speed)[:40]!r}.")
            shares.append(SHARES[str(speed)])
            call = {**call, "arguments": {key: value for key, value in arguments.items() if key != "speed"}}
        targets = call.get("targets")
        if name == "patrol":
            places = targets if isinstance(targets, list) else []
            made += [{"name": "go_to", "arguments": {}, "targets": [place]} for place in places]
        elif name != "set_speed":
            made.append(call)
    return made, min(shares, default=None)
