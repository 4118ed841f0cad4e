"""Task `math`: a question in words; the model writes the calculation, the device computes it.

A small model learns which numbers to take and what to do with them. It needn't learn to carry digits: the calculation
is computed here, exactly, with its steps (as in program-aided language models, arXiv 2211.10435). Nor to copy them: it
reads "A hall has ① rows of ② seats and ③ are taken" and writes "① ② * ③ - | {} seats" (number mapping, Wang et al. 2017,
"Deep Neural Solver for Math Word Problems"; postfix, see `arithmetic.postfix`).

A model that learnt from rows with "stepwise" writes the calculation line by line, see `arithmetic.lines`: "① * ②",
below it "_ - ③ | {} seats". The device reads and computes each line; steps are told where a request asks for them.
"""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.arithmetic.expressions import Unreadable
from edge_runtime.arithmetic.lines import put_together, taken_apart
from edge_runtime.arithmetic.places import MOST, PLACE, filled, index, place, unplaced
from edge_runtime.arithmetic.postfix import from_postfix, to_postfix
from edge_runtime.arithmetic.solve import Value, solve
from edge_runtime.errors import BadRequest
from edge_runtime.tasks.dialogue import FIGURES, OPTIONS, TextTask, Writer, only, text_of
from edge_runtime.tasks.written_confidence import read_doubt

if TYPE_CHECKING:
    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines.language import LanguageEngine

NAME = "math"
PLAIN = False
MAX_TOKENS = 120
MAX_QUESTION = 600
_SLOT = "{}"  # where the computed number stands in the answer
_MAX_FORM = 60
_LETTER = re.compile(r"(?<![A-Za-z'’])[b-hj-z](?![A-Za-z])")  # but a and i, which are words
_JOINED = re.compile(r"[\s()]*[-+*/×÷·−][\s()]*")  # what stands between two numbers of a bare calculation
_WORDS = {"plus": "+", "minus": "-", "times": "*", "multiplied by": "*", "divided by": "/"}
_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)
_SPOKEN = re.compile(rf"{_JOINED.pattern}|[\s()]*{_WORD.pattern}[\s()]*", re.IGNORECASE)
_DIGITS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
# A number as it stands in an answer: 12, -3, 3/4, 2 1/2, 1,250.5
_NUMBER = re.compile(r"[-−]?(?:\d+ \d+/\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?: ?/ ?\d+)?|\.\d+)")
Json = dict[str, object]
REQUEST_SCHEMA: Json = {
    "type": "object",
    "required": ["question"],
    "properties": {
        "question": {"type": "string", "minLength": 1, "maxLength": MAX_QUESTION},
        "steps": {"type": "boolean"},  # whether the answer tells how it came about
        **OPTIONS,
    },
}
RESPONSE_SCHEMA: Json = {
    "type": "object",
    "required": ["answer", "expression", *FIGURES],
    "properties": {
        "answer": {"type": ["string", "null"]},
        "expression": {"type": ["string", "null"]},
        "steps": {"type": "array", "items": {"type": "string"}},
        **FIGURES,
    },
}


def messages(request: Json) -> list[Json]:
    """The question as one message, its numbers as ①, ② ...; "text" is another name for it."""
    written, _ = _numbered(_question(request))
    return [{"role": "user", "content": written}]


def reply(request: Json, output: Json) -> str:
    """The calculation over the question's numbers, and the answer with a slot: line by line where the row says so; else
    in postfix, or as it stands where the question holds it, and where it is no plain calculation.
    """
    question = _question(request)
    _, numbers = _numbered(question)
    letter = _unknown(question)
    left = list(range(len(numbers)))

    def written(found: re.Match[str]) -> str:
        same = [at for at, number in enumerate(numbers) if number == found[0].replace(",", "")]
        if not same:
            return found[0]  # a number that the question spells, or only means
        at = next((at for at in same if at in left), same[-1])
        left[:] = [other for other in left if other != at]
        return place(at) if at < MOST else found[0]

    form = _NUMBER.sub(_SLOT, str(output["answer"]), count=1)
    calculation = str(output["expression"])
    taken = [found[0].replace(",", "") for found in _DIGITS.finditer(calculation)]
    runs = (at for at in range(len(numbers)) if numbers[at : at + len(taken)] == taken)
    if (first := next(runs, None)) is not None:  # as they stand in the question, one behind the other
        said = [place(at) if at < MOST else numbers[at] for at in range(first, first + len(taken))]
    else:
        said = [written(found) for found in _DIGITS.finditer(calculation)]
    copied = first is not None and _joined(question, first, len(taken))
    calculation = _calculation(calculation, said, output.get("stepwise") is True, copied)
    text = f"{calculation} | {form if _SLOT in form else _SLOT}"
    return _with_letter(text, letter, "x") if letter else text


def _calculation(expression: str, said: list[str], stepwise: bool, copied: bool) -> str:
    """An expression as it is to be written. said: its numbers; copied: whether the question itself holds it."""
    numbers = iter(said)
    standing = _DIGITS.sub(lambda _: next(numbers), expression)
    try:
        if stepwise:
            return "\n".join(taken_apart(expression, said))
        return standing if copied else to_postfix(expression, said)
    except Unreadable:  # an equation, most often
        return standing


def _joined(question: str, first: int, count: int) -> bool:
    """Whether `count` numbers of a question, from `first` on, are joined by signs alone."""
    found = list(_DIGITS.finditer(question))[first : first + count]
    return all(_JOINED.fullmatch(question[one.end() : other.start()]) for one, other in pairwise(found))


def answer(request: Json, text: str) -> Json:
    """Compute what the model wrote; what can't be computed has no answer and is unsure."""
    question = _question(request)
    _, numbers = _numbered(question)
    text = _with_letter(text, "x", letter) if (letter := _unknown(question)) else text
    expression, _, form = (part.strip() for part in text.partition("|"))
    form = form if form.count(_SLOT) == 1 and len(form) <= _MAX_FORM and _named(form, question) else _SLOT
    used = [index(at) for at in PLACE.findall(expression)]
    try:
        if "\n" in expression:
            expression = put_together(expression.split("\n"), numbers)
        else:
            expression = filled(from_postfix(expression) or expression, numbers)
        found = solve(expression)
    except Unreadable:
        return {"answer": None, "expression": None, **_told(request, ()), "unsure": True}
    unsure = found.unknown is None and not _as_asked(question, used, found.value)
    number = found.text
    if number.startswith("-") and not form.startswith(_SLOT):  # -$5, not $-5
        before, _, after = form.partition(_SLOT)
        said = f"{before}{number}{after}" if "=" in before else f"-{before}{number[1:]}{after}"
    else:
        said = form.replace(_SLOT, number, 1)
    return {"answer": said, "expression": expression, **_told(request, found.steps), "unsure": unsure}


def _question(request: Json) -> str:
    name = "question" if "question" in request or "text" not in request else "text"
    only(request, name, "steps")
    if not isinstance(request.get("steps", False), bool):
        raise BadRequest("`steps` must be true or false.")
    return unplaced(text_of(request, name, MAX_QUESTION))


def _told(request: Json, steps: tuple[str, ...]) -> Json:
    """The steps, for a request that asks for them."""
    return {"steps": list(steps)} if request.get("steps") is True else {}


def _numbered(question: str) -> tuple[str, list[str]]:
    """The question with ①, ② ... for its numbers, and those, without the commas of thousands."""
    numbers: list[str] = []

    def placed(found: re.Match[str]) -> str:
        numbers.append(found[0].replace(",", ""))
        return place(len(numbers) - 1) if len(numbers) <= MOST else found[0]

    letter = _unknown(question)
    return _DIGITS.sub(placed, _with_letter(question, letter, "x") if letter else question), numbers


def _as_asked(question: str, used: list[int], value: Value) -> bool:
    """Whether a calculation is the question's own where that holds one: each number once of those that signs join, or
    words for them, and the same result where it takes no others. used: the places of the calculation's numbers.
    """
    found = list(_DIGITS.finditer(question))
    group: list[int] = []
    for at, number in enumerate(found):
        group.append(at)
        if at + 1 < len(found) and _SPOKEN.fullmatch(question[number.end() : found[at + 1].start()]):
            continue
        counts = {used.count(one) for one in group}
        if len(group) > 1 and counts != {0}:
            if counts != {1}:
                return False
            if (
                len(used) == len(group)
                and (own := _computed(question, found[group[0]].start(), number.end())) is not None
            ):
                return own == value
        group = []
    return True


def _computed(question: str, start: int, end: int) -> Value | None:
    """What a part of a question comes to, with the brackets around it; None where it can't be computed."""
    while start and question[start - 1] == "(":
        start -= 1
    while end < len(question) and question[end] in ")%":
        end += 1
    if re.search(r"[^\W_]$", question[:start]) or re.match(r"[\w^!]", question[end:]):
        return None  # the part of something longer: sqrt(9) * 5, 4 + 3^2
    try:
        return solve(_WORD.sub(lambda found: _WORDS[found[0].lower()], question[start:end])).value
    except Unreadable:
        return None


def _unknown(question: str) -> str | None:
    """The letter that a question with an equation asks for, where that isn't x, which all others are read as."""
    found = set(_LETTER.findall(question)) if "=" in question else set()
    return found.pop() if len(found) == 1 and found != {"x"} else None


def _with_letter(text: str, old: str, new: str) -> str:
    return _LETTER.sub(lambda found: new if found[0] == old else found[0], text)


def _named(form: str, question: str) -> bool:
    """Whether the question knows the unit of an answer's form; short ones are measures, as in km for kilometres."""
    asked = {word[:4] for word in re.findall(r"[^\W\d_]+", question.lower())}
    unit = re.findall(r"[^\W\d_]+", form.lower())
    return all(len(word) <= 3 for word in unit) or any(word[:4] in asked for word in unit)


def load(manifest: Manifest, folder: Path, engine: LanguageEngine) -> Writer:
    """A specialist over a language engine; raises `BundleError`."""
    from edge_runtime.language.specialist import load_language

    task = cast(TextTask, sys.modules[__name__])
    return Writer(load_language(manifest, folder, engine), task, read_doubt(manifest, NAME))


def agrees(expected: Json, got: Json) -> bool:
    """Whether the answers are the same."""
    return expected.get("answer") == got.get("answer")
