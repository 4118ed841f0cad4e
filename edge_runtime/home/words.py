"""Words and numbers: the one tokenizer that training and serving share."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# A run of letters (with inner apostrophes), a number (with decimals), or one other visible character.
_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,]\d+)?|[^\w\s]", re.UNICODE)
_DROPPED = frozenset("'\"“”‘’`*#()[]{}<>|~^_")

UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90,
}  # fmt: skip
ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6"}


def tokenize(text: str) -> list[str]:
    """Lower-case words, numbers and marks, in order: "It's 50%, Mr. X" -> it's 50 % , mr . x."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return [token for token in _TOKEN.findall(text) if token not in _DROPPED]


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A word without possessive, plural and accents, so that "lamps", "lamp's" and "lamp" meet."""
    if word.isdigit():
        return word.lstrip("0") or "0"
    if word in UNITS:
        return str(UNITS[word])
    if word in ORDINALS:
        return ORDINALS[word]
    if word in TENS:
        return str(TENS[word])
    original = word
    for tail in ("'s", "s'", "'"):
        if word.endswith(tail):
            word = word[: -len(tail)]
            break
    plain = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    word = plain.replace("ß", "ss").strip() or original
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        if word.endswith("ies") and len(word) > 4:
            return word[:-3] + "y"
        if word.endswith(("ches", "shes", "xes", "sses", "zes")):
            return word[:-2]
        return word[:-1]
    return word


def is_plural(word: str) -> bool:
    """True for "lamps", "shelves"; False for "glass", "tv"."""
    return len(word) > 3 and word.endswith("s") and "'" not in word and not word.endswith(("ss", "us", "is"))


def distance_at_most(a: str, b: str, limit: int) -> bool:
    """Damerau-Levenshtein distance (optimal string alignment) of a and b is at most `limit`."""
    if abs(len(a) - len(b)) > limit:
        return False
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, ca in enumerate(a, 1):
        current = [i]
        for j, cb in enumerate(b, 1):
            cost = min(row[j] + 1, current[j - 1] + 1, row[j - 1] + (ca != cb))
            if i > 1 and j > 1 and ca == b[j - 2] and a[i - 2] == cb:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) > limit:
            return False
        before, row = row, current
    return row[-1] <= limit


@lru_cache(maxsize=16384)
def similar(a: str, b: str) -> bool:
    """Two stems that a typing slip may separate: one edit from four letters on, two from seven; digits never."""
    if a == b:
        return True
    if abs(len(a) - len(b)) > 2 or len(a) < 4 or len(b) < 4 or a[0] != b[0] or not (a.isalpha() and b.isalpha()):
        return False
    return distance_at_most(a, b, 2 if min(len(a), len(b)) >= 7 else 1)


def numbers(tokens: list[str]) -> list[float]:
    """All numbers in a token list, spelled or in digits: ["thirty", "five", "percent"] -> [35.0]."""
    found: list[float] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token[0].isdigit():
            found.append(float(token.replace(",", ".")))
            i += 1
            continue
        if token not in UNITS and token not in TENS and token != "hundred":
            i += 1
            continue
        value = 0
        while i < len(tokens):
            token = tokens[i]
            if token in TENS:
                if value % 100:
                    break
                value += TENS[token]
            elif token in UNITS:
                unit = UNITS[token]
                if value % 10 or (value % 100 and unit > 9):
                    break
                value += unit
            elif token == "hundred":
                value = max(value, 1) * 100
            elif token == "thousand":
                value = max(value, 1) * 1000
            elif (
                token not in ("and", "-")
                or i + 1 >= len(tokens)
                or not value
                or (tokens[i + 1] not in UNITS and tokens[i + 1] not in TENS)
                or (token == "and" and value < 100)
            ):
                break
            i += 1
        if tokens[i : i + 1] == ["point"] and tokens[i + 1 : i + 2] and tokens[i + 1] in UNITS:
            found.append(value + UNITS[tokens[i + 1]] / 10)
            i += 2
        else:
            found.append(float(value))
    return found


FRACTIONS = {
    "half": 50.0, "halfway": 50.0, "quarter": 25.0, "third": 33.0, "full": 100.0, "fully": 100.0, "max": 100.0,
    "maximum": 100.0, "highest": 100.0, "brightest": 100.0, "fullest": 100.0, "completely": 100.0, "whole": 100.0,
    "min": 1.0, "minimum": 1.0, "lowest": 1.0, "dimmest": 1.0, "faintest": 1.0, "low": 33.0, "slow": 33.0,
    "medium": 66.0, "mid": 66.0, "middle": 50.0, "high": 100.0, "fast": 100.0, "top": 100.0, "way": 100.0,
    "lowest.": 1.0, "loudest": 100.0, "quietest": 10.0,
}  # fmt: skip


def percent(tokens: list[str]) -> float | None:
    """The percentage that a value phrase means: "half" 50, "three quarters" 75, "forty two percent" 42."""
    if "quarters" in tokens or ("quarter" in tokens and "three" in tokens):
        return 75.0
    if "thirds" in tokens:
        return 66.0
    if "third" in tokens or "quarter" in tokens:
        return FRACTIONS["third" if "third" in tokens else "quarter"]
    plain = numbers([token for token in tokens if token != "half"])
    if plain and not ("half" in tokens and plain == [1.0]):
        return plain[0]
    return next((FRACTIONS[token] for token in tokens if token in FRACTIONS), None)
