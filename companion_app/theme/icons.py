"""Line icons as strokes on a 24 x 24 grid, origin bottom left; drawn by `theme.widgets.Icon`."""

from __future__ import annotations

from math import cos, pi, sin

Stroke = tuple[tuple[float, float], ...]


def _arc(x: float, y: float, radius: float, start: float, end: float, steps: int = 20) -> Stroke:
    """Points on a circle from `start` to `end` degrees, counter-clockwise from the right."""
    angles = (start + (end - start) * step / steps for step in range(steps + 1))
    return tuple((x + radius * cos(a * pi / 180), y + radius * sin(a * pi / 180)) for a in angles)


def _rays(x: float, y: float, inner: float, outer: float, count: int) -> tuple[Stroke, ...]:
    turns = (2 * pi * step / count for step in range(count))
    return tuple(((x + inner * cos(a), y + inner * sin(a)), (x + outer * cos(a), y + outer * sin(a))) for a in turns)


def _box(left: float, bottom: float, right: float, top: float, radius: float = 2) -> Stroke:
    return (
        *_arc(right - radius, top - radius, radius, 0, 90, 5),
        *_arc(left + radius, top - radius, radius, 90, 180, 5),
        *_arc(left + radius, bottom + radius, radius, 180, 270, 5),
        *_arc(right - radius, bottom + radius, radius, 270, 360, 5),
        (right, top - radius),
    )


ICONS: dict[str, tuple[Stroke, ...]] = {
    # A board with its antenna.
    "devices": (
        _box(4, 3, 20, 14),
        ((8, 8.5), (8.01, 8.5)),
        ((12, 8.5), (16, 8.5)),
        ((12, 14), (12, 17)),
        _arc(12, 17, 2, 30, 150, 8),
        _arc(12, 17, 5, 30, 150, 10),
    ),
    "ask": (
        (
            *_arc(18, 17, 3, 0, 90, 5),
            *_arc(6, 17, 3, 90, 180, 5),
            *_arc(6, 10, 3, 180, 270, 5),
            (7, 7),
            (7, 3),
            (11.5, 7),
            *_arc(18, 10, 3, 270, 360, 5),
            (21, 17),
        ),
        ((8, 15.2), (16, 15.2)),
        ((8, 11.5), (13, 11.5)),
    ),
    # A chip with its legs.
    "models": (
        _box(6, 6, 18, 18),
        _box(10, 10, 14, 14, 0.6),
        *(((x, y), (x, y + 3)) for x in (9.5, 14.5) for y in (3, 18)),
        *(((x, y), (x + 3, y)) for x in (3, 18) for y in (9.5, 14.5)),
    ),
    # A head with two eyes and an antenna.
    "robot": (
        _box(4.5, 4, 19.5, 15.5, 3),
        ((12, 15.5), (12, 19)),
        _arc(12, 20, 1.1, 0, 360, 10),
        *(_arc(x, 10.5, 1, 0, 360, 10) for x in (9, 15)),
        ((9.5, 7), (14.5, 7)),
    ),
    "fit": tuple(
        ((12 + 8 * x, 12 + 3.5 * y), (12 + 8 * x, 12 + 8 * y), (12 + 3.5 * x, 12 + 8 * y))
        for x in (-1, 1)
        for y in (-1, 1)
    ),
    "push": (((12, 8), (12, 20)), ((7, 15), (12, 20), (17, 15)), ((4, 8), (4, 4), (20, 4), (20, 8))),
    "home": (
        ((3, 11.5), (12, 20), (21, 11.5)),
        ((5.5, 9.5), (5.5, 4), (18.5, 4), (18.5, 9.5)),
        ((10, 4), (10, 10), (14, 10), (14, 4)),
    ),
    # A square cap with its tassel.
    "teach": (
        ((2, 14.5), (12, 19.5), (22, 14.5), (12, 9.5), (2, 14.5)),
        ((6, 12.3), (6, 7.5), (12, 5), (18, 7.5), (18, 12.3)),
        ((22, 14.5), (22, 8.5)),
    ),
    # A curve that falls, within its axes.
    "train": (
        ((4, 20), (4, 4), (20, 4)),
        ((7, 18), (9, 12), (12, 9), (16, 7.5), (20, 7)),
    ),
    # A table.
    "data": (
        _box(3.5, 4, 20.5, 20),
        ((3.5, 14.7), (20.5, 14.7)),
        ((3.5, 9.4), (20.5, 9.4)),
        ((9.5, 4), (9.5, 20)),
    ),
    "heat": (
        _box(4, 4, 20, 20),
        ((4, 12), (20, 12)),
        ((12, 4), (12, 20)),
        ((8, 8), (8.01, 8)),
        ((16, 16), (16.01, 16)),
    ),
    "redo": (((16, 20), (20.5, 15), (16, 10)), ((20.5, 15), (10, 15), *_arc(10, 9.5, 5.5, 90, 270, 16), (15, 4))),
    "key": (
        _arc(7.8, 15.8, 4.3, 0, 360, 24),
        ((10.9, 12.7), (20.5, 3.1)),
        ((16.3, 7.3), (19.3, 10.3)),
        ((13.3, 10.3), (15.3, 12.3)),
    ),
    # Two machines in a rack.
    "host": (
        _box(3.5, 13, 20.5, 20.5),
        _box(3.5, 3.5, 20.5, 11),
        *(((x, y), (x + 0.01, y)) for x in (7.5, 11) for y in (7.25, 16.75)),
    ),
    "more": tuple(_arc(x, 12, 1.1, 0, 360, 10) for x in (4.5, 12, 19.5)),
    # The lids are arcs of circles through both corners.
    "eye": (_arc(12, 6.7, 11.3, 28, 152), _arc(12, 17.3, 11.3, 208, 332), _arc(12, 12, 3, 0, 360, 20)),
    "eye_off": (
        _arc(12, 6.7, 11.3, 28, 152),
        _arc(12, 17.3, 11.3, 208, 332),
        _arc(12, 12, 3, 0, 360, 20),
        ((4.5, 3.5), (19.5, 20.5)),
    ),
    "down": (((6, 15), (12, 9), (18, 15)),),
    "minus": (((5, 12), (19, 12)),),
    "stop": (_box(6.5, 6.5, 17.5, 17.5, 1.5),),
    "resume": (((8, 5), (8, 19), (19, 12), (8, 5)),),
    "trash": (
        ((4, 18), (20, 18)),
        ((9, 18), (9.6, 21), (14.4, 21), (15, 18)),
        ((6, 18), (7, 3), (17, 3), (18, 18)),
        ((10, 14), (10.3, 7)),
        ((14, 14), (13.7, 7)),
    ),
    "back": (((20, 12), (4, 12)), ((11, 19), (4, 12), (11, 5))),
    # A shield with a tick.
    "sign": (
        ((12, 21.5), (4.5, 18.5), (4.5, 12), (6, 7.5), (12, 2.5), (18, 7.5), (19.5, 12), (19.5, 18.5), (12, 21.5)),
        ((8.2, 12.2), (11, 9.4), (15.8, 15)),
    ),
    "undo": (((8, 20), (3.5, 15), (8, 10)), ((3.5, 15), (14, 15), *_arc(14, 9.5, 5.5, 90, -90, 16), (9, 4))),
    "sun": (_arc(12, 12, 4, 0, 360, 24), *_rays(12, 12, 7, 9.5, 8)),
    "moon": ((*_arc(12, 12, 8.5, 70, 340, 30), *_arc(16.2, 15.8, 6.2, 302, 108, 20)),),
    "send": (((4, 12), (20, 12)), ((13, 19), (20, 12), (13, 5))),
    # Two sliders.
    "settings": (
        ((4, 16), (11, 16)),
        ((17, 16), (20, 16)),
        _arc(14, 16, 3, 0, 360, 20),
        ((4, 8), (7, 8)),
        ((13, 8), (20, 8)),
        _arc(10, 8, 3, 0, 360, 20),
    ),
    "import": (((12, 20), (12, 8)), ((7, 13), (12, 8), (17, 13)), ((4, 8), (4, 4), (20, 4), (20, 8))),
    "search": (_arc(10.5, 13.5, 6.5, 0, 360, 24), ((15.2, 8.8), (20, 4))),
    "plus": (((12, 5), (12, 19)), ((5, 12), (19, 12))),
    "close": (((6, 6), (18, 18)), ((6, 18), (18, 6))),
    "check": (((5, 12), (10, 7), (19, 17)),),
    "alert": (_arc(12, 12, 9, 0, 360, 30), ((12, 17), (12, 11)), ((12, 7.4), (12, 7.2))),
    "question": (
        _arc(12, 12, 9, 0, 360, 30),
        (*_arc(12, 14.4, 2.8, 170, -60, 14), (12, 10.6), (12, 9.6)),
        ((12, 7), (12, 6.8)),
    ),
}

# Point along the line of reading, so a language that begins from the right turns them around.
DIRECTED = frozenset({"ask", "back", "send", "undo"})
