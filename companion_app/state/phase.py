"""How the connection to one machine stands."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """How the connection to one device or host stands."""

    CONNECTING = "connecting"
    ONLINE = "online"
    WAITING = "waiting"  # lost or refused; it tries again after `retry_in` seconds
