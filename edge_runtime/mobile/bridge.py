"""A specialist's orders as the robot's bridge takes them: the same ones, but for rounds and speeds.

The bridge knows whether it has a gripper, a detector and the things that are spoken of, and refuses in a sentence what it can't do.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.errors import BadRequest

Json = dict[str, object]
SHARES = {"slow": 0.4, "normal": 1.0, "fast": 1.0}  # of robot.toml's speed, which nobody may go beyond


def for_bridge(calls: Sequence[Json]) -> tuple[list[Json], float | None]:
    """The bridge's calls, and the share of its most speed that it may have, None: as it is.

    A patrol is one round. The bridge has one speed for all orders, so the slowest counts that was said. Calls of other packs
    are left to the bridge, as they are. Raises `BadRequest` in one sentence for what it can't do; then nothing is to be done.
    """
    made: list[Json] = []
    shares: list[float] = []
    for call in calls:
        name, arguments = str(call.get("name")), call.get("arguments")
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
