"""Everything that can happen to updates that wait for a signature, as data; none of it holds a key that signs."""

from __future__ import annotations

from typing import NamedTuple

from companion_app.state.signing import Ask


class KeyFound(NamedTuple):
    """This machine has a key; its public half in hex."""

    public: str


class SignaturesTold(NamedTuple):
    """The host said what waits."""

    asks: tuple[Ask, ...]


class SigningStarted(NamedTuple):
    """A person confirmed; it is looked at again, and signed."""

    role: str


class SignedUpdate(NamedTuple):
    """The host has the signature; this waits now."""

    sentence: str
    asks: tuple[Ask, ...]


class SigningRefused(NamedTuple):
    """It wasn't signed, or the host didn't take it, with one sentence why."""

    role: str
    sentence: str


class SignaturesFailed(NamedTuple):
    """The host didn't say what waits, with one sentence why."""

    sentence: str


SigningAction = KeyFound | SignaturesTold | SigningStarted | SignedUpdate | SigningRefused | SignaturesFailed
