from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.media.colours import rgb
from edge_runtime.media.pictures import read_film
from edge_runtime.media.scene import Scene, Shape
from tests.trainer_host.media.scenes import film, shape, track
from tests.trainer_host.media.strictness import refusal
from trainer_host.media import film as films
from trainer_host.media.film_facts import (
    Before,
    Bounces,
    Circles,
    Moves,
    Resizes,
    Stays,
    Sways,
    Turns,
    motions_of,
    unmet,
)
from trainer_host.media.picture_facts import Thing

BALL = Thing("circle", "red")
RED = shape("circle", "red", 0.5, 0.5, 0.25)
SQUARE = shape("rectangle", "blue", 0.5, 0.5, 0.4)
BLUE = Thing("square", "blue")


def moved(*tracks: object, of: Shape = RED) -> Scene:
    return film(replace(of, motion=tracks))  # type: ignore[arg-type]


def round_trip(*, clockwise: bool) -> Scene:
    angles = [math.pi * 2 * number / 24 * (1 if clockwise else -1) for number in range(25)]
    return moved(
        track("x", *(0.5 + 0.3 * math.cos(a) for a in angles)), track("y", *(0.5 + 0.3 * math.sin(a) for a in angles))
    )


MOTIONS = [
    (moved(track("x", 0.2, 0.8)), Moves(BALL, "right")),
    (moved(track("x", 0.8, 0.2)), Moves(BALL, "left")),
    (moved(track("y", 0.2, 0.8, ease="ease")), Moves(BALL, "down")),
    (moved(track("y", 0.8, 0.2)), Moves(BALL, "up")),
    (moved(track("y", 0.2, 0.8, 0.3)), Bounces(BALL, 1)),
    (moved(track("y", 0.2, 0.8, 0.3, 0.8, 0.5, 0.8, 0.5)), Bounces(BALL, 3)),
    (moved(track("x", 0.2, 0.8, 0.2, 0.8, 0.2)), Sways(BALL, 2)),
    (moved(track("scale", 1, 2)), Resizes(BALL, 2.0)),
    (moved(track("scale", 1.5, 0.5)), Resizes(BALL, 0.33)),
    (moved(track("rotation", 0, 90), of=SQUARE), Turns(BLUE, 90)),
    (moved(track("rotation", 0, -360), of=SQUARE), Turns(BLUE, -360)),
    (round_trip(clockwise=True), Circles(BALL, True)),
    (round_trip(clockwise=False), Circles(BALL, False)),
    (moved(), Stays(BALL)),
]


@pytest.mark.parametrize("number", range(len(MOTIONS)))
def test_each_motion_is_told_from_all_others(number: int) -> None:
    scene, fact = MOTIONS[number]
    watched = films.watch(scene)
    assert unmet([fact], watched) == []
    others = [other for _, other in MOTIONS if other.of == fact.of and other != fact]
    assert [other for other in others if not unmet([other], watched)] == []
    assert fact in motions_of(watched)


@pytest.mark.parametrize("kind", ["rectangle", "triangle", "star", "circle"])
@pytest.mark.parametrize("degrees", [180, -360, 450])
def test_turns_are_measured_to_a_few_degrees_on_pixels(kind: str, degrees: int) -> None:
    thin = replace(shape(kind, "blue", 0.5, 0.5, 0.6), height=0.4, motion=(track("rotation", 0, degrees),))
    angle = films.watch(film(thin, fps=15)).paths[0].angle
    assert angle is not None
    assert angle[-1] == pytest.approx(degrees, abs=4)


def test_a_round_shape_has_no_turn() -> None:
    assert films.watch(moved(track("rotation", 0, 90))).paths[0].angle is None


def test_paths_agree_with_the_colours_of_the_decoded_file() -> None:
    """What another reader would measure: red pixels of each frame of the file."""
    scene = moved(track("x", 0.2, 0.8), track("scale", 1, 2))
    decoded = read_film(films.film_file(scene))
    path = films.watch(scene).paths[0]
    assert len(decoded.frames) == scene.frames == 20
    for number, frame in enumerate(decoded.frames):
        red = np.abs(np.asarray(frame).astype(int) - np.array(rgb("red"))).sum(axis=2) < 120
        assert path.x[number] == pytest.approx((np.nonzero(red)[1].mean() + 0.5) / scene.width, abs=0.01)
        assert path.area[number] == pytest.approx(red.sum(), rel=0.12)


def test_order_is_told_by_when_pixels_change() -> None:
    first = replace(RED, x=0.2, y=0.3, motion=(track("x", 0.2, 0.8, seconds=0.9),))
    second = replace(SQUARE, y=0.75, width=0.2, height=0.2, motion=(track("x", 0.2, 0.8, start=1.1),))
    assert unmet([Before(BALL, BLUE)], films.watch(film(first, second))) == []
    assert unmet([Before(BLUE, BALL)], films.watch(film(first, second)))
    together = replace(second, motion=(track("x", 0.2, 0.8),))
    assert unmet([Before(BALL, BLUE)], films.watch(film(first, together)))


def test_a_shape_that_is_never_seen_is_refused() -> None:
    away = replace(SQUARE, y=1.8, motion=(track("x", 0.2, 0.8),))
    watched = films.watch(film(RED, away))
    assert refusal(lambda: films.refuse_unseen(watched)).reason == "hidden shape"


def test_a_file_of_another_film_is_refused() -> None:
    scene = moved(track("x", 0.2, 0.8))
    films.refuse_unreadable(scene, films.film_file(scene))
    for other in (replace(scene, seconds=1.0), moved(track("x", 0.8, 0.2)), replace(scene, width=120)):
        assert (
            refusal(lambda other=other: films.refuse_unreadable(scene, films.film_file(other))).reason == "wrong film"
        )


def test_still_frames_are_counted_although_the_file_holds_them_once() -> None:
    scene = moved(track("x", 0.2, 0.8, seconds=1.0))
    file = films.film_file(scene)
    assert len(read_film(file).frames) < scene.frames
    films.refuse_unreadable(scene, file)  # raises where a frame is missed
