"""A calculation as lines of one operation each, as a person works it out: "① * ②", below it "_ - ③".

① is the first number of the question, _ the result of the line above, A, B, C ... that of the first, second, third line.
A model that writes such lines needn't keep a long expression in mind, and each line can be checked by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_runtime.arithmetic.expressions import UNREADABLE, Tree, Unreadable, operations_in, parse
from edge_runtime.arithmetic.places import filled

MAX_LINES = 24
ABOVE = "_"
_RESULTS = "ABCDEFGHIJKLMNOPQRSTUVWX"
_RESULT = re.compile(rf"{ABOVE}|(?<![A-Za-z])[{_RESULTS}](?![A-Za-z])")
_STRENGTH = {"+": 1, "-": 1, "neg": 1, "*": 2, "/": 2}
_STRONGEST = 3  # a function or a power, and what stands in brackets


def taken_apart(expression: str, written: Sequence[str]) -> tuple[str, ...]:
    """The lines of an expression; an equation is one line. written: the expression's numbers, in order, as they are to
    be written. Raises `Unreadable`.
    """
    if "=" in expression:
        raise Unreadable(UNREADABLE, "An equation isn't taken apart.")
    left, lines = list(written), list[str]()

    def operand(tree: Tree) -> str:
        if tree.op == "pi":
            return "pi"
        if tree.op == "number":
            if not left:
                raise Unreadable(UNREADABLE, "There are fewer numbers than the expression has.")
            return left.pop(0)
        parts = [operand(part) for part in tree.parts]
        inline = all(part.op == "number" for part in tree.parts)
        if tree.op in ("neg", "%") and inline:
            return f"-{parts[0]}" if tree.op == "neg" else f"{parts[0]}%"
        lines.append(_line(tree.op, parts))
        if len(lines) > MAX_LINES:
            raise Unreadable(UNREADABLE, f"A calculation has at most {MAX_LINES} lines.")
        return _RESULTS[len(lines) - 1]

    operand(parse(expression))
    if left or not lines:
        raise Unreadable(UNREADABLE, "The numbers aren't those of the expression.")
    return tuple(
        re.sub(rf"(?<![A-Za-z]){_RESULTS[at - 1]}(?![A-Za-z])", ABOVE, line) if at else line
        for at, line in enumerate(lines)
    )


def put_together(lines: Sequence[str], numbers: Sequence[str]) -> str:
    """The one expression that lines come to. numbers: those that ①, ② ... stand for.

    Raises `Unreadable` for a line that isn't one operation or takes a number or a result that there isn't, and where the
    result of a line is taken by none below it.
    """
    if len(lines) > MAX_LINES:
        raise Unreadable(UNREADABLE, f"A calculation has at most {MAX_LINES} lines.")
    made: list[tuple[str, int]] = []  # what each line comes to, and how strongly its parts hold together
    taken: set[int] = set()
    for at, line in enumerate(lines):
        tree = parse(_RESULT.sub("1", filled(line, numbers)))
        if operations_in(tree) != 1 and not (operations_in(tree) == 0 and tree.op in ("neg", "%")):
            raise Unreadable(UNREADABLE, f"The line {line[:40]!r} isn't one operation.")
        strength = _STRENGTH.get(tree.op, _STRONGEST)

        def result(found: re.Match[str], at: int = at, strength: int = strength, tree: Tree = tree) -> str:
            number = at - 1 if found[0] == ABOVE else _RESULTS.index(found[0])
            if not 0 <= number < at:
                raise Unreadable(UNREADABLE, f"There is no result {found[0]} above the line.")
            taken.add(number)
            text, own = made[number]
            first = not found.string[: found.start()].strip()
            alone = tree.op not in ("^", "%", "factorial") and (strength == _STRONGEST or own > strength)
            return text if alone or (first and own == strength and tree.op in ("+", "-", "*", "/")) else f"({text})"

        made.append((filled(_RESULT.sub(result, line), numbers), strength))
    if not made or taken != set(range(len(made) - 1)):
        raise Unreadable(UNREADABLE, "A line's result is taken by none below it.")
    return made[-1][0].strip()


def _line(op: str, parts: list[str]) -> str:
    """One operation as text."""
    if op in ("+", "-", "*", "/", "^"):
        return f"{parts[0]} {op} {parts[1]}"
    if op == "neg":
        return f"-{parts[0]}"
    if op in ("%", "factorial"):
        return f"{parts[0]}{'%' if op == '%' else '!'}"
    return f"{op}({', '.join(parts)})"
