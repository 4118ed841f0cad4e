"""Small functions with their tests, made from families: no teacher needed.

Each test is a call whose result comes from running the function itself, which is our own text.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from string import Template

from trainer_host.tasks.code_families import FAMILIES, Family, Values
from trainer_host.tasks.code_wording import MORE, NAMES, PLAIN_NAME, reworded, spelled

TESTS = 6
_TRIES = 40


@dataclass(frozen=True)
class Function:
    """One function: what is asked for, its first line, the whole code and its tests."""

    prompt: str
    signature: str
    code: str
    tests: tuple[str, ...]


def function(rng: random.Random, family: Family | None = None) -> Function:
    """A function of a family, by default of a random one."""
    family = family or rng.choice(FAMILIES)
    for _ in range(_TRIES):
        made = _made(family, family.draw(rng), rng)
        if made is not None:
            return made
    raise AssertionError(f"{family.names[0]} makes no tests that tell")


def code_of(family: Family, values: Values, name: str, ask: str) -> str:
    """The source of a function for what was drawn."""
    body = "\n".join(f"    {line}" for line in _filled(family.body, values).split("\n"))
    imports = f"{family.imports}\n\n\n" if family.imports else ""
    return f'{imports}def {name}({family.head}:\n    """{ask}"""\n{body}\n'


def compiled(code: str, name: str) -> Callable[..., object]:
    """The function itself, for code of a family: never for anybody else's, which belongs into the sandbox."""
    space: dict[str, Callable[..., object]] = {}
    exec(compile(code, "<family>", "exec", dont_inherit=True), space)
    return space[name]


def _made(family: Family, values: Values, rng: random.Random) -> Function | None:
    name = rng.choice(NAMES if rng.random() < PLAIN_NAME else family.names)
    ask = reworded(rng.choice((*family.asks, *MORE[family.names[0]])), rng)
    ask = _filled(ask, {place: spelled(ask, value, rng) for place, value in values.items()})
    code = code_of(family, values, name, ask)
    run = compiled(code, name)
    tests: list[str] = []
    results: list[str] = []
    echoes = 0
    for _ in range(4 * TESTS):
        call = family.call(rng, values)
        shown = ", ".join(map(repr, call))
        result = run(*call)
        test = f"assert {name}({shown}) == {result!r}"
        if test not in tests and len(tests) < TESTS:
            tests.append(test)
            results.append(repr(result))
            echoes += repr(result) == repr(call[0])
    # A function that answers always the same, or what it was given, must not pass.
    if len(tests) < TESTS or len(set(results)) < 3 or echoes > TESTS - 2:
        return None
    return Function(ask, f"def {name}({family.head}:", code, tuple(tests))


def _filled(text: str, values: Values) -> str:
    return Template(text).substitute({name: str(value) for name, value in values.items()})
