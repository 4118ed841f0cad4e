"""Documents in a file of SQLite, found by their words and, where words have vectors, by what they are about.

By words: BM25 over passages (Robertson, Zaragoza: The Probabilistic Relevance Framework, 2009), as SQLite's FTS5 computes it,
with stems by Porter's algorithm. What a question asks about isn't in the documents where no passage has most of what is rare in
it, or is about the same.
"""

from __future__ import annotations

import hashlib
import math
import re
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_runtime.database import BUSY_SECONDS, transaction, write_ahead
from edge_runtime.documents.encoder import Encoder, encoder_file
from edge_runtime.documents.meaning import Meaning
from edge_runtime.documents.passages import passages, sentences
from edge_runtime.documents.stop_words import STOP_WORDS
from edge_runtime.documents.vectors import MOST_NEAR, TABLE, Makers, Vectors, missing
from edge_runtime.errors import BadRequest, EdgeError, NotFound

FILE = "documents/library.sqlite"
MOST_NAME = 200
MOST_CHARACTERS = 4_000_000  # of one document
MOST_DOCUMENTS = 20_000
MOST_LEAD = 200  # characters of a document's first sentence, which stand above each of its passages
MOST_QUESTION = 1000  # characters
LEAST_COVERED = 0.4  # of what answers where nothing makes vectors; chosen as `Meaning.least`
STEP = 8  # passages that an encoder reads between two looks of others: half a second
_CLOSELY = 6  # sentences of a passage that an encoder reads
_CANDIDATES = 40  # passages that are looked at closely for their words
_WEIGHTS = (4.0, 2.0, 2.0, 1.0)  # of a name, a document's first sentence, a heading, and the rest
_FORMAT = 2  # 1 had other vectors, and is read
_WORD = re.compile(r"\w+")
_SPLIT = "porter unicode61 remove_diacritics 2"
_TABLES = f"""
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, hash TEXT NOT NULL, characters INTEGER NOT NULL, added REAL NOT NULL
);
CREATE VIRTUAL TABLE IF NOT EXISTS passages USING fts5 (
    name, lead, heading, text, document UNINDEXED, tokenize='{_SPLIT}'
);
DROP TABLE IF EXISTS meanings;
{TABLE}CREATE VIRTUAL TABLE IF NOT EXISTS terms USING fts5vocab (passages, 'row');
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
    cosine of what both are about, None where nothing makes vectors. score: both together; least: of what is an answer.
    """

    document: str
    heading: str
    text: str
    quote: str
    covered: float
    alike: float | None
    score: float
    least: float

    @property
    def answers(self) -> bool:
        """Whether that is enough to be an answer."""
        return self.score >= self.least


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

    def __init__(self, state: Path, makers: Makers | None = None) -> None:
        """makers: those of `makers_of` the same state, where they are kept. Raises `EdgeError` where the file can't be used."""
        path = state / FILE
        self._folder, self._makers = path.parent, makers or makers_of(state)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._base = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            path.chmod(0o600)
            write_ahead(self._base)
            version = int(self._base.execute("PRAGMA user_version").fetchone()[0])
            if version not in (0, 1, _FORMAT):
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
        with transaction(self._base):
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
        with transaction(self._base):
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
        meaning = self._makers.meaning()
        passages = self._passages()
        asked, vectors = self._asked(words, meaning, passages), self._vectors(meaning)
        maker = None if vectors is None else vectors.maker
        share, least = (1.0, LEAST_COVERED) if maker is None else (maker.share, maker.least(passages))
        near = {} if vectors is None else vectors.ask(question, words)
        rows = self._candidates(words, near)
        if vectors is not None:
            near |= vectors.nearness([row[0] for row in rows if row[0] not in near])
        best: dict[str, Found] = {}
        stems_of = self._stems(["\n".join(row[1:]) for row in rows])
        for (number, name, lead, heading, text), stems in zip(rows, stems_of, strict=True):
            covered, alike = asked.covered(stems, f"{name} {lead} {heading} {text}"), near.get(number)
            found = Found(name, heading, text, "", covered, alike, share * covered + (alike or 0.0), least)
            if name not in best or (vectors is not None and found.score > best[name].score):
                best[name] = found
        chosen = list(best.values())
        if vectors is not None:
            chosen.sort(key=lambda found: -found.score)
        return [self._quoted(found, question, asked, vectors) for found in chosen[:limit]]

    def _vectors(self, meaning: Meaning | None) -> Vectors | None:
        """What questions are compared by beside their words: the encoder's where it has read all, else those of words."""
        if self.encode(STEP) == 0 and (encoder := self._makers.encoder()) is not None:
            return Vectors(self._base, encoder)
        if meaning is None:
            return None
        vectors = Vectors(self._base, meaning)
        self._make(vectors, -1)
        return vectors

    def unread(self) -> int:
        """How many passages the sentence encoder has still to read; 0 where none is installed."""
        return missing(self._base, Encoder.name) if encoder_file() is not None else 0

    def encode(self, most: int) -> int:
        """Let the sentence encoder read so many passages more; how many are left, as `unread`. Raises `EdgeError`."""
        left = self.unread()
        if left and (encoder := self._makers.encoder()) is not None:
            self._make(Vectors(self._base, encoder), most)
            left = self.unread()
        return left

    def compared_by(self) -> list[str]:
        """What questions and passages are compared by: "words", and what makes vectors here. Raises `EdgeError`."""
        return ["words", *self._makers.names()]

    def _make(self, vectors: Vectors, most: int) -> None:
        made = vectors.make(most)  # outside of the change, so that nobody waits for an encoder
        if made:
            with transaction(self._base):
                vectors.keep(made)

    def _passages(self) -> int:
        return int(self._base.execute("SELECT COUNT(*) FROM passages").fetchone()[0])

    def _asked(self, words: Sequence[str], meaning: Meaning | None, number: int) -> _Asked:
        """number: of passages."""
        stems_of, weights = self._stems(words), []
        for stems in stems_of:
            holding = [self._base.execute("SELECT doc FROM terms WHERE term = ?", (stem,)).fetchone() for stem in stems]
            known = min((row[0] for row in holding if row is not None), default=0)
            weights.append(math.log1p((number - known + 0.5) / (known + 0.5)))
        units = None if meaning is None else meaning.units(words)
        return _Asked([set(stems) for stems in stems_of], weights, units, meaning)

    def _candidates(self, words: Sequence[str], near: dict[int, float]) -> list[tuple[int, str, str, str, str]]:
        """(number, name, first sentence, heading, text) of the passages that may be meant, the best by BM25 first."""
        what = "SELECT rowid, name, lead, heading, text FROM passages"
        made = self._base.execute(
            f"{what} WHERE passages MATCH ? ORDER BY bm25(passages, {', '.join(map(str, _WEIGHTS))}) LIMIT ?",
            (" OR ".join(f'"{word}"' for word in words), _CANDIDATES),
        ).fetchall()
        met = {row[0] for row in made}
        for number in sorted(near, key=lambda at: -near[at])[:MOST_NEAR]:
            if number not in met:
                made += self._base.execute(f"{what} WHERE rowid = ?", (number,)).fetchall()
        return made

    def _stems(self, texts: Sequence[str]) -> list[list[str]]:
        """The stems of each text, as the passages' words are stemmed."""
        with transaction(self._base, "DEFERRED"):  # of its own tables alone: nobody else waits
            self._base.execute("DELETE FROM temp.looked")
            self._base.executemany("INSERT INTO temp.looked (rowid, text) VALUES (?, ?)", list(enumerate(texts, 1)))
            made: list[list[str]] = [[] for _ in texts]
            for stem, at in self._base.execute("SELECT DISTINCT term, doc FROM temp.stems"):
                made[at - 1].append(stem)
        return made

    def _quoted(self, found: Found, question: str, asked: _Asked, vectors: Vectors | None) -> Found:
        """With the sentence that answers best: of those with most of what is asked the one that says most of it."""
        parts = sentences(found.text)
        shares = [asked.covered(stems, part) for stems, part in zip(self._stems(parts), parts, strict=True)]
        best = sorted(range(len(parts)), key=lambda at: (-shares[at], at))
        if vectors is None or vectors.maker.quoted == 0 or not parts:
            return replace(found, quote=parts[best[0]] if parts else "")
        closely = [parts[at] for at in best[:_CLOSELY]]
        alike = [vectors.maker.alike(question, part) for part in closely]
        told = max(alike)
        return replace(found, quote=closely[alike.index(told)], score=found.score + vectors.maker.quoted * told)

    def _remove(self, number: int) -> None:
        held = "SELECT rowid FROM passages WHERE document = ?"
        self._base.execute(f"DELETE FROM vectors WHERE passage IN ({held})", (number,))
        self._base.execute("DELETE FROM passages WHERE document = ?", (number,))
        self._base.execute("DELETE FROM documents WHERE id = ?", (number,))


def makers_of(state: Path) -> Makers:
    """What makes vectors for a state folder's documents."""
    return Makers((state / FILE).parent)


def _named(name: str) -> str:
    """Raises `BadRequest`."""
    name = name.strip()
    if not 1 <= len(name) <= MOST_NAME or not name.isprintable():
        raise BadRequest(f"A document's name has 1 to {MOST_NAME} printable characters.")
    return name
