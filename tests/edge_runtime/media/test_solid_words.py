"""Free words for bodies are read as a model learns them, and a body that has something else than was asked is doubted."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("manifold3d")
pytest.importorskip("trimesh")

from edge_runtime.media.glb import write_glb
from edge_runtime.media.solid import read_program, write_program
from edge_runtime.media.solid_words import asked
from edge_runtime.tasks import gen_3d
from trainer_host.media import solid_programs as make
from trainer_host.media.body import measure
from trainer_host.media.solid_facts import Colour, Extent, Fills, Legs, Levels, Sides, unmet
from trainer_host.tasks import task_spec


@pytest.mark.parametrize(
    ("prompt", "said", "numbers", "colours"),
    [
        ("Red sphere, radius 1.5 cm", "ball , diameter of α cm", (30.0,), ("red",)),
        ("a 80x20x4 mm plate with three 5 mm holes", "a α x β x γ mm plate with 3 holes of δ mm", (80, 20, 4, 5), ()),
        ("stiars with five steps in blue", "stairs with 5 steps", (), ("blue",)),
        ("5 cm by 3 cm block, 40 mm tall", "α mm x β mm box , γ mm high", (50, 30, 40), ()),
        ("Half an orange ball, 5 cm across", "dome , α cm across", (50.0,), ("orange",)),
        ("half a green ball and a white one", "dome and a one", (), ("green", "white")),
    ],
)
def test_free_words_are_read_as_measures_kinds_and_a_colour(
    prompt: str, said: str, numbers: tuple[float, ...], colours: tuple[str, ...]
) -> None:
    read = asked(prompt)
    assert (read.said.replace("α cm", "α mm"), read.numbers, read.colours) == (
        said.replace("α cm", "α mm"),
        numbers,
        colours,
    )


@pytest.mark.parametrize(
    ("prompt", "notation", "right"),
    [
        ("stairs of 3 steps", "box 60 40 10\nbox 40 40 20 at 10 0\nbox 20 40 30 at 20 0\nunion", True),
        ("stairs of 5 steps", "box 60 40 10\nbox 40 40 20 at 10 0\nbox 20 40 30 at 20 0\nunion", False),
        ("a plate with two holes", "box 60 40 5\ncylinder 6 10 at ±15 0 on -2.5\ndifference", True),
        ("a plate with 4 holes", "box 60 40 5\ncylinder 6 10 at ±15 0 on -2.5\ndifference", False),
        ("a cone 40 mm high", "cone α/2 α", True),
        ("a cone 40 mm high", "cylinder α/2 α", False),
        ("a cylinder 40 mm high", "cylinder α 2α", False),
        ("a cylinder 40 mm high and 9 mm wide", "cylinder α/2 α", False),
        ("a red cube", "box 40", True),
        ("a red cube and a blue cube", "box 40", False),
        ("a snowman of 40 balls", "sphere α\nsphere 30 on 25\nsphere 20 on 45\nunion", False),
        ("stairs of 13 steps", "box 60 40 10\nbox 40 40 20 at 10 0\nbox 20 40 30 at 20 0\nunion", False),
        ("a ball, -20 mm across", "sphere α", False),
        ("a ball of minus 2 cm", "sphere α", False),
        ("a ball - 20 mm across", "sphere α", True),
        ("a cube of 0 mm", "box 40", False),
        ("a 0cm cube", "box 40", False),
        ("a box of 0 x 4 x 3 cm", "box 40 α β", False),
        ("a cube that stands on z = 0 mm", "box 40", True),
        ("a cube of 0.5 cm", "box α", True),
        ("a teapot", "sphere 40", False),
        ("a striped ball", "sphere 40", False),
    ],
)
def test_a_body_that_is_not_what_was_asked_is_doubted(prompt: str, notation: str, right: bool) -> None:
    answer = gen_3d.answer({"prompt": prompt}, notation)
    assert (answer["unsure"] is False) is right and (answer["problem"] is None) is right and answer["model"] is not None


@pytest.mark.parametrize(
    ("prompt", "notation", "right"),
    [
        ("stairs with 3 steps, each 5 mm high", "box 60 40 α\nbox 40 40 2α at 10 0\nbox 20 40 3α at 20 0\nunion", True),
        (
            "stairs with 3 steps, each 5 mm high",
            "box 60 40 α/3\nbox 40 40 α/2 at 10 0\nbox 20 40 α at 20 0\nunion",
            False,
        ),
        (
            "stairs with 3 steps, 15 mm high each, 20 mm long each",
            "box 3α 40 β\nbox 2α 40 2β at α/2 0\nbox α 40 3β at α 0\nunion",
            False,
        ),
        ("stairs with 2 steps, 15 mm high each, 20 mm long each", "box 2β 40 α\nbox β 40 2α at β/2 0\nunion", True),
        ("stairs with 2 steps, 40 mm high", "box 40 30 α/2\nbox 20 30 α at 10 0\nunion", True),
        ("stairs with 2 steps, 40 mm high", "box 40 30 α\nbox 20 30 2α at 10 0\nunion", False),
        ("two cubes of 25 mm with a gap of 10 mm", "box α at ±α/2+β/2 0\nunion", True),
        ("two cubes of 25 mm side by side, 100 mm in all", "box α at ±50 0\nunion", False),
        ("a tube, 40 mm outside, 5 mm wall, 60 mm high", "cylinder α γ\ncylinder β 2γ mid γ/2\ndifference", False),
        ("a tube, 40 mm outside, 5 mm wall, 60 mm high", "cylinder α γ\ncylinder α-2β 2γ mid γ/2\ndifference", True),
        ("a plate, 60 x 40 x 3 mm, with one hole of 4 mm", "box α β γ\ncylinder δ 2γ mid γ/2\ndifference", True),
        ("a plate, 60 x 40 x 3 mm, with one hole of 4 mm", "box β α γ\ncylinder δ 2γ mid γ/2\ndifference", False),
        ("a dome 30 mm high", "sphere α mid 0\nbox 2α 2α α\nintersection", False),
        ("a dome 30 mm across", "sphere α mid 0\nbox 2α 2α α\nintersection", True),
        ("a cylinder 60 mm long, 20 mm thick", "cylinder β α", True),
        ("a box with x = 30 mm, y = 20 mm, z = 9 mm", "box β α γ", False),
    ],
)
def test_the_lengths_that_a_prompt_names_are_those_of_the_body(prompt: str, notation: str, right: bool) -> None:
    answer = gen_3d.answer({"prompt": prompt}, notation)
    assert answer["model"] is not None and (answer["problem"] is None) is right, answer["problem"]


def test_no_right_program_of_the_built_in_teacher_is_doubted() -> None:
    spec = task_spec("3d_gen")
    for seed in range(60):
        made = spec.built_in(random.Random(seed))
        spec.check(made)
        answer = gen_3d.answer(made.input, gen_3d.reply(made.input, made.output))
        assert answer["unsure"] is False, (made.input, answer["problem"])


def test_a_colour_is_kept_and_is_the_files_material() -> None:
    answer = gen_3d.answer({"prompt": "a red cube of 2 cm"}, "box α")
    program = read_program(answer["program"])
    assert program.colour == "red" and read_program(write_program(program)) == program
    body = measure(gen_3d.build(program))
    assert not unmet([Colour("red"), Extent("z", 20)], body, program.colour)
    assert [problem.reason for problem in unmet([Colour("blue")], body, program.colour)] == ["wrong colour"]
    import numpy as np

    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=float)
    red, plain = (write_glb(corners, np.array([[0, 1, 2]]), colour) for colour in ("#ff0000", ""))
    assert b'"baseColorFactor":[1.0,0.0,0.0,1]' in red and b"[1.0,0.0,0.0,1]" not in plain


def test_levels_legs_sides_and_filling_are_measured_on_the_mesh() -> None:
    def of(program: make.Program) -> object:
        return measure(gen_3d.build(program))

    stairs, table = of(make.stairs(5, 20, 10, 40)), of(make.table(80, 60, 50, 5, 5))
    cone, ball = of(make.single("cone", 20, 20, 40)), of(make.single("sphere", 30, 30, 30))
    assert not unmet([Levels(5), Legs(1), Sides(50, 100, 40)], stairs) and unmet([Levels(4)], stairs)  # type: ignore[arg-type]
    assert not unmet([Legs(4), Levels(1)], table) and unmet([Legs(3)], table)  # type: ignore[arg-type]
    assert not unmet([Fills(0.262)], cone) and not unmet([Fills(0.524)], ball) and unmet([Fills(0.785)], ball)  # type: ignore[arg-type]
