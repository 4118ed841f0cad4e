"""Keys of the keyboard as words, such as "ctrl+shift+p"; imports no Kivy."""

from __future__ import annotations

from collections.abc import Iterable

from companion_app.i18n import tr

MODIFIERS = ("ctrl", "alt", "shift", "meta")
FUNCTION_KEYS = tuple(f"f{number}" for number in range(1, 16))
# What moves about, presses and edits, in every app: nobody may take them away from a person who needs them.
_MOVING = [
    "tab",
    "shift+tab",
    "enter",
    "numpadenter",
    "escape",
    "spacebar",
    "up",
    "down",
    "left",
    "right",
    "home",
    "end",
    "pageup",
    "pagedown",
    "backspace",
    "delete",
]
_EDITING = [
    "ctrl+a",
    "ctrl+c",
    "ctrl+v",
    "ctrl+x",
    "ctrl+z",
    "ctrl+y",
    "ctrl+r",
    "ctrl+shift+z",
    "meta+a",
    "meta+c",
    "meta+v",
    "meta+x",
    "meta+z",
]
RESERVED = frozenset((*_MOVING, *_EDITING))
# "+" and "=" share a key on many keyboards, and "+" joins the words of a chord.
_NAMES = {"+": "plus", "=": "plus", "-": "minus", " ": "spacebar", "numpadadd": "plus", "numpadsubstract": "minus"}
_SHOWN = {"ctrl": "Ctrl", "alt": "Alt", "shift": "Shift", "meta": "Cmd", "plus": "+", "minus": "-", "spacebar": "Space"}


def chord(key: str, modifiers: Iterable[str] = ()) -> str:
    """One name for keys that are held together. key: its name, or the character that it writes."""
    held = set(modifiers)
    return "+".join((*(name for name in MODIFIERS if name in held), _NAMES.get(key.lower(), key.lower())))


def chord_of(key: str, text: str | None, modifiers: Iterable[str]) -> str:
    """What was pressed. key: its name; text: what it writes, if anything.

    A character that needs Shift on this keyboard, such as "?", is itself, without Shift.
    """
    held = set(modifiers) & set(MODIFIERS)
    if text and len(text) == 1 and text.isprintable() and not text.isalnum() and text != " ":
        return chord(text, held - {"shift"})
    return chord(key, held)


def written(text: str) -> str:
    """A chord as it was typed or stored, in our order. Raises ValueError with a sentence."""
    *held, key = text.lower().replace(" ", "").split("+") if text.strip() else [""]
    held = ["ctrl" if name == "control" else "meta" if name in ("cmd", "command") else name for name in held]
    if not key or not set(held) <= set(MODIFIERS) or len(set(held)) < len(held):
        raise ValueError(tr('"{keys}" names no keys; write them like ctrl+shift+p or f1.', keys=text))
    return chord(key, held)


def may_bind(keys: str) -> bool:
    """Whether these keys may be given to a command: typing a text must never run one."""
    *held, key = keys.split("+")
    return keys not in RESERVED and (bool({"ctrl", "alt", "meta"} & set(held)) or key in FUNCTION_KEYS or keys == "?")


def shown(keys: str) -> str:
    """As people read it: "Ctrl+Shift+P"."""
    return "+".join(_SHOWN.get(name, name.upper() if len(name) <= 3 else name.capitalize()) for name in keys.split("+"))


def types_nothing(keys: str) -> bool:
    """Whether these keys write no character, so that they count while a person types, too."""
    *held, key = keys.split("+")
    return bool({"ctrl", "alt", "meta"} & set(held)) or key in FUNCTION_KEYS
