"""More ways to ask for the functions of `code_families`, and how a request varies besides.

A request says all that the tests check; so words are only exchanged for others that mean the same.
"""

from __future__ import annotations

import random
import re

# By a family's first name. `$n`, `$a` ... as in its own requests.
MORE: dict[str, tuple[str, ...]] = {
    "sum_multiples": ("Take the numbers that $n divides without rest and return their total.",),
    "keep_greater": ("Filter the list so that only values over $n are left.",),
    "clamp": ("Bring a value between $a and $b: too small becomes $a, too large becomes $b.",),
    "digit_power_sum": ("Raise every digit of the number to the power of $n and add them up.",),
    "to_base": ("Convert a whole number from 0 on to its notation in base $n.",),
    "sequence_term": (
        "A sequence starts with $a and $b, and each further term adds up the last two; return term k, the first being term 0.",
    ),
    "divisible_by_both": (
        'Return "yes" where both $a and $b divide the number, "only by $a" where only $a does, and "no" where $a doesn\'t.',
    ),
    "steps_to_one": ("Return how many steps of the Collatz rule (half of an even number, 3 times an odd one plus 1) lead to 1.",),
    "primes_ending_in": ("Find all prime numbers smaller than the limit that have $n as the last digit.",),
    "round_to_step": ("Return the multiple of $n that is closest to a non-negative number, the larger of two equally close.",),
    "common_divisor": ("Find the largest number that divides $n and all values of the list.",),
    "scale_and_shift": ("Return the values times $a plus $b each.",),
    "evaluate_polynomial": ("Given coefficients from the constant upwards, return the polynomial's value for x = $n.",),
    "running_totals": ("Begin with $n, add the values one by one, and return the sum after each of them.",),
    "moving_sum": ("Slide a window of $n items over the list and return the sum of each position.",),
    "shift_letters": ("Encrypt the text with a Caesar cipher that moves small letters $n places on and leaves all else alone.",),
    "count_letters": ("How many characters of the text are one of $n?",),
    "long_words": ("Find the words of a sentence that are longer than $n letters.",),
    "repeat_letters": ("Write each letter of the text $n times, one behind the other.",),
    "every_nth": ("Keep only each character at a position that $n divides, where the first is position 1.",),
    "initials": ("Build an acronym: the capital first letters of the words, with $n between them.",),
    "remove_letters": ("Delete every character from the text that is one of $n.",),
    "palindromes": ("Find the palindromes of the list that have $n letters or more.",),
    "capitalise_long": ("Give words with $n letters or more a capital first letter and the rest small, and don't change shorter ones.",),
    "run_lengths": ("Compress the text: each run becomes its character, then $n, then the number of its repetitions.",),
    "pad_number": ("Right-align the text in $a characters, with $b as the filling.",),
    "join_words": ("Make the text lower-case and put $n in the place of the spaces between words.",),
    "longest_word": ("Find the word with the most letters, the earliest of equal ones, and $n for an empty list.",),
    "chunks": ("Group the items into lists of $n each, in order, with the rest in the last list.",),
    "rotate": ("Shift the list to the left by $n, what falls off on the left coming back on the right.",),
    "unique_below": ("Remove duplicates, and all values of $n or more, and keep the order of the first occurrences.",),
    "nth_largest": ("Sort the values from large to small and return number $n of them, None where the list is too short.",),
    "flatten": ("Flatten a list of lists, and add the number $n behind the items of each of them.",),
    "pairs_with_sum": ("How many pairs of two different places of the list have the sum $n?",),
    "interleave": ("Mix two lists by turns of $n items, first the first one, to the end of the longer one.",),
    "partition": ("Split the list in two: multiples of $n first, then all others.",),
    "take_while_below": ("Return the beginning of the list up to, and without, the first value of at least $n.",),
    "frequent": ("Count the values, and return a dictionary of those that come $n times or more.",),
    "invert": ("Turn a dictionary round, from values to keys, but only for values of at least $n; later keys win.",),
    "merge_counts": ("Merge two dictionaries by adding their numbers, with $n for a key that one of them lacks.",),
    "group_by_length": ("Return a dictionary from word lengths to lists of words, without words shorter than $n.",),
    "keep_entries": ("Remove all entries of the dictionary that have a value of at most $n.",),
    "total_price": ("Return the sum of all prices (in cents) with $n % tax on top, cut to whole cents.",),
    "top_keys": ("Return the keys of the $n highest values, from the highest down, ties by the alphabet.",),
    "alternating_sum": ("Return the sum of the list in which every second number, from index 1 on, counts $n times.",),
    "spread": ("How far apart are the largest and the smallest value? Return $n for lists of less than two.",),
}  # fmt: skip
# Names that say nothing: people often give those.
NAMES = ("solve", "solution", "f", "compute", "process", "my_function", "answer", "task")
PLAIN_NAME = 0.15  # share of functions that have one
_LEAD, _EXCHANGED, _SPELLED = 0.15, 0.3, 0.15  # shares of requests, and of what may be said in other words
_LEADS = ("Write a function that {}", "Please write a Python function that {}", "I need a function which {}")
_SINGLE = re.compile(r"^(Return|Find|Keep|Take|Write|Count|Remove|Convert|Make|Join|Split|Filter|Delete|Build)\b")
_SAME: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern), others)
    for pattern, others in (
        (r"^Return\b(?! True)", ("Give", "Give back", "Compute", "Determine")),
        (r"\bthe list\b", ("the given list", "the input list")),
        (r"\bthe text\b", ("the string", "the given text")),
        (r"\bthe numbers\b", ("the integers", "the values")),
        (r"\bthe values\b", ("the numbers", "the items")),
        (r"(?<!and )\bwhere\b(?! the first)", ("when", "if")),
        (r"\bgreater than\b", ("larger than", "more than", "above")),
        (r"\bat least\b", ("no fewer than", "a minimum of")),
        (r"\bbelow\b", ("under", "less than", "smaller than")),
        (r"\bupper-case\b", ("capital", "uppercase")),
        (r"\blower-case\b", ("small", "lowercase")),
        (r"\bdifferent\b", ("distinct",)),
        (r"\bdictionary\b", ("dict", "table")),
    )
)
_FORMULA = re.compile(r"[*=%]| percent")
_SPELT = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def reworded(ask: str, rng: random.Random) -> str:
    """The request in other words that mean the same."""
    for pattern, others in _SAME:
        if pattern.search(ask) and rng.random() < _EXCHANGED:
            ask = pattern.sub(rng.choice(others), ask, count=1)
    found = _SINGLE.match(ask)
    if found and rng.random() < _LEAD:
        ask = rng.choice(_LEADS).format(f"{found[0].lower()}s{ask[found.end() :]}")
    return ask


def spelled(ask: str, value: object, rng: random.Random) -> str:
    """What stands for `$n` in a request: now and then a number in letters, but not in a formula."""
    if not _FORMULA.search(ask) and isinstance(value, int) and 2 <= value < 2 + len(_SPELT) and rng.random() < _SPELLED:
        return _SPELT[value - 2]
    return str(value)
