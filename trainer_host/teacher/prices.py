"""What one request costs, in US dollars: from the table of genai-prices, from the person, or unknown; never a guess.

Requests are priced one by one. Some models cost more above a number of prompt tokens *of one request*: 1,000
requests of 300 tokens in and 150 out on claude-sonnet-4-5 are $3.15; their summed tokens would be $5.175.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, DecimalException
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from trainer_host.errors import TrainerError
from trainer_host.teacher.protocol import Usage
from trainer_host.teacher.providers import Endpoint

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice
    from genai_prices.types import Provider as TableProvider

ZERO = Decimal(0)
_MILLION = Decimal(1_000_000)
# Servers on one's own machine: what they cost is power.
FREE = frozenset({"ollama", "vllm", "llama.cpp", "local"})
# What a request in a batch costs of what it costs alone, on input, output and cached tokens. Both providers publish
# half price for batches answered within 24 hours; genai-prices has no tier for it.
BATCH_DISCOUNT = {"openai": Decimal("0.5"), "anthropic": Decimal("0.5")}
# Our names of providers in the table; those of others are found by their address.
_IN_TABLE = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "openrouter": "openrouter",
}
# Some models cost more at some hours, or from a day on. A batch is answered within 24 hours, and a day begins at
# midnight: whatever a request can still be billed by lies within three days.
_AHEAD_DAYS = 3
_STEP = timedelta(minutes=30)  # the table's times of day are whole hours or halves
_INPUT_RATES = ("input_mtok", "cache_write_mtok", "cache_read_mtok", "input_image_mtok")
_OUTPUT_RATES = ("output_mtok", "output_reasoning_mtok", "output_citation_mtok")
# Dearer than any model of the table by far; a typing error in `--price` shows at once.
_DEAREST = Decimal(10_000)


class Price(Protocol):
    """The price of a model's requests. source: where it is from, in words, for reports.

    `cost` and `worst` return US dollars, both None where the price isn't known.
    """

    @property
    def source(self) -> str:
        """Where the price is from."""

    @property
    def known(self) -> bool:
        """False where every price is None."""

    def cost(self, usage: Usage, at: datetime | None = None) -> Decimal | None:
        """One request, as it was billed. at: when; None is this moment."""

    def worst(self, input_tokens: int, output_tokens: int, at: datetime | None = None) -> Decimal | None:
        """At most what one request of at most so many tokens costs, whether it writes a cache or not."""


@dataclass(frozen=True)
class Unknown:
    """No price. why: a part of a sentence."""

    why: str

    @property
    def source(self) -> str:
        """See `Price`."""
        return f"price unknown: {self.why}"

    @property
    def known(self) -> bool:
        """See `Price`."""
        return False

    def cost(self, usage: Usage, at: datetime | None = None) -> Decimal | None:
        """See `Price`."""
        return None

    def worst(self, input_tokens: int, output_tokens: int, at: datetime | None = None) -> Decimal | None:
        """See `Price`."""
        return None


@dataclass(frozen=True)
class Flat:
    """So many dollars per million tokens; tokens of a provider's cache count as any others of the prompt."""

    input: Decimal
    output: Decimal
    source: str = "your own --price"

    @property
    def known(self) -> bool:
        """See `Price`."""
        return True

    def cost(self, usage: Usage, at: datetime | None = None) -> Decimal | None:
        """See `Price`."""
        return (self.input * _prompt(usage) + self.output * max(0, usage.output)) / _MILLION

    def worst(self, input_tokens: int, output_tokens: int, at: datetime | None = None) -> Decimal | None:
        """See `Price`."""
        return (self.input * input_tokens + self.output * output_tokens) / _MILLION


@dataclass(frozen=True)
class Listed:
    """A model of genai-prices' table, as installed: nothing is looked up over the network."""

    source: str
    _provider: TableProvider = field(repr=False)
    _model: ModelInfo = field(repr=False)

    @property
    def known(self) -> bool:
        """See `Price`."""
        return True

    def cost(self, usage: Usage, at: datetime | None = None) -> Decimal | None:
        """See `Price`."""
        from genai_prices import Usage as TableUsage

        counted = TableUsage(
            input_tokens=_prompt(usage),
            output_tokens=max(0, usage.output),
            cache_read_tokens=max(0, usage.cache_read),
            cache_write_tokens=max(0, usage.cache_write),
        )
        priced = self._model.calc_price(counted, self._provider, genai_request_timestamp=at)
        return priced.total_price

    def worst(self, input_tokens: int, output_tokens: int, at: datetime | None = None) -> Decimal | None:
        """See `Price`."""
        return max(
            _dearest(price, input_tokens, output_tokens)
            for price in _ahead(_ById(self._model), (at or datetime.now(UTC)).astimezone(UTC).date().toordinal())
        )


@dataclass(frozen=True)
class Discounted:
    """A share of another price."""

    price: Price
    share: Decimal

    @property
    def source(self) -> str:
        """See `Price`."""
        return f"{self.price.source}, times {self.share} for a batch"

    @property
    def known(self) -> bool:
        """See `Price`."""
        return self.price.known

    def cost(self, usage: Usage, at: datetime | None = None) -> Decimal | None:
        """See `Price`."""
        return _times(self.price.cost(usage, at), self.share)

    def worst(self, input_tokens: int, output_tokens: int, at: datetime | None = None) -> Decimal | None:
        """See `Price`."""
        return _times(self.price.worst(input_tokens, output_tokens, at), self.share)


def price_of(endpoint: Endpoint, own: Flat | None = None) -> Price:
    """The price of an endpoint's model. own: what the person says, which wins over the table."""
    if own is not None:
        return own
    if endpoint.provider in FREE:
        return Flat(ZERO, ZERO, f"free: {endpoint.provider} runs on your own machine")
    try:
        return _listed(endpoint)
    except ModuleNotFoundError as missing:
        if missing.name != "genai_prices":
            raise
        return Unknown("genai-prices isn't installed (the extra 'prices')")
    except LookupError:
        return Unknown(f"the table has no model '{endpoint.model[:80]}' of {endpoint.provider}")


def batch_price(endpoint: Endpoint, price: Price) -> Price | None:
    """The price of the same request in a batch; None for providers without a batch API."""
    share = BATCH_DISCOUNT.get(endpoint.provider)
    return None if share is None else Discounted(price, share)


def own_price(text: str) -> Flat:
    """`--price IN,OUT`, US dollars per million tokens of prompt and answer; raises `TrainerError`."""
    parts = text.split(",")
    try:
        made = [Decimal(part.strip()) for part in parts]
    except DecimalException:
        made = []
    if len(made) != 2 or not all(rate.is_finite() and 0 <= rate <= _DEAREST for rate in made):
        raise TrainerError(
            f"'{text[:40]}' isn't a price; write --price IN,OUT in dollars per million tokens, as in --price 0.25,2."
        )
    return Flat(made[0], made[1])


def money(amount: Decimal | None) -> str:
    """An amount for a person: cents, and more digits where it is small; "price unknown" for None."""
    if amount is None:
        return "price unknown"
    size = abs(amount)
    if size == 0 or size >= 10:
        digits = 2
    else:  # three digits that count, as in $0.000375
        digits = min(12, max(2, 2 - size.adjusted()))
    text = f"{size:,.{digits}f}"
    if digits > 2:
        whole, _, rest = text.partition(".")
        text = f"{whole}.{rest.rstrip('0').ljust(2, '0')}"
    return f"{'-' if amount < 0 else ''}${text}"


def _listed(endpoint: Endpoint) -> Listed:
    snapshot, version = _table()
    if known := _IN_TABLE.get(endpoint.provider):
        provider, model = snapshot.find_provider_model(endpoint.model, None, known, None)
    else:
        provider, model = snapshot.find_provider_model(endpoint.model, None, None, endpoint.base_url)
    # Some entries have prices for pictures or seconds only: a text would seem to cost nothing.
    for price in _ahead(_ById(model), datetime.now(UTC).date().toordinal()):
        if price.input_mtok is None or price.output_mtok is None:
            raise LookupError(endpoint.model)
    return Listed(f"genai-prices {version}, {provider.id} {model.id}", provider, model)


@lru_cache(maxsize=1)
def _table() -> tuple[DataSnapshot, str]:
    """The table inside the package. Not the package's current one: a program may have set that to update itself."""
    import genai_prices
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    return DataSnapshot(providers=providers, from_auto_update=False), genai_prices.__version__


class _ById:
    """A model of the table as a key: the table's own classes can't be."""

    def __init__(self, model: ModelInfo) -> None:
        self.model = model

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and self.model is other.model

    def __hash__(self) -> int:
        return id(self.model)


@lru_cache(maxsize=64)
def _ahead(key: _ById, day: int) -> tuple[ModelPrice, ...]:
    """All prices that the model has from this day's midnight on, for `_AHEAD_DAYS`. day: proleptic ordinal, UTC."""
    start = datetime.combine(datetime.fromordinal(day), time(), UTC)
    found: dict[int, ModelPrice] = {}
    for step in range(int(timedelta(days=_AHEAD_DAYS) / _STEP)):
        price = key.model.get_prices(start + step * _STEP)
        found[id(price)] = price
    return tuple(found.values())


def _dearest(price: ModelPrice, input_tokens: int, output_tokens: int) -> Decimal:
    """All of the prompt at the dearest rate of a prompt's tokens, all of the answer likewise."""
    into = max(_rate(price, name, input_tokens) for name in _INPUT_RATES)
    out = max(_rate(price, name, input_tokens) for name in _OUTPUT_RATES)
    requests = _rate(price, "requests_kcount", input_tokens) / 1000
    return (into * input_tokens + out * output_tokens) / _MILLION + requests


def _rate(price: ModelPrice, name: str, input_tokens: int) -> Decimal:
    from genai_prices.types import TieredPrices

    value = getattr(price, name)
    if isinstance(value, TieredPrices):
        return max([value.base, *(tier.price for tier in value.tiers if input_tokens > tier.start)])
    return ZERO if value is None else value


def _prompt(usage: Usage) -> int:
    """The prompt's tokens; a server that reports more cached tokens than tokens is taken at the larger number."""
    return max(0, usage.input, max(0, usage.cache_read) + max(0, usage.cache_write))


def _times(amount: Decimal | None, share: Decimal) -> Decimal | None:
    return None if amount is None else amount * share
