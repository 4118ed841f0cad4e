"""Everything that can happen to updates that wait for a signature, as data; none of it holds a key that signs."""

from __future__ import annotations

from dataclasses import dataclass

from companion_app.state.signing import Ask


@dataclass(frozen=True)
class KeyFound:
    """This machine has a key; its public half in hex."""

    public: str


@dataclass(frozen=True)
class SignaturesTold:
    """The host said what waits."""

    asks: tuple[Ask, ...]


@dataclass(frozen=True)
class SigningStarted:
    """A person confirmed; it is looked at again, and signed."""

    role: str


@dataclass(frozen=True)
class SignedUpdate:
    """The host has the signature; this waits now."""

    sentence: str
    asks: tuple[Ask, ...]


@dataclass(frozen=True)
class SigningRefused:
    """It wasn't signed, or the host didn't take it, with one sentence why."""

    role: str
    sentence: str


@dataclass(frozen=True)
class SignaturesFailed:
    """The host didn't say what waits, with one sentence why."""

    sentence: str


SigningAction = KeyFound | SignaturesTold | SigningStarted | SignedUpdate | SigningRefused | SignaturesFailed
