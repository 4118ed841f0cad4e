"""Ways for several robots on one grid of cells, such that no two ever own a cell at one time; and who goes first where.

A robot that goes from one cell to the next owns both. Cells are as wide as two robots, so those who own different ones don't
touch: two edges of a grid without a common corner are a cell apart. Ways are found one robot after the other, each round those
before (Silver: Cooperative Pathfinding, 2005). Only the order in which robots pass a cell is kept of the times, so it doesn't
matter how late any of them is (Hoenig et al.: Persistent and Robust Execution of MAPF Schedules, 2019).
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

Cell = tuple[int, int]
LONGEST = 400  # steps of a way
LEAVES = 3  # steps that a robot without a way yet is given to leave
PROMOTED = 20  # times that a robot without a way goes first instead, until one stays where it is
_STEPS = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))


@dataclass(frozen=True)
class Floor:
    """The cells that robots may be in: (column, row). size: metres of a cell; west, south: the corner of cell (0, 0).
    walls: neighbours between which there is no way."""

    cells: frozenset[Cell]
    size: float
    west: float = 0.0
    south: float = 0.0
    walls: frozenset[tuple[Cell, Cell]] = frozenset()

    def middle(self, cell: Cell) -> tuple[float, float]:
        """Metres."""
        return self.west + (cell[0] + 0.5) * self.size, self.south + (cell[1] + 0.5) * self.size

    def cell(self, x: float, y: float) -> Cell:
        """The cell of a point, which needn't be one of the floor's."""
        return int((x - self.west) // self.size), int((y - self.south) // self.size)

    def ways(self, goal: Cell, without: Collection[Cell] = ()) -> dict[Cell, int]:
        """Steps to `goal` from every cell that leads there."""
        steps, edge = {goal: 0}, [goal]
        while edge:
            ahead = []
            for x, y in edge:
                for dx, dy in _STEPS[1:]:
                    there = (x + dx, y + dy)
                    closed = there in without or ((x, y), there) in self.walls
                    if there in self.cells and there not in steps and not closed:
                        steps[there] = steps[x, y] + 1
                        ahead.append(there)
            edge = ahead
        return steps


class Table:
    """Which cell is owned when: interval t is from step t to step t + 1."""

    def __init__(self) -> None:
        self._owned: dict[Cell, set[int]] = {}
        self._from: dict[Cell, int] = {}  # cells where somebody stays for good

    def take(self, way: Sequence[Cell], held: int = 0) -> None:
        """Reserves a way, and its last cell for good. held: its first so many cells belong to it from the beginning."""
        for at, cell in enumerate(way):
            begins = 0 if at < held else max(0, at - 1)
            self._owned.setdefault(cell, set()).update(range(begins, at + 1))
        last = max(0, len(way) - 2)
        self._from[way[-1]] = min(self._from.get(way[-1], last), last)

    def free(self, cell: Cell, interval: int) -> bool:
        """Whether nobody owns it then."""
        return interval not in self._owned.get(cell, ()) and interval < self._from.get(cell, 1 << 30)

    def free_for_good(self, cell: Cell, interval: int) -> bool:
        """Whether nobody owns it from then on."""
        return cell not in self._from and all(at < interval for at in self._owned.get(cell, ()))


def way_to(
    floor: Floor, table: Table, prefix: Sequence[Cell], goal: Cell, blocked: Collection[Cell]
) -> list[Cell] | None:
    """The quickest way that begins with `prefix` and ends at `goal`, where it can stay; None: there is none now."""
    steps = floor.ways(goal, blocked)
    begin, at = prefix[-1], len(prefix) - 1
    if begin not in steps:
        return None
    queue = [(at + steps[begin], at, begin)]
    came: dict[tuple[Cell, int], Cell] = {}
    seen = {(begin, at)}
    while queue:
        _, time, cell = heapq.heappop(queue)
        if cell == goal and table.free_for_good(cell, time):
            made = [cell]
            while time > at:
                cell = came[cell, time]
                time -= 1
                made.append(cell)
            return [*prefix[:-1], *reversed(made)]
        if time >= LONGEST:
            continue
        for dx, dy in _STEPS:
            there = (cell[0] + dx, cell[1] + dy)
            if there not in steps or (there, time + 1) in seen or (cell, there) in floor.walls:
                continue
            if table.free(cell, time) and table.free(there, time):
                seen.add((there, time + 1))
                came[there, time + 1] = cell
                heapq.heappush(queue, (time + 1 + steps[there], time + 1, there))
    return None


def schedule(
    floor: Floor, prefixes: Mapping[str, Sequence[Cell]], goals: Mapping[str, Cell], blocked: Collection[Cell] = ()
) -> tuple[dict[str, list[Cell]], set[str]]:
    """A way for each robot, and those who got none and stay. prefixes: the cells that each owns now, in the order in which it
    goes through them; no cell may be in two. goals: in the order of their priority. blocked: cells nobody may enter.
    """
    stay, waiting, promoted = set(prefixes) - set(goals), list(goals), 0
    while True:
        table, ways = Table(), dict[str, list[Cell]]()
        for robot in sorted(stay):
            ways[robot] = list(prefixes[robot])
            table.take(ways[robot], len(ways[robot]))
        failed = None
        for robot in waiting:
            if robot in stay:
                continue
            others = _begins(prefixes, ways, robot)
            found = way_to(floor, _with(table, others), prefixes[robot], goals[robot], blocked)
            if found is None:
                failed = robot
                break
            ways[robot] = found
            table.take(found, len(prefixes[robot]))
        if failed is None:
            return ways, stay & set(goals)
        promoted += 1
        if promoted > PROMOTED or waiting[0] == failed:
            stay.add(failed)
        waiting.remove(failed)
        waiting.insert(0, failed)  # those before left it no way


def _begins(
    prefixes: Mapping[str, Sequence[Cell]], ways: Mapping[str, Sequence[Cell]], robot: str
) -> list[Sequence[Cell]]:
    """What belongs to robots that have no way yet: it is theirs for a while at least."""
    return [prefix for other, prefix in prefixes.items() if other != robot and other not in ways]


def _with(table: Table, prefixes: Iterable[Sequence[Cell]]) -> Table:
    made = Table()
    made._owned = {cell: set(times) for cell, times in table._owned.items()}
    made._from = dict(table._from)
    for prefix in prefixes:
        for cell in prefix:
            made._owned.setdefault(cell, set()).update(range(len(prefix) + LEAVES))
    return made


def order(ways: Mapping[str, Sequence[Cell]], held: Mapping[str, int]) -> dict[Cell, list[tuple[str, int, int]]]:
    """Who passes each cell, the first one first: (robot, first index, last index) of its way while it is there."""
    visits: dict[Cell, list[tuple[int, str, int, int]]] = {}
    for robot, way in ways.items():
        first = 0
        for at in range(1, len(way) + 1):
            if at == len(way) or way[at] != way[first]:
                time = 0 if first < held.get(robot, 1) else first
                visits.setdefault(way[first], []).append((time, robot, first, at - 1))
                first = at
    return {cell: [(robot, a, b) for _, robot, a, b in sorted(each)] for cell, each in visits.items()}
