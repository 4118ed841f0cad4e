"""Names of bones and expressions as words: whatever a rig's maker joined, abbreviated or numbered."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

LEFT, RIGHT = "left", "right"
LONGEST = 12  # letters of the longest known word; what is tried at each place of a name stays little
MAX_JOINED = 28  # letters that may be several words without a mark between them
_SIDES = {"left": LEFT, "right": RIGHT, "l": LEFT, "r": RIGHT, "lft": LEFT, "rgt": RIGHT}
# A quarter of a mouth, as MetaHumans have them: "mouthFunnelDL".
_QUARTERS = {"ul": ("upper", LEFT), "ur": ("upper", RIGHT), "dl": ("lower", LEFT), "dr": ("lower", RIGHT)}
# A capital after a small letter, the last capital of several before a small letter, a digit beside a letter.
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")


@dataclass(frozen=True)
class Name:
    """A name taken apart. words: lower case, in order, without sides. side: "left", "right" or "".

    digits: the numbers behind the last word, in order. directions: sides in order of appearance, for "eyeLookLeft_R".
    """

    text: str
    words: tuple[str, ...]
    side: str
    digits: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()


def take_apart(text: str, vocabulary: Collection[str]) -> Name:
    """The words of a name; those that are joined without a mark ("upperarm") come apart where all parts are known.

    What stands before a colon or a bar is whose rig it is, and left out.
    """
    bare = re.split(r"[:|]", unicodedata.normalize("NFKC", text))[-1]
    known = vocabulary if isinstance(vocabulary, frozenset) else frozenset(vocabulary)
    words: list[str] = []
    sides: list[str] = []
    digits: list[str] = []
    for part in _PARTS.findall(bare):
        if part.isascii() and part.isdigit():
            digits.append(part)
            continue
        for word in _split(part.lower(), known):
            if word in _QUARTERS:
                words.append(_QUARTERS[word][0])
                sides.append(_QUARTERS[word][1])
            elif word in _SIDES:
                sides.append(_SIDES[word])
            else:
                words.append(word)
                digits.clear()  # "Bip01 L Finger2" is no first finger
    # Two sides that differ are a direction and a side ("eyeLookLeft_R"); which is which, the words around tell.
    side = sides[-1] if sides and (len(set(sides)) == 1 or len(sides) == 2) else ""
    return Name(text, tuple(words), side, tuple(digits), tuple(sides))


@lru_cache(maxsize=4096)
def _split(word: str, known: frozenset[str]) -> tuple[str, ...]:
    """The fewest known words that make up this one; the word itself where there are none."""
    if word in known or word in _SIDES or word in _QUARTERS or len(word) > MAX_JOINED:
        return (word,)
    best: dict[int, tuple[str, ...]] = {0: ()}
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - LONGEST), end):
            piece = word[start:end]
            at_an_end = start == 0 or end == len(word)
            side = (piece in _SIDES and (len(piece) > 1 or at_an_end)) or (piece in _QUARTERS and end == len(word))
            if start not in best or not (piece in known or side):
                continue
            found = (*best[start], piece)
            if end == len(word) and start > 0 and piece[-1] in "lr" and piece[:-1] in known:
                found = (*best[start], piece[:-1], piece[-1])  # "cheekraiser" is beside "cheekraisel"
            if end not in best or len(found) < len(best[end]):
                best[end] = found
    return best.get(len(word), (word,))
