"""Bodies as short lines: every program can be written and read back, and nothing that a model may write does harm."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.media import Rejected
from edge_runtime.media.formula_notation import Formulas, evaluate
from edge_runtime.media.reference_notation import LETTERS, UNREADABLE
from edge_runtime.media.solid import Primitive, Program, write_program
from edge_runtime.media.solid_notation import numbered, read, unused, write
from trainer_host.media.solid_sampler import FAMILIES


def geometry(program: Program) -> list[object]:
    """What is built, whatever its parts are called and whichever of two mirror images comes first."""
    return sorted(
        (part.shape, *(round(v, 2) + 0.0 for v in (*part.size, *part.at, *part.turn)))
        if isinstance(part, Primitive)
        else (part.join, len(part.of), part.scale)
        for part in program.parts
    )  # type: ignore[type-var]


@pytest.mark.parametrize("family", FAMILIES)
def test_built_in_bodies_are_written_over_the_prompt_and_read_back_the_same(family: str) -> None:
    for seed in range(4):
        plan = FAMILIES[family](random.Random(seed))
        prompt, numbers = numbered(f"Make {plan.words}")
        text = write(plan.program, numbers)
        assert geometry(read(text, numbers)) == geometry(plan.program)
        assert not re.search(r"\d mm|\d x", prompt)


def test_lengths_are_letters_counts_stay_and_units_become_millimetres() -> None:
    assert numbered("A plate of 40 x 30 x 5 mm with 2 round holes of 8.5 mm") == (
        "A plate of α x β x γ mm with 2 round holes of δ mm",
        (40, 30, 5, 8.5),
    )
    assert numbered("x = 4, y = 3, z = 2 cm, 1,200 mm long, 5 times") == (
        "x = α, y = β, z = γ mm, δ mm long, 5 times",
        (40, 30, 20, 1200),
    )
    assert numbered("a block 8 wide and 2 inches deep, turned by 30 degrees, on z = 0") == (
        "a block α wide and β mm deep, turned by γ degrees, on z = 0",
        (8 * 25.4, 50.8, 30),
    )
    assert numbered("an α-helix of 30") == ("an ?-helix of α", (30,))


def test_a_length_that_is_a_multiple_of_another_by_chance_is_what_the_other_lengths_say() -> None:
    numbers = (96.0, 81.0, 30.0, 5.0, 9.0)  # the legs stand 4 times their width, (β - ε) / 2, from the middle
    table = "box α β δ on γ-δ\nbox ε ε γ at ±α/2-ε/2 ±β/2-ε/2\nunion"
    assert write(read(table, numbers), numbers) == table


def test_a_length_that_the_prompt_names_is_used_though_others_would_do() -> None:
    numbers = (60.0, 30.0, 15.0)  # a frame's opening: α - 2γ, which is β as well
    frame = "box α 10 α\nbox α-2γ 20 α-2γ on γ\ndifference"
    assert "γ" in write(read(frame, numbers), numbers)
    assert unused("box α 10 α", numbers) == [30, 15] and unused("box β γ α", numbers) == []


@pytest.mark.parametrize(
    "text",
    [
        "box α β γ",
        "box α\nsphere β at 0 γ mid α/2\nintersection",
        "box α β γ\ncylinder δ 2γ at ±α/4 ±β/4 mid γ/2\ndifference",
        "box α β γ\nbox δ at ±α/2+δ/2 0\nunion 2\nunion scale 2 at 0 12.345 mid δ/2 turn 0 0 45",
        "cone α β mid γ turn 0 δ 0",
    ],
)
def test_what_is_written_is_canonical(text: str) -> None:
    numbers = (60.0, 41.0, 17.0, 7.0)
    assert write(read(text, numbers), numbers) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", UNREADABLE),
        ("hello", UNREADABLE),
        ("box", UNREADABLE),
        ("box α β γ δ", UNREADABLE),
        ("box α β", UNREADABLE),
        ("box ε", UNREADABLE),  # the prompt names four
        ("box 2α2", UNREADABLE),
        ("box α--β", UNREADABLE),
        ("box α/0", UNREADABLE),
        ("box ±α", UNREADABLE),
        ("box α at 0", UNREADABLE),
        ("box α turn 0 0 0 at 0 0", UNREADABLE),
        ("box α on 0 mid 0", UNREADABLE),
        ("union", UNREADABLE),
        ("box α\nunion 2", UNREADABLE),
        ("box α\nunion ¹", UNREADABLE),
        ("box " + "9" * 60, UNREADABLE),
        ("box α\n" * 400, UNREADABLE),
        ("box β-α", "out of range"),
        ("box 9999", "out of range"),
        ("box α\nbox α", "unused part"),
        ("box 1 at ±1 ±1\n" * 9 + "union", "too much"),
    ],
)
def test_what_is_no_body_is_refused_with_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        read(text, (60.0, 41.0, 17.0, 7.0))
    assert refused.value.reason == reason and refused.value.detail


WORDS = st.sampled_from(["box", "sphere", "difference", "at", "on", "mid", "turn", "scale", "1", "2", "α", "β/2", "±γ", "-α", "9e9", "\n"])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, max_size=24).map(" ".join) | st.text(max_size=60))
def test_any_text_is_a_body_or_refused(text: str) -> None:
    try:
        made = read(text, (60.0, 41.0, 17.0))
    except Rejected:
        return
    assert geometry(read(write(made, (60.0, 41.0, 17.0)), (60.0, 41.0, 17.0))) == geometry(made)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=8), st.integers(-800, 800))
def test_a_formula_comes_to_what_it_was_found_for(numbers: list[int], wanted: int) -> None:
    for formula in Formulas([float(n) for n in numbers]).of(wanted / 4):
        assert evaluate(str(formula), numbers) == pytest.approx(wanted / 4, abs=1e-3)
        assert set(str(formula)) <= set(LETTERS + "0123456789+-/.")


def test_a_program_with_numbers_of_its_own_keeps_them() -> None:
    program = read("box 12.345 7 3\nsphere 2.5 at 4.125 -3 on 2.8\nunion", ())
    assert write_program(read(write(program, (50.0,)), (50.0,))) == write_program(program)
