"""Makes a provider's own words fit for a sentence of ours: no key, no control characters, one short line."""

from __future__ import annotations

import re
from collections.abc import Iterable

from trainer_host.teacher.protocol import Secret

MAX_CHARS = 300
HIDDEN = "[key]"
_PIECE = 8  # characters of a key that are hidden wherever they stand: providers echo the ends of a wrong one
_MASKED = re.compile(r"[^\s\"'`,;:()<>]*\*{3,}[^\s\"'`,;()<>]*")


def scrubbed(text: str, secrets: Iterable[Secret], most: int = MAX_CHARS) -> str:
    """One line of a stranger's text, without any piece of the secrets, and without what looks like a masked key."""
    for secret in secrets:
        text = without(text, secret)
    text = _MASKED.sub(HIDDEN, text)
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def scrubbed_bytes(body: bytes, secrets: Iterable[Secret]) -> bytes:
    """A body without the secrets, each replaced as a whole; bodies that hold none are returned as they are."""
    for secret in secrets:
        value = secret.reveal().encode()
        if value and value in body:
            body = body.replace(value, HIDDEN.encode())
    return body


def without(text: str, secret: Secret) -> str:
    """`text` with all pieces of a secret of `_PIECE` characters and more hidden, or all of a shorter one."""
    value = secret.reveal()
    if not value:
        return text
    size = min(_PIECE, len(value))
    pieces = {value[at : at + size] for at in range(len(value) - size + 1)}
    hidden = [False] * len(text)
    for at in range(len(text) - size + 1):
        if text[at : at + size] in pieces:
            hidden[at : at + size] = [True] * size
    made: list[str] = []
    for sign, hide in zip(text, hidden, strict=True):
        if not hide:
            made.append(sign)
        elif not made or made[-1] != HIDDEN:
            made.append(HIDDEN)
    return "".join(made)
