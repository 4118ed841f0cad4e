"""Task `code`: a request and a signature give a Python function, which is run with its tests in the sandbox."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

from edge_runtime.media import reading
from trainer_host.sandbox import Limits, Outcome, run_python
from trainer_host.sandbox.run import find_way
from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec, no_options
from trainer_host.tasks.code_built_in import function
from trainer_host.tasks.code_rules import (
    MAX_CODE,
    MAX_SIGNATURE,
    MAX_TEST,
    MAX_TESTS,
    MIN_TESTS,
    MODULES,
    Code,
    expected_values,
    read_code,
    read_program,
    read_tests,
    skeleton,
)
from trainer_host.tasks.phrases import TEMPLATE, Grouped
from trainer_host.tasks.wording import check_wording

MAX_PROMPT = 600
LIMITS = Limits(cpu_seconds=1, wall_seconds=4.0, total_seconds=12.0)
# Answers of a function that does nothing; tests that one of these passes examine nothing.
_IDLE = ("None", "args[0] if args else None", "0", "1", "True", "False", "''", "[]", "{}")
_VACUOUS = "SystemExit: "  # how the sandbox tells that an idle function passed, and which
_MOST_EXPECTED = 6  # of the values that the tests themselves name

_TOPICS = (
    "sums and averages", "digits of numbers", "prime numbers", "rounding and clamping", "temperatures and units",
    "dates and weekdays", "durations as text", "money in cents", "percentages", "geometry of rectangles",
    "points on a grid", "counting words", "vowels and consonants", "capital letters", "trimming and padding",
    "simple ciphers", "parsing key=value lines", "checking identifiers", "comparing versions", "Roman numerals",
    "binary and hexadecimal", "sorting records", "finding duplicates", "grouping by a property", "merging lists",
    "rotating and slicing", "matrices as lists of lists", "intervals that overlap", "running maxima", "sliding windows",
    "sets of tags", "inventories as dictionaries", "votes and winners", "scores and ranks", "recipes and amounts",
    "playing cards", "dice throws", "a robot on a grid", "a simple stack", "brackets that match", "paths of files as text",
    "searching sorted lists", "run lengths", "anagrams", "text tables", "time slots", "bits and flags", "shopping baskets",
)  # fmt: skip
_LEVELS = {
    1: "one expression would do",
    2: "a loop or a comprehension with a condition",
    3: "two steps, and an edge case to think of",
    4: "a small algorithm of 8 to 15 lines",
}
_STYLES = (
    "one plain sentence",
    "a sentence and a rule for an edge case",
    "as a colleague would ask in a chat",
    "as a line of a specification",
    "with one example of a call and its result",
    "as an exercise for beginners",
)
_TYPES = (
    "whole numbers", "a text", "a list of whole numbers", "a list of words", "a dictionary", "two lists",
    "a list of tuples", "a text and a number", "a list of dictionaries", "floats that are rounded",
)  # fmt: skip
_EDGES = (
    "empty input", "negative numbers", "a single item", "equal values", "upper and lower case", "very large numbers",
    "a missing key", "repeated spaces", "zero", "values exactly at a limit", "input in any order", "no match at all",
)  # fmt: skip

SYSTEM = f"""You write one small Python 3.11 function with its tests, as JSON.
prompt: what is asked for, in English, in words that say all that the tests check, edge cases included; no code.
signature: the function's first line with types, as in: def name(items: list[int]) -> int:
code: the whole function with this signature and a docstring, and the imports and smaller functions it needs. At most
{MAX_CODE} characters. Imports only from: {", ".join(sorted(MODULES))}. No files, network, clock, chance, input, print,
eval, getattr, or names with two underscores; nothing outside functions but constants.
tests: {MIN_TESTS} to {MAX_TESTS} texts, each one line of one assert that calls the function and compares its result, with
different results: assert name([1, 2]) == 3. A function that always returns the same, or its argument, must fail.
Everything is run: the code must pass its own tests.
Example: {{"prompt": "Return the sum of the even numbers in a list, 0 for an empty one.", \
"signature": "def sum_even(values: list[int]) -> int:", \
"code": "def sum_even(values: list[int]) -> int:\\n    \\"\\"\\"Add up the even values.\\"\\"\\"\\n    \
return sum(value for value in values if value % 2 == 0)\\n", \
"tests": ["assert sum_even([1, 2, 4]) == 6", "assert sum_even([]) == 0", "assert sum_even([-2, 3]) == -2"]}}"""

JUDGE = """You review exercises for programmers. You get a request and a function that passes its own tests.
5: the request is clear, and the function does exactly what it asks, edge cases included. 4: the same, in slightly clumsy
words. 3: the request leaves open what the tests need. 2: the function does more or less than is asked. 1: the request
and the function are about different things."""


def spec(options: Json) -> TaskSpec:
    """It has no options; raises `DataError` for any."""
    no_options("code", options)
    return CodeTask()


class CodeTask(TaskSpec):
    """input: {"prompt", "signature"}. output: {"code", "tests"}; a student writes the code alone.

    `draw`, `verify`, `check` and `score` raise `NoSandbox` where this machine can't isolate what a model wrote; a
    draw does so before any money is spent on an answer that couldn't be verified.
    """

    name = "code"
    prompt_version = "1"
    metric = "tests that the function passes"
    answer_schema = reading.strict_object(
        prompt=reading.STRING,
        signature=reading.STRING,
        code=reading.STRING,
        tests=reading.strict_list(reading.STRING),
    )
    example_schema = reading.strict_object(
        input=reading.strict_object(
            prompt={"type": "string", "maxLength": MAX_PROMPT},
            signature={"type": "string", "maxLength": MAX_SIGNATURE},
        ),
        output=reading.strict_object(
            code={"type": "string", "maxLength": MAX_CODE},
            tests={
                "type": "array",
                "minItems": MIN_TESTS,
                "maxItems": MAX_TESTS,
                "items": {"type": "string", "maxLength": MAX_TEST},
            },
        ),
    )
    max_tokens = 1600

    def draw(self, rng: random.Random) -> Json:
        """See `TaskSpec`: what the function is about and what makes it hard."""
        find_way()
        return {
            "topic": rng.choice(_TOPICS),
            "level": rng.randint(1, 4),
            "style": rng.choice(_STYLES),
            "types": rng.choice(_TYPES),
            "edge": rng.choice(_EDGES),
            "tests": rng.randint(4, 8),
        }

    def prompt(self, drawn: Json) -> Prompt:
        """See `TaskSpec`."""
        return Prompt(
            SYSTEM,
            f"Topic: {drawn['topic']}. The function takes {drawn['types']}. Difficulty: {_LEVELS[int(str(drawn['level']))]}.\n"
            f"Think of this case: {drawn['edge']}. Write the prompt like this: {drawn['style']}. Write {drawn['tests']} tests.",
        )

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """See `TaskSpec`: the code passes its tests in the sandbox, and functions that do nothing fail them."""
        answer = reading.fields(answers[0], "the answer", ("prompt", "signature", "code", "tests"))
        example = Example(
            {"prompt": answer["prompt"], "signature": answer["signature"]},
            {"code": answer["code"], "tests": answer["tests"]},
        )
        self.check(example)
        return example

    def check(self, example: Example) -> None:
        """See `TaskSpec`."""
        asked = reading.fields(example.input, "input", ("prompt", "signature"))
        prompt = reading.text(asked["prompt"], "prompt", MAX_PROMPT)
        check_wording(prompt, "prompt")
        output = reading.fields(example.output, "output", ("code", "tests"))
        code = read_code(output["code"], asked["signature"])
        tests = read_tests(output["tests"], code.name)
        _examine(code, tests)

    def key(self, example: Example) -> str:
        """See `TaskSpec`: the request's words and what the function takes."""
        return " ".join(f"{example.input['prompt']} {example.input['signature']}".lower().split())

    def score(self, wanted: Json, got: Json) -> float:
        """See `TaskSpec`: the share of the wanted tests that the code passes, each test in a process of its own."""
        wanted_tests = wanted["tests"]
        if not isinstance(wanted_tests, list):
            raise TypeError("the wanted output has no list of tests")
        tests = tuple(map(str, wanted_tests))
        try:
            code = read_program(got.get("code"))
        except Rejected:
            return 0.0
        outcomes = run_python([f"{code}\n{test}\n" for test in tests], LIMITS)
        return sum(outcome.status == "ok" for outcome in outcomes) / len(tests)

    def built_in(self, rng: random.Random) -> Example:
        """See `TaskSpec`: a function of one of the families."""
        made = function(rng)
        example = Example(
            {"prompt": made.prompt, "signature": made.signature}, {"code": made.code, "tests": list(made.tests)}
        )
        group = self.group(example)
        return Grouped(example.input, example.output, group=group, meta={TEMPLATE: group})

    def group(self, example: Example) -> str:
        """See `TaskSpec`: the same function under two prompts."""
        code = read_code(example.output["code"], example.input["signature"])
        return hashlib.sha256(skeleton(code).encode()).hexdigest()[:32]

    def judge(self, example: Example) -> Prompt:
        """See `TaskSpec`: whether the request and the function agree."""
        return Prompt(JUDGE, f"Request: {example.input['prompt']}\n\n{example.output['code']}")

    def difficulty(self, example: Example) -> float:
        """See `TaskSpec`: larger syntax trees are harder."""
        return round(min(1.0, read_code(example.output["code"], example.input["signature"]).size / 250), 4)


def _examine(code: Code, tests: tuple[str, ...]) -> None:
    """Run the code, and functions that do nothing, with all tests; raises `Rejected`."""
    expected = [value for value in expected_values(tests) if value not in _IDLE][:_MOST_EXPECTED]
    idle = (*_IDLE, *expected)
    own, others = run_python(["\n".join((code.text, *tests)), _idle_program(code, tests, idle)], LIMITS)
    _passed(own, code, tests)
    if others.status == "ok":
        return
    number = others.error.removeprefix(_VACUOUS)
    if not number.isdecimal() or int(number) >= len(idle):  # the code itself ended the process, or took too long
        raise Rejected("breaks its limits", f"The tests don't end well with other functions ({others.status}).")
    value = idle[int(number)]
    raise Rejected(
        "vacuous tests",
        f"The tests also pass for a function that only returns {value[:40]}; write tests that tell it apart.",
    )


def _idle_program(code: Code, tests: Sequence[str], idle: Sequence[str]) -> str:
    """The tests with functions that do nothing in the place of the code's own; ends early where one passes them all."""
    functions = "".join(f"    lambda *args, **kwargs: {value},\n" for value in idle)
    asserts = "".join(f"        {test}\n" for test in tests)
    return (
        f"{code.text}\n_left = {len(idle)}\nfor {code.name} in (\n{functions}):\n    _left -= 1\n    try:\n{asserts}"
        f"    except Exception:\n        continue\n    raise SystemExit({len(idle)} - 1 - _left)\n"
    )


def _passed(outcome: Outcome, code: Code, tests: tuple[str, ...]) -> None:
    if outcome.status == "ok":
        return
    if outcome.status == "timeout":
        raise Rejected("never ends", "The code and its tests take longer than a second; is there an endless loop?")
    if outcome.status != "error":
        raise Rejected(
            "breaks its limits", f"The code uses too much memory or output, or ends the process ({outcome.status})."
        )
    place = outcome.line - code.text.count("\n") - 2  # each test has a line of its own behind the code
    test = tests[place] if 0 <= place < len(tests) else None
    if test is None or not outcome.error.startswith("AssertionError"):
        where = f" in {test[:80]!r}" if test else f" in line {outcome.line}"
        raise Rejected("code breaks", f"Running the code with its tests raises {outcome.error[:160]}{where}.")
    raise Rejected("tests fail", f"The code fails its own test {test[:120]!r}; mend whichever of the two is wrong.")
