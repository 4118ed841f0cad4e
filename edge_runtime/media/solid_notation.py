"""Bodies as short lines of text, which a small model writes: "box α β γ", "cylinder δ 2γ mid γ/2", "difference".

One line for each part, with the prompt's numbers as letters (see `reference_notation`):

    shape SIZE [at X Y] [on Z | mid Z] [turn X Y Z]    SIZE: one number for all sides, diameter and height, or x y z
    join [LINE ...] [scale S] [at X Y] [mid Z] [turn X Y Z]

A shape stands "on" a height, 0 where nothing is said, or has its middle there; a turned one has its middle at 0. "±"
before x or y makes a part for either sign. A join takes all lines that none took before, unless it names them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edge_runtime.media import Json, Rejected
from edge_runtime.media.formula_notation import Cell, Formula, Formulas, evaluate, plain, solve
from edge_runtime.media.reading import TOO_MUCH
from edge_runtime.media.reference_notation import LETTERS, UNREADABLE, named
from edge_runtime.media.solid import JOINS, MAX_PARTS, SHAPES, Join, Part, Primitive, Program, read_program

MAX_TEXT = 2000  # characters of a notation
BOTH = "±"
_MM: dict[str, float] = {
    "mm": 1, "millimetre": 1, "millimetres": 1, "millimeter": 1, "millimeters": 1,
    "cm": 10, "centimetre": 10, "centimetres": 10, "centimeter": 10, "centimeters": 10,
    "m": 1000, "metre": 1000, "metres": 1000, "meter": 1000, "meters": 1000,
    "in": 25.4, "inch": 25.4, "inches": 25.4,
}  # fmt: skip
_DEGREES = ("degree", "degrees", "°")
_NUMBER = re.compile(
    r"(?<![\w.])(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?!\d)( ?)(°|[a-z]+\b)?(?=( [a-z]+\b)?)", re.IGNORECASE
)
_MAX_COUNT = 12
# Words that a small number stands before though it is a measure: "8 x 9", "10 by 20", "5 wide", "12 across".
_NO_COUNT = re.compile(
    "x|by|and|or|to|with|wide|high|tall|deep|thick|long|across|along|each|in|on|at|from|of|up|down", re.IGNORECASE
)


def numbered(prompt: str) -> tuple[str, tuple[float, ...]]:
    """The prompt with letters for its lengths and angles, and those, in millimetres and degrees.

    A small number before a word, as in "2 round holes", counts something and stays. A length without a unit has that
    of the next one: "4 x 3 x 2 cm".
    """
    found = list(_NUMBER.finditer(prompt))
    units: dict[int, float] = {}
    unit = 1.0
    for number in reversed(found):
        word = (number[4] or "").lower()
        unit = _MM.get(word, unit) if word != "in" or number[3] == "" else unit  # "5 in the middle"
        units[number.start()] = 1.0 if word in _DEGREES else unit

    def read(number: re.Match[str]) -> tuple[str, float] | None:
        word = (number[4] or "").lower()
        whole = float(number[1].replace(",", "") + (number[2] or ""))
        if whole == 0 or (number[3] and not number[2] and whole <= _MAX_COUNT and _counts(word)):
            return None
        seen = "mm" if word in _MM and (word != "in" or number[3] == "") else number[4] or ""
        return f"{{}}{number[3]}{seen}", whole * units[number.start()]

    return named(prompt, _NUMBER, read)


def _counts(word: str) -> bool:
    return len(word) > 1 and word not in _MM and word not in _DEGREES and not _NO_COUNT.fullmatch(word)


def write(program: Program, numbers: Sequence[float]) -> str:
    """The notation of a program over a prompt's numbers: each length as what it most likely means."""
    lines = _lines(program)
    formulas = Formulas(numbers)
    if missing := _unnamed(_solve(lines, formulas), numbers):
        # A prompt names no length for nothing: it is meant along the axis that takes it at the least cost.
        def price(axis: int) -> tuple[int, int]:
            left = _unnamed(_solve(lines, formulas, axis, missing), numbers)
            return len(left), sum(formula.cost for line in lines for _, formula in line.made.values())

        _solve(lines, formulas, min(range(len(_NAMES)), key=price), missing)
    return "\n".join(map(_written, lines))


def _solve(
    lines: Sequence[_Line], formulas: Formulas, axis: int = -1, missing: frozenset[int] = frozenset()
) -> frozenset[int]:
    """Give each line its formulas, along one axis so that they take what is missing; the numbers that they take."""
    used: frozenset[int] = frozenset()
    before: tuple[list[Cell], list[tuple[int, Formula]]] = ([], [])
    for at, names in enumerate(_NAMES):
        spots = [(line, name) for line in lines for name in names if name in line.cells]
        cells = [line.cells[name] for line, name in spots]
        if cells != before[0] or len(cells) < 2:  # what is as deep as it is wide is meant to be
            made, taken = solve(cells, formulas, used, missing if at == axis else frozenset())
            used, before = used | taken, (cells, made)
        for (line, name), found in zip(spots, before[1], strict=True):
            line.made[name] = found
    return used


def _unnamed(used: frozenset[int], numbers: Sequence[float]) -> frozenset[int]:
    """Places of the numbers that aren't used, nor equal to one that is."""
    values = {numbers[at] for at in used}
    return frozenset(at for at, number in enumerate(numbers) if number not in values)


def unused(text: str, numbers: Sequence[float]) -> list[float]:
    """The prompt's numbers that a notation doesn't take, nor an equal one: what it makes is hardly what was asked."""
    used = frozenset(at for at, letter in enumerate(LETTERS[: len(numbers)]) if letter in text)
    return [numbers[at] for at in sorted(_unnamed(used, numbers))]


def read(text: str, numbers: Sequence[float]) -> Program:
    """The program that a notation stands for; raises `Rejected`. Nothing is built."""
    if len(text) > MAX_TEXT:
        raise Rejected(UNREADABLE, f"the text has more than {MAX_TEXT} characters")
    parts: list[Json] = []
    named_by: list[list[str]] = []  # the parts that a line made
    free: list[int] = []
    for number, line in enumerate(text.strip().split("\n")):
        words = line.split()
        if len(parts) > MAX_PARTS:
            raise Rejected(TOO_MUCH, f"more than {MAX_PARTS} parts are too many")
        if not words or words[0] not in (*SHAPES, *JOINS):
            raise Rejected(UNREADABLE, f"line {number + 1} isn't a part of a body")
        if words[0] in SHAPES:
            made = list(_shapes(words, numbers, number))
        else:
            listed, made = _joined(words, numbers, number, named_by, free)
            free = [at for at in free if at not in listed]
        named_by.append([str(part["name"]) for part in made])
        free.append(number)
        parts += made
    return read_program({"parts": parts})


@dataclass
class _Line:
    """A line on the way to its text. cells: what needs a formula, by its name; made: the formulas."""

    part: Part
    both: frozenset[str] = frozenset()
    listed: str = ""
    cells: dict[str, Cell] = field(default_factory=dict)
    made: dict[str, tuple[int, Formula]] = field(default_factory=dict)


# Names of cells, by the axis whose lengths are likely sums of each other; the last is of angles.
_NAMES = (("size x", "at x"), ("size y", "at y"), ("size z", "at z"), ("turn x", "turn y", "turn z"))


def _lines(program: Program) -> list[_Line]:
    users: dict[str, list[int]] = {part.name: [] for part in program.parts}
    first: set[str] = set()
    for number, part in enumerate(program.parts):
        if isinstance(part, Join):
            for name in part.of:
                users[name].append(number)
            if part.join == "difference":
                first.add(part.of[0])
    made: list[_Line] = []
    line_of: dict[str, int] = {}
    free: list[int] = []
    for part in program.parts:
        if part.name in line_of:
            continue
        line = _Line(part)
        if isinstance(part, Primitive):
            alike = [
                other
                for other in program.parts
                if isinstance(other, Primitive)
                and (other.shape, other.size, other.turn, other.at[2]) == (part.shape, part.size, part.turn, part.at[2])
                and users[other.name] == users[part.name]
                and other.name not in line_of
            ]
            line.both, names = _both(part, alike) if part.name not in first else (frozenset(), [part.name])
            line_of |= dict.fromkeys(names, len(made))
        else:
            of = list(dict.fromkeys(line_of[name] for name in part.of))
            if of != free:
                line.listed = " ".join(str(at + 1) for at in of)
            free = [at for at in free if at not in of]
            line_of[part.name] = len(made)
        line.cells = _cells(part, line.both)
        free.append(len(made))
        made.append(line)
    return made


def _both(part: Primitive, alike: Sequence[Primitive]) -> tuple[frozenset[str], list[str]]:
    """Along which axes a part has its mirror images, and the names of all of them."""
    at = {other.at[:2]: other.name for other in reversed(alike)}
    x, y = part.at[:2]
    for axes in ("xy", "x", "y"):
        places = [(p, q) for p in ((x, -x) if "x" in axes else (x,)) for q in ((y, -y) if "y" in axes else (y,))]
        if len(set(places)) == 2 ** len(axes) and all(place in at for place in places):
            return frozenset(axes), [at[place] for place in places]
    return frozenset(), [part.name]


def _cells(part: Part, both: frozenset[str]) -> dict[str, Cell]:
    made: dict[str, Cell] = {}
    if isinstance(part, Primitive):
        for axis, length in zip("xyz", part.size, strict=True):
            made[f"size {axis}"] = Cell(((length, 0),))
        if len(set(part.size)) == 1 and part.shape in ("box", "sphere"):
            del made["size y"], made["size z"]
        elif part.shape != "box" and part.size[0] == part.size[1]:
            del made["size y"]
    for axis, place in zip("xy", part.at, strict=False):
        if part.at[:2] != (0, 0):
            made[f"at {axis}"] = Cell(((abs(place) if axis in both else place, 0),))
    middle = part.at[2]
    if isinstance(part, Join) or any(part.turn):
        if middle:
            made["at z"] = Cell(((middle, 1),))
    elif (base := middle - part.size[2] / 2) != 0:
        made["at z"] = Cell(((middle, 1), (base, 0)))
    if any(part.turn):
        made |= {f"turn {axis}": Cell(((angle, 0),), angle=True) for axis, angle in zip("xyz", part.turn, strict=True)}
    return made


def _written(line: _Line) -> str:
    part, text = line.part, {name: str(formula) for name, (_, formula) in line.made.items()}
    words = [part.shape if isinstance(part, Primitive) else part.join, line.listed]
    words += [text[name] for name in ("size x", "size y", "size z") if name in text]
    if isinstance(part, Join) and part.scale != 1:
        words += ["scale", plain(part.scale)]
    if "at x" in text:
        words += ["at", *(f"{BOTH if axis in line.both else ''}{text[f'at {axis}']}" for axis in "xy")]
    if "at z" in text:
        words += ["on" if line.made["at z"][0] else "mid", text["at z"]]
    if "turn x" in text:
        words += ["turn", *(text[f"turn {axis}"] for axis in "xyz")]
    return " ".join(filter(None, words))


def _fields(words: Sequence[str], number: int, counts: dict[str, int]) -> dict[str, list[str]]:
    """The words behind each keyword; raises `Rejected` for another count or order than `counts` has."""
    found: dict[str, list[str]] = {"": []}
    at = ""
    for word in words[1:]:
        if word in counts:
            if word in found or list(counts).index(word) < (list(counts).index(at) if at else 0):
                raise Rejected(UNREADABLE, f"line {number + 1} has '{word}' where it can't be")
            found[at := word] = []
        else:
            found[at].append(word)
    if any(len(found[name]) != counts[name] for name in found if name):
        raise Rejected(UNREADABLE, f"line {number + 1} lacks a number, or has one too many")
    return found


def _shapes(words: Sequence[str], numbers: Sequence[float], number: int) -> Iterator[Json]:
    found = _fields(words, number, {"at": 2, "on": 1, "mid": 1, "turn": 3})
    size = [evaluate(word, numbers) for word in found[""]]
    if len(size) == 1:
        size *= 3
    elif len(size) == 2 and words[0] != "box":
        size.insert(0, size[0])
    if len(size) != 3 or ("on" in found and "mid" in found) or ("on" in found and "turn" in found):
        raise Rejected(UNREADABLE, f"line {number + 1} has no size, or says twice where it is")
    turn = [evaluate(word, numbers) for word in found.get("turn", "000")]
    if "mid" in found or "turn" in found:
        z = evaluate(found.get("mid", ["0"])[0], numbers)
    else:
        z = evaluate(found.get("on", ["0"])[0], numbers) + size[2] / 2
    x, y = (_places(word, numbers) for word in found.get("at", "00"))
    copies = [(p, q, z) for p in x for q in y]
    for copy, at in enumerate(copies):
        name = f"{words[0]}{number + 1}" + (f"-{copy + 1}" if len(copies) > 1 else "")
        yield {"name": name, "shape": words[0], "size": _vector(size), "at": _vector(at), "turn": _vector(turn)}


def _joined(
    words: Sequence[str], numbers: Sequence[float], number: int, named_by: Sequence[Sequence[str]], free: Sequence[int]
) -> tuple[list[int], list[Json]]:
    found = _fields(words, number, {"scale": 1, "at": 2, "mid": 1, "turn": 3})
    if any(not word.isascii() or not word.isdigit() or not 1 <= int(word) <= number for word in found[""]):
        raise Rejected(UNREADABLE, f"line {number + 1} joins what isn't there")
    listed = [int(word) - 1 for word in found[""]] or list(free)
    if not listed:
        raise Rejected(UNREADABLE, f"line {number + 1} has nothing to join")
    x, y = (evaluate(word, numbers) for word in found.get("at", "00"))
    z = evaluate(found.get("mid", ["0"])[0], numbers)
    part: Json = {
        "name": f"{words[0]}{number + 1}",
        "join": words[0],
        "of": [name for at in listed for name in named_by[at]],
        "scale": evaluate(found.get("scale", ["1"])[0], numbers),
        "at": _vector((x, y, z)),
        "turn": _vector([evaluate(word, numbers) for word in found.get("turn", "000")]),
    }
    return listed, [part]


def _places(word: str, numbers: Sequence[float]) -> tuple[float, ...]:
    place = evaluate(word.removeprefix(BOTH), numbers)
    return (place, -place) if word.startswith(BOTH) else (place,)


def _vector(values: Sequence[float]) -> Json:
    return {axis: value + 0.0 for axis, value in zip("xyz", values, strict=True)}
