"""chrF: how alike two texts are, by their character n-grams.

Maja Popović, "chrF: character n-gram F-score for automatic MT evaluation", WMT 2015: n from 1 to 6, spaces left out,
precision and recall averaged over n, recall counting beta = 2 times as much ("chrF2").
"""

from __future__ import annotations

from collections import Counter

ORDER = 6
BETA = 2.0
_LONGEST = 20_000  # characters read of either text


def chrf(wanted: str, got: str) -> float:
    """0 (nothing alike) to 1 (equal but for spaces); two empty texts are equal."""
    wanted, got = ("".join(text[:_LONGEST].split()) for text in (wanted, got))
    if not wanted or not got:
        return float(wanted == got)
    precisions, recalls = [], []
    for size in range(1, ORDER + 1):
        reference, hypothesis = _ngrams(wanted, size), _ngrams(got, size)
        if not reference or not hypothesis:
            break  # a text is shorter than the n-gram; as sacrebleu does it, only orders that both have count
        shared = sum((reference & hypothesis).values())
        precisions.append(shared / max(1, sum(hypothesis.values())))
        recalls.append(shared / max(1, sum(reference.values())))
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    if precision + recall == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _ngrams(text: str, size: int) -> Counter[str]:
    return Counter(text[i : i + size] for i in range(len(text) - size + 1))
