"""Links words to an inventory: which words of a sentence could name an area, a floor or an entity.

The features tell the model *that* and *how* a word occurs in this home, never which home it is, so a model
trained on generated homes reads one it has never seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from edge_runtime.home.inventory import Home
from edge_runtime.home.lexicon import AREA_SYNONYMS
from edge_runtime.home.words import similar, stem, tokenize

DOMAINS = (
    "light", "switch", "cover", "fan", "lock", "media_player", "climate", "vacuum", "lawn_mower", "todo", "valve",
    "scene", "script", "sensor",
)  # fmt: skip
_DOMAIN_INDEX = {domain: i for i, domain in enumerate(DOMAINS)}
_DOMAIN_INDEX["binary_sensor"] = _DOMAIN_INDEX["sensor"]
_DOMAIN_INDEX["input_boolean"] = _DOMAIN_INDEX["switch"]

# Columns of the feature matrix, before the two groups of domain columns.
BASE = (
    "area_word", "area_full", "area_begin", "floor_word", "floor_full", "name_word", "name_full", "name_begin",
    "device_word", "fuzzy", "number", "here", "rare", "synonym",
)  # fmt: skip
(
    _AREA_WORD, _AREA_FULL, _AREA_BEGIN, _FLOOR_WORD, _FLOOR_FULL, _NAME_WORD, _NAME_FULL, _NAME_BEGIN,
    _DEVICE_WORD, _FUZZY, _NUMBER, _HERE, _RARE, _SYNONYM,
) = range(len(BASE))  # fmt: skip
_FULL, _PARTIAL = len(BASE), len(BASE) + len(DOMAINS)  # a whole name's domains, a word's domains
FEATURES = len(BASE) + 2 * len(DOMAINS)

_LONGEST = 8  # words of a phrase that is looked for
_REMEMBERED = 2000  # words kept per home; bounds what a client can make a device hold

_STOP = frozenset({
    "the", "a", "an", "of", "in", "on", "at", "to", "my", "and", "off", "for", "with", "is", "it", "all", "up",
    "s", "'", "-", ".", ",", "/", "by", "set", "me", "open", "close", "turn",
})  # fmt: skip


@dataclass
class Index:
    """Word and phrase tables of one home, built in time linear in its size."""

    area_words: set[str] = field(default_factory=set)
    floor_words: set[str] = field(default_factory=set)
    name_words: dict[str, set[int]] = field(default_factory=dict)  # stem -> entity positions
    device_words: dict[str, set[int]] = field(default_factory=dict)
    areas: set[tuple[str, ...]] = field(default_factory=set)
    floors: set[tuple[str, ...]] = field(default_factory=set)
    names: dict[tuple[str, ...], set[int]] = field(default_factory=dict)
    synonyms: set[tuple[str, ...]] = field(default_factory=set)
    first: set[str] = field(default_factory=set)  # the words that phrases begin with
    longest: int = 1  # words of the longest phrase, at most _LONGEST
    domain: list[int | None] = field(default_factory=list)  # column of each entity's domain
    _near: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)

    def near(self, word: str) -> tuple[str | None, str | None]:
        """An area's word, else a name's word, that a typing slip turns into `word`; remembered, as people repeat."""
        known = self._near.get(word)
        if known is None:
            first = word[0]
            area = next((w for w in sorted(self.area_words) if w[0] == first and similar(w, word)), None)
            name = None if area else next((w for w in self.name_words if w[0] == first and similar(w, word)), None)
            if len(self._near) >= _REMEMBERED:
                self._near.clear()
            known = self._near[word] = (area, name)
        return known

    def speaks_of(self, stem: str) -> bool:
        """Whether a place, a thing or its maker has a word like this one here."""
        words = (self.area_words, self.floor_words, self.name_words, self.device_words)
        return any(stem in some for some in words) or any(self.near(stem))

    def domains(self, entities: set[int]) -> set[int]:
        """The columns of the entities' domains."""
        return {column for i in entities if (column := self.domain[i]) is not None}


@lru_cache(maxsize=2048)  # the names of some homes, each of at most 200 characters
def stems(text: str) -> tuple[str, ...]:
    """The stems of a phrase without marks: "Mom's Lamp-2" -> (mom, lamp, 2)."""
    return tuple([s for token in tokenize(text) if (s := stem(token)) and s[0].isalnum()])


SYNONYM_STEMS = tuple(frozenset(stems(name) for name in group) for group in AREA_SYNONYMS)


@lru_cache(maxsize=256)
def synonyms(phrase: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    """The other names that people have for a place of this name, this one among them."""
    return frozenset(other for group in SYNONYM_STEMS if phrase in group for other in group)


def build_index(home: Home) -> Index:
    index = Index(domain=[_DOMAIN_INDEX.get(entity.domain) for entity in home.entities])
    for area in home.areas:
        phrase = stems(area.name)
        index.areas.add(phrase)
        index.area_words.update(phrase)
        index.synonyms |= synonyms(phrase)
    for name in home.floors:
        floor = stems(name)
        index.floors.add(floor)
        index.floor_words.update(floor)
    for i, entity in enumerate(home.entities):
        for name in (entity.name, *entity.aliases):
            phrase = stems(name)
            index.names.setdefault(phrase, set()).add(i)
            for word in phrase:
                index.name_words.setdefault(word, set()).add(i)
        for text in entity.device_words:
            for word in stems(text):
                index.device_words.setdefault(word, set()).add(i)
    phrases = [*index.areas, *index.floors, *index.names, *index.synonyms]
    index.first = {word for phrase in phrases for word in phrase[:1]}
    index.longest = min(max(map(len, phrases), default=1), _LONGEST)
    return index


def features(tokens: list[str], index: Index, here: tuple[str, ...] = ()) -> np.ndarray:
    """Match features of each token.

    Args:
        tokens: the sentence, from `tokenize`.
        index: the home's tables.
        here: stems of the area the speaker stands in.

    Returns:
        float32 [len(tokens), FEATURES] in 0..1.
    """
    words = [stem(token) for token in tokens]
    marks: dict[int, float] = {}  # what isn't zero, by its place in the flat matrix: numpy is slow one by one
    for i, word in enumerate(words):
        _mark_word(word, i * FEATURES, index, here, marks)
    keep = [i for i, word in enumerate(words) if word[0].isalnum()]
    plain = [words[i] for i in keep]
    for start, word in enumerate(plain):
        if word not in index.first:
            continue
        for size in range(1 + (word in _STOP), min(index.longest, len(plain) - start) + 1):
            _mark_phrase(tuple(plain[start : start + size]), keep[start : start + size], index, marks)
    out = np.zeros(len(tokens) * FEATURES, np.float32)
    out[list(marks)] = list(marks.values())
    return out.reshape(len(tokens), FEATURES)


def _mark_word(word: str, row: int, index: Index, here: tuple[str, ...], marks: dict[int, float]) -> None:
    if word[0].isdigit():
        marks[row + _NUMBER] = 1
    if not word[0].isalnum() or word in _STOP:
        return
    hits = index.name_words.get(word)
    if word in index.area_words:
        marks[row + _AREA_WORD] = 1
    elif word in index.floor_words:
        marks[row + _FLOOR_WORD] = 1
    elif hits is None and len(word) > 3:
        area, name = index.near(word)
        if area:
            marks[row + _AREA_WORD] = marks[row + _FUZZY] = 1
        elif name:
            hits = index.name_words[name]
            marks[row + _FUZZY] = 1
    if hits is not None:
        marks[row + _NAME_WORD] = 1
        marks[row + _RARE] = 1 / len(hits)
        for domain in index.domains(hits):
            marks[row + _PARTIAL + domain] = 1 / len(hits)
    elif (made := index.device_words.get(word)) is not None:
        marks[row + _DEVICE_WORD] = 1
        for domain in index.domains(made):
            marks[row + _PARTIAL + domain] = 0.5 / len(made)
    if word in here:
        marks[row + _HERE] = 1


def _mark_phrase(phrase: tuple[str, ...], span: list[int], index: Index, marks: dict[int, float]) -> None:
    columns = []
    if phrase in index.areas:
        columns.append(_AREA_FULL)
        marks[span[0] * FEATURES + _AREA_BEGIN] = 1
    elif phrase in index.synonyms:
        columns.append(_SYNONYM)
    if phrase in index.floors:
        columns.append(_FLOOR_FULL)
    if (called := index.names.get(phrase)) is not None:
        columns.append(_NAME_FULL)
        columns += [_FULL + domain for domain in index.domains(called)]
        marks[span[0] * FEATURES + _NAME_BEGIN] = 1
    for at in span:
        for column in columns:
            marks[at * FEATURES + column] = 1
