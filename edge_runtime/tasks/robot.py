"""Task `robot`: a command in words plus the inventory of a home gives calls of Home Assistant intents.

A model of pack `robot-en` reads the same way what is said to a robot that drives about, with actions of its own.
"""

from __future__ import annotations

import io
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.home import match
from edge_runtime.home.inventory import Home, parse_home
from edge_runtime.home.lexicon import ACTIONS, KINDS, TAGS
from edge_runtime.home.parse import Clause
from edge_runtime.home.read import Logits, read
from edge_runtime.home.resolve import Outcome, resolve
from edge_runtime.home.spelling import Spelling
from edge_runtime.home.words import stem, tokenize
from edge_runtime.kept_json import Kept
from edge_runtime.mobile import lexicon as mobile
from edge_runtime.mobile.resolve import resolve as resolve_mobile
from edge_runtime.tasks.confidence import Platt, chance, read_platt

if TYPE_CHECKING:
    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines import Engine

NAME = "robot"
SCHEME = "home-words-1"  # raised whenever `encode` changes what a model sees
MAX_CHARACTERS = 1000
TOKENS = 40  # the model's window; a sentence with more is asked to be said in fewer words
NGRAMS = 8  # character trigrams kept per word
NGRAM_BUCKETS = 4096
_HOMES = 8  # whose word tables are kept, also while their states change
_REMEMBERED = 2000  # words that were looked up; bounds what a client can make a device hold
HEADS = {"begin": 2, "action": len(ACTIONS), "tag": len(TAGS), "excluded": 2, "kind": len(KINDS)}


@dataclass(frozen=True)
class Pack:
    """A vocabulary of the task: its actions, and what clauses of them come to in an inventory."""

    name: str
    actions: tuple[str, ...]
    resolve: Callable[[list[Clause], Home, str | None], Outcome]

    @property
    def heads(self) -> dict[str, int]:
        """Classes of each head of a model of this pack."""
        return {**HEADS, "action": len(self.actions)}


HOME = Pack("home-en", ACTIONS, resolve)  # that of models which name none
PACKS = {pack.name: pack for pack in (HOME, Pack(mobile.PACK, mobile.ACTIONS, resolve_mobile))}

_STRING = {"type": "string"}
REQUEST_SCHEMA: dict[str, object] = {
    "type": "object",
    "required": ["text", "inventory"],
    "properties": {
        "text": {"type": "string", "maxLength": MAX_CHARACTERS},
        "context": {"type": "object", "properties": {"area": {"type": ["string", "null"]}}},
        "inventory": {
            "type": "object",
            "properties": {
                "areas": {
                    "type": "array",
                    "items": {"type": "object", "required": ["id", "name"], "properties": {"id": _STRING, "name": _STRING}},
                },
                "entities": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["id", "name"],
                        "properties": {"id": _STRING, "name": _STRING, "domain": _STRING},
                    },
                },
            },
        },
    },
}  # fmt: skip
RESPONSE_SCHEMA: dict[str, object] = {
    "type": "object",
    "required": ["calls", "confidence", "unsure", "question"],
    "properties": {
        "calls": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "arguments", "targets"],
                "properties": {"name": _STRING, "arguments": {"type": "object"}, "targets": {"type": "array", "items": _STRING}},
            },
        },
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "unsure": {"type": "boolean"},
        "question": {"type": ["string", "null"]},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """A checked request."""

    text: str
    here: str | None
    home: Home


def parse_request(request: dict[str, object]) -> Request:
    """Check a request; raises `BadRequest` naming the first thing that is wrong."""
    text = request.get("text")
    if not isinstance(text, str):
        raise BadRequest('`text` must be a string, as in {"text": "turn on the light", "inventory": {...}}.')
    if len(text) > MAX_CHARACTERS:
        raise BadRequest(f"`text` has {len(text)} characters; send at most {MAX_CHARACTERS}.")
    context = request.get("context") or {}
    if not isinstance(context, dict):
        raise BadRequest('`context` must be an object, as in {"area": "kitchen"}.')
    here = context.get("area")
    if here is not None and not isinstance(here, str):
        raise BadRequest("`context.area` must be the id of an area, or absent.")
    if "inventory" not in request:
        raise BadRequest("`inventory` is missing; send the home's areas and entities.")
    inventory = request["inventory"]
    home = inventory.once(parse_home) if isinstance(inventory, Kept) else parse_home(inventory)
    return Request(text, here if home.area(here) else None, home)


@dataclass(frozen=True)
class Encoded:
    """A sentence as the model sees it.

    words: int32 [1, TOKENS], rows of the vocabulary (0 pads, 1 is any unknown word);
    ngrams: int32 [1, TOKENS, NGRAMS], hashed character trigrams (0 pads);
    features: float32 [1, TOKENS, match.FEATURES], how each word occurs in the inventory.
    """

    tokens: list[str]
    words: np.ndarray
    ngrams: np.ndarray
    features: np.ndarray

    def inputs(self) -> dict[str, np.ndarray]:
        return {"words": self.words, "ngrams": self.ngrams, "features": self.features}


@lru_cache(maxsize=4096)
def ngrams_of(word: str) -> tuple[int, ...]:
    """Buckets 1..NGRAM_BUCKETS-1 of a word's character trigrams, the first NGRAMS of "<word>"."""
    framed = f"<{word}>"
    grams = [framed[i : i + 3] for i in range(max(1, len(framed) - 2))][:NGRAMS]
    return tuple(1 + zlib.crc32(gram.encode()) % (NGRAM_BUCKETS - 1) for gram in grams)


class Words(Protocol):
    """The rows of a vocabulary's words: a `Vocabulary`, or a dict."""

    def get(self, word: str, default: int, /) -> int: ...


def encode(tokens: list[str], vocabulary: Words, index: match.Index, here: tuple[str, ...]) -> Encoded:
    """Encode at most TOKENS tokens; the one function that training and serving share."""
    tokens = tokens[:TOKENS]
    words = np.zeros((1, TOKENS), np.int32)
    ngrams = np.zeros((1, TOKENS, NGRAMS), np.int32)
    features = np.zeros((1, TOKENS, match.FEATURES), np.float32)
    words[0, : len(tokens)] = [vocabulary.get("0" if token[0].isdigit() else token, 1) for token in tokens]
    for i, token in enumerate(tokens):
        grams = ngrams_of(token)
        ngrams[0, i, : len(grams)] = grams
    features[0, : len(tokens)] = match.features(tokens, index, here)
    return Encoded(tokens, words, ngrams, features)


class Robot:
    """A loaded specialist. Keeps the word tables of the last homes, so that a person's second sentence is quick."""

    def __init__(
        self,
        engine: Engine,
        vocabulary: Words,
        unsure: float,
        spelling: Spelling | None = None,
        pack: Pack = HOME,
        platt: Platt | None = None,
    ) -> None:
        self._engine = engine
        self._vocabulary = vocabulary
        self._unsure = unsure
        self._spelling = spelling
        self._pack = pack
        self._platt = platt
        self._indexes: OrderedDict[tuple[object, ...], match.Index] = OrderedDict()

    def run(self, request: dict[str, object]) -> dict[str, object]:
        """Answer {"text", "context"?, "inventory"} with {"calls", "confidence", "unsure", "question"}."""
        checked = parse_request(request)
        tokens = tokenize(checked.text)
        if not tokens:
            return _answer(Outcome(question="I didn't catch that; please say it again."), 0.0, True)
        if len(tokens) > TOKENS:
            question = f"That has more than {TOKENS} words and marks; please say it in fewer, or one thing at a time."
            return _answer(Outcome(question=question), 0.0, True)
        clauses, confidence = self.read(tokens, checked)
        outcome = self._pack.resolve(clauses, checked.home, checked.here)
        confidence *= outcome.score
        if self._platt is not None:
            confidence = chance(confidence, self._platt)
        if outcome.question:
            return _answer(outcome, confidence, True)
        if confidence < self._unsure:
            return _answer(
                Outcome(question="I'm not sure what you mean; please say it in other words."),
                confidence,
                True,
            )
        return _answer(outcome, confidence, False)

    def read(self, tokens: list[str], request: Request) -> tuple[list[Clause], float]:
        """What the model reads in the words, before the home decides what they refer to."""
        area = request.home.area(request.here)
        here = match.stems(area.name) if area else ()
        index = self._index(request.home)
        meant = [self._meant(token, index) for token in tokens]

        def label(start: int, stop: int) -> Logits:
            outputs = self._engine.run(encode(meant[start:stop], self._vocabulary, index, here).inputs())
            return {head: outputs[head][0, : stop - start] for head in HEADS}

        return read(tokens, label, self._pack.actions)

    def _meant(self, token: str, index: match.Index) -> str:
        """What the model reads for a word: where neither it nor the home knows it, the word that it slipped from."""
        if self._spelling is None or self._vocabulary.get(token, 1) != 1 or index.speaks_of(stem(token)):
            return token
        return self._spelling.meant(token)

    def _index(self, home: Home) -> match.Index:
        index = self._indexes.pop(home.wording, None)
        if index is None:
            index = match.build_index(home)
            while len(self._indexes) >= _HOMES:
                self._indexes.popitem(last=False)
        self._indexes[home.wording] = index  # the last used stands last
        return index


def _answer(outcome: Outcome, confidence: float, unsure: bool) -> dict[str, object]:
    return {
        "calls": [
            {"name": call.name, "arguments": call.arguments, "targets": list(call.targets)} for call in outcome.calls
        ],
        "confidence": round(float(confidence), 4),
        "unsure": unsure,
        "question": outcome.question,
    }


def load(manifest: Manifest, folder: Path, engine: Engine) -> Robot:
    """A specialist over an opened engine; raises `BundleError` where the bundle was made for another version."""
    tokenizer = manifest.tokenizer
    if tokenizer is None or tokenizer.scheme != SCHEME or tokenizer.file is None:
        raise BundleError(f"This bundle's tokenizer isn't {SCHEME}; train and push the specialist again.")
    pack = PACKS.get(str(manifest.options.get("pack", HOME.name)))
    if pack is None:
        raise BundleError(
            "This bundle's pack isn't known here; update this device, or push a specialist of another pack."
        )
    expected = {"actions": list(pack.actions), "tags": list(TAGS), "kinds": list(KINDS), "tokens": TOKENS}
    if {key: manifest.options.get(key) for key in expected} != expected:
        raise BundleError("This bundle's labels are of another version of the task; train and push it again.")
    unsure = manifest.thresholds.get("unsure")
    if unsure is None:
        raise BundleError("This bundle has no `unsure` threshold; train and push the specialist again.")
    vocabulary = folder / tokenizer.file
    return Robot(
        engine,
        read_vocabulary(vocabulary),
        unsure,
        Spelling(vocabulary.read_bytes()),
        pack,
        read_platt(manifest.options),
    )


class Vocabulary:
    """The rows of words, found by their hashes: 0.3 MB for 11,000 words, of which a dict takes 1.2 and its making more.

    What was sought is remembered, as people repeat their words.
    """

    def __init__(self, words: bytes) -> None:
        """words: UTF-8, each with a newline behind it; the word of row n is in line n."""
        self._words = words
        self._ends = np.flatnonzero(np.frombuffer(words, np.uint8) == ord("\n"))
        hashes = np.fromiter((zlib.crc32(line[:-1]) for line in io.BytesIO(words)), np.uint32)
        self._rows = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._rows]
        self._met: dict[str, int | None] = {}

    def get(self, word: str, default: int, /) -> int:
        """As a dict's."""
        if word in self._met:
            row = self._met[word]
        else:
            row = self._find(word.encode("utf-8"))
            if len(self._met) >= _REMEMBERED:
                self._met.clear()
            self._met[word] = row
        return default if row is None else row

    def _find(self, word: bytes) -> int | None:
        sought = np.uint32(zlib.crc32(word))
        for at in range(int(np.searchsorted(self._hashes, sought)), len(self._hashes)):
            if self._hashes[at] != sought:
                break
            row = int(self._rows[at])
            if self._words[self._ends[row - 1] + 1 if row else 0 : self._ends[row]] == word:
                return row
        return None


def read_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary of a file whose line n is the word of row n."""
    words = path.read_text(encoding="utf-8").encode("utf-8")
    return Vocabulary(words if words.endswith(b"\n") else words + b"\n")


def agrees(expected: dict[str, object], got: dict[str, object]) -> bool:
    """Same calls and same doubt; confidences may differ by 0.15, as int8 kernels of two runtimes round differently."""
    if any(expected.get(key) != got.get(key) for key in ("calls", "unsure", "question")):
        return False
    a, b = expected.get("confidence"), got.get("confidence")
    return isinstance(a, int | float) and isinstance(b, int | float) and abs(a - b) <= 0.15
