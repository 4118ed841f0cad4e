"""Draws, verifies and makes examples: pure functions of plain arguments, which run in other processes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec, task_spec


@dataclass(frozen=True)
class Verified:
    """An example that passed, with what the later stages want to know about it."""

    example: Example
    key: str
    stratum: str | None
    group: str | None
    difficulty: float
    judge: Prompt | None


@dataclass(frozen=True)
class Refused:
    """Why there is no example."""

    reason: str
    detail: str


@dataclass(frozen=True)
class Known:
    """An example that repeats an accepted one."""


def draw(task: str, options: Json, seed: int, number: int) -> tuple[Json, Prompt]:
    """Draw number `number` of a task and its prompt."""
    spec = task_spec(task, options)
    drawn = spec.draw_at(seed, number)
    return drawn, spec.prompt(drawn)


def verify(task: str, options: Json, drawn: Json, answers: list[Json]) -> Verified | Refused:
    """Verify a teacher's answers to one draw."""
    spec = task_spec(task, options)
    try:
        example = spec.verify(drawn, answers)
    except Rejected as cause:
        return Refused(cause.reason, cause.detail)
    return described(spec, example)


def described(spec: TaskSpec, example: Example) -> Verified:
    """An example that passed, with what the later stages want to know about it."""
    return Verified(
        example,
        spec.key(example),
        spec.stratum(example),
        spec.group(example),
        spec.difficulty(example),
        spec.judge(example),
    )


def built_in_chunk(
    task: str, options: Json, seed: int, start: int, count: int, known: frozenset[bytes] = frozenset()
) -> list[Verified | Refused | Known]:
    """Built-in examples number `start` and on, checked like any others.

    known: of examples that were accepted already, `short` of their keys: what repeats one of those, or one before it
    here, needn't be checked.
    """
    spec = task_spec(task, options)
    found: list[Verified | Refused | Known] = []
    seen = set(known)
    for number in range(start, start + count):
        try:
            example = spec.built_in_at(seed, number)
            key = short(spec.key(example))
            if key in seen:
                found.append(Known())
                continue
            spec.check(example)
        except Rejected as cause:
            found.append(Refused(cause.reason, cause.detail))
        else:
            seen.add(key)
            found.append(described(spec, example))
    return found


def short(key: str) -> bytes:
    """A key that takes few bytes on its way to another process."""
    return hashlib.blake2b(key.encode(), digest_size=12).digest()
