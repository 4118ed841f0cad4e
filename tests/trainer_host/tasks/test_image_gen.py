from __future__ import annotations

import io
import math
import pickle
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import cast

import fastjsonschema
import pytest
from PIL import Image

from edge_runtime.media.colours import rgb
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
from trainer_host.tasks import Example, Json, task_spec

SPEC = task_spec("image_gen")
RED, BLUE = {"kind": "circle", "colour": "red"}, {"kind": "square", "colour": "blue"}
DRAWN: Json = {
    "request": "Draw two small red circles and a blue square on a white background. The red circles are left of the "
    'blue square and stand in a column. The blue square is on the right side. It says "GO". Nothing else.',
    "facts": [
        {"fact": "count", "of": RED, "count": 2},
        {"fact": "count", "of": BLUE, "count": 1},
        {"fact": "relation", "of": RED, "relation": "left of", "to": BLUE},
        {"fact": "size", "of": RED, "size": "small"},
        {"fact": "arranged", "of": RED, "arrangement": "column"},
        {"fact": "place", "of": BLUE, "place": "right"},
        {"fact": "background", "colour": "white"},
        {"fact": "words", "text": "GO"},
        {"fact": "canvas", "canvas": "wide"},
        {"fact": "nothing else"},
    ],
}
WORD: Json = {**json_shape("text", "black", 0.5, 0.9, 0.5, 0.15), "text": "GO"}
SCENE: Json = {
    "width": 300,
    "height": 200,
    "background": "white",
    "shapes": [
        json_shape("circle", "red", 0.2, 0.2, 0.2),
        json_shape("circle", "#e00000", 0.2, 0.5, 0.2),
        json_shape("rectangle", "blue", 0.75, 0.4, 0.4),
        WORD,
    ],
}
FIRST, SECOND, THIRD = ("shapes", 0), ("shapes", 1), ("shapes", 2)
COVER = json_shape("rectangle", "white", 0.2, 0.2, 0.3)
# What is changed in the scene, and why it must be refused.
PLANTED: list[tuple[tuple[str | int, ...], object, str]] = [
    (("background",), "yellow", "wrong background"),
    (("background",), "#c0c0ff", "wrong background"),
    (("height",), 300, "wrong canvas"),
    ((*FIRST, "colour"), "orange", "wrong count"),
    ((*FIRST, "colour"), "white", "hidden shape"),
    ((*FIRST, "kind"), "star", "wrong count"),
    ((*FIRST, "width"), 0.3, "wrong count"),  # an oval
    ((*FIRST, "x"), 1.4, "hidden shape"),
    ((*FIRST, "x"), -0.02, "wrong count"),  # more than half is off the canvas
    ((*FIRST, "y"), 0.45, "wrong count"),  # the second one covers it
    ((*FIRST, "y"), 0.31, "wrong count"),  # they touch
    ((*FIRST, "x"), 0.9, "wrong relation"),
    ((*FIRST, "x"), 0.35, "wrong arrangement"),
    ((*FIRST, "width"), 0.01, "wrong count"),
    (FIRST, json_shape("circle", "red", 0.2, 0.2, 0.45), "wrong size"),
    (SECOND, json_shape("rectangle", "blue", 0.2, 0.5, 0.2), "wrong count"),
    (SECOND, json_shape("circle", "red", 0.2, 0.6, 0.42), "wrong size"),
    ((*THIRD, "x"), 0.5, "wrong place"),
    ((*THIRD, "colour"), "cyan", "wrong count"),
    ((*THIRD, "layer"), 101, "out of range"),
    ((*THIRD, "width"), 0.6, "wrong count"),  # a rectangle
    (("shapes", 3, "text"), "STOP", "missing words"),
    (("shapes", 3, "colour"), "white", "hidden shape"),
    (("shapes",), [*cast("list[Json]", SCENE["shapes"]), json_shape("star", "green", 0.5, 0.2, 0.1)], "something else"),
    (("shapes",), [*cast("list[Json]", SCENE["shapes"]), COVER], "hidden shape"),
    (("shapes",), cast("list[Json]", SCENE["shapes"])[1:], "wrong count"),
    (("shapes",), [SCENE["shapes"]] * 10**6, "too much"),
    (("shapes",), nested(10_000), "wrong form"),
    (("width",), 10**9, "out of range"),
    ((*FIRST, "x"), math.nan, "out of range"),
    ((*FIRST, "hidden"), True, "wrong form"),
]


def test_the_right_answer_passes() -> None:
    example = SPEC.verify(DRAWN, [{"scene": SCENE}])
    SPEC.check(example)
    assert example.input == {"prompt": DRAWN["request"]}
    assert SPEC.score(example.output, {"scene": SCENE}) == 1


@pytest.mark.parametrize(("path", "to", "reason"), PLANTED)
def test_a_planted_mistake_is_refused_for_its_reason(path: tuple[str | int, ...], to: object, reason: str) -> None:
    answer = {"scene": changed(SCENE, *path, to=to)}
    with quick_and_small():
        assert refusal(lambda: SPEC.verify(DRAWN, [answer])).reason == reason


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong = changed(changed(SCENE, "background", to="green"), "shapes", 2, "x", to=0.45)
    detail = refusal(lambda: SPEC.verify(DRAWN, [{"scene": wrong}])).detail
    assert "background must be white" in detail and "right of the picture" in detail


def test_inside_means_drawn_over_and_within() -> None:
    facts = [{"fact": "relation", "of": RED, "relation": "inside", "to": BLUE}]
    drawn = {"request": "Draw a red circle inside a blue square.", "facts": facts}
    square = json_shape("rectangle", "blue", 0.5, 0.5, 0.8)

    def answer(*shapes: Json) -> list[Json]:
        return [{"scene": {**SCENE, "shapes": list(shapes)}}]

    SPEC.verify(drawn, answer(square, json_shape("circle", "red", 0.5, 0.5, 0.3)))
    for at in (0.1, 0.28, 0.9):  # beside it, over its edge
        assert refusal(lambda at=at: SPEC.verify(drawn, answer(square, json_shape("circle", "red", at, 0.5, 0.3))))
    under = [{**json_shape("circle", "red", 0.5, 0.5, 0.3), "layer": -1}, square]
    assert refusal(lambda: SPEC.verify(drawn, answer(*under))).reason == "hidden shape"


def test_100_built_in_examples_are_right_and_all_different() -> None:
    validate = fastjsonschema.compile(SPEC.example_schema)
    seen = set()
    for seed in range(100):
        example = SPEC.built_in(random.Random(seed))
        SPEC.check(example)
        validate({"input": example.input, "output": example.output})
        seen.add(SPEC.key(example))
    assert len(seen) >= 99


def test_an_example_is_checked_without_its_draw() -> None:
    example = SPEC.verify(DRAWN, [{"scene": SCENE}])
    scene = cast("Json", example.output["scene"])
    for path, to, reason in [
        (("background",), "yellow", "wrong background"),
        (("shapes", 0, "colour"), "green", "wrong count"),
        (("shapes", 0, "x"), 1.4, "hidden shape"),
    ]:
        wrong = reworded(example, scene=changed(scene, *path, to=to))
        assert refusal(lambda wrong=wrong: SPEC.check(wrong)).reason == reason
    unasked = Example({"prompt": "Draw something nice."}, example.output)
    assert refusal(lambda: SPEC.check(unasked)).reason == "not asked for"


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("Two red circles beside a blue square that says go.", None),
        ("Red dots on a square canvas, all in one line.", None),
        ("A red circle and a green one.", "not as asked"),
        ("A red circle and a gray square.", "not as asked"),
        ("Two stars.", "not as asked"),
    ],
)
def test_a_persons_prompt_is_compared_with_the_picture(prompt: str, reason: str | None) -> None:
    example = Example({"prompt": prompt}, {"scene": SCENE})
    if reason is None:
        SPEC.check(example)
    else:
        assert refusal(lambda: SPEC.check(example)).reason == reason


def test_the_score_is_the_share_of_what_was_asked() -> None:
    wanted = SPEC.verify(DRAWN, [{"scene": SCENE}]).output
    moved = changed(SCENE, "shapes", 2, "x", to=0.5)
    assert SPEC.score(wanted, {"scene": moved}) == pytest.approx(0.9)
    assert SPEC.score(wanted, {"scene": changed(SCENE, "background", to="green")}) == pytest.approx(0.9)
    for nothing in ({}, {"scene": None}, {"scene": {"shapes": []}}, {"scene": nested(5000)}):
        assert SPEC.score(wanted, nothing) == 0
    examples = [SPEC.built_in(random.Random(seed)).output for seed in range(30)]
    others = [SPEC.score(one, other) for one, other in zip(examples, examples[1:] + examples[:1], strict=True)]
    assert sum(others) / 30 < 0.2


def test_the_score_of_a_picture_that_says_nothing_is_about_what_it_shows() -> None:
    wanted: Json = {"scene": SCENE}
    assert SPEC.score(wanted, {"scene": SCENE}) == 1
    fewer = changed(SCENE, "shapes", to=cast("list[Json]", SCENE["shapes"])[1:])
    assert SPEC.score(wanted, {"scene": fewer}) == pytest.approx(2 / 3)  # the count of circles is wrong


def test_draws_vary_and_prompts_are_short_and_strict() -> None:
    assert_draws_vary(SPEC)
    assert_prompts_are_short(SPEC)
    assert_strict(SPEC.answer_schema)


def test_the_rendered_file_is_a_png_with_the_asked_colours() -> None:
    example = SPEC.verify(DRAWN, [{"scene": SCENE}])
    [(name, content)] = SPEC.render(example).items()
    assert name.endswith(".png")
    picture = Image.open(io.BytesIO(content))
    assert picture.size == (300, 200)
    assert picture.getpixel((60, 40)) == rgb("red") and picture.getpixel((225, 80)) == rgb("blue")
    assert picture.getpixel((1, 1)) == (255, 255, 255)


def test_verifying_runs_in_another_process() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        example = pool.submit(SPEC.verify, DRAWN, [{"scene": SCENE}]).result(120)
        refused = pool.submit(SPEC.verify, DRAWN, [{"scene": {}}]).exception(60)
    assert example == pickle.loads(pickle.dumps(SPEC)).verify(DRAWN, [{"scene": SCENE}])
    assert type(refused).__name__ == "Rejected"


def test_there_are_no_options() -> None:
    with pytest.raises(DataError, match="no option 'style'"):
        task_spec("image_gen", {"style": "oil"})
