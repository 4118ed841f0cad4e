"""Families of small functions that vary in numbers, words and wording; `$n`, `$a` ... stand for what is drawn.

`code_built_in` makes functions of them. `tests/trainer_host/tasks/test_code.py` holds results of every family that
were worked out by hand.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

_WORDS = (
    "apple", "river", "stone", "cloud", "tiger", "bread", "level", "noon", "lamp", "garden", "a", "of", "window", "ocean",
    "radar", "kite", "zebra", "it", "market", "be", "silver", "tent", "civic", "moth", "eagle", "up", "forest", "owl",
)  # fmt: skip

Values = dict[str, object]
Call = tuple[object, ...]


@dataclass(frozen=True)
class Family:
    """names, asks: what is chosen among. head: arguments and result. draw: what stands for `$n` ..., call: arguments."""

    names: tuple[str, ...]
    asks: tuple[str, ...]
    head: str
    body: str
    draw: Callable[[random.Random], Values]
    call: Callable[[random.Random, Values], Call]
    imports: str = ""


def _number(low: int, high: int) -> Callable[[random.Random], Values]:
    return lambda rng: {"n": rng.randint(low, high)}


def _nothing(rng: random.Random) -> Values:
    return {}


def _ints(rng: random.Random, low: int = -20, high: int = 60, most: int = 8) -> list[int]:
    return [rng.randint(low, high) for _ in range(rng.randint(0, most))]


def _some(rng: random.Random, low: int = -20, high: int = 60, least: int = 2, most: int = 8) -> list[int]:
    return [rng.randint(low, high) for _ in range(rng.randint(least, most))]


def _list(rng: random.Random, values: Values) -> Call:
    return (_ints(rng),)


def _few(rng: random.Random, values: Values) -> Call:
    return (_ints(rng, 0, 5, 9),)


def _whole(low: int, high: int) -> Callable[[random.Random, Values], Call]:
    return lambda rng, values: (rng.randint(low, high),)


def _text(rng: random.Random, values: Values) -> Call:
    return (" ".join(rng.choice(_WORDS) for _ in range(rng.randint(0, 6))),)


def _word(rng: random.Random, values: Values) -> Call:
    return (rng.choice(_WORDS),)


def _words(rng: random.Random, values: Values) -> Call:
    return ([rng.choice(_WORDS) for _ in range(rng.randint(0, 6))],)


def _table(rng: random.Random, values: Values) -> Call:
    return ({word: rng.randint(0, 20) for word in rng.sample(_WORDS, rng.randint(0, 5))},)


def _letters(rng: random.Random) -> Values:
    return {"n": repr("".join(sorted(rng.sample("aeilmnorst", rng.randint(2, 4)))))}


def _mark(rng: random.Random) -> Values:
    return {"n": repr(rng.choice("-_*.+#/~:"))}


FAMILIES: tuple[Family, ...] = (
    Family(
        ("sum_multiples", "total_of_multiples", "add_multiples"),
        ("Return the sum of all numbers in the list that are multiples of $n.", "Add up the values divisible by $n."),
        "values: list[int]) -> int",
        "return sum(value for value in values if value % $n == 0)",
        _number(2, 9),
        _list,
    ),
    Family(
        ("keep_greater", "above_limit", "only_large"),
        ("Return the values greater than $n, in their order.", "Keep only the numbers of the list above $n."),
        "values: list[int]) -> list[int]",
        "return [value for value in values if value > $n]",
        _number(-5, 40),
        _list,
    ),
    Family(
        ("clamp", "limit_value", "into_range"),
        ("Limit a number to the range from $a to $b.", "Return the value, but at least $a and at most $b."),
        "value: int) -> int",
        "return max($a, min($b, value))",
        lambda rng: {"a": (low := rng.randint(-20, 10)), "b": low + rng.randint(5, 30)},
        _whole(-50, 60),
    ),
    Family(
        ("digit_power_sum", "sum_of_digit_powers"),
        ("Return the sum of the decimal digits of a number, each raised to the power $n.",),
        "number: int) -> int",
        "return sum(int(digit) ** $n for digit in str(abs(number)))",
        _number(2, 4),
        _whole(-500, 5000),
    ),
    Family(
        ("to_base", "digits_in_base", "write_in_base"),
        ("Write a non-negative number in base $n, as text.", "Return the digits of a number in base $n as a string."),
        "number: int) -> str",
        'digits = ""\nwhile number:\n    number, digit = divmod(number, $n)\n    digits = str(digit) + digits\nreturn digits or "0"',
        _number(2, 9),
        _whole(0, 400),
    ),
    Family(
        ("sequence_term", "term_of_sequence", "nth_term"),
        (
            "Return term k (counted from 0) of the sequence that begins $a, $b and where each term is the sum of the two before.",
        ),
        "k: int) -> int",
        "first, second = $a, $b\nfor _ in range(k):\n    first, second = second, first + second\nreturn first",
        lambda rng: {"a": rng.randint(0, 9), "b": rng.randint(1, 12)},
        _whole(0, 20),
    ),
    Family(
        ("divisible_by_both", "is_common_multiple"),
        ("Say whether a number is divisible by both $a and $b.", "Return True where $a and $b both divide the number."),
        "number: int) -> str",
        'return "yes" if number % $a == 0 and number % $b == 0 else "no" if number % $a else "only by $a"',
        lambda rng: {"a": rng.randint(2, 4), "b": rng.randint(5, 7)},
        _whole(1, 80),
    ),
    Family(
        ("steps_to_one", "collatz_steps"),
        ("Count the steps until a number is 1: halve it where it is even, else multiply it by 3 and add 1.",),
        "number: int) -> int",
        "steps = 0\nwhile number != 1:\n    number = number // 2 if number % 2 == 0 else 3 * number + 1\n    steps += 1\nreturn steps",
        _nothing,
        _whole(1, 60),
    ),
    Family(
        ("primes_ending_in", "primes_by_last_digit"),
        (
            "Return the primes below the limit whose last digit is $n.",
            "List all primes under the limit that end in $n.",
        ),
        "limit: int) -> list[int]",
        "primes = [n for n in range(2, limit) if all(n % d for d in range(2, int(n**0.5) + 1))]\nreturn [prime for prime in primes if prime % 10 == $n]",
        lambda rng: {"n": rng.choice((1, 3, 7, 9))},
        _whole(2, 150),
    ),
    Family(
        ("round_to_step", "nearest_multiple"),
        ("Round a non-negative number to the nearest multiple of $n, halves up.",),
        "number: int) -> int",
        "return (2 * number + $n) // (2 * $n) * $n",
        _number(3, 25),
        _whole(0, 300),
    ),
    Family(
        ("common_divisor", "gcd_of_all"),
        ("Return the greatest common divisor of all numbers in the list, and of $n.",),
        "values: list[int]) -> int",
        "return math.gcd($n, *values)",
        lambda rng: {"n": rng.choice((24, 36, 48, 60, 72, 90, 120))},
        lambda rng, values: ([rng.choice((2, 3, 4, 5, 6, 8)) * rng.randint(1, 9) for _ in range(rng.randint(0, 3))],),
        "import math",
    ),
    Family(
        ("scale_and_shift", "linear_map", "apply_line"),
        ("Multiply every number of the list by $a and add $b.", "Return $a * x + $b for each x of the list."),
        "values: list[int]) -> list[int]",
        "return [$a * value + $b for value in values]",
        lambda rng: {"a": rng.randint(2, 9), "b": rng.randint(1, 20)},
        _list,
    ),
    Family(
        ("evaluate_polynomial", "polynomial_at"),
        ("Evaluate the polynomial with these coefficients (the constant first) at x = $n.",),
        "coefficients: list[int]) -> int",
        "result = 0\nfor coefficient in reversed(coefficients):\n    result = result * $n + coefficient\nreturn result",
        _number(2, 6),
        lambda rng, values: (_ints(rng, -5, 9, 4),),
    ),
    Family(
        ("running_totals", "cumulative_sums"),
        (
            "Return the running totals of a list, starting from $n.",
            "Return the sums so far at each place, with $n as the start.",
        ),
        "values: list[int]) -> list[int]",
        "total = $n\ntotals = []\nfor value in values:\n    total += value\n    totals.append(total)\nreturn totals",
        _number(1, 30),
        _list,
    ),
    Family(
        ("moving_sum", "window_sums"),
        ("Return the sums of all $n neighbouring numbers, from the left.", "Add up each window of $n values in a row."),
        "values: list[int]) -> list[int]",
        "return [sum(values[start : start + $n]) for start in range(len(values) - $n + 1)]",
        _number(2, 4),
        _list,
    ),
    Family(
        ("shift_letters", "caesar", "encode"),
        ("Shift each lower-case letter by $n places in the alphabet, from z on to a; keep everything else.",),
        "text: str) -> str",
        'letters = "abcdefghijklmnopqrstuvwxyz"\nreturn "".join(letters[(letters.index(c) + $n) % 26] if c in letters else c for c in text)',
        _number(1, 25),
        _text,
    ),
    Family(
        ("count_letters", "letters_in", "how_many_of"),
        ("Count how many characters of the text are in $n.", "Return how often characters of $n occur in the text."),
        "text: str) -> int",
        "return sum(text.count(letter) for letter in $n)",
        _letters,
        _text,
    ),
    Family(
        ("long_words", "words_longer_than"),
        ("Return the words of the text with more than $n letters.", "List all words longer than $n characters."),
        "text: str) -> list[str]",
        "return [word for word in text.split() if len(word) > $n]",
        _number(2, 5),
        _text,
    ),
    Family(
        ("repeat_letters", "stretch"),
        ("Repeat each character of the text $n times.", "Return the text with every character $n times in a row."),
        "text: str) -> str",
        'return "".join(character * $n for character in text)',
        _number(2, 5),
        _word,
    ),
    Family(
        ("every_nth", "pick_letters"),
        ("Return every character whose place, counted from 1, is a multiple of $n.",),
        "text: str) -> str",
        "return text[$n - 1 :: $n]",
        _number(2, 4),
        _text,
    ),
    Family(
        ("initials", "acronym"),
        (
            "Join the upper-case first letters of all words by $n.",
            "Return the words' initials as capitals with $n between.",
        ),
        "text: str) -> str",
        "return $n.join(word[0].upper() for word in text.split())",
        _mark,
        _text,
    ),
    Family(
        ("remove_letters", "without"),
        ("Remove all characters of $n from the text.", "Return the text without any of the characters in $n."),
        "text: str) -> str",
        'return "".join(character for character in text if character not in $n)',
        _letters,
        _text,
    ),
    Family(
        ("palindromes", "mirror_words"),
        ("Return the words of at least $n letters that read the same from both ends.",),
        "words: list[str]) -> list[str]",
        "return [word for word in words if len(word) >= $n and word == word[::-1]]",
        _number(1, 5),
        lambda rng, values: (
            [
                rng.choice(("noon", "radar", "civic", "a", "level", "lamp", "kite", "tent"))
                for _ in range(rng.randint(0, 6))
            ],
        ),
    ),
    Family(
        ("capitalise_long", "title_words"),
        ("Capitalise each word of at least $n letters and leave the others as they are.",),
        "text: str) -> str",
        'return " ".join(word.capitalize() if len(word) >= $n else word for word in text.split())',
        _number(2, 6),
        _text,
    ),
    Family(
        ("run_lengths", "compress", "encode_runs"),
        ("Write each run of equal characters as the character, $n, and how long the run is.",),
        "text: str) -> str",
        'return "".join(f"{key}" + $n + f"{len(list(run))}" for key, run in groupby(text))',
        _mark,
        lambda rng, values: ("".join(rng.choice("abc") * rng.randint(1, 4) for _ in range(rng.randint(0, 4))),),
        "from itertools import groupby",
    ),
    Family(
        ("pad_number", "fill_left", "pad_code"),
        (
            "Pad the text on the left with $b to a width of $a.",
            "Return the text filled up with $b in front to $a characters.",
        ),
        "text: str) -> str",
        "return text.rjust($a, $b)",
        lambda rng: {"a": rng.randint(4, 9), "b": repr(rng.choice("0-.*_ "))},
        _word,
    ),
    Family(
        ("join_words", "to_identifier", "slug"),
        ("Join the words of the text, in lower case, by $n.", "Return the lower-case words with $n between them."),
        "text: str) -> str",
        "return $n.join(text.lower().split())",
        _mark,
        lambda rng, values: (str(_text(rng, values)[0]).title(),),
    ),
    Family(
        ("longest_word", "longest_of"),
        ("Return the longest word of the list, the first of several, or $n where the list is empty.",),
        "words: list[str]) -> str",
        "return max(words, key=len, default=$n)",
        lambda rng: {"n": repr(rng.choice(("", "none", "nothing", "empty", "-")))},
        _words,
    ),
    Family(
        ("chunks", "split_into", "groups_of"),
        ("Split the list into parts of $n items; the last may be shorter.", "Cut a list into pieces of length $n."),
        "items: list[int]) -> list[list[int]]",
        "return [items[start : start + $n] for start in range(0, len(items), $n)]",
        _number(2, 5),
        _list,
    ),
    Family(
        ("rotate", "turn_left"),
        (
            "Rotate the list to the left by $n places.",
            "Move the first $n items of the list to its end, going round if it is shorter.",
        ),
        "items: list[int]) -> list[int]",
        "if not items:\n    return []\nplaces = $n % len(items)\nreturn items[places:] + items[:places]",
        _number(1, 6),
        _list,
    ),
    Family(
        ("unique_below", "distinct_items"),
        ("Return the different values of the list below $n, in the order in which they first occur.",),
        "items: list[int]) -> list[int]",
        "return list(dict.fromkeys(item for item in items if item < $n))",
        _number(3, 6),
        _few,
    ),
    Family(
        ("nth_largest", "kth_largest"),
        ("Return the value at place $n from the largest down, or None where there are fewer.",),
        "values: list[int]) -> int | None",
        "ordered = sorted(values, reverse=True)\nreturn ordered[$n - 1] if len(ordered) >= $n else None",
        _number(2, 4),
        _list,
    ),
    Family(
        ("flatten", "join_lists"),
        ("Put the items of all inner lists into one list, with $n after each inner list.",),
        "lists: list[list[int]]) -> list[int]",
        "return [item for inner in lists for item in [*inner, $n]]",
        _number(-9, 9),
        lambda rng, values: ([_ints(rng, 0, 20, 3) for _ in range(rng.randint(0, 3))],),
    ),
    Family(
        ("pairs_with_sum", "count_pairs"),
        ("Count the pairs of places in the list whose values add up to $n.",),
        "values: list[int]) -> int",
        "return sum(a + b == $n for a, b in combinations(values, 2))",
        _number(3, 8),
        _few,
        "from itertools import combinations",
    ),
    Family(
        ("interleave", "zip_lists"),
        ("Take items from two lists in turn, $n at a time from each, until both are used up.",),
        "first: list[int], second: list[int]) -> list[int]",
        "merged = []\nfor start in range(0, max(len(first), len(second)), $n):\n    merged += first[start : start + $n] + second[start : start + $n]\nreturn merged",
        _number(1, 3),
        lambda rng, values: (_ints(rng, 0, 9, 5), _ints(rng, 0, 9, 5)),
    ),
    Family(
        ("partition", "split_by_divisor"),
        (
            "Return two lists: the numbers that $n divides, and the others.",
            "Separate multiples of $n from the rest, as two lists.",
        ),
        "values: list[int]) -> tuple[list[int], list[int]]",
        "return [v for v in values if v % $n == 0], [v for v in values if v % $n]",
        _number(2, 6),
        _list,
    ),
    Family(
        ("take_while_below", "leading_values"),
        (
            "Return the values before the first one that is $n or more.",
            "Take values from the front while they are below $n.",
        ),
        "values: list[int]) -> list[int]",
        "return list(takewhile(lambda value: value < $n, values))",
        _number(10, 50),
        _list,
        "from itertools import takewhile",
    ),
    Family(
        ("frequent", "common_values"),
        ("Return how often each value occurs, for values that occur at least $n times.",),
        "values: list[int]) -> dict[int, int]",
        "return {value: count for value, count in Counter(values).items() if count >= $n}",
        _number(1, 3),
        _few,
        "from collections import Counter",
    ),
    Family(
        ("invert", "swap_keys"),
        ("Swap keys and values of a dictionary, leaving out values below $n; of equal values the last key stays.",),
        "table: dict[str, int]) -> dict[int, str]",
        "return {value: key for key, value in table.items() if value >= $n}",
        _number(1, 12),
        _table,
    ),
    Family(
        ("merge_counts", "add_tables"),
        ("Add up two dictionaries of numbers key by key; a key that is missing in one counts as $n there.",),
        "first: dict[str, int], second: dict[str, int]) -> dict[str, int]",
        "keys = [*first, *(key for key in second if key not in first)]\nreturn {key: first.get(key, $n) + second.get(key, $n) for key in keys}",
        _number(0, 9),
        lambda rng, values: (_table(rng, values)[0], _table(rng, values)[0]),
    ),
    Family(
        ("group_by_length", "by_length"),
        (
            "Group the words of at least $n letters by their length.",
            "Map each length from $n up to the words that have it.",
        ),
        "words: list[str]) -> dict[int, list[str]]",
        "groups: dict[int, list[str]] = {}\nfor word in words:\n    if len(word) >= $n:\n        groups.setdefault(len(word), []).append(word)\nreturn groups",
        _number(1, 5),
        _words,
    ),
    Family(
        ("keep_entries", "entries_above"),
        (
            "Keep the entries of a dictionary whose value is more than $n.",
            "Return the dictionary without entries of $n or less.",
        ),
        "table: dict[str, int]) -> dict[str, int]",
        "return {key: value for key, value in table.items() if value > $n}",
        _number(1, 15),
        _table,
    ),
    Family(
        ("total_price", "bill"),
        ("Add up prices in cents and add $n percent, rounded down to whole cents.",),
        "prices: dict[str, int]) -> int",
        "return sum(prices.values()) * (100 + $n) // 100",
        _number(3, 25),
        lambda rng, values: ({word: rng.randint(50, 2000) for word in rng.sample(_WORDS, rng.randint(0, 4))},),
    ),
    Family(
        ("top_keys", "best_of", "leaders"),
        ("Return the $n keys with the largest values, largest first; equal ones in alphabetical order.",),
        "table: dict[str, int]) -> list[str]",
        "return sorted(table, key=lambda key: (-table[key], key))[:$n]",
        _number(1, 3),
        _table,
    ),
    Family(
        ("alternating_sum", "weighted_sum"),
        ("Add up the numbers, but multiply those at odd places (counted from 0) by $n first.",),
        "values: list[int]) -> int",
        "return sum(value * $n if place % 2 else value for place, value in enumerate(values))",
        _number(-4, 7),
        _list,
    ),
    Family(
        ("spread", "range_width"),
        ("Return the largest minus the smallest number, or $n where there are fewer than two.",),
        "values: list[int]) -> int",
        "return max(values) - min(values) if len(values) >= 2 else $n",
        _number(-3, 3),
        lambda rng, values: (_ints(rng) if rng.random() < 0.3 else _some(rng),),
    ),
)
