"""The tokens as Kivy properties, so that every rule in a .kv file follows a change of theme."""

from __future__ import annotations

import gc

from kivy.event import EventDispatcher
from kivy.properties import ColorProperty, StringProperty

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
        # Rules of widgets that nobody shows any more are still bound until those are collected. In the midst of a change that would
        # take the widget from under its rule, so it is done before, and not again until the end.
        on = gc.isenabled()
        gc.collect()
        gc.disable()
        try:
            for token in token_names():
                setattr(self, token, (*rgb(getattr(tokens, token)), 1.0))
            # Last: whoever waits for a change of theme then reads the new colours.
            self.name = name
        finally:
            if on:
                gc.enable()
