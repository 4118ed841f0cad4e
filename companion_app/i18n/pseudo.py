"""A made-up language: English with accents, longer and in brackets.

What shows without brackets was not marked for translation; what is cut has no room for a longer language.
"""

from __future__ import annotations

import gettext
import re

# Each is in Latin-1 or Latin Extended-A, which the app's font has.
_ACCENTED = str.maketrans("ACDEGHIJKLNORSTUWYZacdeghijklnorstuwyz", "ÅČĎÉĞĤÎĴĶĻÑÖŘŠŤÛŴÝŽåčďéğĥîĵķļñöřšťûŵýž")
# What stays: places for values, and the marks of a layout.
_KEPT = re.compile(r"(\{[^{}]*\}|\n)")
# German and Spanish take up to 40 % more than English (W3C, Text size in translation).
LONGER = 0.4


def pseudo(text: str) -> str:
    """A text in the made-up language, about 40 % longer."""
    if not text:
        return ""
    said = "".join(part if place % 2 else part.translate(_ACCENTED) for place, part in enumerate(_KEPT.split(text)))
    words = max(1, round(len(text) * LONGER / 5))
    return f"[{said} {' '.join(['øøøø'] * words)}]"


class Pseudo(gettext.NullTranslations):
    """Stands where a catalogue does."""

    def gettext(self, message: str) -> str:
        """The text in the made-up language."""
        return pseudo(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """By the rule of English."""
        return pseudo(msgid1 if n == 1 else msgid2)
