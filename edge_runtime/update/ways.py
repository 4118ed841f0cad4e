"""The ways to a release: its whole file, a packed copy, or a delta from a bundle that is here; the cheapest first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Json = Mapping[str, object]
SCHEMES = ("sub8", "bsdiff4", "xz")  # what `edge_runtime.update.delta` makes a bundle of
MOST_WAYS = 32
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Way:
    """One target from which the bundle's file can be made. bytes: to fetch; base: the bundle (hash of its payload) that
    must be here, None without; scheme: "" for the file itself; memory_mb: what making it takes."""

    target: str
    bytes: int
    base: str | None = None
    scheme: str = ""
    memory_mb: float = 0.0


def ways(
    target: str, length: int, custom: Json, holds: Callable[[str], bool], free_mb: float, allows: Callable[[int], bool]
) -> list[Way]:
    """Those that can be gone here, the one with the fewest bytes first; empty where not even the budget allows one.

    custom: of the bundle's signed target. holds: whether a bundle is here and whole; free_mb: memory that may be used,
    0 unknown. allows: whether the data budget allows so many bytes. A way that can't be read isn't one: the whole file
    always is.
    """
    found = [Way(target, length)]
    listed = custom.get("sources")
    for raw in listed[:MOST_WAYS] if isinstance(listed, list) else ():
        way = _read(raw)
        if way is not None and way.bytes < length and (not free_mb or way.memory_mb <= free_mb):
            found.append(way)
    found.sort(key=lambda way: (way.bytes, way.target))
    return [way for way in found if allows(way.bytes) and (way.base is None or holds(way.base))]


def _read(raw: object) -> Way | None:
    fields = raw if isinstance(raw, dict) else {}
    target, base, scheme = (fields.get(key) for key in ("target", "base", "scheme"))
    count, memory = fields.get("bytes"), fields.get("memory_mb", 0)
    if (
        not isinstance(target, str)
        or scheme not in SCHEMES
        or (base is not None and not (isinstance(base, str) and _HASH.fullmatch(base)))
        or isinstance(count, bool)
        or not isinstance(count, int)
        or count <= 0
        or isinstance(memory, bool)
        or not isinstance(memory, int | float)
        or not 0 <= memory < 1e9
    ):
        return None
    return Way(target, count, base, str(scheme), float(memory))
