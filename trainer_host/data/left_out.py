"""What an import leaves out: how much of it for each reason, and the first of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Where = TypeVar("Where", str, int)


@dataclass
class LeftOut(Generic[Where]):
    """Counts by reason. first: where the first one of a reason is, its file or its line."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, Where] = field(default_factory=dict)

    def add(self, reason: str, where: Where, count: int = 1) -> None:
        """Count something that isn't taken."""
        self.counts[reason] += count
        self.first.setdefault(reason, where)

    @property
    def by_reason(self) -> dict[str, int]:
        """The counts, in the order of their reasons."""
        return dict(sorted(self.counts.items()))

    def listed(self, between: str) -> str:
        """For a sentence; between: what stands before the first one of a reason, as in "2 silent, as 4.wav"."""
        return ", ".join(f"{count} {reason}{between}{self.first[reason]}" for reason, count in self.by_reason.items())
