"""Prompts are read with marks for what a model needn't learn."""

from __future__ import annotations

import random

import pytest

from edge_runtime.media.picture_words import PICTURE_READING
from edge_runtime.media.prompts import THINGS, marked
from trainer_host.tasks import task_spec


def test_things_colours_numbers_and_quotes_become_marks_that_code_remembers() -> None:
    read = marked(
        'Two red circles left of the small blue star on a WHITE background. It says "Hello, you". The star is big.'
    )
    assert read.said == "2 A left of the small B on a P background . it says [1] . the B is big ."
    assert read.things == (("circle", "red"), ("star", "blue")) and read.counts == (2, 1)
    assert read.grounds == ("white",) and read.quotes == ("Hello, you",)
    assert read.quote("[1]") == "Hello, you" and read.quote("[2]") is None and read.quote('"own"') == "own"
    assert read.thing("B") == ("star", "blue") and read.thing("C") is None and read.ground("P") == "white"


@pytest.mark.parametrize(
    ("prompt", "things", "counts"),
    [
        ("a circle", (("circle", ""),), (1,)),
        ("some crimson discs and a pair of stars", (("circle", "red"), ("star", "")), (3, 2)),
        ("a #FF8800 ellipse, twelve gray bars", (("oval", "#ff8800"), ("line", "grey")), (1, 12)),
        ("a square picture with ten triangles in a line", (("triangle", ""),), (10,)),
        ("the pentagonal starfish, redder than circles4", (), ()),
        ("Ein roter Kreis; 一个红色的圆", (), ()),
        ("", (), ()),
    ],
)
def test_what_people_write_is_read_as_far_as_it_names_forms(prompt: str, things: object, counts: object) -> None:
    read = marked(prompt)
    assert (read.things, read.counts) == (things, counts)


def test_more_things_than_there_are_marks_stay_words() -> None:
    colours = ("red", "blue", "green", "pink")
    read = marked(", ".join(f"a {colour} {kind}" for colour in colours for kind in ("star", "circle", "line", "oval")))
    assert len(read.things) == len(THINGS) and read.said.endswith("a pink oval")


def test_the_sentence_that_tells_of_a_thing_is_found() -> None:
    read = marked("A red star and a blue star. The blue star is left of the red star. The red star is at the top.")
    assert read.told("BA") == 1 and read.told("A", ["top"]) == 2 and read.told("A", ["bottom"]) == read.told("C") == 4


def test_what_stands_in_the_prompts_of_the_built_in_teacher_are_marks_alone() -> None:
    spec = task_spec("image_gen")
    for seed in range(60):
        made = spec.built_in(random.Random(seed))
        read = marked(str(made.input["prompt"]), PICTURE_READING)
        assert not {"red", "white", "square", "stars", "three", '"'} & set(
            read.said.replace("canvas square", "").split()
        )
