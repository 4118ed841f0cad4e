"""How a client knows a server's certificate again: by its hash, or as a later one that the same device made.

A device that renews its certificate signs the new one by its own key (see `certificate`), which who is paired with it
knows. A certificate of before is never taken again, so that its key is of no use to who got hold of it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from edge_runtime.errors import BadRequest

_FORM = re.compile(r"([0-9a-f]{64})(?:\.([0-9a-f]{64})\.(0|[1-9]\d{0,8}))?")


@dataclass(frozen=True)
class Pin:
    """digest: SHA-256 of the certificate, in hex. device: its device's public key, in hex, empty where it isn't known.

    renewals: how often the certificate had been renewed. `read_pin(str(pin)) == pin`.
    """

    digest: str
    device: str = ""
    renewals: int = 0

    def __str__(self) -> str:
        return f"{self.digest}.{self.device}.{self.renewals}" if self.device else self.digest

    def follows(self, der: bytes) -> Pin | None:
        """The pin after a certificate (DER) was shown: the same, a later one, or None where it must not be taken."""
        from edge_runtime.identity.certificate import proof_in

        digest = hashlib.sha256(der).hexdigest()
        if digest == self.digest:
            return self
        proof = proof_in(der) if self.device else None
        if proof is None or proof.device.hex() != self.device or proof.renewals <= self.renewals:
            return None
        return Pin(digest, self.device, proof.renewals)


def pin_of(der: bytes, device: bytes | None = None) -> Pin:
    """The pin of a certificate that is known to be the device's. device: its public key, where that is known too."""
    from edge_runtime.identity.certificate import proof_in

    digest = hashlib.sha256(der).hexdigest()
    if device is None:
        return Pin(digest)
    proof = proof_in(der)
    return Pin(digest, device.hex(), proof.renewals if proof is not None and proof.device == device else 0)


def read_pin(text: str) -> Pin:
    """A pin as it was kept; raises `BadRequest`."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise BadRequest("What is kept of this certificate is damaged; pair again.")
    digest, device, renewals = found.groups()
    return Pin(digest, device or "", int(renewals or 0))
