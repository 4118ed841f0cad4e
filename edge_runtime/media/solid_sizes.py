"""The lengths that a prompt for a body says something about, "each step α mm high", compared with those of the body.

What is read here is exact: words behind or before a length that have one meaning for a kind of body. A length that is named in
another way isn't compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from edge_runtime.media.reference_notation import LETTERS
from edge_runtime.media.solid import Primitive, Program

_LENGTH = rf"([{LETTERS}]) ?(?:mm)?"
_OFF, _OFF_MM = 0.02, 0.2  # round surfaces are of flat pieces
_AXES = "xyz"
_UPRIGHT = ("wide|across|thick|in diameter", "deep", "high|long|in length")
_LYING = re.compile(r"\b(?:along|lies|lying|horizontal)\b")
# Words behind a length that say along which axis of the body's box it is; of a kind that isn't here, by `_BOX` where it is whole.
_SIDES: dict[str, tuple[str, str, str]] = {
    "plate": ("long", "", "thick|high"),
    "hollow body": ("wide|across|outside", "", "high"),
    "cup": ("wide|across|in diameter", "deep", "high"),
    "bracket": ("long", "wide", "high"),
    "cross": ("wide and long|wide", "", "high"),
    "snowman": ("", "", "high"),
    "dumbbell": ("long", "", ""),
    "capsule": ("wide|across|thick|in diameter", "", "high|long|in length"),
    "rocket": ("wide|across|in diameter", "", ""),
    "dome": ("wide|across|in diameter", "", "high"),
    "pair": ("", "", "across|high"),
    "tube": ("wide|across|outside|in diameter", "", "high|long|thick|in length"),
    "cone": _UPRIGHT,
    "cylinder": _UPRIGHT,
    "ball": ("wide|across|in diameter", "", "high"),
    "gate": ("", "", "high"),
    "picture frame": ("wide|long", "thick", "high"),
    "stairs": ("long|deep", "wide", "high"),
}
_BOX = ("wide", "deep", "high")
_LONG_BOX = ("long", "wide|deep", "high")
_WHOLE = ("box", "table")
_IN_ORDER = ("box", "table", "cup", "plate", "gate")  # of which "α x β x γ" are the sides
_BY_AXIS = ("box", "table", "plate")  # of which "x = α" is one
_EACH = re.compile(rf"\beach\b|\bper step\b|\bapiece\b|\bsteps? (?:of |with )?[{LETTERS}]")
# What is said of a part, and no side of the whole.
_OF_PARTS = re.compile(
    rf"\b(?:walls?|floor|top|legs?|bars?|arms?|both|holes?)(?: (?:of|is|are|with|a))* {_LENGTH}(?: (?:thick|wide|high|long|across|in diameter))*"
    rf"|{_LENGTH} (?:thick )?(?:walls?|floor|top|legs?|bars?|arms?|holes?)\b"
)
_WALL = re.compile(rf"\bwalls?(?: (?:of|is|are))? {_LENGTH}|{_LENGTH} (?:thick )?walls?\b")
_INNER = re.compile(rf"\b(?:inner|inside) diameter(?: of| is)? {_LENGTH}|{_LENGTH} (?:inside|inner diameter)\b")
_OUTER = re.compile(rf"\b(?:outer|outside) diameter(?: of| is)? {_LENGTH}|{_LENGTH} outer diameter\b")
_GAP = re.compile(rf"\bgap of {_LENGTH}|{_LENGTH} (?:apart|gap)\b")
_IN_ALL = re.compile(rf"{_LENGTH} (?:[a-z]+ )?(?:in all|in total|overall|over all|altogether)\b")
_PRODUCT = re.compile(rf"{_LENGTH} ?x {_LENGTH} ?x {_LENGTH}")
_HEIGHT = re.compile(rf"\b(?:height|rise)(?: of| is)? {_LENGTH}")


def missed(program: Program, size: Sequence[float], kind: str, said: str, numbers: Sequence[float]) -> str | None:
    """Which length of a prompt a body doesn't have, as a sentence; None where none is found.

    size: of the body's box along x, y and z, millimetres. kind: as `solid_words.FAMILIES` has it. said, numbers: see
    `solid_words.Asked`.
    """
    for wanted, have in _pairs(program, size, kind, said, numbers):
        if abs(have - wanted) > max(_OFF_MM, _OFF * wanted):
            return f"The prompt asks for {wanted:g} mm, and this body has {have:.4g} mm there."
    return None


def _pairs(
    program: Program, size: Sequence[float], kind: str, said: str, numbers: Sequence[float]
) -> Iterator[tuple[float, float]]:
    """What the prompt names, and what the body has there."""

    def named(pattern: re.Pattern[str], text: str) -> list[float]:
        return [numbers[LETTERS.index(next(filter(None, found.groups())))] for found in pattern.finditer(text)]

    parts = [part for part in program.parts if isinstance(part, Primitive)]
    whole = _OF_PARTS.sub(" ", said if kind != "dumbbell" else said.partition(" bar")[0])
    steps = len(parts) if kind == "stairs" and _EACH.search(said) else 1
    sides = _SIDES.get(kind, ("", "", ""))
    if kind in _WHOLE:
        sides = _LONG_BOX if " long" in said else _BOX
    if kind in ("cylinder", "cone") and _LYING.search(said):
        sides = ("", "", "")
    for axis, words in enumerate(sides):
        told = rf"(?:{words})\b(?! \()|" if words else ""
        found = named(re.compile(rf"{_LENGTH} (?:{told}(?:[a-z]+ )?\({_AXES[axis]}\))"), whole)
        if axis == 2 and words and not found:
            found = named(_HEIGHT, whole)
        if len(found) == 1:
            yield found[0] * (steps if axis != 1 else 1), size[axis]
        if kind in _BY_AXIS:
            yield from ((value, size[axis]) for value in named(re.compile(rf"\b{_AXES[axis]} = {_LENGTH}"), said))
    if kind in _IN_ORDER and (product := _PRODUCT.search(said)):
        yield from zip((numbers[LETTERS.index(letter)] for letter in product.groups()), size, strict=True)
    for total in named(_IN_ALL, said):
        yield total, min(size, key=lambda side: abs(side - total))
    if kind in ("tube", "cup", "hollow body"):
        outer, inner = sorted((part.size[0] for part in parts), reverse=True)[:2]
        yield from ((wall, (outer - inner) / 2) for wall in named(_WALL, said))
        if kind == "tube":
            yield from ((wide, inner) for wide in named(_INNER, said))
            yield from ((wide, outer) for wide in named(_OUTER, said))
    if kind == "pair":
        yield from ((gap, size[0] - 2 * size[2]) for gap in named(_GAP, said))
