"""A calculation in the order in which a question tells it: operands first, then what is done with them (postfix notation).

"A hall has ① rows of ② seats and ③ are taken" is "① ② * ③ -": each part of the question adds its own end, and nothing
stands in front that only a later part decides, as brackets do. "~-" and "~/" take their operands the other way round: what
is missing to ③ is "① ② * ③ ~-".
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.arithmetic.expressions import UNREADABLE, Tree, Unreadable, parse
from edge_runtime.arithmetic.places import PLACE, index

_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2}
_ONE = 3  # a number, or a percentage
_TURNED = {"-": "~-", "/": "~/"}
_BACK = {turned: op for op, turned in _TURNED.items()}


def to_postfix(expression: str, written: Sequence[str]) -> str:
    """A calculation of + - * / and percentages. written: its numbers, in order, as they are to be written.

    Raises `Unreadable` for anything else.
    """
    if "=" in expression:
        raise Unreadable(UNREADABLE, "An equation has no postfix form.")
    left, made = list(written), list[str]()

    def operand(tree: Tree) -> tuple[list[str], int | None]:
        """The words of a part, and the first place in it."""
        if tree.op == "number":
            if not left:
                raise Unreadable(UNREADABLE, "There are fewer numbers than the expression has.")
            word = left.pop(0)
            return [word], index(word) if PLACE.fullmatch(word) else None
        if tree.op == "%":
            words, first = operand(tree.parts[0])
            return [*words, "%"], first
        if tree.op not in _STRENGTH:
            raise Unreadable(UNREADABLE, f"'{tree.op}' has no postfix form.")
        (one, first), (other, second) = map(operand, tree.parts)
        if first is not None and second is not None and second < first:
            return [*other, *one, _TURNED.get(tree.op, tree.op)], second
        return [*one, *other, tree.op], first if second is None else second if first is None else min(first, second)

    made, _ = operand(parse(expression))
    if left or len(made) < 2:
        raise Unreadable(UNREADABLE, "The numbers aren't those of the expression.")
    return " ".join(made)


def from_postfix(text: str) -> str | None:
    """The calculation with brackets where it needs them; None where a text isn't in postfix notation."""
    stack: list[tuple[str, int]] = []
    for word in text.split():
        if word == "%" and stack and stack[-1][1] == _ONE and not stack[-1][0].endswith("%"):
            stack.append((f"{stack.pop()[0]}%", _ONE))
        elif (op := _BACK.get(word, word)) in _STRENGTH:
            if len(stack) < 2:
                return None
            second, first = stack.pop(), stack.pop()
            if word in _BACK:
                first, second = second, first
            own = _STRENGTH[op]
            right = own + 1 if op in "-/" else own
            stack.append((f"{_bracketed(first, own)} {op} {_bracketed(second, right)}", own))
        elif PLACE.fullmatch(word) or word.replace(".", "", 1).isdecimal():
            stack.append((word, _ONE))
        else:
            return None
    return stack[0][0] if len(stack) == 1 and stack[0][1] < _ONE else None


def _bracketed(part: tuple[str, int], least: int) -> str:
    return part[0] if part[1] >= least else f"({part[0]})"
