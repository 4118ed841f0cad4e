"""One encoder with several heads: what each of them names, from one run of one network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edge_runtime.errors import BundleError
from edge_runtime.tasks.confidence import OPTION as PLATT
from edge_runtime.tasks.confidence import Platt, adjusted, checked_platt

OPTION = "heads"
MAX_HEADS = 32
LISTED = 5  # labels that are told of, the likeliest first


@dataclass(frozen=True)
class Naming:
    """How chances become an answer. unsure: below it the answer is doubtful. likely: from it on a label may be the right one,
    None of a bundle that doesn't keep it. platt: what the best chance is worth, likewise.
    """

    labels: tuple[str, ...]
    unsure: float
    likely: float | None = None
    platt: Platt | None = None

    def answer(self, given: np.ndarray) -> dict[str, object]:
        """Of chances float32 [labels]: one label for the whole picture, and the likeliest."""
        chances = adjusted(given, self.platt)
        order = np.argsort(-chances, kind="stable")[:LISTED]
        listed = [
            {"label": self.labels[i], "confidence": round(min(max(float(chances[i]), 0.0), 1.0), 4)} for i in order
        ]
        likely = self.likely
        return {
            "objects": [{**listed[0], "box": [0.0, 0.0, 1.0, 1.0]}],
            "unsure": float(chances[order[0]]) < self.unsure,
            **listed[0],
            "labels": listed,
            **({} if likely is None else {"likely": [self.labels[i] for i in order if float(chances[i]) >= likely]}),
        }


@dataclass(frozen=True)
class Heads:
    """What each head is called and how it names, in the order of its chances in the network's output."""

    named: Mapping[str, Naming]

    @property
    def count(self) -> int:
        """Of all heads' labels."""
        return sum(len(one.labels) for one in self.named.values())

    def answers(self, chances: np.ndarray) -> dict[str, dict[str, object]]:
        """Each head's, of chances float32 [count]."""
        ends = np.cumsum([0, *(len(one.labels) for one in self.named.values())]).tolist()
        parts = [chances[first:last] for first, last in pairwise(ends)]
        return {name: one.answer(part) for (name, one), part in zip(self.named.items(), parts, strict=True)}


def read_heads(options: Mapping[str, object]) -> Heads:
    """Of a manifest's options; raises `BundleError`."""
    given = options.get(OPTION)
    if not isinstance(given, list) or not 2 <= len(given) <= MAX_HEADS:
        raise _wrong(f"two to {MAX_HEADS} heads")
    found: dict[str, Naming] = {}
    for item in given:
        if not isinstance(item, dict):
            raise _wrong("heads that are objects")
        name, labels, unsure, likely = (item.get(key) for key in ("name", "labels", "unsure", "likely"))
        if not isinstance(name, str) or not name or name in found:
            raise _wrong("heads with different names")
        if not isinstance(labels, list) or len(labels) < 2 or not all(isinstance(label, str) for label in labels):
            raise _wrong("heads with two labels or more")
        if not _is_share(unsure) or not _is_share(likely):
            raise _wrong("heads with 'unsure' and 'likely', from 0 to 1")
        found[name] = Naming(
            tuple(map(str, labels)), float(str(unsure)), float(str(likely)), checked_platt(item.get(PLATT))
        )
    return Heads(found)


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _wrong(what: str) -> BundleError:
    return BundleError(f"A bundle of the task vision with several heads needs {what} in its options; build it again.")
