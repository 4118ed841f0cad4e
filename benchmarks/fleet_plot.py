"""Draws how the releases of a simulated fleet spread, as a PNG."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from benchmarks.fleet_host import Outcome

Json = dict
WIDTH, HEIGHT = 1000, 620
LEFT, RIGHT, TOP, BOTTOM = 80, 30, 110, 60
INK, GREY, PALE = (30, 30, 30), (120, 120, 120), (225, 225, 225)
COLOURS = ((20, 110, 60), (190, 40, 40), (215, 130, 0))


def plot(outcome: Outcome, path: Path) -> None:
    """Draw a run."""
    from dataclasses import asdict

    draw(asdict(outcome), path)


def draw(outcome: Json, path: Path) -> None:
    """Draw a run as `--json` keeps it: the share of devices on each release, by the hours since it was started."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(image)
    large, small = ImageFont.load_default(20), ImageFont.load_default(15)
    courses, setting = outcome["courses"], outcome["setting"]
    most = max(course["curve"][-1][0] for course in courses) or 1.0

    def at(hours: float, share: float) -> tuple[float, float]:
        x = LEFT + hours / most * (WIDTH - LEFT - RIGHT)
        return x, HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    title = f"{setting['devices'] + setting['late']:,} devices, a poll each {setting['poll'] / 3600:g} h"
    pen.text((LEFT, 14), title, INK, large)
    pen.text((LEFT, 42), "share of devices that run a release, by the hours since it was started", GREY, small)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        pen.line([at(0, share), at(most, share)], PALE)
        pen.text((at(0, share)[0] - 10, at(0, share)[1]), f"{share:.0%}", GREY, small, anchor="rm")
    for hours in _marks(most):
        pen.line([at(hours, 0), (at(hours, 0)[0], at(hours, 0)[1] + 6)], GREY)
        pen.text((at(hours, 0)[0], HEIGHT - BOTTOM + 12), f"{hours:g} h", GREY, small, anchor="mt")
    good = courses[0]
    for number, (name, hours) in enumerate(good["stages"].items()):
        pen.line([at(hours, 0), at(hours, 1)], PALE)
        pen.text((at(hours, 1)[0] + 3, TOP - 4 - number % 2 * 18), name, GREY, small, anchor="ls")
    for course, colour in reversed(list(zip(courses, COLOURS, strict=True))):
        points = [at(hours, share) for hours, share in [(0.0, 0.0), *course["curve"]]]
        pen.line(points, colour, 3, joint="curve")
    for number, (course, colour) in enumerate(zip(courses, COLOURS, strict=True)):
        y = HEIGHT - BOTTOM - 85 + number * 26
        pen.line([(WIDTH - 350, y), (WIDTH - 320, y)], colour, 4)
        ended = f"{course['state']} after {course['ended']:.1f} h, run by {course['ran']:,}"
        pen.text((WIDTH - 310, y), f"{course['version']}: {ended}", INK, small, anchor="lm")
    image.save(path)


def _marks(most: float) -> Sequence[float]:
    """Some five round places of an axis."""
    step = next(step for step in (1, 2, 6, 12, 24, 48, 96, 240) if most / step <= 8)
    return [step * n for n in range(int(most // step) + 1)]


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
