"""Updates that want this machine's signature: what each would put in force, and why one can't be signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Bundle:
    """A bundle that devices may have once this is signed. size: bytes; sha256: hex, of its file.

    scores: what the host says of its gate, as (runtime, accuracy); the signature doesn't cover that.
    """

    specialist: str
    version: str
    task: str
    size: int
    sha256: str
    scores: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Ask:
    """A role's metadata that wait. changes: sentences, made here from the bytes that are signed.

    have, need: signatures. first: this machine never signed the role before, so that all is new to it. obstacle: why it
    isn't signed here; empty where it can be.
    """

    role: str
    version: int
    expires: datetime | None = None
    changes: tuple[str, ...] = ()
    bundles: tuple[Bundle, ...] = ()
    have: int = 0
    need: int = 0
    first: bool = False
    obstacle: str = ""


@dataclass(frozen=True)
class Signing:
    """The place where updates are signed. public: this machine's key in hex; the seed is in its file alone.

    known: the host has said what waits. busy: the role that is being signed. refused: (role, sentence).
    """

    public: str = ""
    known: bool = False
    asks: tuple[Ask, ...] = ()
    busy: str = ""
    done: str | None = None
    refused: tuple[str, str] | None = None
    problem: str | None = None
