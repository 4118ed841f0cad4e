from __future__ import annotations

import copy
import json
import math
import pickle
import random
import re
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context
from typing import cast

import fastjsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer_host.errors import DataError
from trainer_host.tasks import Example, Json, Rejected, task_spec
from trainer_host.tasks.math import level_of
from trainer_host.tasks.math_answers import numbers_of, read_answer, same_answer
from trainer_host.tasks.math_expressions import parse, value
from trainer_host.tasks.math_problems import FAMILIES, SIGNS
from trainer_host.tasks.math_sums import MOST_TOLD

SPEC = task_spec("math")
DRAWN: Json = {"level": 3, "kind": "story"}
RIGHT: Json = {
    "question": "A hall has 12 rows of 8 seats and 17 are taken. How many seats are free?",
    "expression": "12 * 8 - 17",
    "steps": ["Seats: 12 * 8 = 96", "96 - 17 = 79 seats"],
    "answer": "79 seats",
}
EQUATION: Json = {
    "question": "Solve 3x + 5 = 20.",
    "expression": "3x + 5 = 20",
    "steps": ["3x = 20 - 5", "3x = 15", "x = 5"],
    "answer": "x = 5",
}
# What is changed in an answer, and why it must be refused.
PLANTED: list[tuple[Json, Json, str]] = [
    (RIGHT, {"answer": "80 seats"}, "wrong answer"),
    (RIGHT, {"answer": "79.0001 seats"}, "wrong answer"),
    (RIGHT, {"answer": "-79 seats"}, "wrong answer"),
    (RIGHT, {"steps": ["12 * 8 = 98", "98 - 17 = 81"]}, "wrong sum"),
    (RIGHT, {"steps": ["12 * 8 = 96", "96 - 17 = 78"], "answer": "78 seats"}, "wrong answer"),
    (RIGHT, {"steps": ["12 * 8 = 96 = 97", "96 - 17 = 79"]}, "wrong sum"),
    (RIGHT, {"steps": ["12 * 8 = 96"]}, "steps stop short"),
    (RIGHT, {"steps": ["12 * 8 is 96", "so 79"]}, "unreadable step"),
    (RIGHT, {"steps": ["79 = 79"]}, "nothing to compute"),
    (RIGHT, {"steps": []}, "wrong form"),
    (RIGHT, {"steps": ["1 + 1 = 2"] * 13}, "too much"),
    (RIGHT, {"steps": "12 * 8 = 96"}, "wrong form"),
    (RIGHT, {"steps": [96]}, "wrong form"),
    (RIGHT, {"expression": "79"}, "nothing to compute"),
    (RIGHT, {"expression": "14 * 8 - 17"}, "number from nowhere"),
    (RIGHT, {"expression": "12 * 8 - 17 = 79"}, "unreadable expression"),
    (RIGHT, {"expression": "rows * 8 - 17"}, "unreadable expression"),
    (RIGHT, {"expression": "12 * 8 - "}, "unreadable expression"),
    (RIGHT, {"expression": "12 8 17"}, "unreadable expression"),
    (RIGHT, {"expression": "12 * 8 - 17 / (8 - 8)"}, "division by zero"),
    (RIGHT, {"expression": "__import__('os').system('true')"}, "unreadable expression"),
    (RIGHT, {"expression": "10 ^ 10 ^ 9"}, "expression too big"),
    (RIGHT, {"expression": "(" * 60 + "12" + ")" * 60}, "expression too big"),
    (RIGHT, {"expression": "-" * 98 + "12"}, "nothing to compute"),
    (RIGHT, {"expression": "9" * 100 + " + 1"}, "expression too big"),
    (RIGHT, {"expression": "12 * 8 " * 60}, "too much"),
    (RIGHT, {"answer": "seats"}, "unreadable answer"),
    (RIGHT, {"answer": "between 70 and 80"}, "unreadable answer"),
    (RIGHT, {"answer": "79/0 seats"}, "unreadable answer"),
    (RIGHT, {"answer": 79}, "wrong form"),
    (RIGHT, {"answer": "9" * 10_000}, "too much"),
    (RIGHT, {"question": ""}, "wrong form"),
    (RIGHT, {"question": "x" * 100_000}, "too much"),
    (RIGHT, {"question": "I'm sorry, but I can't help you with that, even with 12 rows, 8 seats and 17 taken."}, "refusal"),
    (RIGHT, {"question": "Ein Saal hat 12 Reihen mit je 8 Plätzen, und 17 sind besetzt. Wie viele Plätze sind noch frei?"}, "wrong language"),
    (RIGHT, {"question": "A hall has 12 rows of 8 seats and 17 of them are taken, so how many are the"}, "truncated"),
    (RIGHT, {"question": None}, "wrong form"),
    (RIGHT, {"question": "What is 12 * 8 - 16?"}, "number from nowhere"),
    (RIGHT, {"question": "What is 12 * 8 + 17?"}, "wrong sum"),
    (RIGHT, {"extra": "x"}, "wrong form"),
    (EQUATION, {"answer": "x = 6", "steps": ["x = 6"]}, "wrong answer"),
    (EQUATION, {"steps": ["3x = 20 + 5", "x = 5"]}, "wrong sum"),
    (EQUATION, {"expression": "3x + 5"}, "unreadable expression"),
    (EQUATION, {"expression": "3x + 5y = 20"}, "unreadable expression"),
    (EQUATION, {"expression": "x * x + 5 = 20"}, "not linear"),
    (EQUATION, {"expression": "3x = 3x + 5"}, "not linear"),
    (EQUATION, {"expression": "3^x = 20"}, "expression too big"),
    (EQUATION, {"expression": "12 / x = 3"}, "unreadable expression"),
    (EQUATION, {"expression": "sqrt(x) = 3"}, "unreadable expression"),
    (EQUATION, {"question": "Solve 3x + 5 = 11."}, "number from nowhere"),
]  # fmt: skip


def example(answer: Json) -> Example:
    output = {name: answer[name] for name in ("steps", "answer", "expression")}
    return Example({"question": answer["question"]}, output)


@pytest.mark.parametrize(("right", "changed", "reason"), PLANTED)
def test_a_planted_wrong_answer_is_refused_for_its_reason(right: Json, changed: Json, reason: str) -> None:
    began = time.process_time()
    with pytest.raises(Rejected) as caught:
        SPEC.verify(DRAWN, [{**right, **changed}])
    assert caught.value.reason == reason
    assert caught.value.detail
    assert time.process_time() - began < 5


@pytest.mark.parametrize("changed", [
    {},
    {"answer": "79"},
    {"answer": "79.0 seats"},
    {"answer": "158/2 seats"},
    {"steps": ["12 × 8 = 96", "96 − 17 = 79"]},
    {"steps": ["12 * 8 - 17 = 96 - 17 = 79"]},
    {"expression": "8·12 − 17"},
    {"question": "A hall has a dozen rows of eight seats and seventeen are taken. How many are free?"},
])  # fmt: skip
def test_right_answers_pass_in_different_writing(changed: Json) -> None:
    made = SPEC.verify(DRAWN, [{**RIGHT, **changed}])
    SPEC.check(made)
    assert SPEC.score(RIGHT, dict(made.output)) == 1


def test_equations_percentages_roots_and_rounding_are_read() -> None:
    rounded: Json = {
        "question": "Divide $10 among 3 people. How much does each get, to the nearest cent (two decimals)?",
        "expression": "round(10 / 3, 2)",
        "steps": ["10 / 3 ≈ 3.33"],
        "answer": "$3.33",
    }
    root: Json = {
        "question": "A square has an area of 50. How long is its side?",
        "expression": "sqrt(50)",
        "steps": ["sqrt(50) = 5 * sqrt(2)"],
        "answer": "5 sqrt(2)",
    }
    sale: Json = {
        "question": "A coat costs $80 and is 15% cheaper today. What does it cost?",
        "expression": "80 * (1 - 15%)",
        "steps": ["15% of 80 = 12", "$80 - $12 = $68"],
        "answer": "$68.00",
    }
    share: Json = {
        "question": "12 of 30 tiles are red. What percentage is that?",
        "expression": "12 / 30",
        "steps": ["12 / 30 = 0.4"],
        "answer": "40%",
    }
    for answer in (EQUATION, rounded, root, sale, share):
        SPEC.verify(DRAWN, [answer])
    with pytest.raises(Rejected, match="wrong sum"):
        SPEC.verify(DRAWN, [{**rounded, "steps": ["10 / 3 ≈ 3.34"]}])


def test_every_family_passes_its_own_check_at_its_own_level() -> None:
    assert sum(map(len, FAMILIES.values())) >= 30
    schema = fastjsonschema.compile(SPEC.example_schema)
    for level, families in FAMILIES.items():
        for family in families:
            for seed in range(6):
                made = family(random.Random(seed))
                built = example(
                    {
                        "question": made.question,
                        "expression": made.expression,
                        "steps": list(made.steps),
                        "answer": made.answer,
                    }
                )
                SPEC.check(built)
                assert level_of(built) == level, made
                schema({"input": built.input, "output": built.output})


@pytest.mark.parametrize("word", SIGNS.values())
def test_sums_are_also_asked_as_a_person_says_them(word: str) -> None:
    asked = [
        family(random.Random(seed)).question for level in (1, 2) for family in FAMILIES[level] for seed in range(40)
    ]
    assert any(re.fullmatch(rf"(What is|How much is) \d+ {word} \d+\?", question) for question in asked)


def test_300_built_in_examples_pass_and_hardly_repeat() -> None:
    rng = random.Random(5)
    made = [SPEC.built_in(rng) for _ in range(300)]
    for built in made:
        SPEC.check(built)
        json.dumps(built.output)
    assert len({SPEC.key(built) for built in made}) >= 290
    assert len(Counter(SPEC.stratum(built) for built in made)) == 6


def test_built_in_answers_are_right_by_pythons_own_arithmetic() -> None:
    rng, checked = random.Random(8), 0
    while checked < 120:
        built = SPEC.built_in(rng)
        expression = str(built.output["expression"])
        if "=" in expression or "sqrt" in expression:
            continue
        # Our own text, of known families: `eval` is the oracle here, and only here.
        python = expression.replace("^", "**").replace("%", "*Fraction(1,100)")
        python = "".join(f"Fraction('{part}')" if part[:1].isdigit() else part for part in tokens(python))
        wanted = eval(python, {"Fraction": Fraction})
        got = read_answer(str(built.output["answer"]))
        assert Fraction(int(got.value.p), int(got.value.q)) == wanted, built
        checked += 1


def tokens(text: str) -> list[str]:
    import re

    return re.findall(r"Fraction\(1,100\)|\*\*\d|\d+(?:\.\d+)?|.", text)


def test_difficulty_rises_with_the_level() -> None:
    means = []
    for families in FAMILIES.values():
        made = [family(random.Random(seed)) for family in families for seed in range(5)]
        values = [
            SPEC.difficulty(example({"question": m.question, "expression": m.expression, "steps": [], "answer": ""}))
            for m in made
        ]
        assert all(0 <= number <= 1 for number in values)
        means.append(sum(values) / len(values))
    assert means == sorted(means)


@pytest.mark.parametrize(("wanted", "got", "same"), [
    ("1/2", "0.5", True), ("40%", "0.4", True), ("40%", "40", True), ("1.5 m", "150 cm", True), ("$4.50", "4.5 dollars", True),
    ("12 apples", "12 apple", True), ("12 apples", "12", True), ("1,200", "1200", True), ("2 1/2", "2.5", True), ("x = 5", "5", True),
    ("12 apples", "12 pears", False), ("1.5 m", "1.5 km", False), ("12", "13", False), ("5", "-5", False), ("0.3", "1/3", False),
    ("12", "twelve", False), ("12", "", False), ("12", "12 or 13", False),
])  # fmt: skip
def test_the_metric_compares_numbers_not_spellings(wanted: str, got: str, same: bool) -> None:
    assert SPEC.score({"answer": wanted}, {"answer": got}) == float(same)


def test_the_metric_gives_nothing_for_no_answer() -> None:
    for got in ({}, {"answer": None}, {"answer": 12}, {"answer": "9" * 10**6}, {"answer": ["12"]}):
        assert SPEC.score({"answer": "12"}, got) == 0.0


def test_numbers_are_found_in_words_and_digits() -> None:
    found = numbers_of(
        "Twenty-five boys have 1,200 sweets, 3/4 of two hundred and fifty, half a dozen, 2 1/2 kg for $4.50, 15%"
    )
    wanted = {25, 1200, Fraction(3, 4), 250, Fraction(1, 2), 12, 6, Fraction(5, 2), Fraction(9, 2), 15}
    assert wanted <= found
    assert not {26, 1201, 16, 7} & found


PIECES = st.sampled_from(
    [
        "1",
        "2",
        "99",
        "3/4",
        "0.5",
        "+",
        "-",
        "*",
        "/",
        "^",
        "(",
        ")",
        "%",
        "!",
        "sqrt(",
        "floor(",
        "max(",
        ",",
        "pi",
        "of",
        "7",
        "999999999999999",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=60))
def test_any_expression_is_computed_or_refused_within_two_seconds(pieces: list[str]) -> None:
    began = time.process_time()
    try:
        got = value(parse(" ".join(pieces)))
        assert not got.free_symbols
    except Rejected:
        pass
    assert time.process_time() - began < 2


@settings(max_examples=200, deadline=None)
@given(st.integers(-999, 999), st.integers(-999, 999), st.integers(1, 99), st.sampled_from("+-*/"))
def test_values_are_those_of_exact_fractions(a: int, b: int, c: int, sign: str) -> None:
    got = value(parse(f"({a}) {sign} ({b}) / {c}" if b or sign != "/" else f"({a}) - {c}"))
    ratio = Fraction(b, c)
    wanted = (
        {"+": a + ratio, "-": a - ratio, "*": a * ratio, "/": Fraction(a, b or 1) / c}[sign]
        if b or sign != "/"
        else a - c
    )
    assert Fraction(int(got.p), int(got.q)) == wanted


@pytest.mark.parametrize("text", [
    "((1+sqrt(2))^8*(1+sqrt(3))^8*(1+sqrt(5))^8*(1+sqrt(7))^8)^8",
    "floor((sqrt(2)+sqrt(3))^8*(pi+sqrt(5))^8*(1+sqrt(7))^8)",
    "1/((1+sqrt(2)+sqrt(3)+pi)^8*(1+sqrt(3)+sqrt(7))^8-(1+sqrt(3)+sqrt(7))^8)",
    "max(" + ", ".join(f"sqrt({n})^7" for n in range(2, 10)) + ")",
    "20! * 20! * 20! * 20! / 19! / 19!",
    "((2^64)^4)*((3^40)^4)",
    "lcm(999999999999989, 999999999999947, 999999999999877, 999999999999809)",
])  # fmt: skip
def test_a_hostile_expression_takes_no_time(text: str) -> None:
    began = time.process_time()
    answer = {**RIGHT, "expression": text, "steps": [f"{text[:230]} = 79"]}
    with pytest.raises(Rejected):
        SPEC.verify(DRAWN, [answer])
    assert time.process_time() - began < 3


def test_draws_vary_and_follow_from_the_seed() -> None:
    draws = [SPEC.draw(random.Random(seed)) for seed in range(400)]
    assert draws == [SPEC.draw(random.Random(seed)) for seed in range(400)]
    for name, least in (
        ("level", 2.5),
        ("topic", 4.5),
        ("style", 2.6),
        ("person", 5.0),
        ("numbers", 1.9),
        ("kind", 0.7),
    ):
        counts = Counter(str(drawn[name]) for drawn in draws)
        assert -sum(n / 400 * math.log2(n / 400) for n in counts.values()) > least, name
    assert len({json.dumps(drawn) for drawn in draws}) > 380


def test_prompts_share_their_system_text_and_stay_short() -> None:
    prompts = [SPEC.prompt(SPEC.draw(random.Random(seed))) for seed in range(50)]
    assert len({prompt.system for prompt in prompts}) == 1
    assert len(prompts[0].system) < 3000
    assert all(len(prompt.user) < 500 for prompt in prompts)
    assert len({prompt.user for prompt in prompts}) > 45


def test_only_stories_are_judged() -> None:
    assert SPEC.judge(example(EQUATION)) is None
    asked = SPEC.judge(example(RIGHT))
    assert asked is not None and "12 * 8 - 17" in asked.user


def test_it_verifies_in_another_process() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        made = pool.submit(SPEC.verify, DRAWN, [copy.deepcopy(RIGHT)]).result(timeout=120)
        assert made == SPEC.verify(DRAWN, [RIGHT])
        with pytest.raises(Rejected, match="wrong answer"):
            pool.submit(SPEC.verify, DRAWN, [{**RIGHT, "answer": "80"}]).result(timeout=120)
    assert pickle.loads(pickle.dumps(SPEC)).name == "math"


def test_an_unknown_option_is_refused() -> None:
    for options, said in (
        ({"level": 3}, "it knows steps"),
        ({"steps": "yes"}, "true or false"),
        ({"stories": 1}, "stories of math is"),
    ):
        with pytest.raises(DataError, match=said):
            task_spec("math", cast(Json, options))


def test_rows_for_work_line_by_line_say_so_and_hold_longer_sums() -> None:
    spec = task_spec("math", {"steps": True})
    made = [spec.built_in(random.Random(seed)) for seed in range(300)]
    for one in made:
        SPEC.check(one)
        assert one.output["stepwise"] is True
    lines = [len(cast("list[str]", one.output["steps"])) for one in made]
    assert max(lines) == MOST_TOLD - 1 and 25 < sum(count > 4 for count in lines) < 65
    assert spec.verify(DRAWN, [RIGHT]).output["stepwise"] is True
    with pytest.raises(Rejected, match="true or false"):
        SPEC.check(Example({"question": RIGHT["question"]}, {**example(RIGHT).output, "stepwise": "yes"}))


def test_the_same_sum_in_two_stories_is_one_group_and_other_signs_are_other_questions() -> None:
    other = {**RIGHT, "question": "A box holds 12 layers of 8 eggs, and 17 are broken. How many are whole?"}
    assert SPEC.group(example(RIGHT)) == SPEC.group(example(other))
    keys = {SPEC.key(example({**RIGHT, "question": f"What is 12 {sign} 8?"})) for sign in "+-*/"}
    assert len(keys) == 4


def test_answers_with_units_say_the_same_both_ways() -> None:
    for one, other in (
        ("90 minutes", "1.5 hours"),
        ("3 kg", "3000 g"),
        ("250 ml", "0.25 litres"),
        ("50 cents", "$0.50"),
    ):
        assert same_answer(read_answer(one), read_answer(other))
        assert same_answer(read_answer(other), read_answer(one))
