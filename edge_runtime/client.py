"""How the host and the companion talk to a device: every call has a deadline."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from edge_runtime import errors, strict_json
from edge_runtime.addresses import is_loopback
from edge_runtime.connecting import UNIX, Seen, checked_by, pair_over, pin_told, refused_certificate, with_scheme
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
from edge_runtime.tracing import carried

if TYPE_CHECKING:
    import aiohttp

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
    "Seen",
    "StorageFull",
    "Unauthorized",
    "UntrustedSigner",
    "checked_by",
    "is_invitation",
    "is_loopback",
    "pair_over",
    "pin_told",
    "read_invitation",
    "refused_certificate",
    "with_scheme",
]

PICTURE_BYTES = 2 * 2**20
MAX_ANSWER_BYTES = 4 * 1024 * 1024  # a device's longest answer, its models, has a few kilobytes each
PUSH_CHUNK = 64 * 1024
# A push waits for unpacking, syncing to a slow SD card and the golden vectors.
PUSH_TIMEOUT = 120.0
UPDATE_TIMEOUT = 150.0  # until a slow repository was asked, see `edge_runtime.update.reach`
PIPELINE_TIMEOUT = 30.0  # a source, its stages and its sinks end in turn
WORD_TIMEOUT = 60.0  # between two pieces of an answer; before the first, a small device reads the whole conversation

Json = dict[str, object]


class DeviceClient:
    """One device over HTTP; an async context manager.

    base_url: as printed by `enigma-edge run`, for example https://192.168.1.20:8765; without a scheme it is https,
    but on this machine itself; unix:///run/enigma/edge.sock is a socket there. token: from `pair`; may be None on the device
    itself. certificate: how the device's certificate is known, from `pair` too: no other is taken then, but a later one that
    the same device made; `pair` itself checks it where it is known before. Without one, a certificate of an authority that
    this machine trusts is needed, but for `pair`. on_renewed: gets what to keep as `certificate` from then on, where that
    changed. timeout: seconds for each call but `push` and `events`. Every method raises `DeviceUnreachable` where the device doesn't answer, and else the error that the device answered, as the
    class of `edge_runtime.errors` that it has there. key, of what changes something: sent again by the same key, it is done once.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        certificate: str | None = None,
        timeout: float = 10.0,
        on_renewed: Callable[[str], None] | None = None,
    ) -> None:
        self.base_url = with_scheme(base_url)
        self._socket = self.base_url.removeprefix(UNIX) if self.base_url.startswith(UNIX) else None
        self._origin = self.base_url if self._socket is None else "http://localhost"
        self.token = token
        self.certificate = certificate or None
        self._on_renewed = on_renewed
        self.device: Json = {}
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> DeviceClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the client can be used again afterwards."""
        if self._session is not None:
            await self._session.close()
            self._session = None

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
                        raise _error_from(response.status, await self._read(response), None)
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

    async def run(self, specialist: str, request: Json) -> Json:
        """Ask a specialist; the request and the answer are those of its task, the answer with `ms` added.

        A file is a `edge_runtime.media.Media` in the request, and {"content_type", "base64"} in the answer.
        """

        from edge_runtime.media import to_json

        asked = to_json(request)
        assert isinstance(asked, dict)
        return await self._call("POST", f"/v1/run/{_named(specialist)}", json=asked)

    async def look(self, specialist: str, content_type: str, content: bytes) -> Json:
        """Ask a specialist about one file, as it is; `content_type` as in "image/png". The answer is its task's."""
        headers = {"Content-Type": content_type}
        return await self._call(
            "POST", f"/v1/run/{_named(specialist)}", data=content, headers=headers, timeout=WORD_TIMEOUT
        )

    async def chat(self, request: Json) -> AsyncGenerator[Json, None]:
        """The chunks of a chat completion (OpenAI's, see docs/device-api.md) as a language specialist writes.

        Whoever closes the iterator before its end stops the device within a token. Raises `DeviceUnreachable` where the
        device goes away in the middle.
        """
        import aiohttp

        from edge_runtime.server_sent import event_data

        body = strict_json.dumps({**request, "stream": True})
        headers = self._headers() | {"Content-Type": "application/json"}
        try:
            async with asyncio.timeout(WORD_TIMEOUT):
                response = await self._open().post(
                    f"{self._origin}/v1/chat/completions", data=body, headers=headers, allow_redirects=False
                )
            try:
                if response.status >= 400:
                    async with asyncio.timeout(self._timeout):
                        answer = await self._read(response)
                    raise _error_from(response.status, answer, response.headers.get("Retry-After"))
                async with contextlib.aclosing(event_data(response.content, WORD_TIMEOUT)) as events:
                    async for data in events:
                        if data == "[DONE]":
                            return
                        chunk = strict_json.loads_object(data.encode(), "The answer", DeviceUnreachable)
                        if "error" in chunk:
                            raise _error_from(500, chunk, None)
                        yield chunk
            finally:
                response.close()  # not given back: what else is on its way isn't read any more
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise self._unreachable(cause) from None
        raise DeviceUnreachable(f"{self.base_url} went away in the middle of its answer.")

    async def unsure(self, specialist: str) -> list[Json]:
        """What the device kept of texts that a specialist was unsure about: [{"text", "confidence", "scores"}]."""
        answer = await self._call("GET", f"/v1/unsure/{_named(specialist)}")
        found = answer.get("unsure")
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    async def forget_unsure(self, specialist: str) -> None:
        """Let the device drop them."""
        await self._call("DELETE", f"/v1/unsure/{_named(specialist)}")

    async def ask(self, request: Json) -> Json:
        """Let the device's router pick the specialist: {"task", "specialist", "answer", "confidence", "unsure", "ms"}."""
        from edge_runtime.media import to_json

        asked = to_json(request)
        assert isinstance(asked, dict)
        return await self._call("POST", "/v1/ask", json=asked)

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

    async def push(
        self, bundle: Path, on_progress: Callable[[int, int], None] | None = None, *, key: str | None = None
    ) -> Json:
        """Deliver a bundle; once it serves: `{"specialist", "version", "bundle", "runtime", "changed"}`.

        on_progress: called with the bytes sent and the bytes in all. Raises the device's reason where it
        refuses; its former model then goes on answering.
        """
        total = bundle.stat().st_size
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(total), **_once(key)}
        body = _read_in_chunks(bundle, total, on_progress)
        return await self._call("POST", "/v1/bundles", data=body, headers=headers, timeout=PUSH_TIMEOUT)

    async def tokens(self) -> Json:
        """All pairings: `{"tokens": [{"id", "name", "created", "scope", …}]}`; needs the scope owner."""
        return await self._call("GET", "/v1/tokens")

    async def remove_token(self, id: str) -> Json:
        """End a pairing, which is answered; needs the scope owner."""
        return await self._call("DELETE", f"/v1/tokens/{_named(id)}")

    async def renew_certificate(self) -> Json:
        """Let the device take another certificate: `{"certificate", "renewals"}`; paired clients follow by themselves."""
        return await self._call("POST", "/v1/certificate", json={})

    async def versions(self) -> Json:
        """`{"specialists": {name: [{"bundle", "version", "active"}]}}`: what lies on the device, what serves first."""
        return await self._call("GET", "/v1/versions")

    async def switch(self, specialist: str, bundle: str, *, key: str | None = None) -> Json:
        """Let another bundle on the device serve: `{"specialist", "version", "bundle", "changed"}`; needs a host's token."""
        return await self._call(
            "POST",
            f"/v1/switch/{_named(specialist)}",
            json={"bundle": bundle},
            headers=_once(key),
            timeout=PUSH_TIMEOUT,
        )

    async def roll_back(self, specialist: str, *, key: str | None = None) -> Json:
        """Let the previous bundle of a specialist serve again; needs a host's token."""
        return await self._call("POST", f"/v1/rollback/{_named(specialist)}", headers=_once(key), timeout=PUSH_TIMEOUT)

    async def samples(self, specialist: str) -> Json:
        """`{"samples": [{"request", "response"}]}`: the first golden vectors of what serves."""
        return await self._call("GET", f"/v1/samples/{_named(specialist)}")

    async def log(self) -> Json:
        """`{"log": [{"at", "level", "text"}]}`, the newest first; needs an owner's token."""
        return await self._call("GET", "/v1/log")

    async def requests(self) -> Json:
        """`{"requests": [...]}`, the newest first, see docs/device-api.md; needs an owner's token."""
        return await self._call("GET", "/v1/requests")

    async def restart(self, what: str = "daemon", *, key: str | None = None) -> Json:
        """Let the daemon start again, or by its owner's hook the "machine"; needs an owner's token."""
        return await self._call("POST", "/v1/restart", json={"what": what}, headers=_once(key), timeout=UPDATE_TIMEOUT)

    async def remove(self, specialist: str) -> Json:
        """Unload a specialist, an adapter for example, and forget its bundles; needs a host's token."""
        return await self._call("POST", f"/v1/remove/{_named(specialist)}", timeout=PUSH_TIMEOUT)

    async def updates(self) -> Json:
        """What the device tells of itself and its releases; `edge_runtime.update.report` reads it."""
        return await self._call("GET", "/v1/updates")

    async def check_updates(self) -> Json:
        """Let the device ask the repository that it follows now; what came of it, as `updates` tells."""
        return await self._call("POST", "/v1/updates/check", json={}, timeout=PUSH_TIMEOUT)

    async def update_journal(self, most: int = 200, before: int | None = None) -> Json:
        """`{"journal": [...], "head", "signed"}`: what happened to releases, the newest first, in a chain of hashes.

        before: only lines with a lower number. signed: where the chain ends now, see `edge_runtime.update.journal_head`.
        """
        older = "" if before is None else f"&before={before}"
        return await self._call("GET", f"/v1/updates/journal?most={most}{older}")

    async def apply_updates(self, folder: str) -> Json:
        """Let the device take updates once from a folder of its own, as a stick; needs an owner's token."""
        return await self._call("POST", "/v1/updates/apply", json={"folder": folder}, timeout=UPDATE_TIMEOUT)

    async def follow_updates(self, root: bytes, urls: Sequence[str], direct_push: bool = True) -> Json:
        """Let the device follow a repository of updates; needs an owner's token.

        root: the repository's root metadata, which the device trusts from here on. direct_push: whether bundles are
        taken from paired hosts besides.
        """
        sent: Json = {"root": base64.b64encode(root).decode("ascii"), "urls": list(urls), "direct_push": direct_push}
        return await self._call("PUT", "/v1/updates/source", json=sent, timeout=UPDATE_TIMEOUT)

    async def forget_updates(self) -> Json:
        """Let the device follow nothing any more; needs an owner's token."""
        return await self._call("DELETE", "/v1/updates/source", timeout=UPDATE_TIMEOUT)

    async def pipelines(self) -> Json:
        """`{"pipelines": [...]}`, each with its state, counts, last error and stages; see docs/pipelines.md."""
        return await self._call("GET", "/v1/pipelines")

    async def picture(self, pipeline: str, tag: str = "") -> tuple[bytes, str, float] | None:
        """What a pipeline's camera saw last, where its file says `shown = true`: (a JPEG, its tag, seconds since 1970).

        tag: of the picture that is known; None where there is no newer one. Needs an operator's token.
        """
        import aiohttp

        headers = self._headers() | ({"If-None-Match": tag} if tag else {})
        path = f"{self._origin}/v1/pipelines/{_named(pipeline)}/picture"
        try:
            async with asyncio.timeout(self._timeout):
                async with self._open().get(path, headers=headers, allow_redirects=False) as response:
                    if response.status == 304:
                        return None
                    if response.status != 200:
                        raise _error_from(response.status, await self._read(response), None)
                    content = bytearray()
                    async for piece in response.content.iter_chunked(64 * 1024):
                        content += piece
                        if len(content) > PICTURE_BYTES:
                            raise DeviceUnreachable(f"{self.base_url} sends a picture without end.")
                    captured = float(response.headers.get("X-Captured", "0"))
                    return bytes(content), response.headers.get("ETag", ""), captured
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise self._unreachable(cause) from None

    async def start_pipeline(self, name: str, *, key: str | None = None) -> Json:
        """Start a pipeline by its file as it is now; needs a host's token."""
        path = f"/v1/pipelines/{_named(name)}/start"
        return await self._call("POST", path, headers=_once(key), timeout=PIPELINE_TIMEOUT)

    async def stop_pipeline(self, name: str, *, key: str | None = None) -> Json:
        """Stop a pipeline, also over restarts; needs a host's token."""
        path = f"/v1/pipelines/{_named(name)}/stop"
        return await self._call("POST", path, headers=_once(key), timeout=PIPELINE_TIMEOUT)

    async def publish(self, topic: str, value: Json) -> int:
        """Publish on a topic that pipelines read; returns how many do."""
        answer = await self._call("POST", "/v1/topics", json={"topic": topic, "value": value})
        readers = answer.get("readers")
        return readers if isinstance(readers, int) else 0

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

    @property
    def robot(self) -> RobotClient:
        """The robot beside the device."""
        from edge_runtime.robot_client import RobotClient

        return RobotClient(self)

    async def listen(self, specialist: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[Json]:
        """What a wake word's specialist hears, while `pieces` go on: {"type": "wake", "phrase", "seconds", "confidence"}.

        pieces: PCM of 16 bits, little-endian, mono, 16 kHz, as it is recorded. The last event is {"type": "end",
        "seconds"}, or {"type": "error", "code", "message"}.
        """

        import aiohttp

        url = f"{self._origin}/v1/listen/{_named(specialist)}"
        headers = self._headers() | {"Content-Type": "audio/pcm"}
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._open().post(url, data=pieces, headers=headers, allow_redirects=False)
            async with response:
                if response.status >= 400:
                    async with asyncio.timeout(self._timeout):
                        answer = await self._read(response)
                    raise _error_from(response.status, answer, response.headers.get("Retry-After"))
                async for line in response.content:
                    yield strict_json.loads_object(line, "The event", DeviceUnreachable)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise self._unreachable(cause) from None

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
            raise _error_from(response.status, answer, response.headers.get("Retry-After"))
        return answer

    async def _read(self, response: aiohttp.ClientResponse) -> Json:
        content = bytearray()
        async for chunk in response.content.iter_chunked(64 * 1024):
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise DeviceUnreachable(f"{self.base_url} answers without end; check the address.")
        what = f"The answer of {self.base_url}"
        return strict_json.loads_object(bytes(content), what, DeviceUnreachable)

    def _open(self, seen: Seen | None = None) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            # Deadlines are ours, per call; proxies of the environment aren't meant for devices at home.
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
                connector=aiohttp.TCPConnector(ssl=checked_by(self.certificate, seen, self._renewed))
                if self._socket is None
                else aiohttp.UnixConnector(self._socket),
            )
        return self._session

    def _renewed(self, certificate: str) -> None:
        self.certificate = certificate
        if self._on_renewed is not None:
            self._on_renewed(certificate)

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


def _named(name: str) -> str:
    """A name as a part of an address."""
    from urllib.parse import quote

    return quote(name, safe="")


def _once(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key}


def _error_from(status: int, answer: Json, retry_after: str | None) -> EdgeError:
    raw = answer.get("error")
    fields = raw if isinstance(raw, dict) else {}
    message = str(fields.get("message") or f"The device answered with HTTP status {status}.")[:1000]
    kind = errors.by_code(str(fields.get("code", "")))
    if issubclass(kind, errors.Overloaded):
        seconds = float(retry_after) if retry_after and retry_after.isdigit() else 1.0
        return kind(message, min(seconds, 3600.0))
    return kind(message)


def _key_of(about: Json) -> bytes | None:
    """A device's public key out of what it says of itself."""
    try:
        return decode_key(about.get("public_key"))
    except BadRequest:
        return None


async def _read_in_chunks(
    path: Path, total: int, on_progress: Callable[[int, int], None] | None
) -> AsyncIterator[bytes]:
    sent = 0
    with path.open("rb") as source:
        while chunk := await asyncio.to_thread(source.read, PUSH_CHUNK):
            yield chunk
            sent += len(chunk)
            if on_progress:
                on_progress(sent, total)
