"""Curves of trainings as a PNG: drawn with Pillow, which is there already."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from trainer_host.errors import DataError
from trainer_host.workspace import write_atomic

WIDTH, HEIGHT = 960, 540
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 24, 56, 48
_INK, _SOFT, _GRID = "#1b1f24", "#59636e", "#d9dee3"
# Told apart by people who don't see red and green apart (Okabe and Ito 2008).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

Curve = tuple[str, Sequence[tuple[int, float]]]


def draw_curves(title: str, curves: Sequence[Curve], path: Path) -> None:
    """Write a PNG of (name, [(step, value)]) over the steps; points that are no number are left out.

    Raises `DataError` where there is nothing to draw.
    """
    cleaned = [(name, [(step, value) for step, value in points if math.isfinite(value)]) for name, points in curves]
    cleaned = [(name, points) for name, points in cleaned if points]
    if not cleaned:
        raise DataError("There are no figures to draw; the training recorded none of that name.")
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    last = max(step for _, points in cleaned for step, _ in points) or 1
    ticks = _ticks(
        min(value for _, points in cleaned for _, value in points),
        max(value for _, points in cleaned for _, value in points),
    )
    low, high = ticks[0], ticks[-1]

    def place(step: float, value: float) -> tuple[float, float]:
        x = _LEFT + (WIDTH - _LEFT - _RIGHT) * step / last
        return x, HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - low) / (high - low)

    pen.text((_LEFT, 12), title, _INK, ImageFont.load_default(18))
    for tick in ticks:
        _, y = place(0, tick)
        pen.line([(_LEFT, y), (WIDTH - _RIGHT, y)], _GRID)
        pen.text((_LEFT - 8, y), f"{tick:g}", _SOFT, font, anchor="rm")
    for tick in _ticks(0, last):
        if tick <= last:
            x, y = place(tick, low)
            pen.text((x, y + 8), f"{tick:g}", _SOFT, font, anchor="ma")
    for number, (name, points) in enumerate(cleaned):
        colour = _COLOURS[number % len(_COLOURS)]
        spots = [place(step, value) for step, value in points]
        if len(spots) > 1:
            pen.line(spots, colour, 2, joint="curve")
        else:
            pen.ellipse([spots[0][0] - 3, spots[0][1] - 3, spots[0][0] + 3, spots[0][1] + 3], colour)
        y = _TOP + 4 + 22 * number
        pen.rectangle([WIDTH - 280, y + 3, WIDTH - 266, y + 13], colour)
        pen.text((WIDTH - 258, y), name[:30], _INK, font)
    held = io.BytesIO()
    image.save(held, "PNG")
    write_atomic(path, held.getvalue())


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers, five or so, from one at or below `low` to one at or above `high`."""
    if high <= low:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / 5
    unit = 10 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 10) for number in range(first, last + 1)]
