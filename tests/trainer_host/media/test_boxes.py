from __future__ import annotations

import math
import random

import fastjsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer_host.media.strictness import assert_strict, nested, quick_and_small, refusal
from trainer_host.media.boxes import Box, between, f1, matched, objects_schema, overlap, read_objects, write_objects
from trainer_host.tasks import Json

side = st.integers(0, 90).map(lambda low: low / 100)
boxes = st.builds(
    lambda label, x, y, w, h: Box(label, x, y, min(1.0, x + w / 100), min(1.0, y + h / 100)),
    st.sampled_from("ab"),
    side,
    side,
    st.integers(1, 60),
    st.integers(1, 60),
)


def test_overlap_is_intersection_over_union() -> None:
    one = Box("a", 0, 0, 0.5, 0.5)
    assert overlap(one, one) == 1
    assert overlap(one, Box("a", 0.25, 0, 0.75, 0.5)) == pytest.approx(1 / 3)
    assert overlap(one, Box("a", 0.5, 0.5, 1, 1)) == 0


@given(st.lists(boxes, max_size=6), st.lists(boxes, max_size=6))
def test_f1_is_the_same_both_ways_and_within_bounds(ours: list[Box], theirs: list[Box]) -> None:
    assert 0 <= f1(ours, theirs) <= 1
    assert f1(ours, theirs) == pytest.approx(f1(theirs, ours))
    assert f1(ours, ours) == 1
    pairs = matched(ours, theirs)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)


def test_f1_counts_what_is_missed_and_what_is_too_much() -> None:
    one, two = Box("a", 0, 0, 0.2, 0.2), Box("a", 0.5, 0.5, 0.9, 0.9)
    assert f1([one, two], [one]) == pytest.approx(2 / 3)
    assert f1([one], [one, two]) == pytest.approx(2 / 3)
    assert f1([one], [Box("b", 0, 0, 0.2, 0.2)]) == 0
    assert (f1([], []), f1([one], []), f1([], [one])) == (1, 0, 0)


@given(st.lists(boxes, max_size=3, unique_by=lambda box: box.label))
def test_objects_are_read_back_as_they_were_written(found: list[Box]) -> None:
    written = write_objects(found)
    fastjsonschema.compile(objects_schema(("a", "b")))(written)
    assert write_objects(read_objects(written, ("a", "b"))) == written


def test_the_middle_of_two_boxes() -> None:
    assert between(Box("a", 0, 0, 0.4, 0.4), Box("a", 0.2, 0.2, 0.4, 0.6)) == Box("a", 0.1, 0.1, 0.4, 0.5)


def one(**changes: object) -> list[Json]:
    return [{"label": "a", "box": [0.1, 0.1, 0.5, 0.5], **changes}]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "wrong form"),
        ({}, "wrong form"),
        (one(label="c"), "unknown label"),
        (one(label=""), "wrong form"),
        (one(label=3), "wrong form"),
        (one(label="a" * 10**6), "too much"),
        (one(box=[0.1, 0.1, 0.5]), "wrong form"),
        (one(box=[0.1] * 10**6), "too much"),
        (one(box=[0.5, 0.1, 0.1, 0.5]), "out of range"),
        (one(box=[0.1, 0.1, 0.1, 0.5]), "out of range"),
        (one(box=[10, 10, 50, 50]), "out of range"),
        (one(box=[0.1, 0.1, math.nan, 0.5]), "out of range"),
        (one(box=[0.1, 0.1, "0.5", 0.5]), "wrong form"),
        (one(box={"x": 1}), "wrong form"),
        (one(box=nested(5000)), "wrong form"),
        (one(score=0.9), "wrong form"),
        (one() * 2, "named twice"),
        (one() * 10**6, "too much"),
    ],
)
def test_objects_out_of_bounds_are_refused(value: object, reason: str) -> None:
    with quick_and_small():
        assert refusal(lambda: read_objects(value, ("a", "b"))).reason == reason


def test_the_schema_is_strict_with_and_without_labels() -> None:
    assert_strict(objects_schema(("a", "b")))
    assert_strict(objects_schema(()))


def test_the_boxes_of_drawn_pictures_are_those_of_their_colours() -> None:
    """Boxes measured another way: around the pixels of each colour that only one shape has."""
    import numpy as np

    from edge_runtime.media.colours import rgb
    from edge_runtime.media.draw import draw
    from trainer_host.media.scatter import KINDS, scatter, truth

    for seed in range(20):
        scene = scatter(random.Random(seed), KINDS).scene
        pixels = np.asarray(draw(scene)).astype(int)
        for shape, box in zip(scene.shapes, truth(scene), strict=True):
            if sum(other.colour == shape.colour for other in scene.shapes) > 1:
                continue
            rows, columns = np.nonzero((pixels == rgb(shape.colour)).all(axis=2))
            assert box.x0 * scene.width == pytest.approx(columns.min(), abs=5)
            assert box.y1 * scene.height == pytest.approx(rows.max() + 1, abs=5)
