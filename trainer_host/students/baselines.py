"""Baselines that a router must beat: the most frequent label, and naive Bayes over words."""

from __future__ import annotations

import math
from collections import Counter

from edge_runtime.tasks.text import words

Labelled = tuple[str, str]  # a text and its label


def majority_accuracy(train: list[Labelled], heldout: list[Labelled]) -> float:
    """The share of held-out rows whose label is the most frequent one of train."""
    label = Counter(label for _, label in train).most_common(1)[0][0]
    return sum(wanted == label for _, wanted in heldout) / len(heldout)


def naive_bayes_accuracy(train: list[Labelled], heldout: list[Labelled]) -> float:
    """Multinomial naive Bayes with add-one smoothing (Manning et al. 2008, section 13.2)."""
    labels = Counter(label for _, label in train)
    counts: dict[str, Counter[str]] = {label: Counter() for label in labels}
    for text, label in train:
        counts[label].update(words(text))
    vocabulary = {word for counter in counts.values() for word in counter}
    totals = {label: sum(counter.values()) + len(vocabulary) for label, counter in counts.items()}

    def guess(text: str) -> str:
        known = [word for word in words(text) if word in vocabulary]

        def score(label: str) -> float:
            prior = math.log(labels[label] / len(train))
            return prior + sum(math.log((counts[label][word] + 1) / totals[label]) for word in known)

        return max(sorted(labels), key=score)

    return sum(guess(text) == wanted for text, wanted in heldout) / len(heldout)
