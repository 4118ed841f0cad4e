"""The judges of films and of spoken words see and count what is there."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.films_judged import flicker, form_of, judge, movers, prompts
from benchmarks.spoken_words import RATE, errors, mistakes, plain
from edge_runtime.tasks import video_gen


def test_words_that_are_put_in_left_out_or_changed_are_counted() -> None:
    assert plain("It's 7 o'clock, Anna!") == ["it's", "seven", "o'clock", "anna"]
    assert mistakes(["a", "b", "c"], ["a", "x", "c", "d"]) == 2 and mistakes(["a"], []) == 1 == mistakes([], ["a"])


def test_sentences_are_heard_in_groups_and_judged_together() -> None:
    second = np.zeros(RATE)
    asked: list[int] = []

    def hear(samples: np.ndarray) -> str:
        asked.append(len(samples))
        return "one one" if len(asked) == 1 else "two"

    said = [(["one"], second), (["one"], second), (["one"], np.zeros(30 * RATE))]
    assert errors(said, hear) == 1 and len(asked) == 2


def test_a_judge_of_pixels_finds_films_of_right_plans_right_and_of_others_wrong() -> None:
    examples = prompts(3, 4, set())
    assert all(movers(example) for example in examples)
    found = judge(examples, lambda one: video_gen.answer(one.input, video_gen.reply(one.input, one.output)))
    assert found["both"] == 1 and found["films"] == 3
    other = video_gen.answer({"prompt": "a star turns"}, "- - ; A turns 90")
    found = judge(examples, lambda one: other)
    assert found["both"] == 0


def test_flicker_is_what_changes_twice() -> None:
    steady = np.arange(4, dtype=np.float32)[:, None, None, None] * np.ones((1, 2, 2, 3), np.float32)
    assert flicker(steady) == 0 == flicker(steady[:2])
    assert flicker(np.where(np.arange(4)[:, None, None, None] % 2, 10, 0) * np.ones((1, 2, 2, 3))) == pytest.approx(20)


def test_forms_are_told_by_their_outlines() -> None:
    y, x = np.mgrid[:60, :60] - 30
    assert form_of(x**2 + y**2 < 400) == "circle" and form_of((x / 2) ** 2 + y**2 < 150) == "oval"
    assert form_of((abs(x) < 15) & (abs(y) < 15)) == "square" and form_of((abs(x) < 25) & (abs(y) < 3)) == "line"
    assert form_of((abs(x) < 24) & (abs(y) < 12)) == "rectangle"
    assert form_of((y < 15) & (y > -15) & (abs(x) < (y + 15) / 1.7)) == "triangle"
