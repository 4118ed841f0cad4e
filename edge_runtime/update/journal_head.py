"""Where a device's journal ends, signed by the device's own key: whoever kept one sees that lines were cut off since."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from edge_runtime import strict_json
from edge_runtime.errors import EdgeError
from edge_runtime.identity.keys import DeviceKey
from edge_runtime.identity.statement import check, sign

Json = dict[str, object]
_KIND = "journal head"
_HASH = re.compile(r"[0-9a-f]{64}")
_MOST_LINES = 10**12
_MOST_TIME = 253_402_300_799  # seconds since 1970: the year 9999


class HeadError(EdgeError):
    """What a device says of its journal can't be relied on."""

    status = 422
    code = "journal_head"


@dataclass(frozen=True)
class Head:
    """count: lines that were ever written; hash: that of the last one, in hex; at: seconds since 1970 by the device's clock."""

    device: str
    count: int
    hash: str
    at: float


def sign_head(head: Head, key: DeviceKey) -> Json:
    """As JSON with the device's signature; `read_head` reads it."""
    return sign(_KIND, dataclasses.asdict(head), key)


def read_head(raw: object, device: str, known: str = "") -> Head:
    """The head of a device's journal; raises `HeadError` where its key didn't sign it.

    device: its id, which is the first 64 bits of its key; known: the whole key in hex, empty where it isn't known.
    """
    content = check(_KIND, raw, device, known, "The head of the journal", HeadError)
    count, last, at = content.get("count"), content.get("hash"), content.get("at")
    if (
        content.get("device") != device
        or isinstance(count, bool)
        or not isinstance(count, int)
        or not 0 <= count <= _MOST_LINES
        or not isinstance(last, str)
        or not _HASH.fullmatch(last)
        or not strict_json.is_number(at)
        or not 0 <= at <= _MOST_TIME
    ):
        raise HeadError("The head of the journal can't be read, or is of another device.")
    return Head(device, count, last, float(at))
