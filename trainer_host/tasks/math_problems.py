"""Sums and word problems at six levels, each with the expression that solves it, steps and answer: no teacher needed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, isqrt

NAMES = (
    "Aaliyah", "Aiko", "Amara", "Anders", "Beatriz", "Bilal", "Carlos", "Chiara", "Daniel", "Dmitri", "Elif", "Emma",
    "Farid", "Fatou", "Gaël", "Grace", "Hana", "Henrik", "Imani", "Ines", "Ivan", "Jamal", "Jana", "Kofi", "Lena",
    "Leila", "Liam", "Lucía", "Mateo", "Mei", "Milan", "Nadia", "Ngozi", "Noah", "Olga", "Omar", "Priya", "Quentin",
    "Rafael", "Rosa", "Samir", "Sofia", "Tariq", "Thandi", "Tomás", "Uma", "Viktor", "Wanjiru", "Yara", "Zoe",
)  # fmt: skip
# (one, many, what one costs in cents at least and at most)
GOODS = (
    ("apple", "apples", 20, 90),
    ("notebook", "notebooks", 100, 450),
    ("sandwich", "sandwiches", 250, 800),
    ("ticket", "tickets", 400, 2500),
    ("pencil", "pencils", 15, 120),
    ("loaf", "loaves", 150, 600),
    ("candle", "candles", 80, 900),
    ("postcard", "postcards", 50, 200),
    ("battery", "batteries", 60, 350),
    ("mug", "mugs", 300, 1500),
    ("plant", "plants", 250, 2000),
    ("marble", "marbles", 5, 40),
    ("screw", "screws", 2, 25),
    ("lemon", "lemons", 25, 80),
    ("badge", "badges", 75, 400),
)
THINGS = (
    "stamps", "shells", "coins", "books", "stickers", "beads", "cards", "eggs", "photos", "seeds", "bottles", "tiles",
    "buttons", "chairs", "bricks", "walnuts", "tickets", "flags", "toy cars", "postcards", "tulips", "peaches",
)  # fmt: skip
BOXES = ("boxes", "bags", "trays", "crates", "jars", "shelves", "drawers", "packets", "baskets", "cartons")
_DEARER = ("coat", "lamp", "radio", "chair", "kettle", "backpack", "bicycle tyre", "printer", "tent", "watch", "guitar")
# What a person says for a sign between two numbers.
SIGNS = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}
_PLACES = ("library", "bakery", "museum", "farm", "harbour", "school", "workshop", "garden centre", "hotel", "cinema")


@dataclass(frozen=True)
class Problem:
    """expression: what solves it, or a linear equation. steps: each "expression = value"."""

    question: str
    expression: str
    steps: tuple[str, ...]
    answer: str


Family = Callable[[random.Random], Problem]


def problem(rng: random.Random, level: int) -> Problem:
    """One problem of a level from 1 to 6."""
    return rng.choice(FAMILIES[level])(rng)


def show(number: Fraction) -> str:
    """A whole number, a decimal of at most three places, else a fraction."""
    if number.denominator == 1:
        return str(number.numerator)
    if 1000 % number.denominator == 0:
        return f"{float(number):.3f}".rstrip("0")
    return f"{number.numerator}/{number.denominator}"


def money(cents: int) -> str:
    """Dollars as a number: 4.50, 12."""
    return str(cents // 100) if cents % 100 == 0 else f"{cents // 100}.{cents % 100:02d}"


def _plain(rng: random.Random, expression: str, result: str, *, spoken: str | None = None) -> Problem:
    asked = [f"What is {expression}?", f"Work out {expression}.", f"Calculate {expression}.", f"Evaluate {expression}."]
    if spoken:
        asked += [f"What is {spoken}?", f"Find {spoken}."]
    if (said := _said(expression)) is not None:
        asked += [f"What is {said}?", f"How much is {said}?"]
    return Problem(rng.choice(asked), expression, (f"{expression} = {result}",), result)


def _said(expression: str) -> str | None:
    """Two numbers with the word between them that a person says; None for longer expressions."""
    first, *rest = expression.split()
    if len(rest) != 2 or rest[0] not in SIGNS or "(" in expression:
        return None
    return f"{first} {SIGNS[rest[0]]} {rest[1]}"


def _two(rng: random.Random) -> tuple[str, str]:
    first, second = rng.sample(NAMES, 2)
    return first, second


# Level 1: one addition or subtraction of numbers below 100


def _add(rng: random.Random) -> Problem:
    a, b = rng.randint(2, 99), rng.randint(2, 99)
    return _plain(rng, f"{a} + {b}", str(a + b), spoken=f"the sum of {a} and {b}")


def _subtract(rng: random.Random) -> Problem:
    a, b = sorted((rng.randint(2, 99), rng.randint(2, 99)), reverse=True)
    return _plain(rng, f"{a} - {b}", str(a - b), spoken=f"the difference between {a} and {b}")


def _get_more(rng: random.Random) -> Problem:
    a, b = rng.randint(3, 70), rng.randint(2, 29)
    (who, other), what = _two(rng), rng.choice(THINGS)
    question = rng.choice((
        f"{who} has {a} {what}. {other} gives {who} {b} more. How many {what} does {who} have now?",
        f"There are {a} {what} on the table and {who} puts {b} more beside them. How many {what} are there?",
        f"{who} found {a} {what} on Monday and {b} on Tuesday. How many {what} is that in all?",
    ))  # fmt: skip
    return Problem(question, f"{a} + {b}", (f"{a} + {b} = {a + b}",), f"{a + b} {what}")


def _give_away(rng: random.Random) -> Problem:
    a = rng.randint(12, 99)
    b = rng.randint(2, a - 2)
    (who, other), what = _two(rng), rng.choice(THINGS)
    question = rng.choice((
        f"{who} has {a} {what} and gives {b} of them to {other}. How many {what} are left?",
        f"Of {a} {what}, {who} sells {b}. How many {what} remain?",
        f"{who} has {a} {what}; {other} has {b}. How many more {what} does {who} have?",
    ))  # fmt: skip
    return Problem(question, f"{a} - {b}", (f"{a} - {b} = {a - b}",), f"{a - b} {what}")


# Level 2: one operation, larger numbers or times tables


def _add_large(rng: random.Random) -> Problem:
    a, b = rng.randint(100, 999), rng.randint(100, 999)
    return _plain(rng, f"{a} + {b}", str(a + b), spoken=f"the sum of {a} and {b}")


def _subtract_large(rng: random.Random) -> Problem:
    a, b = sorted((rng.randint(100, 999), rng.randint(100, 999)), reverse=True)
    return _plain(rng, f"{a} - {b}", str(a - b))


def _times(rng: random.Random) -> Problem:
    a, b = rng.randint(2, 12), rng.randint(3, 99)
    return _plain(rng, f"{a} * {b}", str(a * b), spoken=f"the product of {a} and {b}")


def _divide(rng: random.Random) -> Problem:
    a, b = rng.randint(2, 12), rng.randint(3, 60)
    return _plain(rng, f"{a * b} / {a}", str(b), spoken=f"{a * b} divided by {a}")


def _groups(rng: random.Random) -> Problem:
    a, b = rng.randint(3, 40), rng.randint(3, 24)
    what, box, who = rng.choice(THINGS), rng.choice(BOXES), rng.choice(NAMES)
    question = rng.choice((
        f"{who} fills {a} {box} with {b} {what} each. How many {what} is that?",
        f"There are {a} {box}, and {b} {what} in each. How many {what} are there altogether?",
    ))  # fmt: skip
    return Problem(question, f"{a} * {b}", (f"{a} * {b} = {a * b}",), f"{a * b} {what}")


def _share(rng: random.Random) -> Problem:
    a, b = rng.randint(3, 12), rng.randint(4, 50)
    what, who = rng.choice(THINGS), rng.choice(NAMES)
    question = rng.choice((
        f"{who} shares {a * b} {what} equally among {a} children. How many {what} does each child get?",
        f"{a * b} {what} are packed into {a} equal parcels. How many {what} are in each parcel?",
    ))  # fmt: skip
    return Problem(question, f"{a * b} / {a}", (f"{a * b} / {a} = {b}",), f"{b} {what}")


# Level 3: two or three operations with whole numbers


def _order(rng: random.Random) -> Problem:
    a, b, c = rng.randint(2, 60), rng.randint(2, 12), rng.randint(2, 12)
    form = rng.randrange(3)
    if form == 0:
        return Problem(
            f"What is {a} + {b} * {c}?",
            f"{a} + {b} * {c}",
            (f"{b} * {c} = {b * c}", f"{a} + {b * c} = {a + b * c}"),
            str(a + b * c),
        )
    if form == 1:
        return Problem(
            f"Evaluate ({a} + {b}) * {c}.",
            f"({a} + {b}) * {c}",
            (f"{a} + {b} = {a + b}", f"{a + b} * {c} = {(a + b) * c}"),
            str((a + b) * c),
        )
    top = b * c
    return Problem(
        f"Work out {top} / {b} - {a}.",
        f"{top} / {b} - {a}",
        (f"{top} / {b} = {c}", f"{c} - {a} = {c - a}"),
        str(c - a),
    )


def _shopping(rng: random.Random) -> Problem:
    (_, first, low, high), (_, second, low2, high2) = rng.sample(GOODS, 2)
    a, b = rng.randint(2, 9), rng.randint(2, 9)
    p, q = max(1, rng.randint(low, high) // 100) + 1, max(1, rng.randint(low2, high2) // 100) + 1
    who = rng.choice(NAMES)
    question = rng.choice((
        f"{who} buys {a} {first} at ${p} each and {b} {second} at ${q} each. What does {who} pay?",
        f"How much do {a} {first} for ${p} each and {b} {second} for ${q} each cost together?",
    ))  # fmt: skip
    steps = (f"{a} * {p} = {a * p}", f"{b} * {q} = {b * q}", f"{a * p} + {b * q} = {a * p + b * q}")
    return Problem(question, f"{a} * {p} + {b} * {q}", steps, f"${a * p + b * q}")


def _change(rng: random.Random) -> Problem:
    _, many, _, _ = rng.choice(GOODS)
    a, p = rng.randint(2, 9), rng.randint(2, 9)
    note = next(note for note in (20, 50, 100) if note > a * p)
    who = rng.choice(NAMES)
    question = f"{who} pays for {a} {many} at ${p} each with a ${note} note. How much change does {who} get?"
    steps = (f"{a} * {p} = {a * p}", f"{note} - {a * p} = {note - a * p}")
    return Problem(question, f"{note} - {a} * {p}", steps, f"${note - a * p}")


def _passengers(rng: random.Random) -> Problem:
    a = rng.randint(15, 60)
    b = rng.randint(3, a - 2)
    c = rng.randint(2, 20)
    vehicle = rng.choice(("bus", "tram", "ferry", "train carriage"))
    question = rng.choice((
        f"A {vehicle} carries {a} people. At a stop {b} get off and {c} get on. How many people are on it then?",
        f"There are {a} passengers on a {vehicle}; {b} leave and {c} join. How many are there now?",
    ))  # fmt: skip
    steps = (f"{a} - {b} = {a - b}", f"{a - b} + {c} = {a - b + c}")
    return Problem(question, f"{a} - {b} + {c}", steps, str(a - b + c))


def _average(rng: random.Random) -> Problem:
    middle = rng.randint(8, 60)
    a, b = rng.randint(1, 7), rng.randint(1, 7)
    values = [middle - a, middle + a + b, middle - b]
    rng.shuffle(values)
    x, y, z = values
    what = rng.choice(("points", "visitors", "pages", "emails", "goals"))
    question = f"On three days a {rng.choice(_PLACES)} counts {x}, {y} and {z} {what}. What is the average per day?"
    steps = (f"{x} + {y} + {z} = {x + y + z}", f"{x + y + z} / 3 = {middle}")
    return Problem(question, f"({x} + {y} + {z}) / 3", steps, f"{middle} {what}")


def _rows(rng: random.Random) -> Problem:
    a, b = rng.randint(4, 20), rng.randint(4, 20)
    c = rng.randint(2, min(a * b - 1, 40))
    question = f"A hall has {a} rows of {b} seats, and {c} seats are taken. How many seats are free?"
    steps = (f"{a} * {b} = {a * b}", f"{a * b} - {c} = {a * b - c}")
    return Problem(question, f"{a} * {b} - {c}", steps, f"{a * b - c} seats")


# Level 4: fractions and decimals


def _proper(rng: random.Random) -> Fraction:
    below = rng.choice((2, 3, 4, 5, 6, 7, 8, 9, 10, 12))
    above = rng.choice([n for n in range(1, below) if gcd(n, below) == 1])
    return Fraction(above, below)


def _fractions(rng: random.Random) -> Problem:
    a, b = _proper(rng), _proper(rng)
    sign = rng.choice(("+", "-", "*"))
    if sign == "-" and a < b:
        a, b = b, a
    result = {"+": a + b, "-": a - b, "*": a * b}[sign]
    return _plain(rng, f"{a} {sign} {b}", str(result))


def _fraction_of(rng: random.Random) -> Problem:
    part = _proper(rng)
    whole = part.denominator * rng.randint(2, 15)
    got = part * whole
    who, what = rng.choice(NAMES), rng.choice(THINGS)
    question = rng.choice((
        f"{who} has {whole} {what} and uses {part} of them. How many {what} does {who} use?",
        f"Of the {whole} {what} in a {rng.choice(_PLACES)}, {part} are new. How many new {what} are there?",
    ))  # fmt: skip
    return Problem(question, f"{part} * {whole}", (f"{part} * {whole} = {show(got)}",), f"{show(got)} {what}")


def _decimals(rng: random.Random) -> Problem:
    places = rng.choice((1, 2))
    a, b = (Fraction(rng.randint(11, 999), 10**places) for _ in range(2))
    sign = rng.choice(("+", "-"))
    if sign == "-" and a < b:
        a, b = b, a
    if a.denominator == 1:
        a += Fraction(1, 10)
    result = a + b if sign == "+" else a - b
    return _plain(rng, f"{show(a)} {sign} {show(b)}", show(result))


def _prices(rng: random.Random) -> Problem:
    one, many, low, high = rng.choice(GOODS)
    count = rng.randint(2, 9)
    cents = rng.randint(low, high)
    cents += cents % 100 == 0
    total = count * cents
    question = rng.choice((
        f"One {one} costs ${money(cents)}. What do {count} {many} cost?",
        f"{rng.choice(NAMES)} buys {count} {many} at ${money(cents)} each. How much is that?",
    ))  # fmt: skip
    step = f"{count} * {money(cents)} = {money(total)}"
    return Problem(question, f"{count} * {money(cents)}", (step,), f"${money(total)}")


def _recipe(rng: random.Random) -> Problem:
    part, times = (
        rng.choice((Fraction(1, 2), Fraction(1, 3), Fraction(2, 3), Fraction(1, 4), Fraction(3, 4))),
        rng.randint(2, 8),
    )
    if (part * times).denominator == 1:
        times += 1
    got = part * times
    food = rng.choice(("flour", "sugar", "milk", "rice", "oats", "yoghurt"))
    question = f"One cake needs {part} cup of {food}. How many cups of {food} do {times} such cakes need?"
    return Problem(question, f"{times} * {part}", (f"{times} * {part} = {got}",), f"{got} cups")


# Level 5: percentages and ratios


def _percent_of(rng: random.Random) -> Problem:
    rate, whole = rng.choice((5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80, 90)), 20 * rng.randint(1, 40)
    got = Fraction(rate * whole, 100)
    return Problem(
        rng.choice((f"What is {rate}% of {whole}?", f"Find {rate} percent of {whole}.")),
        f"{rate}% * {whole}",
        (f"{rate} / 100 = {show(Fraction(rate, 100))}", f"{show(Fraction(rate, 100))} * {whole} = {show(got)}"),
        show(got),
    )


def _discount(rng: random.Random) -> Problem:
    rate, price = rng.choice((5, 10, 15, 20, 25, 30, 40, 50)), 20 * rng.randint(1, 12)
    off = rate * price // 100
    who = rng.choice(NAMES)
    question = rng.choice((
        f"A {rng.choice(_DEARER)} costs ${price}. In the sale it is {rate}% cheaper. What does {who} pay?",
        f"{who} gets {rate}% off a bill of ${price}. How much is left to pay?",
    ))  # fmt: skip
    steps = (f"{rate}% * {price} = {off}", f"{price} - {off} = {price - off}")
    return Problem(question, f"{price} - {rate}% * {price}", steps, f"${price - off}")


def _tip(rng: random.Random) -> Problem:
    rate, price = rng.choice((5, 10, 15, 20)), 20 * rng.randint(1, 10)
    more = rate * price // 100
    question = f"{rng.choice(NAMES)} adds a tip of {rate}% to a bill of ${price}. What is the total?"
    steps = (f"{rate}% * {price} = {more}", f"{price} + {more} = {price + more}")
    return Problem(question, f"{price} + {rate}% * {price}", steps, f"${price + more}")


def _what_percent(rng: random.Random) -> Problem:
    whole = rng.choice((20, 25, 40, 50, 80, 100, 200, 250))
    rate = rng.choice([rate for rate in range(4, 97) if rate * whole % 100 == 0])
    part = rate * whole // 100
    what = rng.choice(THINGS)
    question = f"{part} of {whole} {what} are red. What percentage is that?"
    steps = (f"{part} / {whole} = {show(Fraction(part, whole))}", f"{show(Fraction(part, whole))} * 100 = {rate}")
    return Problem(question, f"{part} / {whole} * 100", steps, f"{rate}%")


def _growth(rng: random.Random) -> Problem:
    old, rate = 20 * rng.randint(2, 20), rng.choice((5, 10, 15, 20, 25, 30, 50, 75))
    new = old + rate * old // 100
    question = f"A {rng.choice(_PLACES)} had {old} visitors last week and {new} this week. By how many percent did the number rise?"
    steps = (f"{new} - {old} = {new - old}", f"{new - old} / {old} * 100 = {rate}")
    return Problem(question, f"({new} - {old}) / {old} * 100", steps, f"{rate}%")


# Level 6: equations, roots and powers, four operations and more


def _equation(rng: random.Random) -> Problem:
    a, x, b = rng.randint(2, 12), rng.randint(-9, 20), rng.randint(1, 40)
    letter = rng.choice("xynkt")
    minus = rng.random() < 0.5
    right = a * x - b if minus else a * x + b
    left = f"{a}{letter} {'-' if minus else '+'} {b}"
    question = rng.choice((f"Solve {left} = {right}.", f"Solve {left} = {right} for {letter}."))
    steps = (
        f"{a}{letter} = {right} {'+' if minus else '-'} {b}",
        f"{a}{letter} = {a * x}",
        f"{letter} = {x}",
    )
    return Problem(question, f"{left} = {right}", steps, f"{letter} = {x}")


def _both_sides(rng: random.Random) -> Problem:
    c = rng.randint(2, 6)
    a, x, b = c + rng.randint(1, 6), rng.randint(1, 15), rng.randint(1, 30)
    right = (a - c) * x + b
    question = f"Solve {a}x + {b} = {c}x + {right}."
    steps = (f"{a}x - {c}x = {right} - {b}", f"{a - c}x = {right - b}", f"x = {x}")
    return Problem(question, f"{a}x + {b} = {c}x + {right}", steps, f"x = {x}")


def _think_of(rng: random.Random) -> Problem:
    a, x, b = rng.randint(2, 12), rng.randint(2, 25), rng.randint(1, 40)
    right = a * x + b
    question = f"{rng.choice(NAMES)} thinks of a number, multiplies it by {a} and adds {b}. The result is {right}. What is the number?"
    steps = (f"{a}x = {right} - {b}", f"{a}x = {a * x}", f"x = {x}")
    return Problem(question, f"{a}x + {b} = {right}", steps, str(x))


def _ages(rng: random.Random) -> Problem:
    older, x = rng.randint(2, 15), rng.randint(4, 40)
    total = 2 * x + older
    first, second = _two(rng)
    question = f"{first} is {older} years older than {second}. Together they are {total}. How old is {second}?"
    steps = (f"2x = {total} - {older}", f"2x = {2 * x}", f"x = {x}")
    return Problem(question, f"x + x + {older} = {total}", steps, f"{x} years")


def _hypotenuse(rng: random.Random) -> Problem:
    a, b, c = rng.choice(((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29)))
    scale = rng.randint(1, 9)
    a, b, c = a * scale, b * scale, c * scale
    what = rng.choice(("A ladder's foot stands", "A ship sails", "A kite string is anchored"))
    question = {
        "A ladder's foot stands": f"A ladder's foot stands {a} cm from a wall, and its top touches the wall {b} cm above the ground. How long is the ladder?",
        "A ship sails": f"A ship sails {a} km east and then {b} km north. How far is it from its start, in a straight line?",
        "A kite string is anchored": f"A kite flies {a} m above a meadow and {b} m away along the ground. How long is its straight string?",
    }[what]
    unit = {"A ladder's foot stands": "cm", "A ship sails": "km", "A kite string is anchored": "m"}[what]
    steps = (f"{a}^2 + {b}^2 = {a * a + b * b}", f"sqrt({a * a + b * b}) = {c}")
    return Problem(question, f"sqrt({a}^2 + {b}^2)", steps, f"{c} {unit}")


def _powers(rng: random.Random) -> Problem:
    if rng.random() < 0.5:
        a, e, b = rng.randint(2, 9), rng.randint(2, 3), rng.randint(1, 30)
        total = a**e + b
        return Problem(
            f"What is {a}^{e} + {b}?",
            f"{a}^{e} + {b}",
            (f"{a}^{e} = {a**e}", f"{a**e} + {b} = {total}"),
            str(total),
        )
    square = rng.randint(3, 30) ** 2
    b = rng.randint(2, 12)
    root = isqrt(square)
    return Problem(
        f"Calculate sqrt({square}) * {b}.",
        f"sqrt({square}) * {b}",
        (f"sqrt({square}) = {root}", f"{root} * {b} = {root * b}"),
        str(root * b),
    )


def _journey(rng: random.Random) -> Problem:
    a, b = 5 * rng.randint(4, 20), 5 * rng.randint(4, 20)
    s, t = rng.randint(2, 6), rng.randint(2, 6)
    rest = rng.randint(5, 60)
    total = a * s + b * t + rest
    first, second, whole = a * s, b * t, a * s + b * t
    question = (
        f"A lorry drives {s} hours at {a} km/h, then {t} hours at {b} km/h, and a last stretch of {rest} km. "
        "How many kilometres is that in all?"
    )
    steps = (
        f"{s} * {a} = {first}",
        f"{t} * {b} = {second}",
        f"{first} + {second} = {whole}",
        f"{whole} + {rest} = {total}",
    )
    return Problem(question, f"{s} * {a} + {t} * {b} + {rest}", steps, f"{total} km")


FAMILIES: dict[int, tuple[Family, ...]] = {
    1: (_add, _subtract, _get_more, _give_away),
    2: (_add_large, _subtract_large, _times, _divide, _groups, _share),
    3: (_order, _shopping, _change, _passengers, _average, _rows),
    4: (_fractions, _fraction_of, _decimals, _prices, _recipe),
    5: (_percent_of, _discount, _tip, _what_percent, _growth),
    6: (_equation, _both_sides, _think_of, _ages, _hypotenuse, _powers, _journey),
}
