"""Pictures and films from what a model wrote: drawn as asked, or unsure."""

from __future__ import annotations

import io
import random
import sys
from types import ModuleType
from typing import cast

import fastjsonschema
import pytest
from PIL import Image

from edge_runtime.errors import BadRequest, NotEquipped
from edge_runtime.media import Media, to_json
from edge_runtime.media.pictures import read_film
from edge_runtime.tasks import image_gen, video_gen
from trainer_host.tasks import Json, task_spec

TASKS = [image_gen, video_gen]
ASKED: Json = {"prompt": 'Draw two red circles above a blue star on a white background. It says "Hello".'}


@pytest.mark.parametrize("task", TASKS)
def test_what_a_model_learns_to_write_shows_all_that_was_asked(task: ModuleType) -> None:
    spec = task_spec(task.NAME)
    valid = fastjsonschema.compile(task.RESPONSE_SCHEMA)
    for seed in range(100, 112):
        made = spec.built_in(random.Random(seed))
        got = task.answer(made.input, task.reply(made.input, made.output))
        assert got["unsure"] is False and spec.score(made.output, got) == 1
        valid({**cast(Json, to_json(got)), "confidence": 1.0, "finish": "stop", "tokens": 9})


@pytest.mark.parametrize("task", TASKS)
def test_a_row_that_does_not_say_what_it_shows_keeps_its_own_scene(task: ModuleType) -> None:
    spec = task_spec(task.NAME)
    for seed in range(100, 106):
        made = spec.built_in(random.Random(seed))
        written = task.reply(made.input, {"scene": made.output["scene"]})
        got = task.answer(made.input, written)
        assert got["unsure"] is False and spec.score(made.output, got) == 1
        assert len(got["scene"]["shapes"]) == len(cast(Json, made.output["scene"])["shapes"])  # type: ignore[arg-type]


def test_the_picture_is_a_png_of_the_scene_and_the_film_an_animation_of_its_frames() -> None:
    made = image_gen.answer(ASKED, "wide P ; A ; B ; A above B ; says [1]")
    picture, scene = made["picture"], made["scene"]
    assert isinstance(picture, Media) and picture.content_type == "image/png" and isinstance(scene, dict)
    with Image.open(io.BytesIO(picture.content)) as opened:
        assert opened.format == "PNG" and opened.size == (scene["width"], scene["height"])
    film = video_gen.answer({"prompt": "A red circle"}, "- 1.5s ; A bounces 2")
    assert isinstance(film["film"], Media) and film["film"].content_type == "image/apng"
    read = read_film(film["film"].content)
    assert len(read.frames) == film["frames"] and sum(read.seconds) == pytest.approx(1.5, abs=0.02)


@pytest.mark.parametrize("text", ["", "I can't draw that.", "- P", "256x160 white", "A" * 5000, "- - ; Z", "\0;;;"])
@pytest.mark.parametrize("task", TASKS)
def test_a_text_that_is_no_plan_has_no_picture_and_is_unsure(task: ModuleType, text: str) -> None:
    made = task.answer(ASKED, text)
    assert made["unsure"] is True and made["scene"] is None
    assert task.agrees(made, made) and not task.agrees({"scene": {"shapes": []}}, made)


def test_what_is_cut_off_or_impossible_is_drawn_as_far_as_it_goes_and_unsure() -> None:
    for text in ("- P ; A ; B ; A abo", "- P ; A ; B ; A above B ; B above A"):
        made = image_gen.answer(ASKED, text)
        assert made["unsure"] is True and len(made["scene"]["shapes"]) == 3  # type: ignore[index]


def test_two_runtimes_agree_on_most_shapes_and_how_they_move() -> None:
    one = image_gen.answer(ASKED, "- P ; A ; B ; A above B")
    assert image_gen.agrees(one, image_gen.answer(ASKED, "- - ; A ; B"))
    assert not image_gen.agrees(one, image_gen.answer(ASKED, "- P ; B"))
    asked = {"prompt": "A red circle"}
    film = video_gen.answer(asked, "- - ; A moves left")
    assert video_gen.agrees(film, video_gen.answer(asked, "- - ; A moves right"))
    assert not video_gen.agrees(film, video_gen.answer(asked, "- - ; A turns 90"))


@pytest.mark.parametrize("task", TASKS)
def test_bad_requests_are_refused_with_what_to_send(task: ModuleType) -> None:
    for request in ({}, {"prompt": " "}, {"prompt": 7}, {"prompt": "x" * 601}, {"prompt": "a star", "size": 3}):
        with pytest.raises(BadRequest):
            task.messages(request)
    assert task.messages({"text": "A star"}) == [{"role": "user", "content": "a A"}]


@pytest.mark.parametrize("task", TASKS)
def test_without_pillow_a_sentence_says_how_to_get_it(task: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(NotEquipped, match="need the package 'pillow'"):
        task.answer(ASKED, "- P ; A")


def test_a_film_whose_plan_says_a_direction_that_nobody_asked_for_is_unsure() -> None:
    request: Json = {"prompt": "Animate a red circle that moves from left to right."}
    assert video_gen.answer(request, "- - ; A moves right")["unsure"] is False
    for invented in ("- - ; A moves up", "- - ; A turns 90"):
        answer = video_gen.answer(request, invented)
        assert answer["film"] is not None and answer["unsure"] is True


@pytest.mark.parametrize(
    ("task", "prompt", "written", "right"),
    [
        (image_gen, "a red circle", "- - ; A", True),
        (image_gen, "no red circle", "- - ; A", False),
        (image_gen, "a picture without a red circle", "- - ; A", False),
        (image_gen, "a red circle, not a small one", "- - ; A α", False),
        (image_gen, "a red circle, no text", "- - ; A", True),
        (image_gen, "a red circle or a blue star", "- - ; A ; B", False),
        (image_gen, "a red circle and a blue star", "- - ; A ; B", True),
        (image_gen, "a red circle of 3 blue stars", "- - ; A ; 3 B", False),
        (image_gen, "a red circle in each corner", "- - ; A", False),
        (image_gen, "a red circle in the top left corner", "- - ; A α", True),
        (video_gen, "a red circle moves left or right", "- - ; A moves left", False),
        (video_gen, "a red circle moves left", "- - ; A moves left", True),
        (video_gen, "a red circle that doesn't move", "- - ; A stays", True),
    ],
)
def test_what_there_is_not_to_be_is_not_taken_for_what_there_is(
    task: ModuleType, prompt: str, written: str, right: bool
) -> None:
    answer = task.answer({"prompt": prompt}, written)
    assert (answer["problem"] is None) is right, answer["problem"]
