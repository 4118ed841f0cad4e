"""How the host and the companion talk to a device: every call has a deadline."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_runtime import errors, strict_json
from edge_runtime.addresses import is_loopback
from edge_runtime.calls.asking import Asking
from edge_runtime.calls.link import MAX_ANSWER_BYTES, Json, error_from, named, once
from edge_runtime.calls.pinned import Pinned
from edge_runtime.calls.piping import Piping
from edge_runtime.calls.releasing import Releasing
from edge_runtime.connecting import Seen, pair_over, pin_told, refused_certificate, with_scheme
from edge_runtime.errors import (
    BadRequest,
    BundleError,
    DeviceUnreachable,
    EdgeError,
    Forbidden,
    Interrupted,
    NotFound,
    Overloaded,
    PairingError,
    StorageFull,
    Unauthorized,
    UntrustedSigner,
)
from edge_runtime.identity.invitation import is_invitation, read_invitation
from edge_runtime.identity.keys import decode_key
from edge_runtime.identity.pin import pin_of, read_pin

if TYPE_CHECKING:
    from edge_runtime.robot_client import RobotClient

# The errors and how to pair belong to the client's interface: who uses it needs no other module of ours.
__all__ = [
    "BadRequest",
    "BundleError",
    "DeviceClient",
    "DeviceUnreachable",
    "EdgeError",
    "Forbidden",
    "Interrupted",
    "NotFound",
    "Overloaded",
    "PairingError",
    "Pinned",
    "Seen",
    "StorageFull",
    "Unauthorized",
    "UntrustedSigner",
    "is_invitation",
    "is_loopback",
    "pair_over",
    "pin_told",
    "read_invitation",
    "refused_certificate",
    "with_scheme",
]

RESTART_TIMEOUT = 150.0  # as the device may finish what it installs


class DeviceClient(Asking, Releasing, Piping):
    """One device over HTTP; an async context manager.

    base_url: as printed by `enigma-edge run`, for example https://192.168.1.20:8765; without a scheme it is https,
    but on this machine itself; unix:///run/enigma/edge.sock is a socket there. token: from `pair`; may be None on the device
    itself. certificate: how the device's certificate is known, from `pair` too: no other is taken then, but a later one that
    the same device made; `pair` itself checks it where it is known before. Without one, a certificate of an authority that
    this machine trusts is needed, but for `pair`. on_renewed: gets what to keep as `certificate` from then on, where that
    changed. timeout: seconds for each call but `push` and `events`. Every method raises `DeviceUnreachable` where the device doesn't answer, and else the error that the device answered, as the
    class of `edge_runtime.errors` that it has there. key, of what changes something: sent again by the same key, it is done once.
    """

    async def health(self) -> Json:
        """`{"status": "ok", "device": {"name", "id"}, "version"}`; needs no token."""
        return await self._call("GET", "/healthz")

    async def ready(self) -> bool:
        """Whether the device has admitted all its active bundles."""
        try:
            await self._call("GET", "/readyz")
        except errors.Overloaded:
            return False
        return True

    async def models(self) -> list[Json]:
        """The active specialists: name, task, version, runtime, size, metrics; see docs/device-api.md."""
        answer = await self._call("GET", "/v1/models")
        models = answer.get("models")
        if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
            raise DeviceUnreachable(f"{self.base_url} didn't answer as an Enigma device does; check the address.")
        return models

    async def metrics(self) -> str:
        """What the device counted since its start, in Prometheus' text format."""
        import aiohttp

        try:
            async with asyncio.timeout(self._timeout):
                async with self._open().get(
                    f"{self._origin}/metrics", headers=self._headers(), allow_redirects=False
                ) as response:
                    if response.status >= 400:
                        raise error_from(response.status, await self._read(response), None)
                    return (await response.content.read(MAX_ANSWER_BYTES)).decode("utf-8", "replace")
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise self._unreachable(cause) from None

    async def status(self) -> Json:
        """The device's name, version, uptime, memory, free space, specialists and pairings; needs a token."""
        answer = await self._call("GET", "/v1/status")
        if self.certificate is not None and not read_pin(self.certificate).device:
            # A pairing of before devices could renew their certificates: from here on its key is known.
            about = answer.get("device")
            if (key := _key_of(about if isinstance(about, dict) else {})) is not None:
                self._renewed(str(replace(read_pin(self.certificate), device=key.hex())))
        return answer

    async def pair(self, code: str, name: str, public_key: bytes | str | None = None) -> str:
        """Redeem a one-time code printed by `enigma-edge pair`; returns the token and uses it from here on.

        name: how the device lists this pairing. public_key: the key that signs this host's bundles (32 raw
        bytes, or their base64), which the device then trusts. The device's answer is in `device` afterwards, and how
        its certificate is known in `certificate`. The code itself isn't sent: both sides show that they have it, and
        that they see the same certificate. Raises `PairingError` where one of that is not so.
        """
        signer = base64.b64encode(public_key).decode("ascii") if isinstance(public_key, bytes) else public_key
        self.token, seen = None, Seen(self.certificate)

        async def call(path: str, message: Json) -> Json:
            return await self._call("POST", path, json=message, seen=seen)

        await self.close()  # a connection of before the code was known
        try:
            token, answer = await pair_over(call, code, {"name": name, "signer": signer}, seen)
        finally:
            await self.close()  # from here on the certificate is pinned
        device = answer.get("device")
        if not isinstance(device, dict):
            raise DeviceUnreachable(f"{self.base_url} didn't answer as an Enigma device does; check the address.")
        self.certificate = str(pin_of(seen.der, _key_of(device))) if seen.digest else None
        self.token, self.device = token, device
        return token

    async def tokens(self) -> Json:
        """All pairings: `{"tokens": [{"id", "name", "created", "scope", …}]}`; needs the scope owner."""
        return await self._call("GET", "/v1/tokens")

    async def remove_token(self, id: str) -> Json:
        """End a pairing, which is answered; needs the scope owner."""
        return await self._call("DELETE", f"/v1/tokens/{named(id)}")

    async def renew_certificate(self) -> Json:
        """Let the device take another certificate: `{"certificate", "renewals"}`; paired clients follow by themselves."""
        return await self._call("POST", "/v1/certificate", json={})

    async def log(self) -> Json:
        """`{"log": [{"at", "level", "text"}]}`, the newest first; needs an owner's token."""
        return await self._call("GET", "/v1/log")

    async def requests(self) -> Json:
        """`{"requests": [...]}`, the newest first, see docs/device-api.md; needs an owner's token."""
        return await self._call("GET", "/v1/requests")

    async def restart(self, what: str = "daemon", *, key: str | None = None) -> Json:
        """Let the daemon start again, or by its owner's hook the "machine"; needs an owner's token."""
        return await self._call("POST", "/v1/restart", json={"what": what}, headers=once(key), timeout=RESTART_TIMEOUT)

    async def events(self, since: int | None = None) -> AsyncIterator[Json]:
        """The device's events as they happen, until the device stops; the latest ones come first.

        since: leave out events up to this id. Raises `DeviceUnreachable` where the connection breaks.
        """
        import aiohttp

        socket = await self._socket_to("/v1/events" + ("" if since is None else f"?since={since}"), 256 * 1024)
        try:
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                yield strict_json.loads_object(message.data.encode("utf-8"), "The event", DeviceUnreachable)
            if socket.close_code not in (1000, 1001):
                raise DeviceUnreachable(f"The connection to {self.base_url} broke; connect again.")
        finally:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with asyncio.timeout(2.0):
                    await socket.close()

    @property
    def robot(self) -> RobotClient:
        """The robot beside the device."""
        from edge_runtime.robot_client import RobotClient

        return RobotClient(self)


def _key_of(about: Json) -> bytes | None:
    """A device's public key out of what it says of itself."""
    try:
        return decode_key(about.get("public_key"))
    except BadRequest:
        return None
