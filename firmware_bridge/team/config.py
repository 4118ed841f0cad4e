"""team.toml: who is in a team and how its messages are kept from others; and the floor that its robots share."""

from __future__ import annotations

import math
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.robot.config import Robot
from firmware_bridge.robot.zones import Ground
from firmware_bridge.team.ledger import NAME, TeamError
from firmware_bridge.team.schedule import Cell, Floor

MOST_BYTES, MOST_MEMBERS, MOST_CELLS = 1 << 16, 50, 5000
LEAST_KEY, MOST_KEY = 32, 1024  # bytes
_ADDRESS = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})")


@dataclass(frozen=True)
class Team:
    """members: address and port by name. key: what all of them sign by. cell: metres."""

    members: dict[str, tuple[str, int]]
    key: bytes
    cell: float


def load(path: Path) -> Team:
    """Reads team.toml, the same on all robots, and the key beside it. Raises TeamError."""
    try:
        raw = tomllib.loads(path.read_bytes()[:MOST_BYTES].decode("utf-8"))
    except OSError as error:
        raise TeamError(f"{path} can't be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:  # of decode and of tomllib
        raise TeamError(f"{path} isn't TOML: {error}.") from None
    if raw.keys() != {"cell", "key_file", "members"} or not isinstance(raw["members"], list):
        raise TeamError(f"{path} must hold cell, key_file and [[members]], each with a name and an address.")
    cell = raw["cell"]
    if type(cell) not in (int, float) or not 0.1 <= cell <= 10:
        raise TeamError(f"cell in {path} must be metres from 0.1 to 10.")
    members: dict[str, tuple[str, int]] = {}
    for each in raw["members"]:
        if not isinstance(each, dict) or each.keys() != {"name", "address"} or not NAME.fullmatch(str(each["name"])):
            raise TeamError(f"A member in {path} has a name of up to 32 letters and digits, and an address.")
        found = _ADDRESS.fullmatch(str(each["address"]))
        if found is None or not 0 < int(found[2]) < 65536 or each["name"] in members:
            raise TeamError(
                f"The address of {each['name']} in {path} must be as 192.168.1.11:7410, and its name no other's."
            )
        members[each["name"]] = (found[1].strip("[]"), int(found[2]))
    if not 1 <= len(members) <= MOST_MEMBERS:
        raise TeamError(f"A team has 1 to {MOST_MEMBERS} members.")
    return Team(members, _key(path.parent / str(raw["key_file"])), float(cell))


def _key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            key = file.read(MOST_KEY + 1)
    except OSError as error:
        raise TeamError(f"The team's key {path} can't be read: {error.strerror}.") from None
    if status.st_mode & 0o077 or status.st_uid != os.geteuid():
        raise TeamError(f"{path} may be read by others: chmod 600 it, as its owner.")
    if not LEAST_KEY <= len(key) <= MOST_KEY:
        raise TeamError(f"{path} must hold {LEAST_KEY} to {MOST_KEY} bytes: head -c 32 /dev/urandom makes some.")
    return key


def floor_of(robot: Robot, cell: float) -> Floor:
    """The cells of robot.toml's free ground that the robot fits into, also on its way to each neighbour. Raises TeamError."""
    need = robot.body.radius + robot.map.margin
    if cell < 2 * need:
        raise TeamError(f"cell is {cell:g} m; robots of this size need {2 * need:.2f} to pass each other.")
    ground = Ground(robot)
    west, south, east, north = ground.free.bounds
    columns, rows = math.floor((east - west) / cell), math.floor((north - south) / cell)
    if columns * rows > MOST_CELLS:
        raise TeamError(
            f"The ground has {columns * rows:,} cells; up to {MOST_CELLS:,} are planned with: use larger ones."
        )
    whole = Floor(frozenset((x, y) for x in range(columns) for y in range(rows)), cell, west, south)
    cells = frozenset(each for each in whole.cells if ground.clearance(*whole.middle(each)) >= need)
    walls: set[tuple[Cell, Cell]] = set()
    for x, y in cells:
        for there in ((x + 1, y), (x, y + 1)):
            if there in cells and not _passes(ground, whole.middle((x, y)), whole.middle(there), need):
                walls |= {((x, y), there), (there, (x, y))}
    if not cells:
        raise TeamError("No cell of the ground has room for the robot.")
    return Floor(cells, cell, west, south, frozenset(walls))


def _passes(ground: Ground, a: tuple[float, float], b: tuple[float, float], need: float) -> bool:
    looks = max(2, math.ceil(math.dist(a, b) / 0.05))
    between = ((a[0] + (b[0] - a[0]) * part / looks, a[1] + (b[1] - a[1]) * part / looks) for part in range(looks + 1))
    return all(ground.clearance(x, y) >= need for x, y in between)
