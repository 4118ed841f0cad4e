"""Numbers, dates and times as people of a language write them. The table is the Unicode CLDR's (48), for our languages.

A test compares it with Babel's copy of the CLDR. Babel itself would add 36 MB to the app, for four languages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from string import Formatter

from companion_app.i18n.languages import ENGLISH, PSEUDO

# The CLDR has a narrow one, which the app's font lacks.
_SPACE = "\N{NO-BREAK SPACE}"
_MARK = "\N{RIGHT-TO-LEFT MARK}"
_FIGURE = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


@dataclass(frozen=True)
class Locale:
    """How one language writes figures.

    grouped_from: digits of a whole number from which they are grouped. date, time: patterns of `str.format` over day,
    month, year, month_name, hour, hour12, minute and half; halves: of the day. joined: a date and a time.
    """

    decimal: str = "."
    group: str = ","
    grouped_from: int = 4
    date: str = "{month_name} {day}, {year}"
    time: str = "{hour12}:{minute:02}{seconds}" + _SPACE + "{half}"
    joined: str = "{date}, {time}"
    months: tuple[str, ...] = ()
    halves: tuple[str, str] = ("AM", "PM")


_ENGLISH = Locale(months=tuple(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]))
_LOCALES = {
    ENGLISH: _ENGLISH,
    "de": Locale(",", ".", date="{day:02}.{month:02}.{year}", time="{hour:02}:{minute:02}{seconds}"),
    "es": Locale(
        ",",
        ".",
        5,
        date="{day} {month_name} {year}",
        time="{hour}:{minute:02}{seconds}",
        months=tuple(["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic"]),
    ),
    # Arabic's own digits are the default of some of its countries, and not of the language.
    "ar": Locale(
        date="{day:02}" + _MARK + "/{month:02}" + _MARK + "/{year}",
        time="{hour12}:{minute:02}{seconds} {half}",
        joined="{date}، {time}",
        halves=("ص", "م"),
    ),
    PSEUDO: replace(_ENGLISH, date=f"[{_ENGLISH.date}]", time=f"[{_ENGLISH.time}]"),
}

_now = _ENGLISH


def use(language: str) -> None:
    """Write as this language does from now on; one that isn't known as English does."""
    global _now
    _now = _LOCALES.get(language, _ENGLISH)


def number(value: float, spec: str = ",") -> str:
    """A number by a format spec of Python, such as `,.2f`, with the signs of the language in use."""
    return _localised(format(value, spec))


def typed(text: str) -> str:
    """A number that a person typed, with the decimal sign that Python reads."""
    return text.strip().replace(_now.decimal, ".") if _now.decimal != "." else text.strip()


def day(moment: date) -> str:
    """A date, as short as it is clear."""
    name = _now.months[moment.month - 1] if _now.months else ""
    return _now.date.format(day=moment.day, month=moment.month, year=moment.year, month_name=name)


def clock(moment: datetime, *, seconds: bool = False) -> str:
    """The time of the day."""
    return _now.time.format(
        hour=moment.hour,
        hour12=moment.hour % 12 or 12,
        minute=moment.minute,
        seconds=f":{moment.second:02}" if seconds else "",
        half=_now.halves[moment.hour >= 12],
    )


def day_and_clock(moment: datetime) -> str:
    """A date and the time of that day."""
    return _now.joined.format(date=day(moment), time=clock(moment))


def day_of(text: str) -> str:
    """The day that begins a moment in ISO 8601; a text that is none stays as it is."""
    try:
        return day(date.fromisoformat(text[:10]))
    except ValueError:
        return text


class Figures(Formatter):
    """As `str.format`, with numbers as the language writes them."""

    def format_field(self, value: object, spec: str) -> str:
        """One value of a text."""
        figure = isinstance(value, int | float) and not isinstance(value, bool)
        return _localised(format(value, spec)) if figure else format(value, spec)


def _localised(figure: str) -> str:
    return _FIGURE.sub(_signs, figure)


def _signs(found: re.Match[str]) -> str:
    whole, _, rest = found[0].partition(".")
    if sum(sign != "," for sign in whole) < _now.grouped_from:
        whole = whole.replace(",", "")
    return whole.replace(",", _now.group) + (_now.decimal + rest if rest else "")
