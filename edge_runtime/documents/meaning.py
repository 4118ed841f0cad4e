"""What a text is about, as the direction of its words' pretrained vectors: "unpack" is near to "extract".

The vectors come from the package `wordllama` (extra `documents`). What is needed of it is written beside the documents at the
first use, in half precision and mapped, so that a process holds those of the words it met and no more.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import numpy as np

from edge_runtime.documents.stop_words import STOP_WORDS
from edge_runtime.errors import EdgeError
from edge_runtime.tasks.pieces import START, Pieces, file_of, hash_of, hashes_of, read_pieces
from edge_runtime.tasks.text import words
from edge_runtime.update.disk import write_atomic

WEIGHTS = "wordllama/weights/l2_supercat_256.safetensors"
TOKENIZER = "wordllama/tokenizers/l2_supercat_tokenizer_config.json"
COLUMNS = 256
_PIECES, _VECTORS = "words.bin", "words.npy"


class Meaning:
    """The vectors of a folder. table: float [pieces + 1, COLUMNS], row 0 zero."""

    name = "word vectors"
    # Chosen on documents of numpy, Kivy and networkx (docs/log.md, 2026-11-27).
    share, quoted = 0.5, 0.0

    def __init__(self, pieces: Pieces, table: np.ndarray) -> None:
        self._pieces, self._table = pieces, table
        self._unit = lru_cache(maxsize=4096)(self._direction)

    def units(self, some: Sequence[str]) -> np.ndarray:
        """float32 [words that say something, COLUMNS]: the direction of each, once each, in their order; zeros for unknown ones."""
        chosen = [word for word in dict.fromkeys(some) if word not in STOP_WORDS]
        return np.stack([self._unit(word) for word in chosen]) if chosen else np.zeros((0, COLUMNS), np.float32)

    def _direction(self, word: str) -> np.ndarray:
        rows = [row for part in words(word) for row in self._pieces.rows(part)]
        made = self._table[rows].astype(np.float32).sum(axis=0) if rows else np.zeros(COLUMNS, np.float32)
        return np.asarray(made / max(float(np.linalg.norm(made)), 1e-9), np.float32)

    def of(self, text: str) -> np.ndarray:
        """int8 [COLUMNS]: the sum of the vectors of its words that say something, by its length; zeros where none is known."""
        rows = [row for word in words(text) if word not in STOP_WORDS for row in self._pieces.rows(word)]
        made: np.ndarray = self._table[rows].astype(np.float32).sum(axis=0) if rows else np.zeros(COLUMNS, np.float32)
        length = float(np.abs(made).max())
        return np.asarray(np.rint(made * (127 / length)) if length else made, np.int8)

    def question(self, question: str, words: Sequence[str]) -> np.ndarray:
        """int8 [COLUMNS]: see `Maker.question`."""
        return self.of(" ".join(words))

    def passage(self, name: str, lead: str, heading: str, text: str) -> np.ndarray:
        """int8 [COLUMNS]: see `Maker.passage`."""
        return self.of(f"{name} {lead} {heading} {text}")

    def least(self, passages: int) -> float:
        """See `Maker.least`."""
        return 0.66

    def alike(self, question: str, sentence: str) -> float:
        """0: see `Maker.alike`."""
        return 0.0


def meaning_of(folder: Path) -> Meaning | None:
    """That of a folder, made there where the package is installed; None where it isn't and nobody put the files there.

    Raises `EdgeError` for files that are none, or can't be written.
    """
    files = folder / _PIECES, folder / _VECTORS
    try:
        if not all(file.is_file() for file in files):
            found = from_package()
            if found is None:
                return None
            whole = io.BytesIO()
            np.save(whole, found[1].astype(np.float16))
            for file, content in zip(files, (file_of(found[0]), whole.getvalue()), strict=True):
                write_atomic(file, content)
        pieces, table = read_pieces(files[0]), np.load(files[1], mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as cause:
        raise EdgeError(
            f"The vectors of words in {folder} can't be used: {cause}; remove them to have them made anew."
        ) from None
    if table.shape != (len(pieces) + 1, COLUMNS):
        raise EdgeError(f"The vectors of words in {folder} don't belong together; remove them to have them made anew.")
    return Meaning(pieces, table)


def from_package() -> tuple[np.ndarray, np.ndarray] | None:
    """(uint32 [pieces], float32 [pieces + 1, COLUMNS]): the vocabulary's lower-case words and parts of words as
    `edge_runtime.tasks.pieces` knows them, and their vectors in its order behind a row of zeros, centred, of length 1 on average.

    None where `wordllama` isn't installed. Raises `EdgeError` where it is another version.
    """
    try:
        package = metadata.distribution("wordllama")
    except metadata.PackageNotFoundError:
        return None
    from safetensors.numpy import load_file  # comes with it

    weights, tokenizer = (Path(str(package.locate_file(name))) for name in (WEIGHTS, TOKENIZER))
    try:
        vocabulary = json.loads(tokenizer.read_bytes())["model"]["vocab"]
        table = next(iter(load_file(str(weights)).values())).astype(np.float32)
    except (OSError, ValueError, KeyError):
        raise EdgeError(
            f"The installed wordllama has no {WEIGHTS}; install the version that constraints.txt names."
        ) from None
    rows = {piece: row for piece, row in vocabulary.items() if _is_word(piece.removeprefix(START))}
    hashes = hashes_of(rows)
    place = {int(value): at for at, value in enumerate(hashes)}
    made = np.zeros((len(hashes) + 1, table.shape[1]), np.float32)
    for piece, row in rows.items():
        if (at := place.get(hash_of(piece))) is not None:
            made[at + 1] = table[row]
    made[1:] -= made[1:].mean(axis=0)
    made[1:] /= np.sqrt((made[1:] ** 2).sum(axis=1).mean())
    return hashes, made


def _is_word(text: str) -> bool:
    return bool(text) and words(text) == [text]
