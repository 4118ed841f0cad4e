"""What a job will need, before it begins: requests, tokens and money, each with a range.

With a sample (a few examples really asked for): a figure per request is the sample's mean m. Its range covers 90 %:
m times the requests, plus or minus t * s * sqrt(N*N/n + N), where s is the standard deviation of the n sampled
requests, N the requests to come and t Student's 95th percentile for n - 1 degrees of freedom: the first term is
what the sample may be off, the second what the job itself will scatter. How many requests an accepted example takes
follows from the sample's yield and repairs, whose ranges are Wilson's intervals (Wilson 1927), both terms included.
All are applied to the same side at once, so the range errs on the wide side. A single request has no deviation: half
its own figure is taken.

Without a sample nothing is asked: prompts are drawn and their bytes counted, and answers lie somewhere below the
task's `max_tokens`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from trainer_host.errors import TrainerError
from trainer_host.teacher.budget import prompt_bound
from trainer_host.teacher.prices import Price, money
from trainer_host.teacher.protocol import Request, Usage

# Student's t, one-sided 95 %, for 1 to 30 degrees of freedom; beyond that the normal distribution's value.
_T95 = (
    6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812,
    1.796, 1.782, 1.771, 1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725,
    1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699, 1.697,
)  # fmt: skip
_Z95 = 1.645
_ZERO = Decimal(0)
_GRAIN = Decimal("1e-9")  # of a dollar, in `--json`
# Bytes per token. Llama 2's vocabulary of 32,000 gives 3.2 for our prompts, schemas and docs, 3.8 for German, 2.1 for
# Chinese; larger vocabularies, as today's models have, need fewer tokens.
_BYTES_PER_TOKEN = 3.8
_FEWEST_BYTES, _MOST_BYTES = 2.0, 5.0
# Tokens of a picture: 85 at a low resolution, some 800 for 768 x 768 pixels; the most is in `prompt_bound`.
_FEWEST_PER_IMAGE, _PER_IMAGE = 85, 800
# Which share of `max_tokens` an answer takes, when nobody has asked: tasks leave room for their longest.
_LEAST_ANSWERED, _ANSWERED = 0.05, 0.35


@dataclass(frozen=True)
class Range:
    """A figure that is likely, and what it lies between: in nine of ten jobs where a sample was asked for."""

    likely: Decimal
    low: Decimal
    high: Decimal

    def __add__(self, other: Range) -> Range:
        """Of two tasks; as if both were off to the same side."""
        return Range(self.likely + other.likely, self.low + other.low, self.high + other.high)

    def __mul__(self, other: Range) -> Range:
        """Of two figures that are off to the same side."""
        return Range(self.likely * other.likely, self.low * other.low, self.high * other.high)


@dataclass(frozen=True)
class Yield:
    """What became of the sample: draws that were begun, examples accepted, answers sent back for a repair."""

    drawn: int
    accepted: int
    repaired: int = 0


@dataclass(frozen=True)
class Estimate:
    """Of one task, or of several summed up.

    basis: what it rests on, for a person. examples: wanted. repaired, rejected: None where no sample tells.
    cost, batch_cost: US dollars, None where the price isn't known, and where there is no batch API.
    """

    basis: str
    examples: int
    requests: Range
    input_tokens: Range
    output_tokens: Range
    cost: Range | None
    batch_cost: Range | None
    repaired: Range | None
    rejected: Range | None
    price_source: str

    def sentences(self) -> list[str]:
        """As `--estimate` prints it."""
        said = [
            f"≈ {_count(self.requests.likely)} requests for {self.examples} examples ({_span(self.requests)}), "
            f"{_count(self.input_tokens.likely)} tokens in ({_span(self.input_tokens)}), "
            f"{_count(self.output_tokens.likely)} out ({_span(self.output_tokens)})."
        ]
        if self.repaired is not None and self.rejected is not None:
            said.append(
                f"≈ {_count(self.repaired.likely)} repairs ({_span(self.repaired)}) and "
                f"{_count(self.rejected.likely)} rejections ({_span(self.rejected)}) among them."
            )
        if self.cost is None:
            said.append(f"The cost can't be told: {self.price_source}; say it with --price IN,OUT.")
        else:
            said.append(f"≈ {_amount(self.cost)}, {self.price_source}.")
            if self.batch_cost is not None and self.batch_cost.likely:
                said.append(f"≈ {_amount(self.batch_cost)} with --batch, answered within 24 hours.")
        said.append(f"From {self.basis}.")
        return said

    def plain(self) -> dict[str, object]:
        """For `--json`; amounts as strings."""
        counts = {
            "requests": self.requests,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "repaired": self.repaired,
            "rejected": self.rejected,
        }
        amounts = {"cost_usd": self.cost, "batch_cost_usd": self.batch_cost}
        made: dict[str, object] = {"basis": self.basis, "examples": self.examples, "price": self.price_source}
        for name, value in counts.items():
            made[name] = _each(value, lambda figure: int(figure.to_integral_value()))
        for name, value in amounts.items():
            made[name] = _each(value, lambda figure: str(figure.quantize(_GRAIN)))
        return made


def estimate(
    samples: Sequence[tuple[Request, Usage | None]],
    count: int,
    price: Price,
    *,
    batch: Price | None = None,
    outcome: Yield | None = None,
    model: str = "",
    at: datetime | None = None,
) -> Estimate:
    """Estimate a task of `count` accepted examples.

    samples: all requests that the sample's draws made, repairs and judgements included, each with what was billed,
    or with None where it wasn't asked: if that is so for all, bytes are counted instead. outcome: what became of
    the draws; where nothing was asked, `drawn` alone counts. None: every sample is one draw, and was accepted.
    batch: the price in a batch. Raises `TrainerError` for no samples or a count below 1.
    """
    if count < 1 or not samples:
        raise TrainerError("An estimate needs at least one example and one drawn prompt.")
    asked = [usage for _, usage in samples if usage is not None]
    when = at or datetime.now(UTC)
    outcome = outcome or Yield(len(samples), len(samples))
    if not asked:
        return _unasked([request for request, _ in samples], outcome.drawn, count, price, batch, model, when)
    share = _share(outcome.accepted, outcome.drawn, count)
    draws = Range(count / share.likely, count / share.high, count / share.low)
    repairs = _share(outcome.repaired, outcome.drawn, count, none=_ZERO)
    once = Decimal(len(samples)) / max(1, outcome.drawn + outcome.repaired)  # requests per draw and per repair
    requests = draws * Range(*(once * (1 + part) for part in (repairs.likely, repairs.low, repairs.high)))
    many = math.ceil(requests.likely)

    def of(values: Iterable[float | Decimal]) -> Range:
        return _total([Decimal(value) for value in values], many, requests)

    def priced(one: Price | None) -> Range | None:
        costs = [one.cost(usage, when) for usage in asked] if one is not None else [None]
        return None if None in costs else of(cost for cost in costs if cost is not None)

    return Estimate(
        f"{len(asked)} requests of a sample: {outcome.accepted} of {outcome.drawn} draws were accepted",
        count,
        requests,
        of(usage.input for usage in asked),
        of(usage.output for usage in asked),
        priced(price),
        priced(batch),
        draws * repairs,
        Range(draws.likely - count, draws.low - count, draws.high - count),
        price.source,
    )


def summed(estimates: Sequence[Estimate]) -> Estimate:
    """Of several tasks together. An unknown cost of one makes the whole unknown. Raises `ValueError` for none."""
    first, *others = estimates
    for other in others:
        first = Estimate(
            first.basis if first.basis == other.basis else f"{len(estimates)} tasks' own samples",
            first.examples + other.examples,
            first.requests + other.requests,
            first.input_tokens + other.input_tokens,
            first.output_tokens + other.output_tokens,
            _both(first.cost, other.cost),
            _both(first.batch_cost, other.batch_cost),
            _both(first.repaired, other.repaired),
            _both(first.rejected, other.rejected),
            first.price_source if first.cost is None else other.price_source,
        )
    return first


def _unasked(
    prompts: Sequence[Request],
    drawn: int,
    count: int,
    price: Price,
    batch: Price | None,
    model: str,
    when: datetime,
) -> Estimate:
    scale = Decimal(count) / max(1, drawn)
    requests = scale * len(prompts)
    low, likely, high = (
        [_guess(request, model, *shares) for request in prompts]
        for shares in (
            (_MOST_BYTES, _FEWEST_PER_IMAGE, _LEAST_ANSWERED),
            (_BYTES_PER_TOKEN, _PER_IMAGE, _ANSWERED),
            (_FEWEST_BYTES, None, 1.0),
        )
    )

    def of(field: str) -> Range:
        return Range(*(scale * sum(getattr(usage, field) for usage in case) for case in (likely, low, high)))

    def priced(one: Price | None) -> Range | None:
        if one is None or not one.known:
            return None
        sums = [sum((one.cost(usage, when) or _ZERO for usage in case), _ZERO) for case in (likely, low, high)]
        return Range(*(scale * amount for amount in sums))

    return Estimate(
        f"{drawn} drawn prompts, nothing was asked: how long answers are and how many pass isn't known",
        count,
        Range(requests, requests, requests),
        of("input"),
        of("output"),
        priced(price),
        priced(batch),
        None,
        None,
        price.source,
    )


def _guess(request: Request, model: str, bytes_per_token: float, per_image: int | None, answered: float) -> Usage:
    texts = [request.system, *(message.text for message in request.messages)]
    if request.schema is not None:
        texts.append(json.dumps(request.schema))
    tokens = math.ceil(sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / bytes_per_token)
    images = sum(len(message.images) for message in request.messages)
    if images:
        tokens = prompt_bound(request, model) if per_image is None else tokens + images * per_image
    return Usage(tokens, math.ceil(request.max_tokens * answered))


def _total(values: Sequence[Decimal], many: int, requests: Range) -> Range:
    """The sum over the job's requests; see the module's first lines. many: the requests that are likely."""
    size = len(values)
    mean = sum(values, _ZERO) / size
    if size == 1:
        per_request = mean / 2
    else:
        deviation = math.sqrt(sum(float(value - mean) ** 2 for value in values) / (size - 1))
        student = _T95[size - 2] if size - 2 < len(_T95) else _Z95
        per_request = Decimal(student * deviation * math.sqrt(1 / size + 1 / many))
    low = max(mean - per_request, min(values))
    return Range(mean * requests.likely, low * requests.low, (mean + per_request) * requests.high)


def _share(hits: int, of: int, count: int, none: Decimal | None = None) -> Range:
    """A share with Wilson's 90 % interval, for a job of `count` that scatters by itself.

    none: what is likely where the sample has no hit; by default one in two more draws (Laplace).
    """
    size = 1 / (1 / max(1, of) + 1 / count)  # as `_total` does it: both variances, of the sample and of the job
    share = hits / max(1, of)
    centre = share + _Z95**2 / (2 * size)
    half = _Z95 * math.sqrt(share * (1 - share) / size + _Z95**2 / (4 * size * size))
    scale = 1 + _Z95**2 / size
    likely = Decimal(share)
    if not hits:
        likely = none if none is not None else Decimal(1) / (of + 2)
    low, high = Decimal(max(0.0, (centre - half) / scale)), Decimal(min(1.0, (centre + half) / scale))
    if none is None:  # a yield is divided by
        low = max(low, Decimal(1) / (10 * max(1, of)))
    return Range(likely, min(likely, low), max(likely, high))


def _each(value: Range | None, shown: Callable[[Decimal], object]) -> dict[str, object] | None:
    if value is None:
        return None
    return {"likely": shown(value.likely), "low": shown(value.low), "high": shown(value.high)}


def _both(first: Range | None, second: Range | None) -> Range | None:
    return None if first is None or second is None else first + second


def _count(value: Decimal) -> str:
    return f"{int(value.to_integral_value()):,}"


def _span(value: Range) -> str:
    return f"{_count(value.low)} to {_count(value.high)}"


def _amount(value: Range) -> str:
    return f"{money(value.likely)} ({money(value.low)} to {money(value.high)})"
