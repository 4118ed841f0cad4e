"""Finds places for the things of a plan: a search over zones of the canvas, exact about all that the plan says.

The same plan gives the same scene on any machine: nothing here is random, and the search is bounded in steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edge_runtime.media.colours import rgb
from edge_runtime.media.forms import Box, form, formed, is_clear, sides
from edge_runtime.media.picture_plan import SIZES, Group, Plan
from edge_runtime.media.scene import MAX_SHAPES, Scene, Shape

_SIZES = {"square": (320, 320), "wide": (400, 250), "tall": (250, 400)}
_WHOLE: Box = (0.03, 0.03, 0.97, 0.97)
_WORDS_BELOW = 0.8  # of the canvas' height is left to the things where there are words
_SMALL, _LARGE = 0.035, 0.122  # of the canvas; asked are at most 0.04 and at least 0.12, counted in pixels
_BIGGER = 1.43  # times the area; asked are 1.4
_LOW, _HIGH = 0.393, 0.607  # centres left of and right of these; asked are 0.4 and 0.6
_GAP = 0.012  # of the canvas, between things
_FILLS = (0.74, 0.56, 0.42, 0.88, 0.3)  # shares of a cell that a shape takes, the best looking first
_STEPS = 6000  # pairs of things that are compared in each catalogue: about 20 ms
# Groups and shapes for which places are looked for anywhere; more have their cells, so that a search ends soon.
_FREE, _FREE_SHAPES = 5, 20
# What lies in a shape is drawn in this part of its box: x0, y0, x1, y1 in shares of it.
_HOLD: dict[str, Box] = {
    "circle": (0.2, 0.2, 0.8, 0.8),
    "oval": (0.2, 0.2, 0.8, 0.8),
    "square": (0.1, 0.1, 0.9, 0.9),
    "rectangle": (0.1, 0.1, 0.9, 0.9),
    "hexagon": (0.24, 0.2, 0.76, 0.8),
    "pentagon": (0.25, 0.28, 0.75, 0.8),
    "triangle": (0.32, 0.5, 0.68, 0.94),
    "star": (0.36, 0.36, 0.64, 0.64),
}


@dataclass(frozen=True)
class _Spot:
    """A group, placed. boxes, centres: of each shape, in shares of the canvas.

    area: of one, a share of the canvas, at least and at most: the pixels of an edge count or don't.
    """

    shapes: tuple[Shape, ...]
    boxes: tuple[Box, ...]
    centres: tuple[tuple[float, float], ...]
    area: tuple[float, float]
    hull: Box


def lay_out(plan: Plan) -> tuple[Scene, bool]:
    """The scene, and whether it shows all that the plan says; where that can't be, it keeps what it can."""
    background = plan.background or ground_for([group.colour for group in plan.groups])
    seen = all(rgb(group.colour) != rgb(background) for number, group in enumerate(plan.groups) if not _within(plan, number))  # fmt: skip
    plain = replace(plan, groups=tuple(replace(group, traits=()) for group in plan.groups), relations=())
    for at, wanted in enumerate((plan, replace(plan, relations=()), plain)):
        for canvas in (plan.canvas or "square",) if plan.canvas or at else ("square", "wide", "tall"):
            width, height = _SIZES[canvas]
            blank = Scene(width, height, background, ())
            spots = _search(wanted, blank)
            if spots is not None:
                shapes = (*itertools.chain.from_iterable(spot.shapes for spot in spots), *_lettering(plan, blank))
                return replace(blank, shapes=shapes[:MAX_SHAPES]), at == 0 and seen and len(shapes) <= MAX_SHAPES
    raise AssertionError("a grid has a cell for every group")


def _search(plan: Plan, blank: Scene) -> list[_Spot] | None:
    """A spot for each group, by the plan's order; None where no catalogue of zones has one for all."""
    if not plan.groups:
        return []
    order = _order(plan)
    if order is None:
        return None
    roots = sum(not _within(plan, number) for number in order)
    free = len(plan.groups) <= _FREE and sum(group.count for group in plan.groups) <= _FREE_SHAPES
    for zones in _catalogues(roots, _WORDS_BELOW if plan.words else 1.0, free):
        choices = [
            [] if _within(plan, number) else _spots(blank, plan.groups[number], zones, _depth(plan, number))
            for number in range(len(plan.groups))
        ]
        placed: dict[int, _Spot] = {}
        if _place(plan, blank, order, choices, placed, [_STEPS]):
            return [placed[number] for number in range(len(plan.groups))]
    return None


def _place(
    plan: Plan,
    blank: Scene,
    order: Sequence[int],
    choices: Sequence[Sequence[_Spot]],
    placed: dict[int, _Spot],
    steps: list[int],
) -> bool:
    """Backtracking: the first spot that goes with what is placed. steps: [how many comparisons are left]."""
    if len(placed) == len(order):
        return _sized(plan, placed)
    number = order[len(placed)]
    group = plan.groups[number]
    holders = _within(plan, number)
    spots: Sequence[_Spot] = choices[number]
    if holders:
        beside = sum(holders[0] in _within(plan, other) for other in range(len(plan.groups)))
        spots = _inner(blank, group, plan.groups[holders[0]], placed[holders[0]], beside, _depth(plan, number))
    for spot in spots:
        fits = True
        for other, there in placed.items():
            steps[0] -= 1
            if not _together(plan, number, spot, other, there):
                fits = False
                break
        if steps[0] <= 0:
            return False
        if fits:
            placed[number] = spot
            if _place(plan, blank, order, choices, placed, steps):
                return True
            del placed[number]
    return False


def _order(plan: Plan) -> list[int] | None:
    """What holds others comes before them; None where things lie in themselves."""
    made: list[int] = []
    while len(made) < len(plan.groups):
        ready = [n for n in range(len(plan.groups)) if n not in made and all(h in made for h in _within(plan, n))]
        if not ready:
            return None
        made.append(ready[0])
    return made


def _within(plan: Plan, number: int) -> list[int]:
    """The groups that a group lies in."""
    return [other for one, how, other in plan.relations if one == number and how == "inside"]


def _depth(plan: Plan, number: int) -> int:
    """How many shapes lie below a group's, one on the other."""
    seen: set[int] = set()
    while (holders := _within(plan, number)) and number not in seen:
        seen.add(number)
        number = holders[0]
    return len(seen)


def _catalogues(groups: int, bottom: float, free: bool) -> Iterator[list[Box]]:
    """Lists of zones, the plainest first: side by side, one above the other, in a grid, anywhere."""
    side = 1
    while side * side < groups:
        side += 1
    made = [_grid(groups, 1), _grid(1, groups), _grid(side, side), _grid(3, 3)]
    if free:
        made.append([*_grid(1, 1), *_blocks(2), *_blocks(3), *_around()])
        made.append([*_blocks(4), *_blocks(5), *_around()])
    for zones in made:
        yield [(x0, y0 * bottom, x1, y1 * bottom) for x0, y0, x1, y1 in zones]


def _grid(columns: int, rows: int) -> list[Box]:
    return [
        (_edge(column, columns, True), _edge(row, rows, True), _edge(column + 1, columns), _edge(row + 1, rows))
        for row in range(rows)
        for column in range(columns)
    ]


def _blocks(side: int) -> list[Box]:
    """All rectangles of a grid's cells."""
    spans = [(low, high) for low in range(side) for high in range(low + 1, side + 1)]
    return [
        (_edge(a, side, True), _edge(c, side, True), _edge(b, side), _edge(d, side)) for a, b in spans for c, d in spans
    ]


def _edge(at: int, of: int, low: bool = False) -> float:
    """Where a cell begins or ends: apart from its neighbours and from the canvas's edge."""
    return at / of + (0.025 if low else -0.025) / max(1.0, of / 3)


def _around() -> list[Box]:
    """Zones around the middles of places: what has its centre there may reach over their edge."""
    spans = [(0.03, 0.38), (0.3, 0.7), (0.36, 0.64), (0.2, 0.8), (0.1, 0.9), (0.62, 0.97)]
    return [(a, c, b, d) for a, b in spans for c, d in spans]


def _spots(blank: Scene, group: Group, zones: Sequence[Box], layer: int) -> list[_Spot]:
    """The spots for a group that hold to its own traits, the best filled ones first, zones in their order."""
    made = []
    for rank, fill in enumerate(_FILLS):
        for at, zone in enumerate(zones):
            spot = _fill(blank, group, zone, fill, layer)
            if spot is not None and _holds_to(group, spot):
                made.append((rank + at / len(zones), spot))
    return [spot for _, spot in sorted(made, key=lambda pair: pair[0])]


def _inner(blank: Scene, group: Group, holder: Group, spot: _Spot, beside: int, layer: int) -> list[_Spot]:
    """The spots for one of `beside` groups that lie in another; there are none in several shapes at once."""
    if len(spot.boxes) != 1 or holder.kind not in _HOLD or holder.colour == group.colour:
        return []
    x0, y0, x1, y1 = spot.boxes[0]
    a, b, c, d = _HOLD[holder.kind]
    room = (x0 + a * (x1 - x0), y0 + b * (y1 - y0), x0 + c * (x1 - x0), y0 + d * (y1 - y0))
    cells = [*_cells_of(room, beside, 1), *_cells_of(room, 1, beside)] if beside > 1 else [room]
    spots = (_fill(blank, group, zone, fill, layer) for fill in (0.74, 0.56, 0.42, 0.9) for zone in cells)
    return [
        found for found in spots if found is not None and _holds_to(group, found) and found.area[1] < 0.4 * spot.area[0]
    ]


def _cells_of(room: Box, columns: int, rows: int) -> list[Box]:
    """A zone in columns and rows."""
    x0, y0, x1, y1 = room
    wide, high = (x1 - x0) / columns, (y1 - y0) / rows
    return [
        (x0 + wide * column, y0 + high * row, x0 + wide * (column + 1), y0 + high * (row + 1))
        for row in range(rows)
        for column in range(columns)
    ]


def _fill(blank: Scene, group: Group, zone: Box, fill: float, layer: int) -> _Spot | None:
    """The group's shapes in cells of a zone, each in the middle of its own; None where they'd be too small or large."""
    x0, y0, x1, y1 = zone
    wide, high = (x1 - x0) * blank.width, (y1 - y0) * blank.height
    columns, rows = _cells(group, wide, high)
    cell_x, cell_y = wide / columns, high / rows
    width, height = sides(group.kind, cell_x * fill, cell_y * fill)
    unit = form(group.kind)
    whole = blank.width * blank.height
    most = unit.area * (width + 1) * (height + 1) / whole
    if "small" in group.traits and most > _SMALL:
        width, height = (side * (_SMALL / most) ** 0.5 for side in (width, height))
        most = _SMALL
    least = unit.area * width * height / whole
    if "large" in group.traits and least < _LARGE:
        return None
    if not is_clear(group.kind, width, height):
        return None
    shapes, boxes, centres = [], [], []
    for number in range(group.count):
        # The last row stands in the middle of the zone where it is shorter.
        in_row = min(columns, group.count - number // columns * columns)
        across = zone[0] * blank.width + (number % columns + 0.5 + (columns - in_row) / 2) * cell_x
        down = zone[1] * blank.height + (number // columns + 0.5) * cell_y
        x, y = round(across / blank.width, 4), round(down / blank.height, 4)
        shapes.append(formed(group.kind, group.colour, (x, y), (width, height), blank.unit, layer))
        scale_x, scale_y = width / blank.width, height / blank.height
        a, b, c, d = unit.box
        boxes.append((x + a * scale_x, y + b * scale_y, x + c * scale_x, y + d * scale_y))
        centres.append((x + unit.centre[0] * scale_x, y + unit.centre[1] * scale_y))
    hull = (boxes[0][0], boxes[0][1], max(box[2] for box in boxes), max(box[3] for box in boxes))
    hull = (min(box[0] for box in boxes), hull[1], hull[2], hull[3])
    return _Spot(tuple(shapes), tuple(boxes), tuple(centres), (least, most), hull)


def _cells(group: Group, wide: float, high: float) -> tuple[int, int]:
    """Columns and rows for so many shapes: as asked, else those that leave each the most room."""
    count = group.count
    if "row" in group.traits:
        return count, 1
    if "column" in group.traits:
        return 1, count
    # Of equals the fewest columns.
    return max(
        ((columns, -(-count // columns)) for columns in range(1, count + 1)),
        key=lambda cells: (round(min(wide / cells[0], high / cells[1]), 3), -cells[0]),
    )


def _holds_to(group: Group, spot: _Spot) -> bool:
    """Whether a spot has the places that are asked, and its shapes are apart."""
    for trait in group.traits:
        if trait in ("row", "column"):
            along = sorted(centre[trait == "column"] for centre in spot.centres)
            if group.count < 2 or min(b - a for a, b in itertools.pairwise(along)) < 0.045:
                return False
        elif trait not in SIZES and not all(_is_at(x, y, trait) for x, y in spot.centres):
            return False
    x0, y0, x1, y1 = spot.hull
    return x0 > 0.005 and y0 > 0.005 and x1 < 0.995 and y1 < 0.995


def _is_at(x: float, y: float, place: str) -> bool:
    wants = {"left": x < _LOW, "right": x > _HIGH, "top": y < _LOW, "bottom": y > _HIGH}
    if place == "middle":
        return 0.407 <= x <= 0.593 and 0.407 <= y <= 0.593
    return all(wants[word] for word in place.split())


def _together(plan: Plan, number: int, spot: _Spot, other: int, there: _Spot) -> bool:
    """Whether two groups can stand so: apart, and related as the plan says."""
    nested = other in _holders(plan, number) or number in _holders(plan, other)
    mixed = not nested and not _apart(spot.hull, there.hull)
    if mixed and any(not _apart(one, two) for one in spot.boxes for two in there.boxes):
        return False
    for one, how, two in plan.relations:
        if (one, two) == (number, other) and not _stands(spot, how, there):
            return False
        if (one, two) == (other, number) and not _stands(there, how, spot):
            return False
    return True


def _sized(plan: Plan, placed: dict[int, _Spot]) -> bool:
    """Whether the sizes hold for what is seen of each group, where others lie on it."""

    def seen(number: int) -> tuple[float, float]:
        least, most = placed[number].area
        over = [other for other in placed if number in _holders(plan, other)]
        for other in over:
            least -= placed[other].area[1] * plan.groups[other].count
            most -= placed[other].area[0] * plan.groups[other].count
        return least, most

    areas = [seen(number) for number in range(len(plan.groups))]
    large = all(areas[n][0] >= _LARGE for n, group in enumerate(plan.groups) if "large" in group.traits)
    return large and all(
        areas[one][0] >= _BIGGER * areas[other][1] for one, how, other in plan.relations if how == "bigger than"
    )


def _holders(plan: Plan, number: int) -> set[int]:
    """All groups below a group, however deep."""
    found: set[int] = set()
    waiting = _within(plan, number)
    while waiting:
        holder = waiting.pop()
        if holder not in found:
            found.add(holder)
            waiting += _within(plan, holder)
    return found


def _apart(one: Box, other: Box) -> bool:
    return (
        one[2] + _GAP <= other[0] or other[2] + _GAP <= one[0] or one[3] + _GAP <= other[1] or other[3] + _GAP <= one[1]
    )


def _stands(one: _Spot, how: str, other: _Spot) -> bool:
    match how:
        case "left of":
            return one.hull[2] <= other.hull[0] and max(x for x, _ in one.centres) < min(x for x, _ in other.centres)
        case "above":
            return one.hull[3] <= other.hull[1] and max(y for _, y in one.centres) < min(y for _, y in other.centres)
        case "right of":
            return _stands(other, "left of", one)
        case "below":
            return _stands(other, "above", one)
        case "bigger than":
            return one.area[0] >= _BIGGER * other.area[0]  # `_sized` is exact about what lies on others
        case _:
            return True  # inside: its spots are made in the other's


def ground_for(colours: Sequence[str]) -> str:
    """A background that everything is seen on."""
    return next((name for name in ("white", "black", "grey", "cyan", "yellow") if name not in colours), "white")


def _lettering(plan: Plan, blank: Scene) -> list[Shape]:
    """The words below the things, one line each; in the middle where there are no things."""
    if not plan.words:
        return []
    red, green, blue = rgb(blank.background)
    colour = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else "white"  # luma, ITU-R BT.601
    top = _WORDS_BELOW if plan.groups else 0.3
    line = (1 - top - 0.04 if plan.groups else 0.4) / len(plan.words)
    height = 0.8 * line * blank.height / blank.unit
    return [
        Shape("text", 0.5, round(top + (number + 0.5) * line + 0.01, 4), round(0.86 * blank.width / blank.unit, 4),
              round(height, 4), colour, layer=20, text=text)
        for number, text in enumerate(plan.words)
    ]  # fmt: skip
