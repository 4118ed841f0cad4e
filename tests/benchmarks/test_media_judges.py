"""The judges of films, bodies, notes, spoken words and rigs see and count what is there."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from benchmarks import avatar_rigs, notes_heard, solids_judged
from benchmarks.films_judged import flicker, form_of, judge, movers, prompts
from benchmarks.spoken_words import RATE, errors, mistakes, plain
from edge_runtime.avatar.humanoid import match_bones
from edge_runtime.media.colours import COLOURS
from edge_runtime.tasks import audio_gen, gen_3d, video_gen
from trainer_host.tasks import Example, Json, task_spec


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


def _teachers(
    task: str, module: ModuleType, count: int, wanted: Callable[[Example], bool]
) -> tuple[list[Example], list[Json]]:
    """Prompts, and what a device makes of the teacher's own programs."""
    rng, spec = random.Random(4), task_spec(task)
    examples: list[Example] = []
    while len(examples) < count:
        example = spec.built_in(rng)
        if wanted(example):
            examples.append(example)
    return examples, [
        {"unsure": False, **module.answer(one.input, module.reply(one.input, one.output))} for one in examples
    ]


def test_bodies_are_judged_by_their_files() -> None:
    examples, answers = _teachers("3d_gen", gen_3d, 12, lambda example: True)
    found = solids_judged.judge(examples, answers)
    assert {found[kind] for kind in ("parses", "watertight", "size", "count", "all", "all, of the sure")} == {1.0}
    for name in COLOURS:
        ball = gen_3d.answer({"prompt": f"a {name} ball, 20 mm across"}, "sphere α")
        body, colour = solids_judged.seen(ball["model"].content)  # type: ignore[attr-defined]
        assert body is not None and body.size == pytest.approx((20, 20, 20), abs=0.1) and colour == name
    none: Json = {"program": None, "model": None, "unsure": True}
    assert solids_judged.judge(examples, [none] * 12)["watertight"] == 0.0


def test_notes_are_heard_in_the_answers_own_sound() -> None:
    examples, answers = _teachers("audio_gen", audio_gen, 6, notes_heard.music)
    assert notes_heard.judge(examples, answers)["notes"] == 1.0
    late = [
        {**answer, "sound": other["sound"]} for answer, other in zip(answers, answers[1:] + answers[:1], strict=True)
    ]
    assert notes_heard.judge(examples, late)["notes"] == 0.0


@pytest.mark.parametrize("rig", avatar_rigs.RIGS)
def test_bones_of_rigs_by_hand_are_never_taken_for_others(rig: str) -> None:
    bones = avatar_rigs.RIGS[rig]
    read = {bone: joint for joint, bone in match_bones([*bones]).of.items()}
    assert read.items() <= bones.items() and len(set(bones.values())) == len(bones)
