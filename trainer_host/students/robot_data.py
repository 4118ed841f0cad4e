"""The robot student's arrays: a dataset's rows as the device would encode them, with labels and augmentation."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from edge_runtime.home import match
from edge_runtime.home.inventory import Home, parse_home
from edge_runtime.home.lexicon import TAGS
from edge_runtime.home.read import CLAUSE_LEAST
from edge_runtime.home.words import tokenize
from edge_runtime.tasks.robot import HEADS, NGRAMS, TOKENS, encode, ngrams_of

LABELS = {"begin": "begins", "action": "actions", "tag": "tags", "excluded": "excluded", "kind": "kinds"}
_FREE = frozenset(i for i, tag in enumerate(TAGS) if tag[2:] in ("ITEM", "QUERY", "TEXT"))
_NAMES = frozenset(i for i, tag in enumerate(TAGS) if tag[2:] in ("NAME", "AREA"))


@dataclass(frozen=True)
class Arrays:
    """words int32 [N, T]; ngrams int16 [N, T, G]; features float16 [N, T, F]; labels int8 [N, T] per head; lengths [N]."""

    words: np.ndarray
    ngrams: np.ndarray
    features: np.ndarray
    labels: dict[str, np.ndarray]
    lengths: np.ndarray


def read_rows(path: Path) -> list[dict]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def read_homes(folder: Path) -> dict[int, dict]:
    """The generated inventories of a dataset, by number."""
    return {home.pop("id"): home for home in read_rows(folder / "homes.jsonl")}


def request_of(row: dict, homes: dict[int, dict]) -> dict[str, object]:
    """What a device is asked."""
    given = row["input"]
    return {"text": given["text"], "context": given.get("context") or {}, "inventory": homes[given["home"]]}


def comparable(value: object) -> list[tuple[object, ...]]:
    """Calls in a comparable form; the order of calls and of targets does not matter."""
    calls = cast(list[dict], value)
    return sorted(
        (call["name"], json.dumps({k: v for k, v in call["arguments"].items()}, sort_keys=True), tuple(sorted(call["targets"])))
        for call in calls
    )  # fmt: skip


def clauses_alone(rows: list[dict]) -> list[dict]:
    """Each clause of the rows that have several, as a sentence of its own: so a device reads one once more.

    rows: with token labels. What is made has an input and labels; it has no output, as "it" may mean nothing any more.
    """
    made = []
    for row in rows:
        labels = row["meta"]["labels"]
        tokens = tokenize(row["input"]["text"])
        starts = [i for i, begins in enumerate(labels["begins"]) if begins or i == 0]
        for start, stop in zip(starts, [*starts[1:], len(tokens)], strict=True) if len(starts) > 1 else ():
            text = " ".join(tokens[start:stop])
            if stop - start >= CLAUSE_LEAST and tokenize(text) == tokens[start:stop]:
                own = {key: values[start:stop] for key, values in labels.items()}
                made.append({"input": {**row["input"], "text": text}, "meta": {"labels": own}})
    return made


def build_vocabulary(rows: list[dict], common: list[str], limit: int = 12_000) -> tuple[list[str], int]:
    """Row names of the word table (padding, unknown, number, words of the data, common words), and how many are known.

    Known words, those that the data has at least twice, come first: they get learned columns too.
    """
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(token for token in tokenize(row["input"]["text"]) if not token[0].isdigit())
    known = [word for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count > 1]
    first = list(dict.fromkeys(["", "\u2047", "0", *known]))
    return list(dict.fromkeys([*first, *common]))[:limit], min(len(first), limit)


def encode_rows(rows: list[dict], homes: dict[int, dict], vocabulary: list[str], *, labelled: bool = True) -> Arrays:
    """Encode rows exactly as the device does (`edge_runtime.tasks.robot.encode`)."""
    table = {word: row for row, word in enumerate(vocabulary)}
    parsed: dict[int, tuple[Home, match.Index]] = {}
    n = len(rows)
    arrays = Arrays(
        np.zeros((n, TOKENS), np.int32), np.zeros((n, TOKENS, NGRAMS), np.int16),
        np.zeros((n, TOKENS, match.FEATURES), np.float16),
        {head: np.zeros((n, TOKENS), np.int8) for head in HEADS}, np.zeros(n, np.int32),
    )  # fmt: skip
    for i, row in enumerate(rows):
        number = row["input"]["home"]
        if number not in parsed:
            home = parse_home(homes[number])
            parsed[number] = (home, match.build_index(home))
        home, index = parsed[number]
        area = home.area((row["input"].get("context") or {}).get("area"))
        tokens = tokenize(row["input"]["text"])
        encoded = encode(tokens, table, index, match.stems(area.name) if area else ())
        arrays.words[i], arrays.ngrams[i] = encoded.words[0], encoded.ngrams[0]
        arrays.features[i], arrays.lengths[i] = encoded.features[0], len(encoded.tokens)
        for head, key in LABELS.items() if labelled else ():
            arrays.labels[head][i, : len(tokens)] = row["meta"]["labels"][key][:TOKENS]
    return arrays


class Augmenter:
    """Hides or swaps words whose identity must not matter: names, places, list items, free text."""

    def __init__(self, vocabulary: list[str], seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._ngrams = np.zeros((len(vocabulary), NGRAMS), np.int16)
        for row, word in enumerate(vocabulary):
            if row > 2:
                grams = ngrams_of(word)
                self._ngrams[row, : len(grams)] = grams
        self._rows = len(vocabulary)

    def state_dict(self) -> dict[str, object]:
        """What it draws next."""
        return {"rng": self._rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from there."""
        self._rng.bit_generator.state = cast("dict[str, object]", state["rng"])

    def __call__(self, words: np.ndarray, ngrams: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        words, ngrams = words.copy(), ngrams.copy()
        chance = self._rng.random(words.shape)
        named, free = np.isin(tags, list(_NAMES)), np.isin(tags, list(_FREE))
        hide = named & (chance < 0.3)
        words[hide] = 1
        ngrams[hide & (self._rng.random(words.shape) < 0.5)] = 0
        swap = (named & (chance > 0.88)) | (free & (chance < 0.4))
        other = self._rng.integers(3, self._rows, size=int(swap.sum()))
        words[swap], ngrams[swap] = other, self._ngrams[other]
        return words, ngrams
