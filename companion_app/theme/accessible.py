"""What a widget tells those who don't see it; `a11y` hands it to screen readers and to the voice."""

from __future__ import annotations

from kivy.event import EventDispatcher
from kivy.properties import OptionProperty, StringProperty

# The words of WAI-ARIA 1.2 where it has one. "" is nothing of its own, and what lies in it is told instead.
ROLES = (
    "",
    "alert",
    "button",
    "checkbox",
    "combobox",
    "dialog",
    "form",
    "group",
    "heading",
    "image",
    "label",
    "link",
    "list",
    "listitem",
    "log",
    "main",
    "navigation",
    "option",
    "password",
    "progressbar",
    "radio",
    "searchbox",
    "slider",
    "spinbutton",
    "status",
    "switch",
    "tab",
    "textbox",
)
# Whether what changes in a widget is told without asking: once there is a pause, or at once.
LIVE = ("off", "polite", "assertive")


class Role(OptionProperty):
    """One of ROLES."""

    def __init__(self, default: str = "", **kwargs: object) -> None:
        super().__init__(default, options=ROLES, **kwargs)


class Accessible(EventDispatcher):
    """Mixed into every widget of the theme, and into any other that a person should know of.

    role: what it is. spoken: its name where `text` doesn't say it (an icon, a chart); it is read in the place of
    `text`. described: a sentence about it, after its name. live: whether changes of its text are read out.
    """

    role = Role("")
    spoken = StringProperty("")
    described = StringProperty("")
    live = OptionProperty("off", options=LIVE)
