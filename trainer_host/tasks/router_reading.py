"""Which task a text reads like, by the built-in grammar: tells when a teacher's text has drifted to another label.

Naive Bayes over words and pairs of words. Filtering what a teacher wrote with a classifier helps where labels are
near (Sahu et al., Data Augmentation for Intent Classification, 2022); this one only objects when it is sure.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise

from trainer_host.tasks import TASKS
from trainer_host.tasks.phrases import fill, fillers, templates
from trainer_host.tasks.wording import words

PACKAGE = "trainer_host.tasks.router_phrases"
_PER_TEMPLATE = 6  # texts of one template that the reader learns from; more change little
_SMOOTHING = 0.5
# Nats that one word or pair can count against a label: words come in company (a drawn "market full of bears"), which
# naive Bayes takes for as many independent proofs.
_MOST = 2.5
_QUOTED = re.compile(r"[\"“][^\"”]{1,200}[\"”]")
_SEED = 5


def features(text: str) -> set[str]:
    """Words, and pairs of neighbours; numbers are alike, and what is quoted says nothing about who should answer."""
    found = ["0" if word[0].isdigit() else word for word in words(_QUOTED.sub(" quoted ", text))]
    return {*found, *(f"{first} {second}" for first, second in pairwise(found))}


Table = dict[str, dict[str, float]]


def learn(texts: dict[str, list[str]]) -> Table:
    """Feature -> label -> log-likelihood, with "" for a feature never seen; labels count as equally frequent."""
    counts = {label: Counter(f for text in found for f in features(text)) for label, found in texts.items()}
    table: Table = {"": {}}
    known = sorted({feature for count in counts.values() for feature in count})
    for label, found in texts.items():
        total = len(found) + 2 * _SMOOTHING
        table[""][label] = math.log(_SMOOTHING / total)
        for feature in known:
            table.setdefault(feature, {})[label] = math.log((counts[label][feature] + _SMOOTHING) / total)
    return table


def read(text: str, table: Table) -> dict[str, float]:
    """How well each label fits, in nats; only features that the table knows count."""
    scores = dict.fromkeys(table[""], 0.0)
    for feature in sorted(features(text)):
        values = table.get(feature, {})
        least = max(values.values(), default=0.0) - _MOST
        for label, value in values.items():
            scores[label] += max(value, least)
    return scores


@lru_cache(maxsize=1)
def built_in_table() -> Table:
    """What the built-in grammar of the twelve tasks teaches; the same in every process."""
    rng = random.Random(_SEED)
    names = fillers(PACKAGE)
    return learn(
        {
            label: [fill(line, names, rng) for line in templates(PACKAGE, f"{label}.txt") for _ in range(_PER_TEMPLATE)]
            for label in TASKS
        }
    )


def drift(text: str, label: str) -> tuple[str, float]:
    """The label that fits best among the twelve, and by how many nats better than `label`."""
    scores = read(text, built_in_table())
    best = max(sorted(scores), key=scores.__getitem__)
    return best, scores[best] - scores[label]
