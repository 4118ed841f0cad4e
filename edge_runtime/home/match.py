"""Links words to an inventory: which words of a sentence could name an area, a floor or an entity.

The features tell the model *that* and *how* a word occurs in this home, never which home it is, so a model
trained on generated homes reads one it has never seen.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

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
_BASE_INDEX = {name: i for i, name in enumerate(BASE)}
FEATURES = len(BASE) + 2 * len(DOMAINS)

_REMEMBERED = 2000  # words kept per home; bounds what a client can make a device hold

_STOP = frozenset({
    "the", "a", "an", "of", "in", "on", "at", "to", "my", "and", "off", "for", "with", "is", "it", "all", "up",
    "s", "'", "-", ".", ",", "/", "by", "set", "me", "open", "close", "turn",
})  # fmt: skip


@dataclass
class Index:
    """Word and phrase tables of one home, built once per request in time linear in its size."""

    area_words: set[str] = field(default_factory=set)
    floor_words: set[str] = field(default_factory=set)
    name_words: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))  # stem -> entity positions
    device_words: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    areas: set[tuple[str, ...]] = field(default_factory=set)
    floors: set[tuple[str, ...]] = field(default_factory=set)
    names: dict[tuple[str, ...], set[int]] = field(default_factory=lambda: defaultdict(set))
    longest: int = 1
    count: int = 0
    domain: list[int | None] = field(default_factory=list)
    synonyms: set[tuple[str, ...]] = field(default_factory=set)
    _near: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)

    def near(self, word: str) -> tuple[str | None, str | None]:
        """An area's word, else a name's word, that a typing slip turns into `word`; remembered, as people repeat."""
        if word not in self._near:
            first = word[0]
            area = next((w for w in sorted(self.area_words) if w[0] == first and similar(w, word)), None)
            name = None if area else next((w for w in self.name_words if w[0] == first and similar(w, word)), None)
            if len(self._near) >= _REMEMBERED:
                self._near.clear()
            self._near[word] = (area, name)
        return self._near[word]


def stems(text: str) -> tuple[str, ...]:
    """The stems of a phrase without marks: "Mom's Lamp-2" -> (mom, lamp, 2)."""
    return tuple(s for token in tokenize(text) if (s := stem(token)) and (s[0].isalnum()))


SYNONYM_STEMS = tuple(frozenset(stems(name) for name in group) for group in AREA_SYNONYMS)


def build_index(home: Home) -> Index:
    index = Index(count=len(home.entities))
    for area in home.areas:
        phrase = stems(area.name)
        index.areas.add(phrase)
        index.area_words.update(phrase)
        for group in SYNONYM_STEMS:
            if phrase in group:
                index.synonyms.update(group)
        if area.floor:
            floor = stems(area.floor)
            index.floors.add(floor)
            index.floor_words.update(floor)
    for i, entity in enumerate(home.entities):
        index.domain.append(_DOMAIN_INDEX.get(entity.domain))
        for name in (entity.name, *entity.aliases):
            phrase = stems(name)
            index.names[phrase].add(i)
            for word in phrase:
                index.name_words[word].add(i)
        for text in entity.device_words:
            for word in stems(text):
                index.device_words[word].add(i)
    phrases = [*index.areas, *index.floors, *index.names, *index.synonyms]
    index.longest = min(max((len(p) for p in phrases), default=1), 8)
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
    out = np.zeros((len(tokens), FEATURES), np.float32)
    words = [stem(token) for token in tokens]
    full, partial = len(BASE), len(BASE) + len(DOMAINS)
    for i, word in enumerate(words):
        row = out[i]
        if word[0].isdigit():
            row[_BASE_INDEX["number"]] = 1
        if not word[0].isalnum() or word in _STOP:
            continue
        hits = index.name_words.get(word, set())
        if word in index.area_words:
            row[_BASE_INDEX["area_word"]] = 1
        elif word in index.floor_words:
            row[_BASE_INDEX["floor_word"]] = 1
        elif not hits and len(word) > 3:
            area, name = index.near(word)
            if area:
                row[_BASE_INDEX["area_word"]] = row[_BASE_INDEX["fuzzy"]] = 1
            elif name:
                hits = index.name_words[name]
                row[_BASE_INDEX["fuzzy"]] = 1
        if hits:
            row[_BASE_INDEX["name_word"]] = 1
            row[_BASE_INDEX["rare"]] = 1.0 / len(hits)
            for entity in hits:
                domain = index.domain[entity]
                if domain is not None:
                    row[partial + domain] = max(row[partial + domain], 1.0 / len(hits))
        elif word in index.device_words:
            row[_BASE_INDEX["device_word"]] = 1
            for entity in index.device_words[word]:
                domain = index.domain[entity]
                if domain is not None:
                    row[partial + domain] = max(row[partial + domain], 0.5 / len(index.device_words[word]))
        if word in here:
            row[_BASE_INDEX["here"]] = 1
    keep = [i for i, word in enumerate(words) if word[0].isalnum()]
    plain = [words[i] for i in keep]
    for start in range(len(plain)):
        for size in range(min(index.longest, len(plain) - start), 0, -1):
            phrase = tuple(plain[start : start + size])
            span = keep[start : start + size]
            if size == 1 and phrase[0] in _STOP:
                continue
            if phrase in index.areas:
                out[span, _BASE_INDEX["area_full"]] = 1
                out[span[0], _BASE_INDEX["area_begin"]] = 1
            elif phrase in index.synonyms:
                out[span, _BASE_INDEX["synonym"]] = 1
            if phrase in index.floors:
                out[span, _BASE_INDEX["floor_full"]] = 1
            if phrase in index.names:
                out[span, _BASE_INDEX["name_full"]] = 1
                out[span[0], _BASE_INDEX["name_begin"]] = 1
                for entity in index.names[phrase]:
                    domain = index.domain[entity]
                    if domain is not None:
                        out[span, full + domain] = 1
    return out
