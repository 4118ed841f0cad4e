"""BERT's words in lower case as pieces of words (WordPiece), with the vocabulary that its small descendants share.

`word_pieces.txt.gz` is `vocab.txt` of bert-base-uncased by Google (Apache-2.0): a piece a line, "##" before what goes on a word.
Devlin and others: BERT, 2018, and its `tokenization.py`.
"""

from __future__ import annotations

import gzip
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

UNKNOWN, FIRST, LAST = 100, 101, 102  # [UNK], [CLS], [SEP]
_LONGEST = 100  # characters of a word; longer ones are unknown
_FILE = Path(__file__).with_name("word_pieces.txt.gz")
# Where a letter is a word of its own, in code points: CJK ideographs and their extensions.
_IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)


def encode(text: str, most: int) -> list[int]:
    """The numbers of a text's pieces between `FIRST` and `LAST`, at most so many."""
    made = [FIRST]
    for word in _words(text):
        made += _pieces(word)
        if len(made) >= most:
            break
    return [*made[: most - 1], LAST]


def _words(text: str) -> list[str]:
    """Words, and each mark or ideograph by itself; lower case, without accents and control characters."""
    cleaned = "".join(_cleaned(letter) for letter in text)
    plain = "".join(letter for letter in unicodedata.normalize("NFD", cleaned) if unicodedata.category(letter) != "Mn")
    return "".join(f" {letter} " if _is_mark(letter) else letter for letter in plain.lower()).split()


@lru_cache(maxsize=1024)
def _cleaned(letter: str) -> str:
    if letter.isspace():
        return " "
    if letter == "\ufffd" or unicodedata.category(letter) in ("Cc", "Cf", "Co"):
        return ""
    code = ord(letter)
    return f" {letter} " if any(first <= code <= last for first, last in _IDEOGRAPHS) else letter


@lru_cache(maxsize=1024)
def _is_mark(letter: str) -> bool:
    """What Unicode calls punctuation, and all of ASCII that is neither letter, digit nor space."""
    return unicodedata.category(letter).startswith("P") or (
        letter.isascii() and letter.isprintable() and not letter.isalnum() and letter != " "
    )


@lru_cache(maxsize=4096)
def _pieces(word: str) -> tuple[int, ...]:
    """The longest pieces from the left; unknown as a whole where one is missing."""
    if len(word) > _LONGEST:
        return (UNKNOWN,)
    known, made, at = _vocabulary(), list[int](), 0
    while at < len(word):
        start = "##" if at else ""
        end = next((end for end in range(len(word), at, -1) if start + word[at:end] in known), None)
        if end is None:
            return (UNKNOWN,)
        made.append(known[start + word[at:end]])
        at = end
    return tuple(made)


@cache
def _vocabulary() -> dict[str, int]:
    return {
        piece: number for number, piece in enumerate(gzip.decompress(_FILE.read_bytes()).decode("utf-8").splitlines())
    }
