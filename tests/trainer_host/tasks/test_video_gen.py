from __future__ import annotations

import io
import math
import pickle
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import cast

import fastjsonschema
import numpy as np
import pytest
from PIL import Image

from edge_runtime.media.colours import rgb
from edge_runtime.media.film_plan import read_film_plan
from edge_runtime.media.film_words import FILM_READING, doubt
from edge_runtime.media.prompts import marked
from edge_runtime.tasks.video_gen import reply
from tests.trainer_host.media.scenes import json_shape
from tests.trainer_host.media.strictness import (
    assert_draws_vary,
    assert_prompts_are_short,
    assert_strict,
    changed,
    nested,
    quick_and_small,
    refusal,
    reworded,
)
from trainer_host.errors import DataError
from trainer_host.tasks import Example, Json, task_spec, video_gen

SPEC = task_spec("video_gen")
RED, BLUE = {"kind": "circle", "colour": "red"}, {"kind": "square", "colour": "blue"}
DRAWN: Json = {
    "request": "Animate a red circle and a blue square on a white background. The red circle moves from left to right. "
    "The blue square makes a half turn clockwise. First the red circle, after that the blue square. It lasts 2 seconds. "
    "Nothing else.",
    "facts": [
        {"fact": "count", "of": RED, "count": 1},
        {"fact": "count", "of": BLUE, "count": 1},
        {"fact": "moves", "of": RED, "direction": "right"},
        {"fact": "turns", "of": BLUE, "degrees": 180},
        {"fact": "before", "of": RED, "than": BLUE},
        {"fact": "background", "colour": "white"},
        {"fact": "lasts", "seconds": 2},
        {"fact": "nothing else"},
    ],
}


def keys(*pairs: tuple[float, float]) -> list[Json]:
    return [{"t": t, "value": value} for t, value in pairs]


def moving(name: str, *pairs: tuple[float, float]) -> Json:
    return {"property": name, "ease": "linear", "keys": keys(*pairs)}


BALL: Json = {**json_shape("circle", "red", 0.2, 0.3, 0.3), "motion": [moving("x", (0, 0.2), (0.9, 0.8))]}
BOX: Json = {**json_shape("rectangle", "blue", 0.5, 0.72, 0.3), "motion": [moving("rotation", (1.1, 0), (2, 180))]}
SCENE: Json = {"width": 160, "height": 120, "background": "white", "fps": 12, "seconds": 2, "shapes": [BALL, BOX]}
FIRST, SECOND = ("shapes", 0), ("shapes", 1)
TRACK, TURN = (*FIRST, "motion", 0), (*SECOND, "motion", 0)
STAR: Json = {**json_shape("star", "green", 0.1, 0.9, 0.15), "motion": []}
# What is changed in the scene, and why it must be refused.
PLANTED: list[tuple[tuple[str | int, ...], object, str]] = [
    (("background",), "black", "wrong background"),
    (("seconds",), 3, "wrong length"),
    ((*FIRST, "colour"), "orange", "wrong count"),
    ((*FIRST, "kind"), "star", "wrong count"),
    ((*FIRST, "motion"), [], "wrong motion"),
    ((*TRACK, "keys"), keys((0, 0.8), (0.9, 0.2)), "wrong motion"),  # to the left
    ((*TRACK, "keys"), keys((0, 0.45), (0.9, 0.6)), "wrong motion"),  # not far enough
    ((*TRACK, "keys"), keys((0, 0.2), (0.3, 0.8), (0.6, 0.2), (0.9, 0.8)), "wrong motion"),  # with a turn
    ((*TRACK, "property"), "y", "wrong motion"),  # down
    ((*TRACK, "keys"), keys((0, -0.5), (0.9, 0.8)), "leaves the picture"),
    ((*TRACK, "keys"), keys((0, 0.2), (2, 0.8)), "wrong motion"),  # the square begins before it is done
    ((*FIRST, "y"), 0.72, "leaves the picture"),  # it goes under the square
    ((*FIRST, "motion"), [BALL["motion"][0], moving("y", (0, 0.2), (0.9, 0.5))], "wrong motion"),  # type: ignore[index]
    ((*TURN, "keys"), keys((1.1, 0), (2, 90)), "wrong motion"),
    ((*TURN, "keys"), keys((1.1, 0), (2, -180)), "wrong motion"),  # anticlockwise
    ((*TURN, "keys"), keys((1.1, 0), (2, 900)), "wrong motion"),  # too fast to be followed
    ((*SECOND, "motion"), [], "wrong motion"),
    ((*SECOND, "y"), 1.8, "hidden shape"),
    ((*SECOND, "colour"), "white", "hidden shape"),
    (("shapes",), [BALL], "wrong count"),
    (("shapes",), [BALL, BOX, STAR], "something else"),
    (("shapes",), [BALL] * 10**6, "too much"),
    (("fps",), 10**9, "out of range"),
    (("seconds",), 3600, "out of range"),
    (("seconds",), math.nan, "out of range"),
    (("width",), 10**9, "out of range"),
    ((*TRACK, "keys"), keys(*((i / 1e6, 0.5) for i in range(100_000))), "too much"),
    ((*TRACK, "keys", 0, "value"), -math.inf, "out of range"),
    ((*FIRST, "motion"), nested(10_000), "wrong form"),
    ((*FIRST, "opacity"), 0.5, "wrong form"),
]


def test_the_right_answer_passes() -> None:
    example = SPEC.verify(DRAWN, [{"scene": SCENE}])
    SPEC.check(example)
    assert example.input == {"prompt": DRAWN["request"]}
    assert SPEC.score(example.output, {"scene": SCENE}) == 1


@pytest.mark.parametrize(("path", "to", "reason"), PLANTED)
def test_a_planted_mistake_is_refused_for_its_reason(path: tuple[str | int, ...], to: object, reason: str) -> None:
    answer = {"scene": changed(SCENE, *path, to=to)}
    with quick_and_small(megabytes=40):
        assert refusal(lambda: SPEC.verify(DRAWN, [answer])).reason == reason


@pytest.mark.parametrize(
    ("fact", "motion"),
    [
        ({"fact": "bounces", "of": RED, "times": 2}, moving("y", (0, 0.2), (0.5, 0.8), (1, 0.3), (1.5, 0.8), (2, 0.4))),
        ({"fact": "sways", "of": RED, "times": 1}, moving("x", (0, 0.2), (1, 0.7), (2, 0.2))),
        ({"fact": "resizes", "of": RED, "factor": 2.0}, moving("scale", (0, 1), (2, 2))),
        ({"fact": "stays", "of": RED}, None),
    ],
)
def test_other_motions_pass_where_they_are_asked_for_and_nowhere_else(fact: Json, motion: Json | None) -> None:
    drawn = {"request": "A red circle.", "facts": [{"fact": "count", "of": RED, "count": 1}, fact]}
    ball = {**BALL, "x": 0.5, "y": 0.5, "motion": [motion] if motion else []}
    turning = {**BOX, "x": 0.9, "y": 0.85, "width": 0.15, "height": 0.15}
    SPEC.verify(drawn, [{"scene": {**SCENE, "shapes": [ball, turning]}}])
    assert refusal(lambda: SPEC.verify(drawn, [{"scene": {**SCENE, "shapes": [BALL]}}])).reason == "wrong motion"


def test_a_film_in_which_nothing_moves_is_refused() -> None:
    still = [{**BALL, "motion": []}, {**BOX, "motion": [moving("x", (0, 0.5), (2, 0.5))]}]
    drawn = {"request": "A red circle.", "facts": []}
    assert refusal(lambda: SPEC.verify(drawn, [{"scene": {**SCENE, "shapes": still}}])).reason == "nothing moves"


def test_100_built_in_examples_are_right_and_all_different() -> None:
    validate = fastjsonschema.compile(SPEC.example_schema)
    seen = set()
    for seed in range(100):
        example = SPEC.built_in(random.Random(seed))
        SPEC.check(example)
        validate({"input": example.input, "output": example.output})
        seen.add(SPEC.key(example))
    assert len(seen) >= 97


def test_an_example_is_checked_without_its_draw() -> None:
    example = SPEC.verify(DRAWN, [{"scene": SCENE}])
    scene = cast("Json", example.output["scene"])
    for path, to, reason in [
        (("background",), "green", "wrong background"),
        (("shapes", 0, "motion"), [], "wrong motion"),
        (("shapes", 0, "colour"), "white", "hidden shape"),
    ]:
        wrong = reworded(example, scene=changed(scene, *path, to=to))
        assert refusal(lambda wrong=wrong: SPEC.check(wrong)).reason == reason


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("A red ball goes to the right, then the blue square turns.", None),
        ("A red circle bounces twice.", "not as asked"),
        ("A blue square that grows.", "not as asked"),
        ("Something goes around the middle.", "not as asked"),
        ("A green circle moves.", "not as asked"),
    ],
)
def test_a_persons_prompt_is_compared_with_the_film(prompt: str, reason: str | None) -> None:
    example = Example({"prompt": prompt}, {"scene": SCENE})
    if reason is None:
        SPEC.check(example)
    else:
        assert refusal(lambda: SPEC.check(example)).reason == reason


def test_a_motion_that_the_prompt_does_not_ask_for_is_refused() -> None:
    example = SPEC.verify(DRAWN, [{"scene": SCENE}])
    unasked = Example({"prompt": "A red circle and a blue square."}, example.output)
    assert refusal(lambda: SPEC.check(unasked)).reason == "not asked for"


def test_the_score_is_the_share_of_what_was_asked() -> None:
    wanted = SPEC.verify(DRAWN, [{"scene": SCENE}]).output
    still = changed(SCENE, *FIRST, "motion", to=[])
    assert SPEC.score(wanted, {"scene": still}) == pytest.approx(1 - 2 / 8)  # neither moves, nor comes first
    for nothing in ({}, {"scene": None}, {"scene": nested(5000)}):
        assert SPEC.score(wanted, nothing) == 0
    assert SPEC.score({"scene": SCENE}, {"scene": SCENE}) == 1
    assert SPEC.score({"scene": SCENE}, {"scene": still}) < 1


def test_draws_vary_and_prompts_are_short_and_strict() -> None:
    assert_draws_vary(SPEC)
    assert_prompts_are_short(SPEC)
    assert_strict(SPEC.answer_schema)


def test_the_rendered_file_is_an_animation_in_which_the_asked_motion_is_seen() -> None:
    example = SPEC.verify(DRAWN, [{"scene": SCENE}])
    [(name, content)] = SPEC.render(example).items()
    assert name.endswith(".png")
    film = Image.open(io.BytesIO(content))
    assert getattr(film, "is_animated", False) and film.size == (160, 120)
    places = []
    for number in range(film.n_frames):  # type: ignore[attr-defined]
        film.seek(number)
        red = (np.asarray(film.convert("RGB")) == rgb("red")).all(axis=2)
        places.append(np.nonzero(red)[1].mean() / 160)
    assert places[0] == pytest.approx(0.2, abs=0.02) and places[-1] == pytest.approx(0.8, abs=0.02)
    assert (np.diff(places) > -0.005).all()


def test_verifying_runs_in_another_process() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        example = pool.submit(SPEC.verify, DRAWN, [{"scene": SCENE}]).result(120)
    assert example == pickle.loads(pickle.dumps(SPEC)).verify(DRAWN, [{"scene": SCENE}])


def test_there_are_no_options() -> None:
    with pytest.raises(DataError, match="no option 'fps'"):
        task_spec("video_gen", {"fps": 30})


def test_what_is_practised_without_a_look_asks_for_just_what_its_plan_says() -> None:
    rng = random.Random(3)
    for _ in range(60):
        made = video_gen.practice(rng)
        prompt = marked(str(made.input["prompt"]), FILM_READING)
        plan, whole = read_film_plan(prompt.lengthened(reply(made.input, made.output)), prompt)
        assert whole and doubt(plan, prompt) is None
