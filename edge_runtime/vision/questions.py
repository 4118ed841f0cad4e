"""A question about a picture becomes the ids of its words, as in training, so on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.tasks.text import words

WORDS_FILE = "words.json"
LENGTH = 24  # words that are read
MAX_CHARACTERS = 500
MAX_WORDS = 20_000  # of a vocabulary
PAD, UNKNOWN, FIRST = 0, 1, 2  # the id of no word, of any word that isn't known, of the first known one


@dataclass(frozen=True)
class Read:
    """ids: int32 [1, LENGTH]. unknown: the words that the vocabulary hasn't."""

    ids: np.ndarray
    unknown: tuple[str, ...]


class Vocabulary:
    """The words of the questions that were learnt, in the order of their ids."""

    def __init__(self, known: Sequence[str]) -> None:
        self._ids = {word: FIRST + number for number, word in enumerate(known)}

    def __len__(self) -> int:
        """How many ids there are, with padding and the unknown word."""
        return FIRST + len(self._ids)

    def read(self, question: str) -> Read:
        """A question's ids; raises `BadRequest` where it is empty or too long."""
        said = words(question)
        if not said:
            raise BadRequest('The "question" is empty; ask one, as in "How many red circles are there?".')
        if len(said) > LENGTH or len(question) > MAX_CHARACTERS:
            raise BadRequest(f'The "question" is longer than {LENGTH} words; ask a shorter one.')
        ids = np.full((1, LENGTH), PAD, np.int32)
        ids[0, : len(said)] = [self._ids.get(word, UNKNOWN) for word in said]
        return Read(ids, tuple(dict.fromkeys(word for word in said if word not in self._ids)))


def write_vocabulary(known: Sequence[str]) -> bytes:
    """The file of a bundle."""
    return strict_json.dumps({"words": list(known)})


def read_vocabulary(file: Path) -> Vocabulary:
    """Of a bundle; raises `BundleError`."""
    try:
        found = strict_json.loads_object(file.read_bytes(), WORDS_FILE).get("words")
    except OSError:
        raise BundleError(f"The bundle has no {WORDS_FILE}, which questions are read with; build it again.") from None
    except BadRequest as cause:
        raise BundleError(f"{cause} Build the bundle again.") from None
    if not isinstance(found, list) or not 0 < len(found) <= MAX_WORDS or not all(isinstance(w, str) for w in found):
        raise BundleError(f"{WORDS_FILE} must hold 1 to {MAX_WORDS} words; build the bundle again.")
    return Vocabulary(found)
