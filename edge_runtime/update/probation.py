"""Probation: a new model serves on trial until it has shown that it answers, in time and in memory. Pure; told by others.

Golden vectors first; then p95 and memory within the signed budgets; then so many live requests, or so long, without a
fault. The first thing that fails decides. Each start of the device begins anew, and after three that didn't come through
it has failed: a model that takes the daemon down must not be loaded for ever.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_runtime.errors import BadRequest

Json = dict[str, object]
LEAST_TIMES = 20  # fewer than that have no 95th percentile but their maximum, and one slow answer isn't a slow model
KEPT_TIMES = 512  # the latest; of these p95 is told


class Outcome(enum.StrEnum):
    """How a probation stands."""

    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True)
class Rules:
    """What must be shown. requests, seconds: whichever comes first; boots: failed starts at which it has failed.

    p95_ms, memory_mb: the signed budgets, None where nothing is asked.
    """

    requests: int = 20
    seconds: float = 300.0
    boots: int = 3
    p95_ms: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True)
class Verdict:
    """outcome, why (a sentence, "" while pending or where it passed), and what was seen, for the journal."""

    outcome: Outcome
    cause: str
    evidence: Json


def rules_of(custom: Mapping[str, object], requests: int, seconds: float, boots: int) -> Rules:
    """The rules of a signed target's "budgets"; raises `BadRequest` where they can't be read."""
    budgets = custom.get("budgets", {})
    if not isinstance(budgets, dict) or not set(budgets) <= {"p95_ms", "memory_mb"}:
        raise BadRequest("The target's budgets can't be read; publish it again, or update Enigma on the device.")
    read: dict[str, float] = {}
    for key, value in budgets.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
            raise BadRequest(f"The target's budget '{key}' isn't a number from 0 on; publish it again.")
        if value:
            read[key] = float(value)
    return Rules(requests, seconds, boots, read.get("p95_ms"), read.get("memory_mb"))


class Probation:
    """One bundle's trial in this process. boots: starts before this one that ended without its end or a clean stop."""

    def __init__(self, rules: Rules, boots: int = 0) -> None:
        self.rules = rules
        self._boots = boots
        self._golden: tuple[int, int] | None = None
        self._times: deque[float] = deque(maxlen=KEPT_TIMES)
        self._memory = 0.0
        self._requests = 0
        self._seconds = 0.0
        self._cause = ""
        if boots >= rules.boots:
            self._fail(f"The device started {boots} times with this model and never came to the end of its probation.")

    def golden(self, passed: int, of: int, milliseconds: Sequence[float] = ()) -> None:
        """How many golden vectors were answered as they should be, and what each took."""
        self._golden = (passed, of)
        self._times.extend(milliseconds)
        if passed < of:
            self._fail(f"{of - passed} of {of} golden vectors were answered otherwise than where the model was made.")
        self._judge_time(LEAST_TIMES)

    def memory(self, megabytes: float) -> None:
        """What the model takes now; the most that was seen counts."""
        self._memory = max(self._memory, megabytes)
        most = self.rules.memory_mb
        if most is not None and self._memory > most:
            self._fail(f"The model takes {self._memory:.1f} MB of memory, and its budget is {most:.1f} MB.")

    def request(self, milliseconds: float, fault: str = "") -> None:
        """A live request was answered, or failed by the model's fault (a sentence). A caller's mistake is none."""
        if self.verdict().outcome is not Outcome.PENDING:
            return
        if fault:
            self._fail(f"A live request failed: {fault}")
            return
        self._requests += 1
        self._times.append(milliseconds)
        self._judge_time(LEAST_TIMES)

    def passes(self, seconds: float) -> None:
        """So long, in all, has it served in this process."""
        if self.verdict().outcome is Outcome.PENDING:
            self._seconds = max(self._seconds, seconds)

    def fault(self, cause: str) -> None:
        """Something else went wrong that is the model's fault, as a sentence."""
        self._fail(cause)

    @property
    def p95_ms(self) -> float | None:
        """The 95th percentile (nearest rank) of the kept times in milliseconds, None before there are any."""
        ordered = sorted(self._times)
        return ordered[-(-95 * len(ordered) // 100) - 1] if ordered else None

    def verdict(self) -> Verdict:
        """How it stands."""
        if self._cause:
            return Verdict(Outcome.FAILED, self._cause, self._evidence())
        shown = self._requests >= self.rules.requests or self._seconds >= self.rules.seconds
        if self._golden is None or not shown:
            return Verdict(Outcome.PENDING, "", self._evidence())
        self._judge_time(1)  # few requests came: what there is must do
        outcome = Outcome.FAILED if self._cause else Outcome.PASSED
        return Verdict(outcome, self._cause, self._evidence())

    def _judge_time(self, least: int) -> None:
        most, p95 = self.rules.p95_ms, self.p95_ms
        if most is not None and p95 is not None and len(self._times) >= least and p95 > most:
            self._fail(f"95 % of answers take up to {p95:.1f} ms, and the budget is {most:.1f} ms.")

    def _fail(self, cause: str) -> None:
        self._cause = self._cause or cause

    def _evidence(self) -> Json:
        golden = None if self._golden is None else {"passed": self._golden[0], "of": self._golden[1]}
        p95 = self.p95_ms
        return {
            "golden": golden,
            "p95_ms": None if p95 is None else round(p95, 3),
            "memory_mb": round(self._memory, 1),
            "requests": self._requests,
            "seconds": round(self._seconds, 1),
            "boots": self._boots,
        }
