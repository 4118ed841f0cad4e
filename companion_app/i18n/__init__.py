"""Words of the app in the person's language; imports no Kivy, so that `state` may use it.

English is the key: `tr("Pair a device")`. A language that lacks a text shows it in English.
"""

from __future__ import annotations

import gettext
from pathlib import Path

from companion_app.i18n import figures
from companion_app.i18n.languages import ENGLISH, PSEUDO, RIGHT_TO_LEFT
from companion_app.i18n.pseudo import Pseudo

CATALOGUES = Path(__file__).with_name("locales")
DOMAIN = "companion"

_words: gettext.NullTranslations = gettext.NullTranslations()
_language = ENGLISH
_format = figures.Figures().format


def use(language: str) -> None:
    """Speak this language from now on (a code of `languages`); what is on screen has to be built again."""
    global _words, _language
    _language = language
    figures.use(language)
    _words = Pseudo() if language == PSEUDO else gettext.translation(DOMAIN, CATALOGUES, [language], fallback=True)


def language() -> str:
    """The code of the language in use."""
    return _language


def right_to_left() -> bool:
    """Whether the language in use is written from the right, so that layouts begin there too."""
    return _language in RIGHT_TO_LEFT


def N_(text: str) -> str:
    """Marks a text for the catalogues where it is made before the language is known; `tr` it where it is shown."""
    return text


def tr(text: str, **values: object) -> str:
    """The text in the language in use; `{name}` in it stands for one of `values`, numbers as it writes them."""
    # gettext answers an empty text with the header of the catalogue.
    said = _words.gettext(text) if text else ""
    return _format(said, **values) if values else said


def ntr(one: str, many: str, number: int, **values: object) -> str:
    """As `tr`, by the plural rule of the language; `{number}` in either text stands for the number."""
    return _format(_words.ngettext(one, many, number), number=number, **values)
