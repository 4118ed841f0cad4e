from __future__ import annotations

import math
import random

import fastjsonschema
import pytest

from edge_runtime.media.scene import read_scene, scene_schema, write_scene
from tests.trainer_host.media.scenes import json_shape
from tests.trainer_host.media.strictness import assert_strict, changed, nested, quick_and_small, refusal
from trainer_host.media.film_sampler import sample as sample_film
from trainer_host.media.picture_sampler import sample as sample_picture
from trainer_host.tasks import Json

STILL: Json = {
    "width": 200,
    "height": 100,
    "background": "white",
    "shapes": [json_shape("circle", "red", 0.5, 0.5, 0.5)],
}
MOVING: Json = {
    **STILL,
    "fps": 10,
    "seconds": 2,
    "shapes": [
        {
            **json_shape("circle", "red", 0.5, 0.5, 0.5),
            "motion": [{"property": "x", "ease": "ease", "keys": [{"t": 0, "value": 0.2}, {"t": 2, "value": 0.8}]}],
        }
    ],
}


@pytest.mark.parametrize("film", [False, True])
def test_the_schema_is_taken_by_strict_providers(film: bool) -> None:
    assert_strict(scene_schema(film))


@pytest.mark.parametrize("seed", range(25))
def test_what_is_written_fits_the_schema_and_is_read_back_the_same(seed: int) -> None:
    for film, scene in (
        (False, sample_picture(random.Random(seed)).scene),
        (True, sample_film(random.Random(seed)).scene),
    ):
        written = write_scene(scene)
        fastjsonschema.compile(scene_schema(film))(written)
        assert write_scene(read_scene(written, film)) == written


@pytest.mark.parametrize(
    ("path", "to", "reason"),
    [
        (("width",), 1_000_000, "out of range"),
        (("height",), 8, "out of range"),
        (("width",), 99.5, "wrong form"),
        (("background",), "mauve", "wrong form"),
        (("shapes",), [], "wrong form"),
        (("shapes",), {}, "wrong form"),
        (("shapes", 0, "kind"), "heart", "wrong form"),
        (("shapes", 0, "x"), math.nan, "out of range"),
        (("shapes", 0, "y"), 7, "out of range"),
        (("shapes", 0, "width"), 0, "out of range"),
        (("shapes", 0, "height"), 1e9, "out of range"),
        (("shapes", 0, "rotation"), "90", "wrong form"),
        (("shapes", 0, "layer"), 0.5, "wrong form"),
        (("shapes", 0, "colour"), "#12", "wrong form"),
        (("shapes", 0, "opacity"), 0.5, "wrong form"),
        (("shapes", 0), None, "wrong form"),
        (("shapes", 0), nested(5000), "wrong form"),
        (("seconds",), 2, "wrong form"),
    ],
)
def test_a_picture_out_of_bounds_is_refused(path: tuple[str | int, ...], to: object, reason: str) -> None:
    read_scene(STILL, film=False)
    assert refusal(lambda: read_scene(changed(STILL, *path, to=to), film=False)).reason == reason


KEYS = ("shapes", 0, "motion", 0, "keys")


@pytest.mark.parametrize(
    ("path", "to", "reason"),
    [
        (("seconds",), 3600, "out of range"),
        (("seconds",), math.inf, "out of range"),
        (("fps",), 1000, "out of range"),
        (("width",), 512, "out of range"),
        (("shapes", 0, "motion", 0, "property"), "colour", "wrong form"),
        (("shapes", 0, "motion", 0, "ease"), "bounce", "wrong form"),
        ((*KEYS,), [{"t": 0, "value": 0.5}], "wrong form"),
        ((*KEYS, 1, "t"), 0, "out of range"),
        ((*KEYS, 1, "t"), 2.5, "out of range"),
        ((*KEYS, 1, "value"), 99, "out of range"),
        ((*KEYS,), [{"t": i / 1000, "value": 0.5} for i in range(1000)], "too much"),
        (("shapes", 0, "motion"), MOVING["shapes"][0]["motion"] * 2, "wrong form"),  # type: ignore[index]
    ],
)
def test_a_film_out_of_bounds_is_refused(path: tuple[str | int, ...], to: object, reason: str) -> None:
    read_scene(MOVING, film=True)
    assert refusal(lambda: read_scene(changed(MOVING, *path, to=to), film=True)).reason == reason


def test_too_many_frames_are_refused() -> None:
    many = {**MOVING, "fps": 30, "seconds": 10}
    assert "300 frames" in refusal(lambda: read_scene(many, film=True)).detail


def test_a_million_shapes_are_refused_at_once() -> None:
    shapes = [json_shape("star", "red", 0.5, 0.5, 0.1)] * 1_000_000
    with quick_and_small():
        assert refusal(lambda: read_scene({**STILL, "shapes": shapes}, film=False)).reason == "too much"


def test_text_has_letters_that_the_font_has() -> None:
    text = {**json_shape("text", "red", 0.5, 0.5, 0.5), "text": "OK"}
    assert read_scene({**STILL, "shapes": [text]}, film=False).shapes[0].text == "OK"
    for wrong in ("", "   ", "a\nb", "日本", "x" * 41, 7, "\ud800"):
        refusal(lambda wrong=wrong: read_scene({**STILL, "shapes": [{**text, "text": wrong}]}, film=False))
