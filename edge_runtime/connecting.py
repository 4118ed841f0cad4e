"""How a client reaches a device or a host for the first time, and how it knows it again: pairing, and pinned certificates."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from edge_runtime.errors import DeviceUnreachable, PairingError
from edge_runtime.identity.handshake import Initiator

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


def is_loopback(host: str) -> bool:
    """Whether a name or an address always means this machine."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host.split("%", 1)[0]).is_loopback
    except ValueError:
        return False


class Seen:
    """What certificate was shown while pairing: `digest`, SHA-256 in hex; empty without TLS."""

    def __init__(self) -> None:
        self.digest = ""

    def check(self, transport: asyncio.Transport) -> None:
        """Called by aiohttp for each connection; raises `PairingError` where a second one shows another certificate."""
        encrypted = transport.get_extra_info("ssl_object")
        shown = encrypted.getpeercert(binary_form=True) if encrypted is not None else None
        digest = hashlib.sha256(shown).hexdigest() if shown else ""
        if self.digest and digest != self.digest:
            raise PairingError(
                "The other side shows another certificate than a moment ago; somebody stands in between."
            )
        self.digest = digest


def checked_by(certificate: str | None, seen: Seen | None = None) -> aiohttp.Fingerprint | bool:
    """aiohttp's `ssl`: while pairing certificates are only looked at; later only the pinned one is taken.

    certificate: its hash in hex; without one, authorities that this machine trusts must vouch for it.
    """
    import aiohttp

    if seen is not None:
        looking = aiohttp.Fingerprint(bytes(DIGEST_BYTES))
        looking.check = seen.check  # type: ignore[method-assign]
        return looking
    return aiohttp.Fingerprint(bytes.fromhex(certificate)) if certificate else True


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
