"""What came of batches, in figures and a sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from trainer_host.teacher.batch.common import Reason


@dataclass(frozen=True)
class Progress:
    """Of all batches under way. done: requests that the provider is through with."""

    batches: int
    done: int
    total: int


@dataclass
class BatchReport:
    """Figures so far.

    cached: were in the cache before. resumed: found in batches of an earlier run. sent, batches: by this run, requests
    that were asked again included. again: those, by reason. left: without an answer in the end, which a direct call
    may ask for. strangers: results that belong to no request of their batch. messages: the provider's words on
    batches that failed as a whole, scrubbed.
    """

    cached: int = 0
    resumed: int = 0
    sent: int = 0
    batches: int = 0
    answered: int = 0
    strangers: int = 0
    again: Counter[Reason] = field(default_factory=Counter)
    left: Counter[Reason] = field(default_factory=Counter)
    messages: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """For a person."""
        said = [f"{self.answered} requests were answered in batches"]
        if self.resumed:
            said.append(f"{self.resumed} were sent by an earlier run")
        if self.again:
            said.append(f"{self.again.total()} were asked again ({_reasons(self.again)})")
        if self.left:
            said.append(f"{self.left.total()} have no answer from a batch ({_reasons(self.left)})")
        if self.strangers:
            said.append(f"{self.strangers} results belong to no request")
        return "; ".join(said) + "."


def _reasons(counted: Counter[Reason]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counted.most_common())
