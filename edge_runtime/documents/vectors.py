"""Vectors of passages, kept in a library's file beside the name of what made them, and which are near to a question's."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from edge_runtime.documents.encoder import Encoder, encoder_file
from edge_runtime.documents.meaning import Meaning, meaning_of
from edge_runtime.serving.memory import trim

MOST_NEAR = 40  # passages that are looked at closely for what they are about
_AT_ONCE = 4096  # vectors in memory
TABLE = """
CREATE TABLE IF NOT EXISTS vectors (
    passage INTEGER NOT NULL, made_by TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (passage, made_by)
) WITHOUT ROWID;
"""


class Maker(Protocol):
    """What makes vectors, int8 [columns], and how a passage's score follows from them.

    name: kept beside each vector. share: of the covered words in a score, beside the cosine; quoted: of how alike the best
    sentence is.
    """

    name: str
    share: float
    quoted: float

    def question(self, question: str, words: Sequence[str]) -> np.ndarray:
        """Of a question; words: what of it says something."""

    def passage(self, name: str, lead: str, heading: str, text: str) -> np.ndarray:
        """Of a passage. lead: what its document says first."""

    def least(self, passages: int) -> float:
        """Of scores that answer, among so many passages."""

    def alike(self, question: str, sentence: str) -> float:
        """The cosine of a question with a sentence; asked where `quoted` isn't 0."""


class Makers:
    """What makes vectors for a folder's documents: opened at the first need, and kept for the next who asks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._meaning: Meaning | None = None
        self._encoder: Encoder | None = None

    def names(self) -> list[str]:
        """Of those that are here, the encoder's last; opens none but the vectors of words. Raises `EdgeError`."""
        here = [] if self.meaning() is None else [Meaning.name]
        return here if encoder_file() is None else [*here, Encoder.name]

    def meaning(self) -> Meaning | None:
        """The vectors of words; None where there are none. Raises `EdgeError`."""
        if self._meaning is None:
            self._meaning = meaning_of(self._folder)
        return self._meaning

    def encoder(self) -> Encoder | None:
        """The sentence encoder; None where it isn't installed. Raises `EdgeError`."""
        encoder = self._encoder
        if encoder is None and (file := encoder_file()) is not None:
            self._encoder = encoder = Encoder(file)
        return encoder

    def rest(self) -> None:
        """Give the encoder's memory back; the next who needs it opens it again."""
        if self._encoder is not None:
            self._encoder = None
            trim()


class Vectors:
    """Those that one maker made, in a library's file, and how near they are to one question."""

    def __init__(self, base: sqlite3.Connection, maker: Maker) -> None:
        self._base, self.maker = base, maker
        self._asked = np.zeros(0, np.int8)

    def make(self, most: int) -> list[tuple[int, str, bytes, str]]:
        """(passage, maker, vector, the passage's text) of at most so many that have none yet; of all for -1."""
        rows = self._base.execute(
            "SELECT rowid, name, lead, heading, text FROM passages"
            " WHERE rowid NOT IN (SELECT passage FROM vectors WHERE made_by = ?) LIMIT ?",
            (self.maker.name, most),
        ).fetchall()
        return [(number, self.maker.name, self.maker.passage(*parts).tobytes(), parts[-1]) for number, *parts in rows]

    def keep(self, made: Sequence[tuple[int, str, bytes, str]]) -> None:
        """Write what `make` gave, where the passage is still the same."""
        self._base.executemany(
            "INSERT OR REPLACE INTO vectors (passage, made_by, vector) SELECT ?1, ?2, ?3"
            " WHERE EXISTS (SELECT 1 FROM passages WHERE rowid = ?1 AND text = ?4)",
            made,
        )

    def ask(self, question: str, words: Sequence[str]) -> dict[int, float]:
        """The cosine of the nearest passages with a question. words: see `Maker.question`."""
        self._asked = self.maker.question(question, words)
        near = {}
        rows = self._base.execute("SELECT passage, vector FROM vectors WHERE made_by = ?", (self.maker.name,))
        while some := rows.fetchmany(_AT_ONCE):
            shares = alike(self._asked, [vector for _, vector in some])
            for at in np.argsort(-shares, kind="stable")[:MOST_NEAR]:
                near[some[at][0]] = float(shares[at])
        return near

    def nearness(self, numbers: Sequence[int]) -> dict[int, float]:
        """The cosine of those of some passages that have vectors, with the question."""
        query = "SELECT passage, vector FROM vectors WHERE passage = ? AND made_by = ?"
        found = [self._base.execute(query, (number, self.maker.name)).fetchone() for number in numbers]
        some = [row for row in found if row is not None]
        if not some:
            return {}
        shares = alike(self._asked, [vector for _, vector in some])
        return {number: float(share) for (number, _), share in zip(some, shares, strict=True)}


def missing(base: sqlite3.Connection, made_by: str) -> int:
    """How many passages of a library have no vector by that maker yet."""
    counts = "SELECT (SELECT COUNT(*) FROM passages) - (SELECT COUNT(*) FROM vectors WHERE made_by = ?)"
    return int(base.execute(counts, (made_by,)).fetchone()[0])


def alike(one: np.ndarray, others: Sequence[bytes]) -> np.ndarray:
    """float32 [texts]: the cosine of each with one. one: int8 [columns]; others: of as many int8 each."""
    first = one.astype(np.float32)
    rest = np.frombuffer(b"".join(others), np.int8).reshape(len(others), -1).astype(np.float32)
    lengths = np.linalg.norm(first) * np.linalg.norm(rest, axis=1)
    return np.asarray(rest @ first / np.maximum(lengths, 1e-9), np.float32)
