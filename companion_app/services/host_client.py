"""How the companion talks to a host: every call has a deadline, every answer a size that is enough."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from companion_app.i18n import tr
from companion_app.services.said import refusal
from edge_runtime.client import EdgeError, Pinned, Seen, pair_over, pin_told, refused_certificate

if TYPE_CHECKING:
    import aiohttp

MAX_ANSWER_BYTES = 2 * 1024 * 1024  # the longest answer, all lessons, has about a kilobyte for each
MAX_FILE_BYTES = 8 * 1024 * 1024  # a thousand of the longest keys, sealed, are 5.5 MB
MAX_EVENT_BYTES = 64 * 1024
PIECE_BYTES = 128 * 1024
CALL_DEADLINE = 15.0
# A host may have to open its vault first, which is slow on purpose, and draws prompts for an estimate.
SLOW_DEADLINE = 60.0
UPLOAD_DEADLINE = 660.0  # the largest file over a slow network, and what the host makes of it
HEARTBEAT = 20.0  # finds a host that vanished without a word

Json = dict[str, object]


class HostError(Exception):
    """A call that did not work; the message is one sentence for the person. status: of HTTP, 0 where none came."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


class HostClient(Pinned):
    """One host over HTTP; an async context manager. Every method raises `HostError` and nothing else.

    base_url: as `services.commands.clean_address` makes it. token, certificate: from `pair`; no other certificate is
    taken then, but a later one that the same host signed: on_renewed gets what to keep of it.
    """

    def __init__(
        self,
        base_url: str,
        token: str = "",
        certificate: str = "",
        on_renewed: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(certificate, on_renewed)
        self.base_url = base_url
        self.scope = ""  # known after `pair`
        self._token = token

    async def health(self) -> Json:
        """What the host says to everybody."""
        return await self._call("GET", "/healthz")

    async def pair(self, code: str, name: str) -> str:
        """Redeem a one-time code; returns the token, and uses it and the host's `certificate` from here on; sets `scope`."""
        seen = Seen()

        async def call(path: str, message: Json) -> Json:
            return await self._call("POST", path, message, seen=seen)

        await self.close()
        try:
            token, told = await pair_over(call, code, {"name": name}, seen)
        except EdgeError as error:
            raise HostError(refusal(error.code, str(error))) from None
        finally:
            await self.close()  # from here on the certificate is pinned
        self._token, self.scope = token, str(told.get("scope") or "")[:20]
        self.certificate = pin_told(seen, told.get("public_key"))
        return token

    async def tokens(self) -> Json:
        """All pairings: `{"tokens": [{"id", "name", "created", "scope", …}]}`; needs the scope owner."""
        return await self._call("GET", "/v1/tokens")

    async def remove_token(self, id: str) -> Json:
        """End a pairing, which is answered; needs the scope owner."""
        return await self._call("DELETE", f"/v1/tokens/{quote(id, safe='')}")

    async def send_file(self, name: str, content: AsyncIterator[bytes]) -> Json:
        """Send a file of rows or texts: `{"id", "files", "refused", "rows", "texts"}`."""
        path = f"/v1/imports?name={quote(name, safe='')}"
        return await self._call("POST", path, content=content, deadline=UPLOAD_DEADLINE)

    async def add_file(self, id: str, kind: str, task: str, dataset: str) -> Json:
        """Put what was sent into a dataset: `{"dataset", "task", "new", "train", "heldout"}`."""
        body: Json = {"kind": kind, "dataset": dataset}
        if kind == "rows":
            body["task"] = task
        return await self._call("POST", f"/v1/imports/{quote(id, safe='')}", body, deadline=UPLOAD_DEADLINE)

    async def forget_file(self, id: str) -> None:
        """Drop what was sent."""
        await self._call("DELETE", f"/v1/imports/{quote(id, safe='')}")

    async def tasks(self) -> Json:
        """`{"tasks", "presets"}`."""
        return await self._call("GET", "/v1/tasks")

    async def providers(self) -> list[object]:
        """Who can teach."""
        return self._listed(await self._call("GET", "/v1/providers"), "providers")

    async def add_provider(self, provider: Json) -> None:
        """Store a custom one that needs no key."""
        await self._call("POST", "/v1/providers", provider, deadline=SLOW_DEADLINE)

    async def delete_provider(self, name: str) -> None:
        """Remove a custom one for good."""
        await self._call("DELETE", f"/v1/providers/{quote(name, safe='')}", deadline=SLOW_DEADLINE)

    async def keys(self) -> list[object]:
        """The stored keys, by their ends."""
        return self._listed(await self._call("GET", "/v1/keys", deadline=SLOW_DEADLINE), "keys")

    async def add_key(self, key: Json) -> None:
        """Store one; status 409 where its name is taken."""
        await self._call("POST", "/v1/keys", key, deadline=SLOW_DEADLINE)

    async def use_key(self, provider: str, name: str) -> None:
        """Try this one first from now on."""
        await self._call("POST", "/v1/keys/use", {"provider": provider, "name": name}, deadline=SLOW_DEADLINE)

    async def delete_key(self, provider: str, name: str) -> None:
        """Remove one for good."""
        path = f"/v1/keys/{quote(provider, safe='')}/{quote(name, safe='')}"
        await self._call("DELETE", path, deadline=SLOW_DEADLINE)

    async def export_keys(self, passphrase: str) -> Json:
        """`{"keys", "providers", "file"}`: all keys as text in age's format, sealed by the passphrase."""
        body: Json = {"passphrase": passphrase}
        return await self._call("POST", "/v1/keys/export", body, deadline=SLOW_DEADLINE, most=MAX_FILE_BYTES)

    async def import_keys(self, file: str, passphrase: str, replacing: bool) -> Json:
        """`{"added", "replaced", "same", "skipped"}`. file: age's text, or base64 of its plain form."""
        body: Json = {"file": file, "passphrase": passphrase, "replace": replacing}
        return await self._call("POST", "/v1/keys/import", body, deadline=SLOW_DEADLINE)

    async def estimate(self, order: Json) -> Json:
        """`{"cost_usd", "sentences"}`."""
        return await self._call("POST", "/v1/estimates", order, deadline=SLOW_DEADLINE)

    async def start(self, order: Json) -> str:
        """Begin a lesson; returns its id."""
        id = (await self._call("POST", "/v1/lessons", order, deadline=SLOW_DEADLINE)).get("id")
        if not isinstance(id, str):
            raise self._strange()
        return id

    async def lessons(self) -> list[object]:
        """All lessons, those of the command line too."""
        return self._listed(await self._call("GET", "/v1/lessons"), "lessons")

    async def cancel(self, id: str) -> None:
        """Stop a lesson; what it made is kept."""
        await self._call("POST", f"/v1/lessons/{quote(id, safe='')}/cancel")

    async def resume(self, id: str, budget: str = "") -> None:
        """Go on with a lesson, with another budget where one is given."""
        body: Json | None = {"budget": budget} if budget else None
        await self._call("POST", f"/v1/lessons/{quote(id, safe='')}/resume", body, deadline=SLOW_DEADLINE)

    async def questions(self) -> Json:
        """`{"questions"}`: which datasets have some."""
        return await self._call("GET", "/v1/questions")

    async def questions_about(self, dataset: str) -> Json:
        """`{"dataset", "labels", "waiting", "answered", "questions"}`."""
        return await self._call("GET", f"/v1/questions/{quote(dataset, safe='')}")

    async def answer(self, dataset: str, body: Json, *, undo: bool = False) -> Json:
        """Answer one, or take an answer back; what waits then. Status 409 where somebody's other answer stands."""
        path = f"/v1/questions/{quote(dataset, safe='')}{'/undo' if undo else ''}"
        return await self._call("POST", path, body, deadline=SLOW_DEADLINE)

    async def take_answers(self, dataset: str) -> Json:
        """Put the answers into the dataset; as `questions_about`, with `to`, `new` and `rows`."""
        return await self._call("POST", f"/v1/questions/{quote(dataset, safe='')}/take", {}, deadline=SLOW_DEADLINE)

    async def signatures(self) -> Json:
        """`{"waiting"}`: updates that lack a signature, with the metadata to sign."""
        return await self._call("GET", "/v1/signatures", most=MAX_FILE_BYTES)

    async def sign(self, role: str, version: int, keyid: str, signature: str) -> Json:
        """Give one; what waits then."""
        body: Json = {"role": role, "version": version, "keyid": keyid, "signature": signature}
        return await self._call("POST", "/v1/signatures", body, deadline=SLOW_DEADLINE, most=MAX_FILE_BYTES)

    async def chat_models(self) -> Json:
        """`{"models"}`: which models the host answers with."""
        return await self._call("GET", "/v1/chat/models")

    async def chat(self, request: Json) -> AsyncGenerator[Json, None]:
        """The chunks of a chat completion, as a device's `DeviceClient.chat`; closing it early ends the writing."""
        import aiohttp

        from edge_runtime.server_sent import event_data

        url, body = f"{self.base_url}/v1/chat/completions", {**request, "stream": True}
        try:
            async with asyncio.timeout(SLOW_DEADLINE):
                response = await self._open().post(url, json=body, headers=self._headers(), allow_redirects=False)
            try:
                if response.status >= 300:
                    async with asyncio.timeout(CALL_DEADLINE):
                        raise self._refused(response.status, await self._read(response, MAX_ANSWER_BYTES))
                async with contextlib.aclosing(event_data(response.content, SLOW_DEADLINE)) as events:
                    async for data in events:
                        if data == "[DONE]":
                            return
                        chunk = self._parsed(data)
                        if "error" in chunk:
                            raise HostError(refusal(str(chunk.get("error")), str(chunk.get("message"))[:500]))
                        yield chunk
            finally:
                response.close()  # not given back: what else is on its way isn't read any more
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise self._unreachable(cause) from None
        raise HostError(tr("{address} went away in the middle of its answer.", address=self.base_url))

    async def file(self, path: str, start: int = 0) -> AsyncGenerator[tuple[int, bytes], None]:
        """A file's pieces from a byte on, each with its place; a host that begins anew all the same sends the first from 0.

        Every wait for the next piece has a deadline; the caller bounds how much it takes. status 416 where the file has
        no such byte.
        """
        import aiohttp

        headers = self._headers() | ({"Range": f"bytes={start}-"} if start else {})
        try:
            async with asyncio.timeout(SLOW_DEADLINE):  # a host hashes what it hasn't looked at before
                response = await self._open().get(self.base_url + path, headers=headers, allow_redirects=False)
            try:
                if response.status >= 300:
                    async with asyncio.timeout(CALL_DEADLINE):
                        raise self._refused(response.status, await self._read(response, MAX_ANSWER_BYTES))
                place = start if response.status == 206 else 0
                if place and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                    raise self._strange()
                while True:
                    async with asyncio.timeout(CALL_DEADLINE):
                        piece = await response.content.read(PIECE_BYTES)
                    if not piece:
                        return
                    yield place, piece
                    place += len(piece)
            finally:
                response.close()  # not given back: what else is on its way isn't read any more
        except EdgeError as error:
            raise HostError(refusal(error.code, str(error))) from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise self._unreachable(cause) from None

    async def prefer(self, pair: Json) -> None:
        """Give a preference between two answers, or an opinion on one, in TRL's form; the same one twice counts once."""
        await self._call("POST", "/v1/preferences", pair, deadline=SLOW_DEADLINE)

    async def unprefer(self, id: str) -> None:
        """Take one back."""
        await self._call("DELETE", f"/v1/preferences/{quote(id, safe='')}", deadline=SLOW_DEADLINE)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[AsyncIterator[Json]]:
        """The host's events from now on; entered once the connection stands, so that nothing falls between."""
        import aiohttp

        try:
            async with asyncio.timeout(CALL_DEADLINE):
                socket = await self._open().ws_connect(
                    f"{self.base_url}/v1/events",
                    headers=self._headers(),
                    heartbeat=HEARTBEAT,
                    max_msg_size=MAX_EVENT_BYTES,
                )
        except aiohttp.WSServerHandshakeError as refused:
            raise self._refused(refused.status) from None
        except EdgeError as error:  # what is kept of the certificate is damaged, or another is shown while pairing
            raise HostError(refusal(error.code, str(error))) from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise self._unreachable(cause) from None
        try:
            yield self._events(socket)
        finally:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with asyncio.timeout(2.0):
                    await socket.close()

    async def _events(self, socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[Json]:
        import aiohttp

        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            yield self._parsed(message.data)
        raise HostError(tr("The connection to {address} broke; it is made again by itself.", address=self.base_url))

    async def call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        deadline: float = CALL_DEADLINE,
        most: int = MAX_ANSWER_BYTES,
    ) -> Json:
        """Ask an address that has no method here."""
        return await self._call(method, path, body, deadline=deadline, most=most)

    async def _call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        content: AsyncIterator[bytes] | None = None,
        deadline: float = CALL_DEADLINE,
        most: int = MAX_ANSWER_BYTES,
        seen: Seen | None = None,
    ) -> Json:
        import aiohttp

        try:
            async with (
                asyncio.timeout(deadline),
                # A redirect could carry the token, or a key, to someone else.
                self._open(seen).request(
                    method,
                    self.base_url + path,
                    json=body,
                    data=content,
                    headers=self._headers(),
                    allow_redirects=False,
                ) as response,
            ):
                said = await self._read(response, most)
        except EdgeError as error:  # what is kept of the certificate is damaged, or another is shown while pairing
            raise HostError(refusal(error.code, str(error))) from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise self._unreachable(cause) from None
        if response.status >= 300:
            raise self._refused(response.status, said)
        return self._parsed(said) if said else {}

    async def _read(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        content = bytearray()
        async for chunk in response.content.iter_chunked(64 * 1024):
            content += chunk
            if len(content) > most:
                raise HostError(tr("{address} answers without end; check the address.", address=self.base_url))
        return bytes(content)

    def _parsed(self, content: bytes | str) -> Json:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            raise self._strange() from None
        if not isinstance(answer, dict):
            raise self._strange()
        return answer

    def _listed(self, answer: Json, name: str) -> list[object]:
        items = answer.get(name)
        if not isinstance(items, list):
            raise self._strange()
        return items

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _strange(self) -> HostError:
        return HostError(
            tr("{address} did not answer as an Enigma host does; check the address.", address=self.base_url)
        )

    def _refused(self, status: int, content: bytes = b"") -> HostError:
        answer: Json = {}
        with contextlib.suppress(HostError):
            answer = self._parsed(content)
        said = answer.get("message")
        if isinstance(said, str) and said:
            return HostError(refusal(str(answer.get("error")), said[:500]), status)
        if status == 401:
            return HostError(tr("The host does not know this companion; pair with it again."), status)
        return HostError(
            tr(
                "{address} answered with HTTP status {status}; check the address.", address=self.base_url, status=status
            ),
            status,
        )

    def _unreachable(self, cause: Exception) -> HostError:
        if isinstance(cause, TimeoutError):
            return HostError(
                tr("{address} did not answer in time; is the host on, and on this network?", address=self.base_url)
            )
        if (said := refused_certificate(self.base_url, cause, bool(self.certificate))) is not None:
            return HostError(said)
        why = str(cause)[:160] or type(cause).__name__
        return HostError(
            tr("{address} cannot be reached ({why}); does 'enigma serve' run there?", address=self.base_url, why=why)
        )
