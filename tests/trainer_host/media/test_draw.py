from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.media import draw
from edge_runtime.media.colours import rgb
from edge_runtime.media.scene import Key, Scene, Track
from tests.trainer_host.media.scenes import film, picture, shape, track


def pixel(scene: Scene, x: float, y: float) -> tuple[int, ...]:
    made = draw.draw(scene)
    return made.getpixel((int(x * scene.width), int(y * scene.height)))  # type: ignore[return-value]


def test_shapes_lie_where_they_are_said_to_lie_and_the_rest_is_background() -> None:
    scene = picture(shape("circle", "red", 0.25, 0.75, 0.3), background="blue", width=300, height=200)
    assert draw.draw(scene).size == (300, 200)
    assert pixel(scene, 0.25, 0.75) == rgb("red")
    for x, y in ((0.75, 0.25), (0.25, 0.25), (0.75, 0.75)):
        assert pixel(scene, x, y) == rgb("blue")


def test_sizes_are_shares_of_the_shorter_side_so_that_circles_are_round() -> None:
    mask = draw.mask_of(picture(width=300, height=200), shape("circle", "red", 0.5, 0.5, 0.5))
    rows, columns = np.nonzero(mask.pixels)
    assert abs(int(np.ptp(rows)) - 100) <= 1 and abs(int(np.ptp(columns)) - 100) <= 1
    assert mask.area == pytest.approx(np.pi * 50**2, rel=0.01)
    assert mask.pixels.sum() == pytest.approx(mask.area, rel=0.03)
    assert (mask.x0, mask.y0) == (100, 50)


def test_higher_layers_cover_lower_ones_and_later_shapes_earlier_ones() -> None:
    low, high = shape("circle", "red", 0.5, 0.5, 0.5), shape("rectangle", "blue", 0.5, 0.5, 0.5)
    assert pixel(picture(low, high), 0.5, 0.5) == rgb("blue")
    assert pixel(picture(high, low), 0.5, 0.5) == rgb("red")
    assert pixel(picture(replace(low, layer=1), high), 0.5, 0.5) == rgb("red")


def test_rotation_is_clockwise() -> None:
    arrow = replace(shape("triangle", "red", 0.5, 0.5, 0.6, rotation=90.0), width=0.3)
    scene = picture(arrow)
    # Its point was up; turned by a quarter clockwise it is to the right.
    assert pixel(scene, 0.76, 0.5) == rgb("red")
    assert pixel(scene, 0.5, 0.24) == rgb("white")


def test_a_star_has_five_points_and_thin_arms() -> None:
    scene = picture(shape("star", "red", 0.5, 0.5, 0.9))
    corners = draw.outline(scene, scene.shapes[0])
    assert len(corners) == 10
    assert min(y for _, y in corners) == pytest.approx(100 - 90)
    assert draw.area_of(corners) < 0.5 * np.pi * 90**2


def test_edges_are_smooth() -> None:
    colours = draw.draw(picture(shape("circle", "black", 0.5, 0.5, 0.9))).getcolors()
    assert colours is not None and len(colours) > 5


def test_text_is_drawn_within_its_box() -> None:
    scene = picture(replace(shape("text", "black", 0.5, 0.5, 0.8, text="HELLO"), height=0.2))
    mask = draw.mask_of(scene, scene.shapes[0])
    rows, columns = np.nonzero(mask.pixels)
    assert mask.area == mask.pixels.sum() > 500
    assert np.ptp(columns) <= 0.8 * 200 + 1 and np.ptp(rows) <= 0.2 * 200 + 1
    assert np.ptp(columns) > 3 * np.ptp(rows)


def test_a_property_rests_before_its_first_and_after_its_last_key() -> None:
    linear = Track("x", "linear", (Key(1, 0.2), Key(2, 0.6), Key(4, 0.0)))
    values = [draw.value_at(linear, t) for t in (0, 1, 1.5, 2, 3, 4, 9)]
    assert values == pytest.approx([0.2, 0.2, 0.4, 0.6, 0.3, 0.0, 0.0])
    eased = replace(linear, ease="ease")
    assert draw.value_at(eased, 1.25) == pytest.approx(0.2 + 0.4 * (3 / 16 - 2 / 64))
    assert draw.value_at(eased, 1.5) == pytest.approx(0.4)


def test_the_first_frame_shows_the_start_and_the_last_the_end() -> None:
    moving = shape("circle", "red", 0.5, 0.5, 0.2, motion=(track("x", 0.2, 0.8), track("scale", 1, 2)))
    frames = draw.frames(film(moving))
    assert len(frames) == 20
    first, last = frames[0].shapes[0], frames[-1].shapes[0]
    assert (first.x, first.width, last.x, last.width) == pytest.approx((0.2, 0.2, 0.8, 0.4))
