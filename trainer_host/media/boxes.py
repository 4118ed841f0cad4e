"""Boxes with labels: reading them, matching two lists of them, F1."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from edge_runtime.media import reading
from edge_runtime.media.reading import OUT_OF_RANGE, WRONG_FORM
from trainer_host.tasks import Json, Rejected

MAX_OBJECTS = 50
MAX_LABEL = 40
SAME = 0.5  # intersection over union from which two boxes mean the same object (Everingham et al. 2010, PASCAL VOC)
TWICE = 0.9  # and from which one answer names it twice
THINNEST = 0.005  # of the picture


@dataclass(frozen=True)
class Box:
    """An object: x0, y0, x1, y1 are shares of the picture's width and height from its top left corner."""

    label: str
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def area(self) -> float:
        return (self.x1 - self.x0) * (self.y1 - self.y0)


def objects_schema(labels: Collection[str]) -> Json:
    """JSON Schema of a list of objects, as strict providers take it; any label where `labels` is empty."""
    label = reading.one_of(*labels) if labels else reading.STRING
    return reading.strict_list(reading.strict_object(label=label, box=reading.strict_list(reading.NUMBER)))


def read_objects(value: object, labels: Collection[str]) -> tuple[Box, ...]:
    """Objects from JSON; raises `Rejected`. labels: those allowed, any where it is empty."""
    found = reading.items(value, "objects", lambda item, where: _object(item, where, labels), MAX_OBJECTS)
    for number, one in enumerate(found):
        for other in found[number + 1 :]:
            if one.label == other.label and overlap(one, other) > TWICE:
                raise Rejected("named twice", f"two boxes of '{one.label}' are the same; name each object once")
    return found


def write_objects(boxes: Sequence[Box]) -> list[Json]:
    """Objects as JSON, from the top left to the bottom right."""
    ordered = sorted(boxes, key=lambda box: (box.label, box.y0, box.x0))
    return [
        {"label": box.label, "box": [round(side, 4) for side in (box.x0, box.y0, box.x1, box.y1)]} for box in ordered
    ]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union, 0 to 1."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one.area + other.area - shared)


def matched(ours: Sequence[Box], theirs: Sequence[Box]) -> list[tuple[int, int]]:
    """Pairs of indices of boxes that mean the same object, the best overlaps first, each box at most once."""
    pairs = [
        (overlap(one, other), i, j)
        for i, one in enumerate(ours)
        for j, other in enumerate(theirs)
        if one.label == other.label and overlap(one, other) >= SAME
    ]
    found: list[tuple[int, int]] = []
    left, right = set(range(len(ours))), set(range(len(theirs)))
    for _, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1:])):
        if i in left and j in right:
            found.append((i, j))
            left.remove(i)
            right.remove(j)
    return found


def f1(wanted: Sequence[Box], got: Sequence[Box]) -> float:
    """Harmonic mean of precision and recall of matched boxes; 1 where there is nothing to find, and nothing found."""
    if not wanted and not got:
        return 1.0
    return 2 * len(matched(wanted, got)) / (len(wanted) + len(got))


def between(one: Box, other: Box) -> Box:
    """The box in the middle of two."""
    return Box(
        one.label,
        (one.x0 + other.x0) / 2,
        (one.y0 + other.y0) / 2,
        (one.x1 + other.x1) / 2,
        (one.y1 + other.y1) / 2,
    )


def _object(value: object, where: str, labels: Collection[str]) -> Box:
    found = reading.fields(value, where, ("label", "box"))
    label = reading.text(found["label"], f"{where}.label", MAX_LABEL).strip()
    if labels and label not in labels:
        raise Rejected("unknown label", f"{where} is labelled '{label}'; the labels are {', '.join(labels)}")
    sides = reading.items(found["box"], f"{where}.box", lambda side, at: reading.number(side, at, 0, 1), 4)
    if len(sides) != 4:
        raise Rejected(WRONG_FORM, f"{where}.box must have four numbers: x0, y0, x1, y1")
    x0, y0, x1, y1 = sides
    if x1 - x0 < THINNEST or y1 - y0 < THINNEST:
        raise Rejected(OUT_OF_RANGE, f"{where}.box must have x0 below x1 and y0 below y1, from 0 to 1")
    return Box(label, x0, y0, x1, y1)
