"""Questions go to the model without their numbers, and what it writes is computed here."""

from __future__ import annotations

import random

import pytest

from edge_runtime.errors import BadRequest
from edge_runtime.tasks import math
from trainer_host.tasks import Example, task_spec
from trainer_host.tasks.math_problems import problem


@pytest.mark.parametrize("level", range(1, 7))
def test_what_a_model_learns_to_write_is_the_right_answer_with_right_steps(level: int) -> None:
    spec = task_spec("math")
    rng = random.Random(level)
    for _ in range(80):
        made = problem(rng, level)
        request = {"question": made.question}
        output = {"steps": list(made.steps), "answer": made.answer, "expression": made.expression}
        got = math.answer(request, math.reply(request, output))
        assert got["unsure"] is False and spec.score(output, got) == 1
        spec.check(Example(request, {name: got[name] for name in ("steps", "answer", "expression")}))


def test_the_model_sees_places_instead_of_numbers_and_x_for_every_unknown() -> None:
    [said] = math.messages({"question": "A hall has 12 rows of 1,008 seats and 17.5 are taken."})
    assert said["content"] == "A hall has [1] rows of [2] seats and [3] are taken."
    [said] = math.messages({"question": "Solve 3k + 4 = 10 for k."})
    assert said["content"] == "Solve [1]x + [2] = [3] for x."
    assert math.answer({"question": "Solve 3k + 4 = 10 for k."}, "[1]x + [2] = [3] | x = {}")["answer"] == "k = 2"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("[1] - [2] | ${}", "-$5"),
        ("[1] - [2] | {} apples", "-5"),  # a unit that the question doesn't name is left out
        ("[1] - [2] | {} pears", "-5 pears"),
        ("[1] - [2] | {} {} pears", "-5"),
        ("[2] * 2", "24"),
        ("[1] + [3]", None),
        ("[1] / 0 | {}", None),
        ("import os", None),
        ("", None),
    ],
)
def test_what_can_not_be_computed_is_unsure_and_the_rest_is_computed(text: str, answer: str | None) -> None:
    got = math.answer({"question": "7 pears less 12 pears?"}, text)
    assert got["answer"] == answer and got["unsure"] is (answer is None)


def test_bad_questions_are_refused_with_what_to_send() -> None:
    for request in ({}, {"question": " "}, {"question": 7}, {"question": "x" * 601}, {"question": "1+1", "more": 1}):
        with pytest.raises(BadRequest):
            math.messages(request)
