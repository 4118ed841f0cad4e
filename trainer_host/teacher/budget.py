"""A hard limit of money: the worst case of a request is set aside before it is sent."""

from __future__ import annotations

import asyncio
import functools
import json
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal, DecimalException

from trainer_host.errors import BudgetReached, TrainerError
from trainer_host.teacher.prices import ZERO, Price, money
from trainer_host.teacher.protocol import Request, Usage

# A chat template's own tokens: roles, separators, the turn that begins the answer.
_PER_MESSAGE = 16
# What providers add to the prompt of a request that must follow a schema, besides the schema.
_PER_SCHEMA = 512
# Tokens of one picture at most: Anthropic's largest is 4,784, Gemini's tiles give 4,128, OpenAI's patches 3,779.
_PER_IMAGE = 6_000
# gpt-4o-mini counts 2,833 and 5,667 for each of at most eight tiles, so that a picture costs what it does on gpt-4o.
_PER_IMAGE_BY_MODEL = {"gpt-4o-mini": 48_169}
# More than any job costs; catches a budget in the wrong unit.
_LARGEST = Decimal(1_000_000)
# Amounts set aside are rounded up to this, so that sums and differences of them are exact.
_GRAIN = Decimal("1e-12")


def prompt_bound(request: Request, model: str = "") -> int:
    """At most how many tokens a request's prompt has.

    A token of text is at least one byte. Pictures, the chat template and the schema have bounds of their own,
    above what the providers' documents name.
    """
    bound = _bytes(request.system)
    pictures = 0
    for message in request.messages:
        bound += _bytes(message.text)
        pictures += len(message.images)
    per_picture = _PER_IMAGE
    if pictures:
        per_picture = next((tokens for name, tokens in _PER_IMAGE_BY_MODEL.items() if name in model), _PER_IMAGE)
    bound += _PER_MESSAGE * (len(request.messages) + 2) + pictures * per_picture
    if request.schema is not None:
        bound += _PER_SCHEMA + _indented(json.dumps(request.schema))
    return bound


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


@functools.lru_cache(maxsize=64)  # a job has a schema per task, and writes it for each request
def _indented(schema: str) -> int:
    """How many bytes a schema has as the longest form that a provider may write it in."""
    return len(json.dumps(json.loads(schema), indent=1).encode())


def checked_limit(value: Decimal | float | str) -> Decimal:
    """`--budget`, in US dollars; raises `TrainerError` for what is no amount above zero."""
    try:
        limit = Decimal(str(value).strip().removeprefix("$"))
    except DecimalException:
        limit = ZERO
    if not limit.is_finite() or not 0 < limit <= _LARGEST:
        raise TrainerError(
            f"'{str(value)[:40]}' can't be a budget; give an amount in US dollars above zero, as in --budget 2.00."
        )
    return limit


@dataclass(frozen=True, eq=False)
class Reservation:
    """Money set aside for one request, in US dollars; None where the price isn't known.

    bound: the worst case by price and tokens. worst: what is set aside, which is more on a server that was seen
    to bill more than the bound.
    """

    price: Price = field(repr=False)
    bound: Decimal | None
    worst: Decimal | None


class Budget:
    """What a job may spend, has spent and has set aside, in US dollars.

    Spent and set aside together never pass the limit, provided that a server bills no more than `prompt_bound`
    and the request's `max_tokens`. Where one does (`overruns`), that much more is set aside for later requests.
    One budget belongs to one event loop.
    """

    def __init__(
        self,
        limit: Decimal | None,
        price: Price,
        model: str = "",
        spent_before: Decimal = ZERO,
        unpriced_before: int = 0,
    ) -> None:
        """limit: None for no limit. spent_before: by the same job, before it was resumed.

        Raises `TrainerError` where the limit is none, or can't be kept because the price isn't known.
        """
        self.limit = None if limit is None else checked_limit(limit)
        self.model = model
        self.spent = spent_before
        self.reserved = ZERO
        self.unpriced = unpriced_before  # requests that were billed an unknown amount
        self.overruns = 0  # requests that were billed more than their bound
        self._price = price
        self._open: set[Reservation] = set()
        self._factor = Decimal(1)
        self._waiting: list[asyncio.Future[None]] = []
        if self.limit is not None:
            self._must_be_known(price)
            if unpriced_before:
                raise TrainerError(
                    f"{unpriced_before} requests of this job were made at an unknown price, so a budget can't be kept; "
                    "leave --budget out, or start a new job with --price IN,OUT."
                )

    @property
    def left(self) -> Decimal | None:
        """What is neither spent nor set aside, None without a limit; never negative."""
        return None if self.limit is None else max(ZERO, self.limit - self.spent - self.reserved)

    def reserve(self, request: Request, price: Price | None = None) -> Reservation:
        """Set aside the worst case of a request; raises `BudgetReached` where that isn't left.

        price: another than the budget's own, as for a batch.
        """
        made = self._worst_case(request, price or self._price)
        if self.limit is not None and made.worst is not None and self.spent + self.reserved + made.worst > self.limit:
            raise self._reached(made.worst)
        return self._take(made)

    async def reserve_soon(self, request: Request, price: Price | None = None) -> Reservation:
        """As `reserve`, but wait while requests under way may still give back what is lacking.

        Those end: every one of them has a deadline.
        """
        while True:
            made = self._worst_case(request, price or self._price)
            if self.limit is None or made.worst is None or self.spent + self.reserved + made.worst <= self.limit:
                return self._take(made)
            if self.spent + made.worst > self.limit or not self._open:
                raise self._reached(made.worst)
            change = asyncio.get_running_loop().create_future()
            self._waiting.append(change)
            try:
                await change
            finally:
                self._waiting = [other for other in self._waiting if other is not change]

    def owe(self, worst: Decimal | None, price: Price) -> Reservation:
        """Set aside for a request that was sent before, as in a batch of a process that ended, even past the limit."""
        return self._take(Reservation(price, worst, worst))

    def settle(self, reservation: Reservation, usage: Usage | None) -> Decimal | None:
        """Replace a reservation by what was billed, and return that; None where the price isn't known.

        usage: None where nobody knows whether the request was billed, as after a broken connection: then the
        worst case counts as spent.
        """
        self._give_back(reservation)
        cost = reservation.worst if usage is None else reservation.price.cost(usage)
        if cost is None:
            self.unpriced += 1
        else:
            self.spent += cost
        if usage is not None and cost is not None and reservation.bound and cost > reservation.bound:
            self.overruns += 1
            self._factor = max(self._factor, cost / reservation.bound)
        self._tell()
        return cost

    def release(self, reservation: Reservation) -> None:
        """Give back a reservation of which nothing was billed: the request was refused, or never sent."""
        self._give_back(reservation)
        self._tell()

    def _worst_case(self, request: Request, price: Price) -> Reservation:
        if self.limit is not None:
            self._must_be_known(price)
        bound = price.worst(prompt_bound(request, self.model), request.max_tokens)
        worst = None if bound is None else (bound * self._factor).quantize(_GRAIN, ROUND_CEILING)
        return Reservation(price, bound, worst)

    def _take(self, made: Reservation) -> Reservation:
        self._open.add(made)
        self.reserved += made.worst or ZERO
        return made

    def _give_back(self, reservation: Reservation) -> None:
        if reservation not in self._open:
            raise ValueError("a reservation is settled or released once")
        self._open.remove(reservation)
        self.reserved -= reservation.worst or ZERO

    def _tell(self) -> None:
        for change in self._waiting:
            if not change.done():
                change.set_result(None)

    def _must_be_known(self, price: Price) -> None:
        if not price.known:
            raise TrainerError(
                f"A budget needs the price of {self.model or 'the model'} ({price.source}); "
                "say it with --price IN,OUT in dollars per million tokens, or leave --budget out."
            )

    def _reached(self, needed: Decimal) -> BudgetReached:
        aside = f", {money(self.reserved)} are set aside for requests under way" if self.reserved else ""
        return BudgetReached(
            f"The budget of {money(self.limit)} is reached: {money(self.spent)} are spent{aside}, {money(self.left)} "
            f"are left, and the next request may cost {money(needed)}; what was answered is kept, so raise --budget "
            "and go on with --resume."
        )
