"""What a person chose for how the app looks and behaves; a file of any version can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_runtime.strict_json import is_number

SYSTEM = "system"
# What can be chosen: a theme of `theme.tokens`, or the one that the system uses.
THEME_CHOICES = (SYSTEM, "dark", "light", "contrast_dark", "contrast_light")
# WCAG 2.2, 1.4.4 asks for 200 %; people who see little use more.
MIN_SCALE, MAX_SCALE = 0.8, 3.0
MAX_SHORTCUTS = 200
_OPPOSITE = {"dark": "light", "light": "dark", "contrast_dark": "contrast_light", "contrast_light": "contrast_dark"}


@dataclass(frozen=True)
class Preferences:
    """theme: of `THEME_CHOICES`. font_scale: `MIN_SCALE` to `MAX_SCALE`, 1 is as designed.

    language: a code of `i18n`, empty for the system's. simplified: few choices, the others behind More.
    reduced_motion: nothing slides or fades. speak_focus: what has the focus is said aloud. local_only: connects to
    private networks alone. shortcuts: (command, keys) where they differ from the command's own; empty keys are none.
    """

    theme: str = SYSTEM
    font_scale: float = 1.0
    language: str = ""
    simplified: bool = False
    reduced_motion: bool = False
    speak_focus: bool = False
    local_only: bool = False
    shortcuts: tuple[tuple[str, str], ...] = ()


def read_preferences(document: Mapping[str, object]) -> Preferences:
    """What a file holds; each entry that is missing or makes no sense is as if nothing was chosen."""
    theme, scale, language = document.get("theme"), document.get("font_scale"), document.get("language")
    shortcuts = document.get("shortcuts")
    return Preferences(
        theme=theme if isinstance(theme, str) and theme in THEME_CHOICES else SYSTEM,
        font_scale=scale_from(scale),
        language=language if isinstance(language, str) and len(language) < 20 else "",
        simplified=document.get("simplified") is True,
        reduced_motion=document.get("reduced_motion") is True,
        speak_focus=document.get("speak_focus") is True,
        local_only=document.get("local_only") is True,
        shortcuts=tuple(
            (item[0], item[1])
            for item in (shortcuts[:MAX_SHORTCUTS] if isinstance(shortcuts, list) else ())
            if isinstance(item, list) and len(item) == 2 and all(isinstance(text, str) for text in item)
        ),
    )


def scale_from(value: object) -> float:
    """A font scale within its bounds, 1 where it is none."""
    if not is_number(value):
        return 1.0
    return min(MAX_SCALE, max(MIN_SCALE, float(value)))


def theme_of(preferences: Preferences, system: str) -> str:
    """The theme to draw with. system: the one that the system uses."""
    return system if preferences.theme == SYSTEM else preferences.theme


def opposite(theme: str) -> str:
    """Dark for light and light for dark, at the same contrast."""
    return _OPPOSITE[theme]
