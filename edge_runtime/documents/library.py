"""Documents in a file of SQLite, found by their words and, where words have vectors, by what they are about.

By words: BM25 over passages (Robertson, Zaragoza: The Probabilistic Relevance Framework, 2009), as SQLite's FTS5 computes it,
with stems by Porter's algorithm. What a question asks about isn't in the documents where no passage has most of what is rare in
it, or is about the same.
"""

from __future__ import annotations

import functools
import hashlib
import math
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_runtime.documents.meaning import Meaning, alike, meaning_of, stacked
from edge_runtime.documents.passages import passages, sentences
from edge_runtime.documents.stop_words import STOP_WORDS
from edge_runtime.errors import BadRequest, EdgeError, NotFound

FILE = "documents/library.sqlite"
MOST_NAME = 200
MOST_CHARACTERS = 4_000_000  # of one document
MOST_DOCUMENTS = 20_000
MOST_LEAD = 200  # characters of a document's first sentence, which stand above each of its passages
MOST_QUESTION = 1000  # characters
# What answers a question; both were chosen on documents of numpy, Kivy and networkx (docs/log.md, 2026-11-27).
LEAST_COVERED = 0.4
LEAST_SCORE = 0.66
_CANDIDATES = 40  # passages that are looked at closely: the first by their words, and by their meaning
_AT_ONCE = 4096  # vectors in memory
_WEIGHTS = (4.0, 2.0, 2.0, 1.0)  # of a name, a document's first sentence, a heading, and the rest
_FORMAT = 1
_WORD = re.compile(r"\w+")
_SPLIT = "porter unicode61 remove_diacritics 2"
_TABLES = f"""
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, hash TEXT NOT NULL, characters INTEGER NOT NULL, added REAL NOT NULL
);
CREATE VIRTUAL TABLE IF NOT EXISTS passages USING fts5 (
    name, lead, heading, text, document UNINDEXED, tokenize='{_SPLIT}'
);
CREATE TABLE IF NOT EXISTS meanings (passage INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE VIRTUAL TABLE IF NOT EXISTS terms USING fts5vocab (passages, 'row');
"""
_TEMPORARY = f"""
CREATE VIRTUAL TABLE IF NOT EXISTS temp.looked USING fts5 (text, tokenize='{_SPLIT}');
CREATE VIRTUAL TABLE IF NOT EXISTS temp.stems USING fts5vocab (temp, looked, 'instance');
"""


@dataclass(frozen=True)
class Document:
    """name: as it was added, such as "manuals/heater.md". hash: of its text, SHA-256. added: seconds since 1970."""

    name: str
    hash: str
    characters: int
    added: float


@dataclass(frozen=True)
class Found:
    """A passage that answers a question, or seems to.

    quote: its sentence that has most of the question. covered: the share, 0 to 1, of what the question's words weigh that is
    in the passage; rare words weigh more, and one that isn't there counts by the cosine of the nearest that is. alike: the
    cosine of what both are about, None without vectors of words. answers: whether both together are enough to be an answer.
    """

    document: str
    heading: str
    text: str
    quote: str
    covered: float
    alike: float | None

    @property
    def score(self) -> float:
        """What passages are ordered by, where words have vectors."""
        return self.covered / 2 + (self.alike or 0.0)

    @property
    def answers(self) -> bool:
        """Whether that is enough to be an answer."""
        return self.covered >= LEAST_COVERED if self.alike is None else self.score >= LEAST_SCORE


@dataclass(frozen=True)
class _Asked:
    """The words of a question. stems: of each; weights: the rarer in the passages, the more; units: float32 [words, COLUMNS]."""

    stems: list[set[str]]
    weights: list[float]
    units: np.ndarray | None
    meaning: Meaning | None

    def covered(self, stems: Sequence[str], text: str) -> float:
        """See `Found.covered`."""
        have = set(stems)
        shares = [1.0 if own & have else 0.0 for own in self.stems]
        if self.meaning is not None and self.units is not None:
            others = self.meaning.units(_WORD.findall(text.lower()))
            if len(others):
                nearest = (self.units @ others.T).max(axis=1)
                shares = [max(share, float(near)) for share, near in zip(shares, nearest, strict=True)]
        whole = sum(self.weights)
        return sum(weight * share for weight, share in zip(self.weights, shares, strict=True)) / whole if whole else 0.0


class Library:
    """The documents of one state folder. Opened per use; several processes may hold it open. Blocking."""

    def __init__(self, state: Path) -> None:
        """Raises `EdgeError` where the file can't be used."""
        path = state / FILE
        self._folder = path.parent
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._base = sqlite3.connect(path, timeout=10, isolation_level=None)
            path.chmod(0o600)
            self._base.execute("PRAGMA journal_mode=WAL")
            version = int(self._base.execute("PRAGMA user_version").fetchone()[0])
            if version not in (0, _FORMAT):
                raise EdgeError(
                    f"{path} was written by another version of Enigma; move it away and add the files again."
                )
            self._base.executescript(_TABLES + _TEMPORARY)
            self._base.execute(f"PRAGMA user_version={_FORMAT}")
        except (sqlite3.Error, OSError) as cause:
            raise EdgeError(f"{path} can't be used for documents: {cause}.") from None

    def __enter__(self) -> Library:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Close; a failure of the database leaves as an `EdgeError`."""
        self._base.close()
        if isinstance(error, sqlite3.Error):
            raise EdgeError(f"{self._folder / 'library.sqlite'} can't be used for documents: {error}.") from None

    def add(self, name: str, text: str) -> bool:
        """Whether it changed anything: the same text under the same name doesn't. Another text replaces the first.

        Raises `BadRequest` for a name or a text that can't be kept.
        """
        name = _named(name)
        if not text.strip():
            raise BadRequest(f"'{name}' has no text.")
        if len(text) > MOST_CHARACTERS:
            raise BadRequest(f"'{name}' has {len(text):,} characters; a document may have {MOST_CHARACTERS:,}.")
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        parts = passages(text.replace("\0", " "))
        # What a document says first is mostly what it is about.
        lead = "".join(sentences(parts[0].text)[:1])[:MOST_LEAD] if parts else ""
        with self._change():
            before = self._base.execute("SELECT id, hash FROM documents WHERE name = ?", (name,)).fetchone()
            if before is not None:
                if before[1] == digest:
                    return False
                self._remove(before[0])
            elif self._base.execute("SELECT COUNT(*) FROM documents").fetchone()[0] >= MOST_DOCUMENTS:
                raise BadRequest(f"There are {MOST_DOCUMENTS:,} documents; remove some to add others.")
            row = self._base.execute(
                "INSERT INTO documents (name, hash, characters, added) VALUES (?, ?, ?, ?)",
                (name, digest, len(text), time.time()),
            )
            self._base.executemany(
                "INSERT INTO passages (name, lead, heading, text, document) VALUES (?, ?, ?, ?, ?)",
                [(name, lead, part.heading, part.text, row.lastrowid) for part in parts],
            )
        return True

    def remove(self, name: str) -> None:
        """Raises `NotFound`."""
        with self._change():
            found = self._base.execute("SELECT id FROM documents WHERE name = ?", (name,)).fetchone()
            if found is None:
                raise NotFound(f"There is no document '{name[:80]}'.")
            self._remove(found[0])

    def documents(self) -> list[Document]:
        """All, by name."""
        found = self._base.execute("SELECT name, hash, characters, added FROM documents ORDER BY name")
        return [Document(*row) for row in found]

    def search(self, question: str, limit: int = 3) -> list[Found]:
        """The best passage of each of the documents that fit best, the best first. Raises `BadRequest`."""
        if not question.strip() or len(question) > MOST_QUESTION:
            raise BadRequest(f"A question has 1 to {MOST_QUESTION} characters.")
        words = [word for word in dict.fromkeys(_WORD.findall(question.lower())) if word not in STOP_WORDS]
        if not words:
            return []
        asked = self._asked(words)
        about = None if self._meaning is None else self._meaning.of(" ".join(words))
        near = None if about is None else self._near(about)
        best: dict[str, Found] = {}
        rows = self._candidates(words, near)
        if about is not None and near is not None:
            near |= self._nearness(about, [row[0] for row in rows if row[0] not in near])
        stems_of = self._stems(["\n".join(row[1:]) for row in rows])
        for (number, name, lead, heading, text), stems in zip(rows, stems_of, strict=True):
            covered = asked.covered(stems, f"{name} {lead} {heading} {text}")
            found = Found(name, heading, text, "", covered, None if near is None else near[number])
            if name not in best or (near is not None and found.score > best[name].score):
                best[name] = found
        chosen = list(best.values())
        if near is not None:
            chosen.sort(key=lambda found: -found.score)
        return [replace(found, quote=self._quote(found.text, asked)) for found in chosen[:limit]]

    def _asked(self, words: Sequence[str]) -> _Asked:
        number = self._base.execute("SELECT COUNT(*) FROM passages").fetchone()[0]
        stems_of, weights = self._stems(words), []
        for stems in stems_of:
            holding = [self._base.execute("SELECT doc FROM terms WHERE term = ?", (stem,)).fetchone() for stem in stems]
            known = min((row[0] for row in holding if row is not None), default=0)
            weights.append(math.log1p((number - known + 0.5) / (known + 0.5)))
        meaning = self._meaning
        units = None if meaning is None else meaning.units(words)
        return _Asked([set(stems) for stems in stems_of], weights, units, meaning)

    def _candidates(self, words: Sequence[str], near: dict[int, float] | None) -> list[tuple[int, str, str, str, str]]:
        """(number, name, first sentence, heading, text) of the passages that may be meant, the best by BM25 first."""
        what = "SELECT rowid, name, lead, heading, text FROM passages"
        made = self._base.execute(
            f"{what} WHERE passages MATCH ? ORDER BY bm25(passages, {', '.join(map(str, _WEIGHTS))}) LIMIT ?",
            (" OR ".join(f'"{word}"' for word in words), _CANDIDATES),
        ).fetchall()
        met = {row[0] for row in made}
        others = [
            number for number in sorted(near or {}, key=lambda at: -(near or {})[at])[:_CANDIDATES] if number not in met
        ]
        for number in others:
            made += self._base.execute(f"{what} WHERE rowid = ?", (number,)).fetchall()
        return made

    def _near(self, about: np.ndarray) -> dict[int, float]:
        """How near the passages are to what a question is about, the nearest ones alone."""
        self._fill()
        near = {}
        rows = self._base.execute("SELECT passage, vector FROM meanings")
        while some := rows.fetchmany(_AT_ONCE):
            shares = alike(about, stacked([vector for _, vector in some]))
            for at in np.argsort(-shares, kind="stable")[:_CANDIDATES]:
                near[some[at][0]] = float(shares[at])
        return near

    def _nearness(self, about: np.ndarray, numbers: Sequence[int]) -> dict[int, float]:
        """How near some passages are to what a question is about."""
        query = "SELECT vector FROM meanings WHERE passage = ?"
        some = [self._base.execute(query, (number,)).fetchone()[0] for number in numbers]
        return dict(zip(numbers, map(float, alike(about, stacked(some))), strict=True)) if some else {}

    @functools.cached_property
    def _meaning(self) -> Meaning | None:
        return meaning_of(self._folder)

    def _fill(self) -> None:
        """Note what passages are about of which that isn't known yet."""
        meaning = self._meaning
        rows = self._base.execute(
            "SELECT rowid, name, lead, heading, text FROM passages WHERE rowid NOT IN (SELECT passage FROM meanings)"
        ).fetchall()
        if meaning is not None and rows:
            with self._change():
                made = [(number, meaning.of(" ".join(parts)).tobytes()) for number, *parts in rows]
                self._base.executemany("INSERT OR REPLACE INTO meanings (passage, vector) VALUES (?, ?)", made)

    def _stems(self, texts: Sequence[str]) -> list[list[str]]:
        """The stems of each text, as the passages' words are stemmed."""
        with self._change("DEFERRED"):  # of its own tables alone: nobody else waits
            self._base.execute("DELETE FROM temp.looked")
            self._base.executemany("INSERT INTO temp.looked (rowid, text) VALUES (?, ?)", list(enumerate(texts, 1)))
            made: list[list[str]] = [[] for _ in texts]
            for stem, at in self._base.execute("SELECT DISTINCT term, doc FROM temp.stems"):
                made[at - 1].append(stem)
        return made

    def _quote(self, text: str, asked: _Asked) -> str:
        """The sentence that has most of what is asked."""
        parts = sentences(text)
        if len(parts) < 2:
            return " ".join(parts)
        shares = [asked.covered(stems, part) for stems, part in zip(self._stems(parts), parts, strict=True)]
        return parts[max(range(len(parts)), key=lambda at: (shares[at], -at))]

    def _remove(self, number: int) -> None:
        held = "SELECT rowid FROM passages WHERE document = ?"
        self._base.execute(f"DELETE FROM meanings WHERE passage IN ({held})", (number,))
        self._base.execute("DELETE FROM passages WHERE document = ?", (number,))
        self._base.execute("DELETE FROM documents WHERE id = ?", (number,))

    @contextmanager
    def _change(self, lock: str = "IMMEDIATE") -> Iterator[None]:
        """All of a change or nothing of it."""
        self._base.execute(f"BEGIN {lock}")
        try:
            yield
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")


def _named(name: str) -> str:
    """Raises `BadRequest`."""
    name = name.strip()
    if not 1 <= len(name) <= MOST_NAME or not name.isprintable():
        raise BadRequest(f"A document's name has 1 to {MOST_NAME} printable characters.")
    return name
