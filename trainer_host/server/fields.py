"""Members of a request's body, each of its type and within its bounds; no message repeats what was sent."""

from __future__ import annotations

from typing import overload

from trainer_host.server.errors import Unprocessable

Json = dict[str, object]


def only(body: Json, *names: str) -> None:
    """Refuse a body with other members: a misspelt option would silently count for nothing."""
    if not body.keys() <= set(names):
        raise Unprocessable(f"This address takes {', '.join(names)}, and nothing else.")


@overload
def text(body: Json, name: str, most: int) -> str: ...
@overload
def text(body: Json, name: str, most: int, default: None) -> str | None: ...
@overload
def text(body: Json, name: str, most: int, default: str) -> str: ...
def text(body: Json, name: str, most: int, default: str | None = "\0") -> str | None:
    """A string of 1 to `most` characters; where it lacks or is null the default, if there is one."""
    value = body.get(name)
    if value is None and default != "\0":
        return default
    if not isinstance(value, str) or not value.strip():
        raise Unprocessable(f'Send "{name}", a text that isn\'t empty.')
    if len(value) > most:
        raise Unprocessable(f'"{name}" has {len(value):,} characters; at most {most:,} are taken.')
    return value


def whole(body: Json, name: str, least: int, most: int) -> int:
    """A whole number from `least` to `most`."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Unprocessable(f'"{name}" must be a whole number from {least} to {most}.')
    return value


def flag(body: Json, name: str) -> bool:
    """True or false; false where it lacks."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise Unprocessable(f'"{name}" must be true or false.')
    return value
