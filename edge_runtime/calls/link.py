"""The way to a device: one connection, a deadline for every call, its errors as ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from edge_runtime import errors, strict_json
from edge_runtime.calls.pinned import Pinned
from edge_runtime.connecting import UNIX, Seen, refused_certificate, with_scheme
from edge_runtime.errors import BadRequest, DeviceUnreachable, EdgeError
from edge_runtime.tracing import carried

if TYPE_CHECKING:
    import aiohttp

MAX_ANSWER_BYTES = 4 * 1024 * 1024  # a device's longest answer, its models, has a few kilobytes each

Json = dict[str, object]


class Link(Pinned):
    """A device's address, and what is needed to speak with it; see `edge_runtime.client.DeviceClient`."""

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        certificate: str | None = None,
        timeout: float = 10.0,
        on_renewed: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(certificate or None, on_renewed)
        self.base_url = with_scheme(base_url)
        self._socket = self.base_url.removeprefix(UNIX) if self.base_url.startswith(UNIX) else None
        self._origin = self.base_url if self._socket is None else "http://localhost"
        self.token = token
        self.device: Json = {}
        self._timeout = timeout

    async def _call(
        self,
        method: str,
        path: str,
        *,
        json: Json | None = None,
        data: bytes | AsyncIterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
        seen: Seen | None = None,
    ) -> Json:
        import aiohttp

        body: bytes | AsyncIterator[bytes] | None = data
        sent = self._headers() | (headers or {})
        if json is not None:
            try:
                body = strict_json.dumps(json)
            except (TypeError, ValueError) as cause:
                raise BadRequest(f"The request can't be written as JSON: {cause}.") from None
            sent["Content-Type"] = "application/json"
        try:
            async with asyncio.timeout(timeout or self._timeout):
                async with self._open(seen).request(
                    method, self._origin + path, data=body, headers=sent, allow_redirects=False
                ) as response:
                    answer = await self._read(response)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise self._unreachable(cause) from None
        if response.status >= 400:
            raise error_from(response.status, answer, response.headers.get("Retry-After"))
        return answer

    async def _socket_to(self, path: str, most_bytes: int, heartbeat: float = 20.0) -> aiohttp.ClientWebSocketResponse:
        """heartbeat: seconds; it finds a device that vanished without a word."""
        import aiohttp

        try:
            async with asyncio.timeout(self._timeout):
                return await self._open().ws_connect(
                    self._origin + path, headers=self._headers(), heartbeat=heartbeat, max_msg_size=most_bytes
                )
        except aiohttp.WSServerHandshakeError as cause:
            raise self._refused_socket(cause.status) from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise self._unreachable(cause) from None

    async def _read(self, response: aiohttp.ClientResponse) -> Json:
        content = bytearray()
        async for chunk in response.content.iter_chunked(64 * 1024):
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise DeviceUnreachable(f"{self.base_url} answers without end; check the address.")
        what = f"The answer of {self.base_url}"
        return strict_json.loads_object(bytes(content), what, DeviceUnreachable)

    def _connector(self, seen: Seen | None) -> aiohttp.BaseConnector:
        import aiohttp

        return super()._connector(seen) if self._socket is None else aiohttp.UnixConnector(self._socket)

    def _headers(self) -> dict[str, str]:
        return {**carried(), **({"Authorization": f"Bearer {self.token}"} if self.token else {})}

    def _unreachable(self, cause: Exception) -> DeviceUnreachable:
        if (said := refused_certificate(self.base_url, cause, bool(self.certificate))) is not None:
            return DeviceUnreachable(said)
        if isinstance(cause, TimeoutError):
            why = "didn't answer in time"
        else:
            why = f"can't be reached ({str(cause)[:160] or type(cause).__name__})"
        return DeviceUnreachable(f"{self.base_url} {why}; check that the device runs and the address is right.")

    def _refused_socket(self, status: int) -> EdgeError:
        if status == 401:
            return errors.Unauthorized("The device doesn't know this token; pair with it again.")
        if status == 503:
            return errors.Overloaded(
                "The device has as many listeners as it takes, or its robot isn't there; try again."
            )
        if status == 404:
            return errors.NotFound("There is nothing to watch at this device, or it is an older one.")
        return DeviceUnreachable(f"{self.base_url} answered {status} to a request for a WebSocket; check the address.")


def named(name: str) -> str:
    """A name as a part of an address."""
    from urllib.parse import quote

    return quote(name, safe="")


def once(key: str | None) -> dict[str, str]:
    """The header by which what is sent again is done once."""
    return {} if key is None else {"Idempotency-Key": key}


def error_from(status: int, answer: Json, retry_after: str | None) -> EdgeError:
    """The error that a device answered, as the class that it has there."""
    raw = answer.get("error")
    fields = raw if isinstance(raw, dict) else {}
    message = str(fields.get("message") or f"The device answered with HTTP status {status}.")[:1000]
    kind = errors.by_code(str(fields.get("code", "")))
    if issubclass(kind, errors.Overloaded):
        seconds = float(retry_after) if retry_after and retry_after.isdigit() else 1.0
        return kind(message, min(seconds, 3600.0))
    return kind(message)
