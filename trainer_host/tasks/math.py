"""Task `math`: a question gives steps, an expression and an answer; all three are computed again."""

from __future__ import annotations

import random
import re
from fractions import Fraction
from typing import TYPE_CHECKING

from edge_runtime.media import reading
from trainer_host.errors import DataError
from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec
from trainer_host.tasks.math_answers import (
    MAX_ANSWER,
    Answer,
    numbers_of,
    read_answer,
    same_answer,
)
from trainer_host.tasks.math_expressions import (
    FUNCTIONS,
    MAX_CHARS,
    Tree,
    is_zero,
    numbers_in,
    operations_in,
    parse,
    solved,
    value,
)
from trainer_host.tasks.math_problems import NAMES, Problem, problem
from trainer_host.tasks.math_stories import story
from trainer_host.tasks.math_sums import long_sum
from trainer_host.tasks.wording import check_wording

if TYPE_CHECKING:
    import sympy

MAX_QUESTION = 600
MAX_STEPS = 12
LEVELS = {
    1: "one addition or subtraction of whole numbers below 100",
    2: "one operation: whole numbers up to 999, times tables, or a division without remainder",
    3: "two or three operations with whole numbers",
    4: "fractions or decimals",
    5: "percentages, ratios or rates",
    6: "a linear equation, a power or root, or four operations and more",
}
_TOPICS = (
    "shopping", "cooking", "travel", "sports", "school", "farming", "building", "music", "pocket money", "time tables",
    "weather", "a laboratory", "a library", "gardening", "public transport", "a bakery", "a museum", "hiking",
    "knitting", "a workshop", "recycling", "a garden party", "a ferry", "a choir", "chess", "astronomy", "a bicycle",
    "a swimming pool", "post and parcels", "an orchard",
)  # fmt: skip
_STYLES = (
    "one short sentence",
    "two sentences",
    "three sentences with one detail that isn't needed",
    "the question first, then the facts",
    "spoken by a child",
    "as in an old textbook",
    "as a note to a friend",
)
_NUMBERS = ("round numbers", "awkward numbers", "small numbers", "numbers written as words where that is natural")
# Numbers that anybody may use without the question naming them: small ones, and those of clocks, circles and units.
_KNOWN = frozenset(
    [Fraction(n) for n in (*range(13), 24, 30, 31, 52, 60, 90, 100, 180, 360, 365, 366, 1000, 3600)]
    + [Fraction(1, n) for n in (2, 3, 4, 5, 10, 100)]
    + [Fraction(3, 4)]
)
_BARE = re.compile(
    r"(?:what is|what's|work out|calculate|compute|evaluate|find|simplify|solve)\s+(.+?)(?:\s+for\s+[a-z])?\s*[?.]?",
    re.IGNORECASE,
)
_LETTER = re.compile(r"(?<![A-Za-z])[a-z](?![A-Za-z])")
_EQUALS = re.compile(r"[=≈]")
WRONG_SUM = "wrong sum"
STORIES_SHARE = 0.6  # of the built-in rows with `stories`
SUMS_SHARE = 0.25  # of the built-in rows of a model that works line by line

SYSTEM = f"""You write one mathematics problem for school, with its solution, as JSON.
question: what is asked, complete in itself, in English, with all numbers that are needed and one answer.
expression: the one expression that solves it, with the question's own numbers: + - * / ^ ( ), 15% for a percentage,
and the functions {", ".join(FUNCTIONS)}. No words, no units, no results of your own. Where an unknown is sought, a
linear equation in one letter instead: 3x + 5 = 20.
steps: one to {MAX_STEPS} lines, each "expression = result", exact, without words or units. The last result is the answer.
answer: the number, with its unit if it has one: 12, 3/4, 2.5, 40%, $3.50, 12 apples, x = 5. Exact, unless the question
says how to round; then use round(..., places) in the expression and write 10/3 ≈ 3.33 in steps.
Compute carefully: every line is checked.
Example: {{"question": "A hall has 12 rows of 8 seats and 17 are taken. How many seats are free?", \
"expression": "12 * 8 - 17", "steps": ["12 * 8 = 96", "96 - 17 = 79"], "answer": "79 seats"}}"""

JUDGE = """You examine problems for a mathematics book. You get a question and the calculation that is said to solve it.
The calculation itself is right; say whether it is the one that the question asks for.
5: the question is clear and complete, has one answer, and this is it. 4: the same, in slightly clumsy words.
3: the question can be read in two ways. 2: a fact is missing or contradicts another. 1: the calculation answers another
question."""


def spec(options: Json) -> TaskSpec:
    """Options `steps`: the model is to work line by line, see `StepwiseMath`; `stories`: see `Math`; raises `DataError`."""
    if extra := sorted(options.keys() - {"steps", "stories"}):
        raise DataError(f"The task math has no option '{extra[0][:40]}'; it knows steps and stories.")
    for name, chosen in options.items():
        if not isinstance(chosen, bool):
            raise DataError(f"The option {name} of math is true or false.")
    kind = StepwiseMath if options.get("steps") else Math
    return kind(stories=options.get("stories") is True)


_WRITTEN = reading.strict_object(
    steps={"type": "array", "maxItems": MAX_STEPS, "items": {"type": "string", "maxLength": MAX_CHARS}},
    answer={"type": "string", "maxLength": MAX_ANSWER},
    expression={"type": "string", "maxLength": MAX_CHARS},
)
_OUTPUT: Json = {**_WRITTEN, "properties": {**_WRITTEN["properties"], "stepwise": {"type": "boolean"}}}  # type: ignore[dict-item]


class Math(TaskSpec):
    """input: {"question"}. output: {"steps", "answer", "expression"}, the last of which a student may leave out; and
    "stepwise" where the student is to write the expression line by line.

    stories: whether most of the built-in rows are composed of settings and events, see `math_stories`. They take a larger
    model and far more rows than the others; `benchmarks/math_families.py` measures what a model makes of new compositions.
    """

    name = "math"
    prompt_version = "1"
    metric = "answers that are right"
    answer_schema = reading.strict_object(
        question=reading.STRING,
        expression=reading.STRING,
        steps=reading.strict_list(reading.STRING),
        answer=reading.STRING,
    )
    example_schema = reading.strict_object(
        input=reading.strict_object(question={"type": "string", "maxLength": MAX_QUESTION}), output=_OUTPUT
    )
    max_tokens = 700

    def __init__(self, *, stories: bool = False) -> None:
        self._stories = stories

    def draw(self, rng: random.Random) -> Json:
        """See `TaskSpec`: the level, and what the story is about."""
        level = rng.randint(1, 6)
        kind = rng.choices(("story", "bare"), (3, 1))[0]
        return {
            "level": level,
            "kind": kind,
            "topic": rng.choice(_TOPICS),
            "person": rng.choice(NAMES),
            "style": rng.choice(_STYLES),
            "numbers": rng.choice(_NUMBERS),
        }

    def prompt(self, drawn: Json) -> Prompt:
        """See `TaskSpec`."""
        level = LEVELS[int(str(drawn["level"]))]
        if drawn["kind"] == "bare":
            form = f"A bare calculation without a story, with {drawn['numbers']}."
        else:
            form = (
                f"A word problem about {drawn['topic']}, with {drawn['numbers']}. Written as: {drawn['style']}. "
                f"If a person is named, then {drawn['person']}."
            )
        return Prompt(SYSTEM, f"Difficulty: {level}.\n{form}")

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """See `TaskSpec`: the expression, every step and the answer are computed, exactly."""
        answer = reading.fields(answers[0], "the answer", ("question", "expression", "steps", "answer"))
        example = Example(
            {"question": answer["question"]},
            {"steps": answer["steps"], "answer": answer["answer"], "expression": answer["expression"]},
        )
        self.check(example)
        return example

    def check(self, example: Example) -> None:
        """See `TaskSpec`."""
        asked = reading.fields(example.input, "input", ("question",))
        question = reading.text(asked["question"], "question", MAX_QUESTION)
        output = reading.fields(example.output, "output", ("steps", "answer", "expression"), ("stepwise",))
        if not isinstance(output.get("stepwise", True), bool):
            raise Rejected(reading.WRONG_FORM, "stepwise must be true or false")
        expression = reading.text(output["expression"], "expression", MAX_CHARS)
        answer = reading.text(output["answer"], "answer", MAX_ANSWER)
        steps = reading.items(output["steps"], "steps", _step, MAX_STEPS, 1)
        if len(re.findall(r"[A-Za-z]{2,}", question)) >= 8:  # words tell little about "What is 5 * 5 * 5?"
            check_wording(question, "question")
        letter, sides = _read(expression)
        result = _result(sides)
        _from_question(question, sides)
        _as_asked(question, result)
        got = read_answer(answer)
        if not _is(result, got):
            raise Rejected("wrong answer", f"{expression} is {result}, not {answer}.")
        _steps_hold(steps, letter, result, got)

    def key(self, example: Example) -> str:
        """See `TaskSpec`: the question's words; signs are spelled, as 3 + 4 isn't 3 - 4."""
        text = str(example.input["question"]).lower()
        for sign, word in (("+", " plus "), ("-", " minus "), ("*", " times "), ("/", " over "), ("^", " power ")):
            text = text.replace(sign, word)
        return " ".join(text.split())

    def score(self, wanted: Json, got: Json) -> float:
        """See `TaskSpec`: 1 where both answers are the same number, however written."""
        answer = got.get("answer")
        if not isinstance(answer, str):
            return 0.0
        try:
            return float(same_answer(read_answer(str(wanted["answer"])), read_answer(answer)))
        except Rejected:
            return 0.0

    def built_in(self, rng: random.Random) -> Example:
        """See `TaskSpec`: a problem of one of six levels, or a composed one."""
        if self._stories and rng.random() < STORIES_SHARE:
            return example_of(story(rng).problem)
        return example_of(problem(rng, rng.randint(1, 6)))

    def stratum(self, example: Example) -> str:
        """See `TaskSpec`: the level."""
        return f"level {level_of(example)}"

    def group(self, example: Example) -> str:
        """See `TaskSpec`: the expression; the same sum in two stories has one answer."""
        return " ".join(str(example.output["expression"]).split())

    def judge(self, example: Example) -> Prompt | None:
        """See `TaskSpec`: whether the calculation is the one that a story asks for; nothing for bare sums."""
        if _BARE.fullmatch(str(example.input["question"])):
            return None
        told = f"Question: {example.input['question']}\nCalculation: {example.output['expression']}"
        return Prompt(JUDGE, f"{told}\nAnswer: {example.output['answer']}")

    def difficulty(self, example: Example) -> float:
        """See `TaskSpec`: the level first, then how many operations it takes."""
        _, sides = _read(str(example.output["expression"]))
        operations = sum(map(operations_in, sides))
        return round(0.16 * (level_of(example) - 1) + 0.2 * min(operations, 10) / 10, 4)


class StepwiseMath(Math):
    """Rows whose expression a model learns to write line by line; some of the built-in ones are sums of several numbers."""

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """See `Math.verify`."""
        return _stepwise(super().verify(drawn, answers))

    def built_in(self, rng: random.Random) -> Example:
        """A problem of one of six levels, or a sum of several numbers, see `math_sums`."""
        if rng.random() >= SUMS_SHARE:
            return _stepwise(super().built_in(rng))
        return _stepwise(example_of(long_sum(rng)))


def _stepwise(example: Example) -> Example:
    return Example(example.input, {**example.output, "stepwise": True})


def example_of(made: Problem) -> Example:
    """A row of a problem."""
    output: Json = {"steps": list(made.steps), "answer": made.answer, "expression": made.expression}
    return Example({"question": made.question}, output)


def level_of(example: Example) -> int:
    """1 to 6, as `LEVELS` describes them, read off the expression."""
    letter, sides = _read(str(example.output["expression"]))
    trees = [tree for side in sides for tree in side.walk()]
    ops = {tree.op for tree in trees}
    operations = sum(map(operations_in, sides))
    numbers = set().union(*map(numbers_in, sides))
    asked = str(example.input["question"]).lower()
    fractions = any(tree.op == "/" and not value(tree).is_Integer for tree in trees) if letter is None else False
    if "%" in ops or "%" in asked or "percent" in asked:
        return 5
    if letter is not None or ops & {"^", "sqrt", "pi", "factorial"}:
        return 6
    if fractions or any(number.denominator > 1 for number in numbers):
        return 4
    if operations >= 4:
        return 6
    if operations >= 2:
        return 3
    return 2 if ops - {"number", "neg", "+", "-"} or any(abs(number) > 99 for number in numbers) else 1


def _read(expression: str) -> tuple[str | None, tuple[Tree, ...]]:
    """(the unknown's letter, one side or two)."""
    parts = expression.split("=")
    letters = set(_LETTER.findall(expression))
    if len(parts) > 2 or len(letters) > 1 or len(letters) != len(parts) - 1:
        raise Rejected(
            "unreadable expression",
            f"{expression[:60]!r} must be one expression of numbers, or one equation with one letter.",
        )
    letter = next(iter(letters), None)
    return letter, tuple(parse(part, letter) for part in parts)


def _result(sides: tuple[Tree, ...]) -> sympy.Expr:
    if len(sides) == 2:
        return solved(*sides)
    if not operations_in(sides[0]) and not any(tree.op == "%" for tree in sides[0].walk()):
        raise Rejected("nothing to compute", "The expression is only a number; write the calculation that gives it.")
    return value(sides[0])


def _from_question(question: str, sides: tuple[Tree, ...]) -> None:
    named = numbers_of(question)
    shares = {number / 100 for number in named}
    allowed = named | shares | {1 - share for share in shares} | {1 + share for share in shares} | _KNOWN
    used = set().union(*map(numbers_in, sides))
    if strange := sorted(used - allowed):
        raise Rejected(
            "number from nowhere",
            f"The expression uses {strange[0]}, which the question doesn't name; write how it follows from the question.",
        )


def _as_asked(question: str, result: sympy.Expr) -> None:
    """Where the question is a bare calculation, its own result must be that of the expression."""
    found = _BARE.fullmatch(question)
    if found is None:
        return
    try:
        _, sides = _read(found[1])
        own = _result(sides)
    except Rejected:
        return  # "What is the sum of 3 and 4?"
    if not is_zero(own - result):
        raise Rejected(WRONG_SUM, f"The question's own calculation gives {own}, the expression {result}.")


def _step(item: object, where: str) -> str:
    return reading.text(item, where, MAX_CHARS)


def _steps_hold(steps: tuple[str, ...], letter: str | None, result: sympy.Expr, answer: Answer) -> None:
    last: sympy.Expr | None = None
    for step in steps:
        text = step.rpartition(":")[2]
        signs = _EQUALS.findall(text)
        if not signs:
            raise Rejected("unreadable step", f"The step {step[:60]!r} has no '='; write 'expression = result'.")
        trees = [parse(part, letter, units=True) for part in _EQUALS.split(text)]
        if letter is None and not any(tree.op not in ("number", "neg") for tree in trees):
            raise Rejected("nothing to compute", f"The step {step[:60]!r} computes nothing.")
        values = [value(tree, result) for tree in trees]
        for sign, left, right, tree in zip(signs, values[:-1], values[1:], trees[1:], strict=True):
            if not (is_zero(left - right) or (sign == "≈" and _near(left, right, tree))):
                raise Rejected(WRONG_SUM, f"The step {step[:60]!r} is wrong: its left side is {left}.")
        last = values[-1]
    if last is None or not _is(last, answer):
        raise Rejected("steps stop short", f"The last step must end in the answer, {answer.value}, not in {last}.")


def _is(result: sympy.Expr, answer: Answer) -> bool:
    """Whether a result, which has no unit, is what the answer says: 2/5 and 40 both are 40%."""
    return same_answer(Answer(result, answer.unit), answer) or same_answer(Answer(result, ""), answer)


def _near(exact: sympy.Expr, rounded: sympy.Expr, tree: Tree) -> bool:
    """Whether a decimal is the other number, rounded to its places."""
    places = len(str(float(tree.number)).partition(".")[2]) if tree.op == "number" else 0
    return bool(abs(exact - rounded) <= Fraction(1, 2 * 10**places))
