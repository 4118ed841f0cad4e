from __future__ import annotations

import math
import random

import fastjsonschema
import pytest

from edge_runtime.media.solid import program_schema, read_program, write_program
from tests.trainer_host.media.strictness import assert_strict, changed, nested, quick_and_small, refusal
from trainer_host.media.solid_sampler import sample
from trainer_host.tasks import Json

ZERO: Json = {"x": 0, "y": 0, "z": 0}


def part(name: str, shape: str, x: float, y: float, z: float, at: Json = ZERO, turn: Json = ZERO) -> Json:
    """A primitive as a teacher writes it."""
    return {"name": name, "shape": shape, "size": {"x": x, "y": y, "z": z}, "at": at, "turn": turn}


def join(name: str, how: str, *of: str, scale: float = 1, at: Json = ZERO, turn: Json = ZERO) -> Json:
    """A join as a teacher writes it."""
    return {"name": name, "join": how, "of": list(of), "scale": scale, "at": at, "turn": turn}


RING: Json = {
    "parts": [
        part("outside", "cylinder", 40, 40, 10),
        part("inside", "cylinder", 20, 20, 20),
        join("ring", "difference", "outside", "inside"),
    ]
}


def test_the_schema_is_taken_by_strict_providers_and_has_no_recursion() -> None:
    assert_strict(program_schema())


@pytest.mark.parametrize("seed", range(30))
def test_what_is_written_fits_the_schema_and_is_read_back_the_same(seed: int) -> None:
    written = write_program(sample(random.Random(seed)).program)
    fastjsonschema.compile(program_schema(coloured=True))(written)
    assert write_program(read_program(written)) == written


@pytest.mark.parametrize(
    ("path", "to", "reason"),
    [
        (("parts",), [], "wrong form"),
        (("parts",), None, "wrong form"),
        (("parts", 0, "shape"), "torus", "wrong form"),
        (("parts", 0, "size", "x"), 1e9, "out of range"),
        (("parts", 0, "size", "x"), -3, "out of range"),
        (("parts", 0, "size", "x"), math.nan, "out of range"),
        (("parts", 0, "size"), [40, 40, 10], "wrong form"),
        (("parts", 0, "size", "w"), 3, "wrong form"),
        (("parts", 0, "at", "z"), 1e6, "out of range"),
        (("parts", 0, "turn", "z"), 7200, "out of range"),
        (("parts", 0, "turn"), nested(5000), "wrong form"),
        (("parts", 0, "name"), "", "wrong form"),
        (("parts", 0, "name"), "n" * 100, "too much"),
        (("parts", 0, "name"), "inside", "wrong form"),
        (("parts", 0, "colour"), "red", "wrong form"),
        (("parts", 2, "join"), "hull", "wrong form"),
        (("parts", 2, "of"), [], "wrong form"),
        (("parts", 2, "of"), ["outside", "hole"], "unknown part"),
        (("parts", 2, "of"), ["outside", "ring"], "unknown part"),
        (("parts", 2, "of"), ["outside"], "unused part"),
        (("parts", 2, "scale"), 0, "out of range"),
        (("parts", 2, "scale"), 1e30, "out of range"),
    ],
)
def test_a_program_out_of_bounds_is_refused(path: tuple[str | int, ...], to: object, reason: str) -> None:
    read_program(RING)
    assert refusal(lambda: read_program(changed(RING, *path, to=to))).reason == reason


def test_a_billion_parts_in_few_words_are_refused_before_any_is_built() -> None:
    parts = [part("p0", "sphere", 10, 10, 10)]
    for level in range(8):
        last = str(parts[-1]["name"])
        parts.append(join(f"p{level + 1}", "union", *[last] * 30))
    with quick_and_small():
        assert refusal(lambda: read_program({"parts": parts})).reason == "too much"


def test_deep_trees_and_long_lists_are_refused() -> None:
    parts = [part("p0", "box", 10, 10, 10), *(join(f"p{level + 1}", "union", f"p{level}") for level in range(12))]
    assert "levels deep" in refusal(lambda: read_program({"parts": parts})).detail
    many = [part("p", "box", 1, 1, 1)] * 1_000_000
    with quick_and_small():
        assert refusal(lambda: read_program({"parts": many})).reason == "too much"
