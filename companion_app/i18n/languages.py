"""The languages there are catalogues for, and which of them a person's system speaks."""

from __future__ import annotations

import locale
import os
import sys
from collections.abc import Mapping

ENGLISH = "en"
PSEUDO = "pseudo"
# By code (ISO 639-1), each under the name that its speakers give it.
LANGUAGES = {"en": "English", "de": "Deutsch", "es": "Español", "ar": "العربية"}
RIGHT_TO_LEFT = frozenset({"ar"})
# What may be asked for: the made-up language too, which shows what nobody marked for translation and what is cut.
CODES = (*LANGUAGES, PSEUDO)


def system_language(environment: Mapping[str, str] = os.environ) -> str:
    """The first language of the system that we have, English where there is none.

    environment: LANGUAGE, LC_ALL, LC_MESSAGES and LANG count in this order, as in GNU gettext. Where none is set, as
    is usual on Windows, the language of its user interface counts.
    """
    wanted = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    code = wanted.partition(".")[0].partition("@")[0]
    if environment.get("LANGUAGE") and code not in ("", "C", "POSIX"):
        # A list, the best one first; without a locale gettext ignores it.
        wanted = environment["LANGUAGE"]
    elif not wanted and sys.platform == "win32":
        import ctypes

        wanted = locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")
    for choice in wanted.split(":"):
        code = choice.replace("-", "_").partition("_")[0].partition(".")[0].lower()
        if code in LANGUAGES:
            return code
    return ENGLISH
