"""Whom this companion is paired with, and who else is paired with them; tokens are never here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Other:
    """One pairing of a device or a host, ours too. `since` is a day (ISO 8601), `limits` a sentence or empty."""

    id: str
    name: str
    scope: str
    since: str
    limits: str = ""


@dataclass(frozen=True)
class Account:
    """Our pairing with a device or the host.

    scope: "open" for a device here that asks for no token. others: all its pairings, None where it wasn't asked or
    didn't tell; problem: why, in a sentence.
    """

    address: str
    name: str
    scope: str
    since: str
    host: bool = False
    others: tuple[Other, ...] | None = None
    problem: str = ""


@dataclass(frozen=True)
class AccountsTold:
    """Whom we are paired with, as far as it is known by now."""

    accounts: tuple[Account, ...]
