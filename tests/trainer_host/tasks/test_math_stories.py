"""Composed problems are right in each of their families, and are told in words that all come from the tables."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from edge_runtime.tasks import math
from trainer_host.tasks import Rejected, math_stories, task_spec
from trainer_host.tasks.math import example_of, level_of
from trainer_host.tasks.math_settings import SETTINGS
from trainer_host.tasks.math_stories import (
    BEGINNINGS,
    EVENTS,
    QUESTIONS,
    NoNumbers,
    drawn_structure,
    fits,
    setting_names,
    story,
    told,
)

SPEC = task_spec("math")


def test_stories_pass_the_check_and_the_device_computes_them_from_what_a_model_writes() -> None:
    rng, levels, families = random.Random(2), Counter[int](), set()
    for _ in range(60):
        made = story(rng)
        row = example_of(made.problem)
        SPEC.check(row)
        levels[level_of(row)] += 1
        families.add((made.setting, made.structure))
        for output in (row.output, {**row.output, "stepwise": True}):
            got = math.answer(row.input, math.reply(row.input, output))
            assert got["unsure"] is False and SPEC.score(row.output, got) == 1, (made, got)
    assert set(levels) == {1, 2, 3, 4, 5, 6}
    assert len(families) > 55


def test_every_wording_can_be_filled_in_and_every_kind_is_told_in_a_setting_of_each_sort() -> None:
    rng, told_kinds = random.Random(3), set()
    assert len(SETTINGS) == len(setting_names()) >= 30
    slots = dict.fromkeys(("who", "other", "third", "them", "a", "b", "c", "d"), "x")
    for setting in SETTINGS:
        assert {"begin", "gain", "lose", "now"} <= setting.words.keys(), setting.name
        for text in (text for texts in setting.words.values() for text in texts):
            assert "{" not in text.format(**slots, **setting.slots) and text.count("{a}") < 2
    for name in ("library", "bus", "quiz", "purse", "restaurant", "road"):
        for structure in [
            *(("begin", kind, "now") for kind in EVENTS),
            *((kind, "gain", "now") for kind in BEGINNINGS if "days" not in kind),
            *(("groups", kind) for kind in QUESTIONS if kind != "average"),
            ("three days", "average"), ("two days", "now"), ("four days", "now"),
        ]:  # fmt: skip
            if fits(name, structure):
                assert told(rng, name, structure).structure == structure
                told_kinds |= set(structure)
    assert told_kinds == {*BEGINNINGS, *EVENTS, *QUESTIONS}


def test_numbers_of_a_story_are_told_apart_and_results_are_whole() -> None:
    rng = random.Random(4)
    for _ in range(40):
        made = story(rng)
        said = re.findall(r"\d+", made.problem.question)
        assert len(set(said)) == len(said), made
        assert re.search(r"\d+", made.problem.answer) and "." not in made.problem.answer, made
        assert "{" not in made.problem.question and "  " not in made.problem.question


def test_the_option_draws_stories_and_without_it_there_are_none() -> None:
    counts = []
    for options in ({}, {"stories": True}, {"stories": True, "steps": True}):
        spec = task_spec("math", options)
        rows = [spec.built_in(random.Random(seed)) for seed in range(150)]
        for row in rows[::15]:
            spec.check(row)
        counts.append(
            sum("In the afternoon" in (asked := str(row.input["question"])) or "Later" in asked for row in rows)
        )
    assert counts[0] == 0 < 8 < min(counts[1:])


def test_what_is_not_wanted_is_never_drawn_and_the_same_seed_draws_the_same() -> None:
    def short(setting: str, structure: tuple[str, ...]) -> bool:
        return len(structure) == 2 and setting != "library"

    made = [story(random.Random(seed), short) for seed in range(12)]
    assert all(len(one.structure) == 2 and one.setting != "library" for one in made)
    assert made == [story(random.Random(seed), short) for seed in range(12)]


def test_thousands_of_families_can_be_drawn() -> None:
    rng = random.Random(5)
    structures = [drawn_structure(rng) for _ in range(4000)]
    assert len(set(structures)) > 1000
    assert sum(fits(setting, one) for setting in setting_names() for one in set(structures)) > 20_000


def test_a_structure_that_no_numbers_fit_says_so_and_a_wrong_story_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(math_stories, "_TRIES", 50)
    with pytest.raises(NoNumbers, match="No numbers fit"):
        told(random.Random(1), "library", ("begin", *["half"] * 12, "now"))
    row = example_of(story(random.Random(6)).problem)
    with pytest.raises(Rejected):
        SPEC.check(type(row)(row.input, {**row.output, "answer": "1000003"}))
