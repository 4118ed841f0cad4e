"""How a client reaches a device or a host for the first time, and how it knows it again: pairing, and pinned certificates."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from edge_runtime.addresses import is_loopback
from edge_runtime.errors import DeviceUnreachable, PairingError
from edge_runtime.identity.handshake import Initiator
from edge_runtime.identity.pin import pin_of, read_pin

if TYPE_CHECKING:
    import aiohttp

Json = dict[str, object]
DIGEST_BYTES = 32
UNIX = "unix://"  # before the path of a socket on this machine


def with_scheme(address: str) -> str:
    """An address with http://, https:// or unix://: where it has none, https, but for what only this machine reaches."""
    url = address.rstrip("/")
    if url.startswith(("http://", "https://", UNIX)):
        return url
    host = url[1:].partition("]")[0] if url.startswith("[") else url.partition(":")[0]
    return f"{'http' if is_loopback(host) else 'https'}://{url}"


class Seen:
    """What certificate was shown while pairing: `der`, and `digest`, SHA-256 in hex; empty without TLS.

    expected: the one that it must be, where that is known before, as from a QR code; then nothing is sent to another.
    """

    def __init__(self, expected: str | None = None) -> None:
        self.digest = ""
        self.der = b""
        self._expected = read_pin(expected) if expected else None

    def check(self, transport: asyncio.Transport) -> None:
        """Called by aiohttp for each connection; raises `PairingError` where a second one shows another certificate."""
        encrypted = transport.get_extra_info("ssl_object")
        shown = encrypted.getpeercert(binary_form=True) if encrypted is not None else None
        digest = hashlib.sha256(shown).hexdigest() if shown else ""
        if self._expected is not None and self._expected.follows(shown or b"") is None:
            raise PairingError(
                "The other side shows another certificate than it should; somebody stands in between, or it was set up anew."
            )
        if self.digest and digest != self.digest:
            raise PairingError(
                "The other side shows another certificate than a moment ago; somebody stands in between."
            )
        self.digest, self.der = digest, shown or b""


def pin_told(seen: Seen, public: object) -> str:
    """What to keep of the certificate that was seen while pairing. public: the other side's key in hex, where it told it."""
    if not seen.digest:
        return ""
    known = isinstance(public, str) and re.fullmatch(r"[0-9a-f]{64}", public)
    return str(pin_of(seen.der, bytes.fromhex(public) if known else None))  # type: ignore[arg-type]


def checked_by(
    certificate: str | None, seen: Seen | None = None, on_renewed: Callable[[str], None] | None = None
) -> aiohttp.Fingerprint | bool:
    """aiohttp's `ssl`: while pairing certificates are only looked at; later only the pinned one is taken, or a later one
    of the same device.

    certificate: its hash in hex, or a whole pin, see `edge_runtime.identity.pin`; without one, authorities that this
    machine trusts must vouch for it. on_renewed: gets the pin from then on where a later one was shown.
    """
    import aiohttp

    if seen is not None:
        looking = aiohttp.Fingerprint(bytes(DIGEST_BYTES))
        looking.check = seen.check  # type: ignore[method-assign]
        return looking
    if not certificate:
        return True
    pinned = aiohttp.Fingerprint(bytes.fromhex(read_pin(certificate).digest))
    pinned.check = _Pinned(certificate, on_renewed).check  # type: ignore[method-assign]
    return pinned


class _Pinned:
    """Checks each connection against a pin, which follows its device's renewals."""

    def __init__(self, certificate: str, on_renewed: Callable[[str], None] | None) -> None:
        self._pin = read_pin(certificate)
        self._on_renewed = on_renewed

    def check(self, transport: asyncio.Transport) -> None:
        """Called by aiohttp for each connection."""
        import aiohttp

        encrypted = transport.get_extra_info("ssl_object")
        if encrypted is None:
            return
        shown = encrypted.getpeercert(binary_form=True) or b""
        now = self._pin.follows(shown)
        if now is None:
            host, port = (*(transport.get_extra_info("peername") or ()), "", 0)[:2]
            digest = hashlib.sha256(shown).digest()
            raise aiohttp.ServerFingerprintMismatch(bytes.fromhex(self._pin.digest), digest, str(host), int(port))
        if now != self._pin:
            self._pin = now
            if self._on_renewed is not None:
                self._on_renewed(str(now))


def refused_certificate(url: str, cause: Exception, pinned: bool) -> str | None:
    """What to tell a person where a connection failed because of who shows what; None where that isn't why."""
    import aiohttp

    if isinstance(cause, aiohttp.ServerFingerprintMismatch | aiohttp.ClientConnectorCertificateError):
        known = "the certificate that it was paired with" if pinned else "a certificate that is known here"
        return f"{url} doesn't show {known}: pair with it again if it was set up anew; else somebody stands in between."
    if isinstance(cause, aiohttp.ClientConnectorSSLError):
        return f"{url} doesn't encrypt as asked; write http:// if it is meant to be open, or look who answers there."
    if isinstance(cause, aiohttp.ServerDisconnectedError) and url.startswith("http://"):
        return f"{url} can't be reached ({cause}); check that it runs, and if it encrypts, write https:// for http://."
    return None


async def pair_over(
    call: Callable[[str, Json], Awaitable[Json]], code: str, said: Json, seen: Seen
) -> tuple[str, Json]:
    """Pair by a one-time code: (the token, all that came with it).

    call: sends JSON to a path by POST, on connections that `seen` looks at, and gives the answer. said: {"name"}, and
    {"signer"} for a device. Raises what `call` does, `PairingError` where the code is wrong, `BadRequest` where it
    can't be one, and `DeviceUnreachable` for who doesn't speak this.
    """
    initiator = Initiator(code)
    third = initiator.finish(await call("/v1/pair", initiator.begin()), seen.digest, said)
    answer = initiator.open(await call("/v1/pair/finish", third))
    token = answer.get("token")
    if not isinstance(token, str) or not token or answer.get("certificate", "") != seen.digest:
        raise DeviceUnreachable("The other side doesn't answer as an Enigma device or host does; check the address.")
    return token, answer
