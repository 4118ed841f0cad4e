"""Words of the app in the person's language; imports no Kivy, so that `state` may use it.

English is the key: `tr("Pair a device")`. A language that lacks a text shows it in English.
"""

from __future__ import annotations

import gettext
from pathlib import Path

CATALOGUES = Path(__file__).with_name("locales")
DOMAIN = "companion"
ENGLISH = "en"

_words: gettext.NullTranslations = gettext.NullTranslations()


def use(language: str) -> None:
    """Speak this language from now on (an ISO 639-1 code); what is on screen has to be built again."""
    global _words
    _words = gettext.translation(DOMAIN, CATALOGUES, [language], fallback=True)


def tr(text: str, **values: object) -> str:
    """The text in the language in use; `{name}` in it stands for one of `values`."""
    said = _words.gettext(text)
    return said.format(**values) if values else said


def ntr(one: str, many: str, number: int, **values: object) -> str:
    """As `tr`, by the plural rule of the language; `{number}` in either text stands for the number."""
    return _words.ngettext(one, many, number).format(number=number, **values)
