"""What a prompt names (numbers, pitches, words in quotes) as letters, which a model copies and the device looks up.

A small model that reads "a plate of α x β x γ mm" and writes "box α β γ" needn't learn to copy digits (number mapping,
Wang et al. 2017, "Deep Neural Solver for Math Word Problems"). A Greek letter is one token, and nothing that a prompt
in English has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from edge_runtime.media import Rejected

LETTERS = "αβγδεζηθικλμνξοπρστυφχψω"
UNREADABLE = "unreadable"
_OWN = str.maketrans(dict.fromkeys(LETTERS, "?"))
T = TypeVar("T")


def named(
    prompt: str, pattern: re.Pattern[str], read: Callable[[re.Match[str]], tuple[str, T] | None]
) -> tuple[str, tuple[T, ...]]:
    """The prompt with letters for what `pattern` finds, and what they stand for, in their order.

    read: gives what the model sees, with "{}" for the letter, and the value; None for what stays as it is. What comes
    after all letters are used stays as well, and a letter of the prompt's own becomes "?".
    """
    values: list[T] = []

    def letter(found: re.Match[str]) -> str:
        made = read(found) if len(values) < len(LETTERS) else None
        if made is None:
            return found[0]
        values.append(made[1])
        return made[0].replace("{}", LETTERS[len(values) - 1], 1)

    return pattern.sub(letter, prompt.translate(_OWN)), tuple(values)


def value(letter: str, values: Sequence[T]) -> T:
    """What a letter stands for; raises `Rejected` where the prompt names nothing such."""
    at = LETTERS.find(letter)
    if not 0 <= at < len(values):
        raise Rejected(UNREADABLE, f"'{letter[:3]}' stands for nothing that the prompt names")
    return values[at]
