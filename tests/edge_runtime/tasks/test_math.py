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
        request: math.Json = {"question": made.question}
        output: math.Json = {"steps": list(made.steps), "answer": made.answer, "expression": made.expression}
        asked: math.Json = {**request, "steps": True}
        rows: tuple[math.Json, ...] = (output, {**output, "stepwise": True})
        for row in rows:
            got = math.answer(asked, math.reply(request, row))
            assert got["unsure"] is False and spec.score(output, got) == 1
            spec.check(Example(request, {name: got[name] for name in ("steps", "answer", "expression")}))
        assert "steps" not in math.answer(request, math.reply(request, output))


def test_the_model_sees_places_instead_of_numbers_and_x_for_every_unknown() -> None:
    [said] = math.messages({"question": "A hall has 12 rows of 1,008 seats and 17.5 are taken."})
    assert said["content"] == "A hall has ① rows of ② seats and ③ are taken."
    [said] = math.messages({"question": "Solve 3k + 4 = 10 for k."})
    assert said["content"] == "Solve ①x + ② = ③ for x."
    assert math.answer({"question": "Solve 3k + 4 = 10 for k."}, "①x + ② = ③ | x = {}")["answer"] == "k = 2"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("① - ② | ${}", "-$5"),
        ("① - ② | {} apples", "-5"),  # a unit that the question doesn't name is left out
        ("① - ② | {} pears", "-5 pears"),
        ("① - ② | {} {} pears", "-5"),
        ("② * 2", "24"),
        ("① + ③", None),
        ("① / 0 | {}", None),
        ("import os", None),
        ("", None),
    ],
)
def test_what_can_not_be_computed_is_unsure_and_the_rest_is_computed(text: str, answer: str | None) -> None:
    got = math.answer({"question": "7 pears less 12 pears?"}, text)
    assert got["answer"] == answer and got["unsure"] is (answer is None)


def test_a_calculation_line_by_line_is_computed_and_its_steps_are_told_where_they_are_asked_for() -> None:
    request: math.Json = {"question": "A hall has 12 rows of 8 seats and 17 are taken. How many seats are free?"}
    output: math.Json = {"steps": [], "answer": "79 seats", "expression": "12 * 8 - 17", "stepwise": True}
    written = math.reply(request, output)
    assert written == "① * ②\n_ - ③ | {} seats"
    assert math.answer(request, written) == {"answer": "79 seats", "expression": "12 * 8 - 17", "unsure": False}
    assert math.answer({**request, "steps": True}, written)["steps"] == ["12 * 8 = 96", "96 - 17 = 79"]
    for wrong in ("① * ②\n① - ③ | {}", "① * ②\n_ - ④ | {}", "① * ② - ③\n_ | {}"):
        assert math.answer({**request, "steps": True}, wrong) == {
            "answer": None, "expression": None, "steps": [], "unsure": True,
        }  # fmt: skip
    equation: math.Json = {"steps": [], "answer": "x = 5", "expression": "3x + 5 = 20", "stepwise": True}
    assert math.reply({"question": "Solve 3x + 5 = 20."}, equation) == "①x + ② = ③ | x = {}"


def test_what_isnt_the_calculation_that_the_question_itself_holds_is_unsure() -> None:
    request: math.Json = {"question": "Exercise 7: What is 3 + (4 - 2) * 9?"}
    assert math.answer(request, "③ - ④\n_ * ⑤\n② + _ | {}")["unsure"] is False
    for wrong in (
        "③ - ④\n② + _", "③ - ④\n_ * ⑤\n② + _\n_ + ⑤", "② + ③", "③ + ④\n_ * ⑤\n② + _",
    ):  # fmt: skip
        got = math.answer(request, wrong)
        assert got["answer"] is not None and got["unsure"] is True


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("What is the answer to 3 times 4", "① ② *", "① ② +"),
        ("12 plus 30", "① ② +", "① ② -"),
        ("How much is 84 Divided by 7?", "① ② /", "① ② *"),
        ("What is 3 multiplied by 4 minus 2?", "① ② * ③ -", "① ② *"),
    ],
)
def test_a_calculation_in_words_is_the_question_s_own_too(question: str, right: str, wrong: str) -> None:
    assert math.answer({"question": question}, f"{right} | {{}}")["unsure"] is False
    assert math.answer({"question": question}, f"{wrong} | {{}}")["unsure"] is True


def test_numbers_that_stand_together_are_meant_where_others_are_as_large() -> None:
    request: math.Json = {"question": "Task 4 of 2: What is 4 + 9 - 2?"}
    output: math.Json = {"steps": [], "answer": "11", "expression": "4 + 9 - 2"}
    assert math.reply(request, output) == "③ + ④ - ⑤ | {}"


def test_a_story_is_written_in_the_order_in_which_it_is_told() -> None:
    request: math.Json = {"question": "Of 50 pears 3 boxes of 8 are sold, and 2 are eaten. How many are missing to 40?"}
    output: math.Json = {"steps": [], "answer": "16", "expression": "40 - (50 - 3 * 8 - 2)"}
    written = math.reply(request, output)
    assert written == "① ② ③ * - ④ - ⑤ ~- | {}"
    got = math.answer({**request, "steps": True}, written)
    assert got["expression"] == output["expression"] and got["answer"] == "16" and len(got["steps"]) == 4  # type: ignore[arg-type]


def test_more_numbers_than_there_are_places_stay_numbers() -> None:
    numbers = " and ".join(map(str, range(101, 153)))
    request: math.Json = {"question": f"Of {numbers}, take only the last two. What is their sum?"}
    assert "㊿ and 151" in str(math.messages(request)[0]["content"])
    output: math.Json = {"steps": [], "answer": "303", "expression": "151 + 152"}
    assert math.answer(request, math.reply(request, output))["answer"] == "303"


def test_circled_numbers_of_a_question_are_plain_ones() -> None:
    [said] = math.messages({"question": "Take ③ from 12."})
    assert said["content"] == "Take ① from ②."


def test_bad_questions_are_refused_with_what_to_send() -> None:
    wrong: tuple[math.Json, ...] = (
        {},
        {"question": " "},
        {"question": 7},
        {"question": "x" * 601},
        {"question": "1+1", "more": 1},
        {"question": "1+1", "steps": "yes"},
    )
    for request in wrong:
        with pytest.raises(BadRequest):
            math.messages(request)
