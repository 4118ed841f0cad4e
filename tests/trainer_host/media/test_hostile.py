"""Answers that a broken or malicious teacher could write, for all five tasks: an example or a refusal, nothing else."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator

import pytest

from tests.trainer_host.media.strictness import nested
from trainer_host.tasks import Json, Rejected, TaskSpec, task_spec

pytest.importorskip("manifold3d")
pytest.importorskip("trimesh")

SPECS = {name: task_spec(name) for name in ("image_gen", "video_gen", "3d_gen", "vision")}
SPECS["audio_gen"] = task_spec("audio_gen", {"kinds": ["music"]})
VALUES: list[object] = [
    None, True, 0, -1, 1e-300, 1e308, -math.inf, math.nan, 10**400, "", "x", "\0", "\ud800", "a" * 10_000, [], {}, [[]],
    {"x": 0}, nested(3000), list(range(1000)), {str(number): number for number in range(1000)}, 3, 0.5, "red", 2**63,
]  # fmt: skip


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a piece of JSON."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in inner:
        yield from places(part, (*path, step))


def broken(answer: Json, rng: random.Random) -> Json:
    """One to three places changed, left out or doubled."""
    made = json.loads(json.dumps(answer))
    for _ in range(rng.randint(1, 3)):
        every = list(places(made))
        if not every:
            break
        *way, last = rng.choice(every)
        holder = made
        for step in way:
            holder = holder[step]
        match rng.randrange(6):
            case 0:
                del holder[last]
            case 1 if isinstance(holder, list):
                holder.append(json.loads(json.dumps(holder[last])))
            case 2 if isinstance(holder[last], float | int):
                holder[last] = holder[last] * rng.choice((-1, 0, 0.5, 2, 10, 1e6))
            case _:
                holder[last] = rng.choice(VALUES)
                return made  # some values can't be walked into
    return made


def right(spec: TaskSpec, rng: random.Random) -> tuple[Json, Json]:
    """A draw that asks for nothing, and an answer that is right."""
    example = spec.built_in(rng)
    if spec.name == "vision":
        return spec.draw(rng), example.output
    return {"request": "anything", "facts": []}, {k: v for k, v in example.output.items() if k != "shows"}


@pytest.mark.parametrize("name", SPECS)
def test_a_broken_answer_is_an_example_or_a_refusal(name: str) -> None:
    spec = SPECS[name]
    refused = 0
    for seed in range(40):
        rng = random.Random(seed)
        drawn, answer = right(spec, rng)
        try:
            spec.check(spec.verify(drawn, [broken(answer, rng) for _ in range(spec.samples)]))
        except Rejected as cause:
            refused += 1
            assert 0 < len(cause.detail) < 1000
            cause.detail.encode()
        assert 0 <= spec.score(answer, broken(answer, rng)) <= 1
    assert refused > 15
