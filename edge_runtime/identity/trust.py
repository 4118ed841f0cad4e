"""The trust store: the public keys whose bundles this device takes."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass

from edge_runtime.errors import BadRequest, NotFound, StateError
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.keys import decode_key

_FILE = "trust.json"
MAX_SIGNERS = 64


@dataclass(frozen=True)
class Signer:
    """A trusted key (32 bytes), the name it was given here, and when (seconds since 1970)."""

    key: bytes
    name: str
    added: float


class TrustStore:
    """Reads the file at every use, so that a command's change counts at once."""

    def __init__(self, identity: IdentityFolder) -> None:
        self._identity = identity

    def signers(self) -> list[Signer]:
        """The trusted signers, the oldest first; raises `StateError` where the file is damaged."""
        found: list[Signer] = []
        for key, fields in self._identity.read(_FILE).items():
            if not isinstance(fields, dict):
                raise StateError(f"{self._identity.folder / _FILE} is damaged; restore or delete it.")
            name, added = fields.get("name"), fields.get("added")
            try:
                raw = decode_key(key)
            except BadRequest:
                raise StateError(f"{self._identity.folder / _FILE} is damaged; restore or delete it.") from None
            found.append(Signer(raw, str(name), float(added) if isinstance(added, int | float) else 0.0))
        return sorted(found, key=lambda signer: signer.added)

    def keys(self) -> frozenset[bytes]:
        """The trusted keys, 32 bytes each."""
        return frozenset(signer.key for signer in self.signers())

    def add(self, key: bytes, name: str) -> None:
        """Trust a key; a known one gets the new name."""
        with self._identity.changing():
            stored = self._identity.read(_FILE)
            text = base64.b64encode(key).decode("ascii")
            if text not in stored and len(stored) >= MAX_SIGNERS:
                raise BadRequest(f"The device trusts {MAX_SIGNERS} keys already; remove one first.")
            self._identity.write(_FILE, {**stored, text: {"name": name, "added": round(time.time(), 3)}})

    def remove(self, prefix: str) -> Signer:
        """Stop trusting the one key whose hex starts with `prefix`; installed bundles stay."""
        matching = [signer for signer in self.signers() if signer.key.hex().startswith(prefix.lower())]
        if len(matching) != 1 or not prefix:
            raise NotFound(f"{len(matching) if prefix else 'No'} trusted keys start with '{prefix[:64]}'.")
        gone = base64.b64encode(matching[0].key).decode("ascii")
        with self._identity.changing():
            stored = self._identity.read(_FILE)
            self._identity.write(_FILE, {key: value for key, value in stored.items() if key != gone})
        return matching[0]
