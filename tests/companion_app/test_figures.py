"""Figures as people of each language write them; Babel's copy of the CLDR says how."""

from __future__ import annotations

from datetime import datetime

import pytest
from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal

from companion_app import i18n
from companion_app.i18n import figures
from companion_app.i18n.languages import LANGUAGES
from companion_app.state import checks
from companion_app.state.curves import shortly
from companion_app.state.describe import human_bytes
from companion_app.state.host import TeachForm
from companion_app.state.teaching import money, percent

MOMENTS = [datetime(2026, month, 28 - month, (month * 5) % 24, month) for month in range(1, 13)] + [
    datetime(2027, 1, 1)
]


def wide(text: str) -> str:
    """With a space that the app's font has."""
    return text.replace("\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_and_times_are_written_as_the_cldr_says(language: str) -> None:
    i18n.use(language)
    for value in (0, 7, 12.5, -0.25, 999, 12345, 1234567.891, -98765.4):
        places = len(str(value).partition(".")[2])
        # A minus is typed as a hyphen: fonts and screen readers know it.
        expected = format_decimal(value, locale=language, numbering_system="default").replace("\u200e", "")
        assert figures.number(value, f",.{places}f") == expected
    known = Locale(language)
    joined = known.datetime_formats["medium"].replace("{1}", known.date_formats["medium"].pattern)
    joined = joined.replace("{0}", known.time_formats["short"].pattern)
    for moment in MOMENTS:
        assert figures.day(moment) == format_date(moment, "medium", locale=language)
        assert figures.clock(moment) == wide(format_time(moment, "short", locale=language))
        assert figures.clock(moment, seconds=True) == wide(format_time(moment, "medium", locale=language))
        assert figures.day_and_clock(moment) == wide(format_datetime(moment, joined, locale=language))


def test_sentences_sizes_and_axes_have_the_signs_of_the_language() -> None:
    i18n.use("de")
    assert human_bytes(1_234_567) == "1,2 MB"
    assert shortly(0.1234567) == "0,1235" and shortly(12_500) == "12,5k"
    assert money(1234.5) == "$1.234,50" and percent(0.5) == "50 %"
    assert i18n.tr("{value:.2f} of {name}", value=1.5, name="1.5") == "1,50 of 1.5", "only numbers are written anew"
    assert figures.day_of("2026-11-07T09:00:00Z") == "07.11.2026" and figures.day_of("soon") == "soon"
    i18n.use("es")
    assert figures.number(1234) == "1234" and figures.number(12345) == "12.345"
    i18n.use("en")
    assert human_bytes(1_234_567) == "1.2 MB" and figures.number(1234) == "1,234"


def test_an_amount_may_be_typed_as_the_language_writes_it() -> None:
    from companion_app.services.host_wire import order_body
    from companion_app.state.host import Order

    i18n.use("de")
    assert not checks.budget_problem("2,50") and not checks.budget_problem("2.50")
    assert "2,00" in checks.budget_problem("2,5,0")
    order = Order((), 10, TeachForm().provider)
    assert order_body(order, " 2,50 ")["budget"] == "2.50"
    i18n.use("en")
    assert checks.budget_problem("2,50")


def test_a_refusal_has_a_headline_in_the_language_for_every_code_there_is() -> None:
    from companion_app.services.said import _HEADLINES, refusal
    from edge_runtime import errors
    from trainer_host.server import errors as host

    kinds = [kind for module in (errors, host) for kind in vars(module).values() if isinstance(kind, type)]
    codes = {kind.code for kind in kinds if issubclass(kind, errors.EdgeError)}
    assert codes <= set(_HEADLINES)
    assert refusal("forbidden", "Its role is viewer.") == "Its role is viewer."
    i18n.use("de")
    for code in (*codes, "of a newer version"):
        said = refusal(code, "Its role is viewer.")
        assert said.endswith("Its role is viewer.") and not said.startswith("Its")
