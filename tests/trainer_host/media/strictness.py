"""What every task's schema and answers are held against."""

from __future__ import annotations

import json
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from trainer_host.tasks import Example, Json, Rejected, TaskSpec

# What OpenAI's strict mode, Anthropic's structured outputs and llguidance all take.
KNOWN = {"type", "properties", "required", "additionalProperties", "items", "anyOf", "enum"}


def assert_strict(schema: object) -> None:
    """Every object lists all its properties as required and allows no other; no keyword is unknown to a provider."""
    if isinstance(schema, list):
        for part in schema:
            assert_strict(part)
        return
    assert isinstance(schema, dict)
    assert schema.keys() <= KNOWN, schema.keys() - KNOWN
    if schema.get("type") == "object":
        properties = schema["properties"]
        assert schema["required"] == list(properties)
        assert schema["additionalProperties"] is False
        for part in properties.values():
            assert_strict(part)
    for key in ("items", "anyOf"):
        if key in schema:
            assert_strict(schema[key])


def assert_prompts_are_short(spec: TaskSpec, most: int = 700) -> None:
    """What varies is in the question alone, and it is short."""
    prompts = [spec.prompt(spec.draw(random.Random(seed))) for seed in range(20)]
    assert len({prompt.system for prompt in prompts}) == 1
    assert all(0 < len(prompt.user) <= most for prompt in prompts)
    assert len(prompts[0].system) < 2600


def assert_draws_vary(spec: TaskSpec, count: int = 40) -> None:
    """The same seed draws the same, others draw others."""
    first = [spec.draw(random.Random(seed)) for seed in range(count)]
    assert first == [spec.draw(random.Random(seed)) for seed in range(count)]
    assert len({str(drawn) for drawn in first}) == count


@contextmanager
def quick_and_small(seconds: float = 2.0, megabytes: float = 20) -> Iterator[None]:
    """The block must end soon, and need little memory."""
    tracemalloc.start()
    start = time.process_time()
    try:
        yield
        assert time.process_time() - start < seconds
        assert tracemalloc.get_traced_memory()[1] < megabytes * 2**20
    finally:
        tracemalloc.stop()


def refusal(work: Callable[[], object]) -> Rejected:
    """What a verifier says."""
    with pytest.raises(Rejected) as caught:
        work()
    said = caught.value
    assert said.detail and len(said.detail) < 1000 and len(said.reason.split()) <= 4
    return said


def reworded(example: Example, **output: object) -> Example:
    """The example with another output."""
    return Example(example.input, {**example.output, **output}, example.files)


def changed(value: Json, *path: str | int, to: object) -> Json:
    """A copy of JSON with one place changed; the last step may be new."""
    made = json.loads(json.dumps(value))  # deepcopy would keep places that share an object together
    place: object = made
    for step in path[:-1]:
        place = place[step]  # type: ignore[index]
    place[path[-1]] = to  # type: ignore[index]
    return made


def nested(depth: int) -> object:
    """A list in a list in a list ..."""
    value: object = []
    for _ in range(depth):
        value = [value]
    return value
