from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer_host.samples import REPO
from trainer_host.errors import TrainerError
from trainer_host.teacher.prices import Discounted, Flat, Price, Unknown, batch_price, money, own_price, price_of
from trainer_host.teacher.protocol import Usage
from trainer_host.teacher.providers import PROVIDERS, Endpoint

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


def listed(provider: str, model: str) -> Price:
    return price_of(replace(PROVIDERS[provider], model=model))


def test_requests_are_priced_one_by_one_and_not_on_summed_tokens() -> None:
    price = listed("anthropic", "claude-sonnet-4-5")
    one = price.cost(Usage(300, 150))
    summed = price.cost(Usage(300 * 1000, 150 * 1000))
    assert one is not None
    assert one * 1000 == Decimal("3.15")
    assert summed == Decimal("5.175")


def test_cached_tokens_have_prices_of_their_own() -> None:
    # claude-haiku-4-5: 1.00 in, 5.00 out, 0.10 read from the cache, 1.25 written to it, per million tokens.
    price = listed("anthropic", "claude-haiku-4-5")
    million = Decimal(1_000_000)
    assert price.cost(Usage(1000, 0)) == 1000 / million
    assert price.cost(Usage(1000, 0, cache_read=1000)) == 100 / million
    assert price.cost(Usage(1000, 10, cache_read=600, cache_write=300)) == (100 + 60 + 375 + 50) / million


def test_a_server_that_reports_more_cached_tokens_than_tokens_is_taken_at_the_larger_number() -> None:
    price = listed("anthropic", "claude-haiku-4-5")
    assert price.cost(Usage(10, 0, cache_read=1000)) == price.cost(Usage(1000, 0, cache_read=1000))
    assert price.cost(Usage(-5, -5)) == 0


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "mistral", "deepseek", "openrouter"])
def test_the_default_model_of_every_paid_provider_has_a_price(provider: str) -> None:
    price = price_of(PROVIDERS[provider])
    assert price.known
    assert "genai-prices" in price.source
    assert (price.cost(Usage(300, 150)) or 0) > 0


@pytest.mark.parametrize("provider", ["ollama", "vllm", "llama.cpp", "local"])
def test_ones_own_machine_costs_nothing_and_the_price_says_why(provider: str) -> None:
    price = price_of(PROVIDERS[provider])
    assert price.cost(Usage(10**9, 10**9)) == 0
    assert price.source == f"free: {provider} runs on your own machine"


def test_an_unknown_model_has_no_price_and_never_zero() -> None:
    price = listed("openai", "gpt-unheard-of")
    assert not price.known
    assert price.cost(Usage(300, 150)) is None
    assert price.worst(300, 150) is None
    assert price.source == "price unknown: the table has no model 'gpt-unheard-of' of openai"
    assert money(price.cost(Usage(1, 1))) == "price unknown"
    assert Discounted(price, Decimal("0.5")).cost(Usage(1, 1)) is None


def test_a_model_with_prices_for_sound_alone_has_no_price_for_text() -> None:
    assert not listed("openai", "whisper-1").known


def test_a_custom_provider_is_found_by_its_address() -> None:
    groq = Endpoint("mine", "openai", "https://api.groq.com/openai/v1", "llama-3.3-70b-versatile")
    assert price_of(groq).known
    elsewhere = Endpoint("mine", "openai", "https://models.example.org/v1", "llama-3.3-70b-versatile")
    assert not price_of(elsewhere).known


def test_a_persons_own_price_wins_over_the_table() -> None:
    price = price_of(PROVIDERS["openai"], own_price("2, 10"))
    assert price.cost(Usage(1_000_000, 100_000)) == 3
    assert price.source == "your own --price"


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "a,b", "-1,2", "nan,1", "1,inf", "1e9,1", "1;2"])
def test_what_is_no_price_is_one_sentence(text: str) -> None:
    with pytest.raises(TrainerError, match="write --price IN,OUT"):
        own_price(text)


def test_batches_cost_half_at_the_two_providers_that_have_them() -> None:
    for provider in ("openai", "anthropic"):
        price = price_of(PROVIDERS[provider])
        batch = batch_price(PROVIDERS[provider], price)
        assert batch is not None
        assert batch.cost(Usage(300, 150), NOON) == (price.cost(Usage(300, 150), NOON) or 0) / 2
        assert batch.worst(300, 150, NOON) == (price.worst(300, 150, NOON) or 0) / 2
        assert "0.5" in batch.source
    assert batch_price(PROVIDERS["mistral"], Unknown("x")) is None


@given(
    model=st.sampled_from(
        [
            ("openai", "gpt-5-mini"),
            ("openai", "gpt-5"),
            ("anthropic", "claude-sonnet-4-5"),
            ("anthropic", "claude-haiku-4-5"),
            ("deepseek", "deepseek-v4-flash"),  # dearer at some hours
            ("gemini", "gemini-3.8-flash"),  # dearer from 2027 on
            ("gemini", "gemini-2.5-pro"),  # dearer above 200,000 tokens
        ]
    ),
    bound=st.tuples(st.integers(0, 400_000), st.integers(0, 60_000)),
    shares=st.tuples(*[st.floats(0, 1)] * 4),
    start=st.datetimes(datetime(2026, 8, 1), datetime(2027, 1, 3)),
    later=st.floats(0, 48),
)
def test_no_request_within_its_bound_costs_more_than_the_worst_case(
    model: tuple[str, str],
    bound: tuple[int, int],
    shares: tuple[float, float, float, float],
    start: datetime,
    later: float,
) -> None:
    price = listed(*model)
    began = start.replace(tzinfo=UTC)
    read = int(bound[0] * shares[0] * shares[1])
    written = int(bound[0] * shares[0] * (1 - shares[1]) * shares[2])
    usage = Usage(int(bound[0] * shares[0]), int(bound[1] * shares[3]), read, written)
    cost, worst = price.cost(usage, began + timedelta(hours=later)), price.worst(*bound, at=began)
    assert cost is not None and worst is not None
    assert cost <= worst


def test_without_the_extra_a_price_is_unknown_and_the_rest_works() -> None:
    code = (
        "import sys; sys.modules['genai_prices'] = None\n"
        "from trainer_host.teacher.prices import *\n"
        "from trainer_host.teacher.providers import PROVIDERS\n"
        "assert price_of(PROVIDERS['openai']).source == "
        "\"price unknown: genai-prices isn't installed (the extra 'prices')\"\n"
        "assert price_of(PROVIDERS['ollama']).known and price_of(PROVIDERS['openai'], own_price('1,2')).known\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPO, check=True, timeout=60)


def test_prices_are_read_without_a_network_and_imported_when_needed() -> None:
    code = (
        "import socket, sys, threading\n"
        "from trainer_host.teacher import prices\n"
        "from trainer_host.teacher.protocol import Usage\n"
        "from trainer_host.teacher.providers import PROVIDERS\n"
        "assert not {'genai_prices', 'pydantic'} & sys.modules.keys()\n"
        "def refuse(*a, **k): sys.exit('the network was used')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "assert prices.price_of(PROVIDERS['openai']).cost(Usage(1, 1)) > 0\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPO, check=True, timeout=60)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0.00"),
        ("0.000375", "$0.000375"),
        ("0.01310", "$0.0131"),
        ("0.05", "$0.05"),
        ("2", "$2.00"),
        ("1234.567", "$1,234.57"),
        ("-0.5", "-$0.50"),
    ],
)
def test_amounts_show_the_digits_that_count(amount: str, text: str) -> None:
    assert money(Decimal(amount)) == text


def test_a_free_price_is_zero_dollars_and_not_unknown() -> None:
    assert money(Flat(Decimal(0), Decimal(0)).cost(Usage(5, 5))) == "$0.00"
