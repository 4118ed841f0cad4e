"""The learning rate over a training, and how many steps a budget of seconds allows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainer_host.errors import DataError

# What one core of a small board's or laptop's processor does on a decoder's training, in multiply-adds a second. A
# budget is planned by it and never by a clock: the result must not depend on how fast the machine is.
PLANNED_RATE = 8e9
FEWEST_STEPS = 20  # with fewer, not even the warm-up ends


@dataclass(frozen=True)
class Schedule:
    """cosine: down along half a wave (arXiv 1608.03983). wsd: warm up, stay, decay in the last part (arXiv 2404.06395).

    warmup and cooldown: shares of all steps. floor: of the highest rate, where it ends.
    """

    kind: str = "cosine"
    warmup: float = 0.05
    cooldown: float = 0.2
    floor: float = 0.1

    def __post_init__(self) -> None:
        if self.kind not in ("cosine", "wsd"):
            raise DataError(f"There is no schedule '{self.kind[:40]}'; there are cosine and wsd.")
        if not (0 <= self.warmup < 1 and 0 <= self.cooldown <= 1 and 0 <= self.floor <= 1):
            raise DataError("The schedule's warm-up, cool-down and floor are shares from 0 to 1; change them.")

    def factor(self, step: int, steps: int) -> float:
        """Of the highest rate, in step `step` (0-based) of `steps`; never 0, so that every step learns."""
        warm = max(1, round(self.warmup * steps)) if self.warmup else 0
        if step < warm:
            return (step + 1) / warm
        if self.kind == "cosine":
            share = (step - warm) / max(1, steps - warm)
            return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * share)) / 2
        begin = steps - max(1, round(self.cooldown * steps))
        if step < begin:
            return 1.0
        # 1 - sqrt beats a straight line (arXiv 2405.18392).
        share = (step - begin + 1) / (steps - begin + 1)
        return self.floor + (1 - self.floor) * (1 - math.sqrt(share))


def steps_for(
    tokens: int,
    per_step: int,
    parameters: int,
    *,
    epochs: float = 3.0,
    seconds: float | None = None,
    most: int = 20_000,
    besides: int = 0,
) -> int:
    """Steps that show `tokens` tokens `epochs` times, `per_step` places at a time, within a budget.

    A place costs 3 multiply-adds per parameter, forwards and back, and a step `besides` more. Raises `DataError` where the budget allows next
    to nothing.
    """
    wanted = max(FEWEST_STEPS, min(most, math.ceil(epochs * tokens / (per_step * 0.95))))
    if seconds is None:
        return wanted
    cost = (3 * parameters * per_step + besides) / PLANNED_RATE
    allowed = int(seconds / cost)
    if allowed < FEWEST_STEPS:
        raise DataError(
            f"A language model of {parameters / 1e6:.1f} million parameters can't be trained in {seconds:g} seconds; "
            f"allow at least {math.ceil(FEWEST_STEPS * cost)}, or choose a smaller size."
        )
    return min(wanted, allowed)
