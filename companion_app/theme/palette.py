"""The tokens as Kivy properties, so that every rule in a .kv file follows a change of theme."""

from __future__ import annotations

from kivy.event import EventDispatcher
from kivy.properties import ColorProperty, StringProperty

from companion_app.heap import undisturbed
from companion_app.theme.tokens import THEMES, rgb, token_names


class Palette(EventDispatcher):
    """The current colours; `use("light")` changes them all at once."""

    name = StringProperty("dark")

    background = ColorProperty()
    surface = ColorProperty()
    raised = ColorProperty()
    field = ColorProperty()
    line = ColorProperty()
    outline = ColorProperty()
    text = ColorProperty()
    muted = ColorProperty()
    accent = ColorProperty()
    accent_text = ColorProperty()
    tint = ColorProperty()
    tint_text = ColorProperty()
    good = ColorProperty()
    good_tint = ColorProperty()
    warn = ColorProperty()
    warn_tint = ColorProperty()
    bad = ColorProperty()
    bad_tint = ColorProperty()

    def use(self, name: str) -> None:
        """Change to the theme of this name."""
        tokens = THEMES[name]
        with undisturbed():
            for token in token_names():
                setattr(self, token, (*rgb(getattr(tokens, token)), 1.0))
            # Last: whoever waits for a change of theme then reads the new colours.
            self.name = name
