from __future__ import annotations

from dataclasses import replace

import pytest

from edge_runtime.media import draw
from tests.trainer_host.media.scenes import picture, shape
from tests.trainer_host.media.strictness import refusal
from trainer_host.media.picture_facts import Thing
from trainer_host.media.picture_sampler import shaped
from trainer_host.media.seeing import BACKDROP, KINDS, refuse_hidden, see

CIRCLE = shape("circle", "red", 0.5, 0.5, 0.4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rotation", [0, 30])
def test_each_kind_is_seen_as_what_it_is(kind: str, rotation: int) -> None:
    made = shaped(Thing(kind, "blue"), 0.5, 0.5, 0.5, rotation, 0, upright=False)
    [seen] = see(picture(made)).shapes
    assert (seen.look, seen.colour, seen.clear) == (kind, "blue", True)
    assert seen.share == pytest.approx(1, abs=0.08)


@pytest.mark.parametrize(
    ("points", "look"),
    [
        ([(0.5, 0), (1, 0.4), (0.8, 1), (0.2, 1), (0, 0.4)], "pentagon"),
        ([(0.5, 0), (0.8, 1), (0, 0.4), (1, 0.4), (0.2, 1)], "polygon"),  # a pentagram: it goes round twice
        ([(0.5, 0), (1, 0.4), (0.5, 0.5), (0.2, 1), (0, 0.4)], "polygon"),  # it has a dent
        ([(0, 0), (0.5, 0), (1, 0), (1, 1), (0, 1)], "polygon"),  # a square with a needless corner
        ([(0, 0), (1, 0), (0.5, 1)], "triangle"),
        ([(0, 0), (0, 0), (1, 0), (1, 1), (0, 1)], "polygon"),
    ],
)
def test_a_polygon_is_named_only_where_it_is_convex(points: list[tuple[float, float]], look: str) -> None:
    assert see(picture(shape("polygon", "red", 0.5, 0.5, 0.5, points=tuple(points)))).shapes[0].look == look


def test_a_block_is_no_line_and_a_needle_no_star() -> None:
    block, needle = shape("line", "red", 0.3, 0.5, 0.3), replace(shape("star", "blue", 0.7, 0.5, 0.4), height=0.05)
    assert [seen.look for seen in see(picture(block, needle)).shapes] == ["line?", "star?"]


def test_places_and_sizes_are_measured_on_pixels() -> None:
    [seen] = see(picture(shape("rectangle", "red", 0.25, 0.75, 0.3))).shapes
    assert (seen.x, seen.y) == pytest.approx((0.25, 0.75), abs=0.01)
    assert seen.box == pytest.approx((0.1, 0.6, 0.4, 0.9), abs=0.01)
    assert seen.area == pytest.approx(60 * 60, rel=0.05)


HIDDEN = {
    "covered": (CIRCLE, replace(CIRCLE, kind="rectangle", width=0.6, height=0.6, colour="blue", layer=1)),
    "off the canvas": (replace(CIRCLE, x=1.6),),
    "nearly off the canvas": (replace(CIRCLE, x=1.19),),
    "of the background's colour": (replace(CIRCLE, colour="white"),),
    "nearly of the background's colour": (replace(CIRCLE, colour="#fefefc"),),
    "of the colour beneath": (replace(CIRCLE, kind="rectangle", width=0.6, height=0.6), replace(CIRCLE, layer=1)),
    "a speck": (replace(CIRCLE, width=0.01, height=0.01),),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_a_shape_that_cannot_be_seen_is_refused(case: str) -> None:
    seen = see(picture(*HIDDEN[case]))
    assert not all(made.clear for made in seen.shapes)
    assert refusal(lambda: refuse_hidden(seen)).reason == "hidden shape"


def test_a_shape_half_covered_is_there_but_not_clear() -> None:
    cover = replace(CIRCLE, kind="rectangle", x=0.59, colour="blue", layer=1)
    seen = see(picture(CIRCLE, cover))
    refuse_hidden(seen)
    assert 0.1 < seen.shapes[0].share < 0.5 and not seen.shapes[0].clear
    assert seen.shapes[1].clear


def test_what_covers_the_canvas_is_its_ground() -> None:
    sky = replace(CIRCLE, kind="rectangle", width=3, height=3, colour="blue")
    seen = see(picture(sky, CIRCLE))
    refuse_hidden(seen)
    assert seen.ground == "blue"
    assert [made.look for made in seen.shapes] == [BACKDROP, "circle"]
    assert see(picture(replace(CIRCLE, kind="rectangle", x=0, width=1, height=2))).ground is None


def test_the_visible_pixels_are_those_that_differ_without_the_shape() -> None:
    """The other way to tell: draw the picture with and without it."""
    import numpy as np

    scene = picture(CIRCLE, replace(CIRCLE, kind="star", x=0.62, colour="green", layer=2), background="cyan")
    for number, seen in enumerate(see(scene).shapes):
        without = replace(scene, shapes=tuple(s for index, s in enumerate(scene.shapes) if index != number))
        differ = np.asarray(draw.draw(scene, 1)) != np.asarray(draw.draw(without, 1))
        assert (differ.any(axis=2) == seen.mask).all()
