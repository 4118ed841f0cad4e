"""Icons and papers as textures: as large as asked, round where they should be, and nothing else."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("kivy")

from companion_app.theme.icons import ICONS


def test_a_corner_covers_what_a_circle_covers(display: None) -> None:
    from companion_app.theme.drawings import MARGIN, paper_mask

    radius = 12
    mask = paper_mask((radius, radius, radius, 3))
    side = math.isqrt(len(mask))
    assert side * side == len(mask) and side == 2 * radius + 2 + 2 * MARGIN
    rows = [mask[at : at + side] for at in range(0, len(mask), side)]
    assert not any(rows[0]) and not any(rows[-1]) and not any(row[0] or row[-1] for row in rows)
    missing = {
        "top left": sum(
            255 - light for row in rows[-MARGIN - radius : -MARGIN] for light in row[MARGIN : MARGIN + radius]
        ),
        "bottom left": sum(255 - light for row in rows[MARGIN : MARGIN + 3] for light in row[MARGIN : MARGIN + 3]),
    }
    assert missing["top left"] / 255 == pytest.approx((1 - math.pi / 4) * radius**2, rel=0.02)
    assert missing["bottom left"] / 255 == pytest.approx((1 - math.pi / 4) * 3**2, rel=0.15)
    assert all(light == 255 for row in rows[MARGIN + radius : -MARGIN - radius] for light in row[MARGIN:-MARGIN])


@pytest.mark.parametrize("side", [16, 22, 66])
def test_every_icon_has_ink_and_its_mirror_has_the_same(display: None, side: int) -> None:
    from companion_app.theme.drawings import strokes_mask

    for name, strokes in ICONS.items():
        mask = strokes_mask(strokes, side)
        rows = [mask[at : at + side] for at in range(0, len(mask), side)]
        assert sum(mask) / 255 > side / 4, name
        mirror = strokes_mask(strokes, side, mirrored=True)
        mirrored = [mirror[at : at + side][::-1] for at in range(0, len(mirror), side)]
        assert all(
            abs(a - b) <= 1 for row, other in zip(rows, mirrored, strict=True) for a, b in zip(row, other, strict=True)
        ), name
