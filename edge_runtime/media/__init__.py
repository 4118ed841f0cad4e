"""Pictures, films, bodies and sounds: small languages that a model writes, and what draws, builds and plays them.

A program in one of these languages is data: everything in it is bounded before anything is drawn. Media go in and out
of a specialist as `Media`.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import ModuleType

from edge_runtime.errors import BadRequest, NotEquipped

Json = dict[str, object]
_DATA_URL = re.compile(r"data:([a-z]+/[a-z0-9.+-]+);base64,", re.IGNORECASE)
# Packages that only some devices have, by the module's name: (package, extra).
_OPTIONAL = {
    "PIL": ("pillow", "media"),
    "manifold3d": ("manifold3d", "media"),
    "trimesh": ("trimesh", "tasks"),
    "cv2": ("opencv-python-headless", "camera"),
    "serial": ("pyserial", "serial"),
    "pocketsphinx": ("pocketsphinx", "speech"),
}


class Rejected(Exception):
    """A program or a file that doesn't hold to its language, or an answer that doesn't pass a task's verifier.

    reason: two or three words, counted in reports ("wrong sum", "unknown label"). detail: one sentence that
    says what to mend; a teacher gets it back.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[Rejected], tuple[str, str]]:  # verifiers run in other processes
        return type(self), (self.reason, self.detail)


@dataclass(frozen=True)
class Media:
    """A file in a request or an answer. content_type: as in RFC 6838, "image/png"."""

    content_type: str
    content: bytes


def to_json(value: object) -> object:
    """The value with each `Media` in it, however deep, as {"content_type", "base64"}."""
    return _mapped(
        value,
        lambda media: {"content_type": media.content_type, "base64": base64.b64encode(media.content).decode("ascii")},
    )


def described(value: object) -> object:
    """The value with each `Media` in it as {"content_type", "bytes"}: what golden vectors keep of an answer's files."""
    return _mapped(value, lambda media: {"content_type": media.content_type, "bytes": len(media.content)})


def read_media(value: object, where: str, types: Collection[str], most_bytes: int) -> Media:
    """A file of a request: `Media`, {"content_type", "base64"}, base64 alone, or a data: URL (RFC 2397).

    types: the content types taken; the first is that of base64 alone. The content isn't looked at. Raises `BadRequest`.
    """
    if isinstance(value, Media):
        found = value
    elif isinstance(value, dict) and isinstance(value.get("base64"), str):
        found = _decoded(value["base64"], str(value.get("content_type", "")) or next(iter(types)), where, most_bytes)
    elif isinstance(value, str):
        url = _DATA_URL.match(value)
        kind = url[1].lower() if url else next(iter(types))
        found = _decoded(value[url.end() :] if url else value, kind, where, most_bytes)
    else:
        raise BadRequest(f'The "{where}" must be a file: base64, or a data: URL, of {_listed(types)}.')
    if found.content_type not in types:
        raise BadRequest(f'The "{where}" is {found.content_type[:60]!r}; send {_listed(types)}.')
    if len(found.content) > most_bytes:
        raise BadRequest(f'The "{where}" has {len(found.content):,} bytes; send at most {most_bytes:,}.')
    if not found.content:
        raise BadRequest(f'The "{where}" is empty; send {_listed(types)}.')
    return found


def optional(module: str, what: str) -> ModuleType:
    """Import a package that only some devices have; raises `NotEquipped` with the sentence that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as cause:
        package, extra = _OPTIONAL[module.partition(".")[0]]
        raise NotEquipped(
            f"{what} need the package '{package}'; install it, or Enigma with the extra '{extra}'."
        ) from cause


def _mapped(value: object, written: Callable[[Media], Json]) -> object:
    if isinstance(value, Media):
        return written(value)
    if isinstance(value, dict):
        return {key: _mapped(item, written) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, written) for item in value]
    return value


def _decoded(text: str, content_type: str, where: str, most_bytes: int) -> Media:
    if len(text) > most_bytes * 4 // 3 + 4:
        raise BadRequest(f'The "{where}" has more than {most_bytes:,} bytes; send less.')
    try:
        return Media(content_type.lower(), base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise BadRequest(f'The "{where}" isn\'t base64; encode the whole file, without line breaks.') from None


def _listed(types: Collection[str]) -> str:
    return " or ".join(types)
