"""What the exam of math families asks is nowhere in the rows that are learnt."""

from __future__ import annotations

import random
from collections import Counter

from benchmarks.math_families import (
    ELSEWHERE,
    NAMED,
    PROBLEMS,
    Asked,
    Nearest,
    exam,
    learnt,
    left_out,
    tabled,
)
from trainer_host.tasks import task_spec
from trainer_host.tasks.math import example_of
from trainer_host.tasks.math_problems import FAMILIES, Problem

SPEC = task_spec("math")
SPEC_ROW = example_of(FAMILIES[1][0](random.Random(1)))


def test_no_family_of_the_exam_is_learnt() -> None:
    seed = 1
    without = left_out(seed)
    assert len(without.named) >= 3 and len(without.structures) >= 5 and len(without.pairs) >= 5
    rows = learnt(500, without, seed)
    asked = exam(without, seed)
    told_ = [row.family for row in rows if row.family is not None]
    structures = {structure for _, structure in told_}
    assert not structures & without.structures
    assert not set(told_) & without.pairs
    assert not structures & {structure for name in without.named for structure in NAMED[name]}
    assert not {row.name for row in rows} & set(without.named)
    for setting, structure in without.pairs:  # learnt apart, at least so often
        assert sum(one == structure for _, one in told_) >= ELSEWHERE
        assert any(place == setting for place, _ in told_)
    questions = {SPEC.key(example_of(row.problem)) for row in rows}
    assert not questions & {SPEC.key(one.example) for one in asked if one.sort != "learnt"}
    for one in asked[::20]:
        SPEC.check(one.example)
    assert Counter(one.sort for one in asked)["named"] == PROBLEMS["named"] * len(without.named)


def test_every_named_family_is_one_of_the_tasks_own() -> None:
    assert NAMED.keys() <= {family.__name__.strip("_") for level in FAMILIES.values() for family in level}


def test_the_nearest_row_answers_with_the_numbers_of_the_question_asked() -> None:
    rows = [
        example_of(Problem("Mei has 9 eggs and eats 4 eggs. How many are left?", "9 - 4", ("9 - 4 = 5",), "5 eggs")),
        example_of(Problem("Mei fills 3 boxes with 7 eggs. How many are there?", "3 * 7", ("3 * 7 = 21",), "21 eggs")),
    ]
    answer = Nearest(rows).run({"question": "Ivan fills 5 boxes with 20 eggs each. How many eggs are there?"})
    assert answer["answer"] == "100 eggs"


def test_the_table_counts_what_is_left_out_and_not_what_is_learnt() -> None:
    asked = [Asked("pairs", "0 events", SPEC_ROW), Asked("named", "tip", SPEC_ROW), Asked("learnt", "", SPEC_ROW)]
    table = tabled(asked, {"nano": [1.0, 0.0, 1.0]})
    assert table[1].split() == ["all", "left", "out", "2", "50.0%"]
    assert any(line.split() == ["learnt", "1", "100.0%"] for line in table)
