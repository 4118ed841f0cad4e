"""Scenes as lines: everything a teacher may draw can be written, and loses no more than the grid does."""

from __future__ import annotations

import random

import pytest

from edge_runtime.media import Rejected
from edge_runtime.media.prompts import marked
from edge_runtime.media.scene import Key, Scene, Shape, Track, read_scene, write_scene
from edge_runtime.media.scene_notation import is_scene, read_line, write_line
from trainer_host.media.film_sampler import sample as sample_film
from trainer_host.media.picture_sampler import sample as sample_picture

PROMPT = marked('A house with "Home" on it')
HALF = 0.005 + 1e-9  # of the canvas
HOUSE = Scene(
    256,
    160,
    "#a0c0ff",
    (
        Shape("rectangle", 0.5, 0.7, 0.5, 0.4, "#ffe0b0", layer=-1),
        Shape("polygon", 0.5, 0.4, 0.6, 0.3, "red", 12.0, 2, ((0.0, 1.0), (0.5, 0.0), (1.0, 1.0), (0.5, 0.9))),
        Shape("text", 0.5, 0.6, 0.3, 0.1, "black", text="Home"),
        Shape("text", 0.5, 0.9, 0.3, 0.1, "black", text="No. 7; x 0-9 1 2"),
        Shape("line", 0.1, 0.9, 3.0, 0.005, "green", -90.0),
    ),
)
FILM = Scene(
    160,
    120,
    "white",
    (
        Shape("star", -0.1, 0.5, 0.2, 0.2, "red", motion=(
            Track("x", "linear", (Key(0, -0.1), Key(2, 1.1))),
            Track("rotation", "ease", (Key(0, 0), Key(0.1, -90), Key(2, 720))),
            Track("scale", "linear", (Key(0.5, 1), Key(1, 2), Key(1.5, 0.33))),
        )),
        Shape("text", 0.5, 0.5, 0.2, 0.2, "red", text="Home", motion=(Track("y", "ease", (Key(0, 0.1), Key(1, 0.9))),)),
    ),
    10,
    2.25,
)  # fmt: skip


@pytest.mark.parametrize(("scene", "film"), [(HOUSE, False), (FILM, True)])
def test_a_scene_of_every_kind_of_shape_is_the_same_after_its_line(scene: Scene, film: bool) -> None:
    line = write_line(scene, PROMPT)
    read, whole = read_line(line, PROMPT, film)
    wanted = write_scene(scene)
    if not film:
        wanted["shapes"][-1]["height"] = 0.01  # type: ignore[index]  # the grid's least
    assert whole and is_scene(line) and write_scene(read) == wanted
    assert "[1]" in line and "Home" not in line


@pytest.mark.parametrize("seed", range(40))
def test_no_number_of_a_scene_moves_by_more_than_half_a_step_of_the_grid(seed: int) -> None:
    film = seed % 2 == 1
    scene = (sample_film if film else sample_picture)(random.Random(seed)).scene
    read, whole = read_line(write_line(scene, PROMPT), PROMPT, film)
    assert whole and (read.width, read.height, read.background, read.fps) == (
        scene.width,
        scene.height,
        scene.background,
        scene.fps,
    )
    for one, other in zip(scene.shapes, read.shapes, strict=True):
        assert (one.kind, one.colour, one.layer, one.text) == (other.kind, other.colour, other.layer, other.text)
        for name in ("x", "y", "width", "height"):
            assert abs(getattr(one, name) - getattr(other, name)) <= HALF
        assert abs(one.rotation - other.rotation) <= 0.5
        for track, same in zip(one.motion, other.motion, strict=True):
            assert (track.property, track.ease) == (same.property, same.ease)
            for key, there in zip(track.keys, same.keys, strict=True):
                assert abs(key.t - there.t) <= 0.016 and abs(key.value - there.value) <= HALF


@pytest.mark.parametrize(
    ("line", "shapes"),
    [
        ("256x160 white ; circle red 50 50 20 20 ; circle red 50", 1),
        ("256x160 white ; circle red 50 50 20 20 ; house red 50 50 20 20", 1),
        ("256x160 white ; circle red 50 50 20 20 ; circle rde 50 50 20 20 ; circle red 999 50 20 20", 1),
        ("256x160 white ; circle red 50 50 20 20 ; polygon red 50 50 20 20 : 1 2 3 ; text red 50 50 20 20 [7]", 1),
        ("256x160 white ; circle red 50 50 20 20 ; star red 50 50 20 20 x 0-200 20 80", 1),  # no film
        ("256x160 white" + " ; circle red 50 50 20 20" * 99, 40),
    ],
)
def test_shapes_that_cannot_be_read_are_left_out_and_told(line: str, shapes: int) -> None:
    scene, whole = read_line(line, PROMPT, film=False)
    assert not whole and len(scene.shapes) == shapes
    read_scene(write_scene(scene), film=False)


@pytest.mark.parametrize("film", [False, True])
@pytest.mark.parametrize(
    "line",
    ["", "256x160", "999x999 white ; circle red 50 50 20 20", "64x64 white", "64x64 white 10fps 2s", "64x64 white 99fps 2s ; circle red 1 1 9 9",
     "64x64 white ; circle", "9" * 10_000, "64x64 white ;" * 5000, "64x64 white 10fps 2s ; star red 5 5 9 9 x 0-999 1 2"],
)  # fmt: skip
def test_a_line_without_a_scene_is_refused(line: str, film: bool) -> None:
    with pytest.raises(Rejected):
        read_line(line, PROMPT, film)
