from __future__ import annotations

import io
import math
import pickle
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import cast

import fastjsonschema
import pytest
from PIL import Image

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("manifold3d")

from tests.trainer_host.media.strictness import (  # noqa: E402  (after the packages that may be missing)
    assert_draws_vary,
    assert_prompts_are_short,
    assert_strict,
    changed,
    nested,
    quick_and_small,
    refusal,
    reworded,
)
from tests.trainer_host.media.test_solid import join, part  # noqa: E402
from trainer_host.errors import DataError  # noqa: E402
from trainer_host.media.solid_sampler import FAMILIES  # noqa: E402
from trainer_host.tasks import Example, Json, task_spec  # noqa: E402

SPEC = task_spec("3d_gen")


def at(x: float, y: float, z: float) -> Json:
    return {"x": x, "y": y, "z": z}


DRAWN: Json = {
    "request": "Make a plate of 60 x 30 x 6 mm with two round holes through it from top to bottom, 8 mm in diameter. "
    "It stands on z = 0.",
    "facts": [
        {"fact": "size", "x": 60, "y": 30, "z": 6},
        {"fact": "pieces", "pieces": 1},
        {"fact": "holes", "holes": 2},
        {"fact": "cavities", "cavities": 0},
        {"fact": "volume", "volume": 60 * 30 * 6 - 2 * math.pi * 16 * 6},
        {"fact": "section", "height": 3, "x": 60, "y": 30, "dx": 0, "dy": 0, "area": 60 * 30 - 2 * math.pi * 16},
        {"fact": "grounded"},
    ],
}
PLATE = part("plate", "box", 60, 30, 6, at(0, 0, 3))
LEFT, RIGHT = part("left", "cylinder", 8, 8, 20, at(-15, 0, 3)), part("right", "cylinder", 8, 8, 20, at(15, 0, 3))
BODY = join("body", "difference", "plate", "left", "right")
PROGRAM: Json = {"parts": [PLATE, LEFT, RIGHT, BODY]}
# What is changed in the program, and why it must be refused.
PLANTED: list[tuple[tuple[str | int, ...], object, str]] = [
    (("parts", 0, "size", "x"), 66, "wrong size"),
    (("parts", 0, "size", "z"), 3, "wrong size"),
    (("parts", 0, "turn", "z"), 90, "wrong size"),
    (("parts", 0, "shape"), "cylinder", "wrong volume"),
    (("parts", 1, "size"), at(16, 16, 20), "wrong volume"),
    (("parts", 1, "size", "z"), 4, "wrong holes"),  # it ends inside: a hollow
    (("parts", 1, "at", "z"), 14, "wrong holes"),  # it doesn't go through
    (("parts", 1, "at", "x"), -30, "wrong holes"),  # it cuts the edge
    (("parts", 1, "at", "x"), -80, "wrong holes"),  # it misses the plate
    (("parts", 1, "at", "x"), 15, "wrong holes"),  # both in the same place
    (("parts", 1, "size"), at(10, 40, 20), "wrong pieces"),  # it saws the plate in two
    (("parts", 0, "at", "z"), 0, "not on the ground"),
    (("parts", 3, "at", "z"), 100, "not on the ground"),
    (("parts", 3, "scale"), 2, "wrong size"),
    (("parts", 3, "join"), "union", "wrong size"),
    (("parts", 3, "join"), "intersection", "empty body"),
    (("parts", 3, "of"), ["plate", "left"], "unused part"),
    (("parts", 3, "of"), ["left", "plate", "right"], "wrong size"),
    (("parts", 3, "of"), ["plate", "left", "middle"], "unknown part"),
    (("parts",), [PLATE], "wrong holes"),
    (("parts",), [PLATE, LEFT, BODY], "unknown part"),
    (("parts",), [PLATE] * 10**6, "too much"),
    (("parts",), nested(10_000), "wrong form"),
    (("parts", 0, "size", "x"), 10**12, "out of range"),
    (("parts", 0, "at", "y"), math.nan, "out of range"),
    (("parts", 0, "turn"), math.inf, "wrong form"),
    (("parts", 2, "shape"), "helix", "wrong form"),
]


def test_the_right_answer_passes() -> None:
    example = SPEC.verify(DRAWN, [{"program": PROGRAM}])
    SPEC.check(example)
    assert example.input == {"prompt": DRAWN["request"]}
    assert SPEC.score(example.output, {"program": PROGRAM}) == pytest.approx(1)


@pytest.mark.parametrize(("path", "to", "reason"), PLANTED)
def test_a_planted_mistake_is_refused_for_its_reason(path: tuple[str | int, ...], to: object, reason: str) -> None:
    answer = {"program": changed(PROGRAM, *path, to=to)}
    with quick_and_small():
        assert refusal(lambda: SPEC.verify(DRAWN, [answer])).reason == reason


def test_bodies_that_only_touch_are_refused() -> None:
    drawn = {"request": "Two cubes.", "facts": []}
    cubes = [part("a", "box", 9, 9, 9), part("b", "box", 9, 9, 9, at(9, 9, 0)), join("c", "union", "a", "b")]
    assert refusal(lambda: SPEC.verify(drawn, [{"program": {"parts": cubes}}])).reason == "not watertight"


def test_stairs_the_wrong_way_round_are_refused() -> None:
    steps = [part("low", "box", 20, 10, 5, at(10, 0, 2.5)), part("high", "box", 10, 10, 10, at(15, 0, 5))]
    facts = [{"fact": "section", "height": 7.5, "x": 10, "y": 10, "dx": 5, "dy": 0, "area": 100}]
    drawn = {"request": "Stairs up towards higher x.", "facts": facts}
    stairs: Json = {"parts": [*steps, join("stairs", "union", "low", "high")]}
    SPEC.verify(drawn, [{"program": stairs}])
    turned = changed(stairs, "parts", 2, "turn", to=at(0, 0, 180))
    assert refusal(lambda: SPEC.verify(drawn, [{"program": turned}])).reason == "wrong form"


def test_a_cup_upside_down_is_refused() -> None:
    """It has the same size, volume, pieces and holes."""
    example = next(e for e in map(SPEC.built_in, map(random.Random, range(99))) if "cup" in str(e.output["program"]))
    SPEC.check(example)
    program = cast("Json", example.output["program"])
    height = cast("list[Json]", example.output["shows"])[0]["z"]
    turned = changed(changed(program, "parts", 2, "turn", "x", to=180), "parts", 2, "at", "z", to=height)
    assert refusal(lambda: SPEC.check(reworded(example, program=turned))).reason == "wrong form"


def test_100_built_in_examples_of_all_families_are_right_and_all_different() -> None:
    validate = fastjsonschema.compile(SPEC.example_schema)
    seen = set()
    for seed in range(100):
        example = SPEC.built_in(random.Random(seed))
        SPEC.check(example)
        validate({"input": example.input, "output": example.output})
        seen.add(SPEC.key(example))
    assert len(seen) >= 99
    assert {SPEC.draw(random.Random(seed))["family"] for seed in range(200)} >= FAMILIES.keys() - {"round"}


def test_an_example_is_checked_without_its_draw() -> None:
    example = SPEC.verify(DRAWN, [{"program": PROGRAM}])
    program = cast("Json", example.output["program"])
    for path, to, reason in [(("parts", 0, "size", "x"), 50, "wrong size"), (("parts",), [PLATE], "wrong holes")]:
        wrong = reworded(example, program=changed(program, *path, to=to))
        assert refusal(lambda wrong=wrong: SPEC.check(wrong)).reason == reason


def test_a_persons_prompt_that_names_three_sides_is_compared_with_the_body() -> None:
    SPEC.check(Example({"prompt": "A plate, 30x60x6 mm."}, {"program": PROGRAM}))
    wrong = Example({"prompt": "A plate of 30 x 66 x 6 mm."}, {"program": PROGRAM})
    assert refusal(lambda: SPEC.check(wrong)).reason == "not as asked"


def test_the_score_is_the_shared_volume() -> None:
    wanted: Json = {"program": {"parts": [part("a", "box", 20, 20, 20)]}}
    for got, score in [
        (part("a", "box", 20, 20, 20, at(5, 5, 5)), 1.0),
        (part("a", "box", 20, 20, 10), 0.5),
        (part("a", "cylinder", 20, 20, 20), math.pi / 4),
        (part("a", "box", 0.1, 20, 20), 0.0),
    ]:
        assert SPEC.score(wanted, {"program": {"parts": [got]}}) == pytest.approx(score, abs=0.01)
    for nothing in ({}, {"program": None}, {"program": nested(5000)}):
        assert SPEC.score(wanted, nothing) == 0


def test_draws_vary_and_prompts_are_short_and_strict() -> None:
    assert_draws_vary(SPEC)
    assert_prompts_are_short(SPEC)
    assert_strict(SPEC.answer_schema)


def test_the_rendered_files_are_a_mesh_and_a_picture_of_it() -> None:
    files = SPEC.render(SPEC.verify(DRAWN, [{"program": PROGRAM}]))
    assert sorted(name[-4:] for name in files) == [".png", ".stl"]
    for name, content in files.items():
        if name.endswith(".stl"):
            mesh = trimesh.load_mesh(io.BytesIO(content), file_type="stl")
            assert mesh.is_watertight and mesh.euler_number == 2 - 2 * 2
            assert mesh.extents == pytest.approx([60, 30, 6])
        else:
            colours = Image.open(io.BytesIO(content)).convert("RGB").getcolors()
            assert colours is not None and len(colours) > 3


def test_verifying_runs_in_another_process() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        example = pool.submit(SPEC.verify, DRAWN, [{"program": PROGRAM}]).result(120)
    assert example == pickle.loads(pickle.dumps(SPEC)).verify(DRAWN, [{"program": PROGRAM}])


def test_a_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "manifold3d", None)
    with pytest.raises(DataError, match="'manifold3d'; install Enigma with the extra 'tasks'"):
        task_spec("3d_gen")


def test_there_are_no_options() -> None:
    with pytest.raises(DataError, match="no option 'unit'"):
        task_spec("3d_gen", {"unit": "inch"})
