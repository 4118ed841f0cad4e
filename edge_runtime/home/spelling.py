"""Finds the usual word that a slip of the finger turned into one that a model never met."""

from __future__ import annotations

from edge_runtime.home.words import similar

LEAST = 4  # letters; a slip in a shorter word gives another word too often
_USUAL = 2000  # words of the vocabulary that are considered: those its data had most often stand first
_REMEMBERED = 2000  # words; bounds what a client can make a device hold


class Spelling:
    """The usual words of a vocabulary."""

    def __init__(self, words: bytes) -> None:
        """words: UTF-8, each with a newline behind it, the usual ones first."""
        self._usual = b"\n".join(words.split(b"\n", _USUAL)[:_USUAL])
        self._met: dict[str, str] = {}

    def meant(self, word: str) -> str:
        """The most usual word with the same first letter that is one edit away (two in long words), else `word` itself."""
        if len(word) < LEAST or not word.isalpha():
            return word
        if word not in self._met:
            if len(self._met) >= _REMEMBERED:
                self._met.clear()
            usual = self._usual.decode("utf-8").split("\n")  # a slip is rare, and a list takes ten times the memory
            near = (one for one in usual if one[:1] == word[0] and abs(len(one) - len(word)) < 2 and similar(one, word))
            self._met[word] = next(near, word)
        return self._met[word]
