"""Asking specialists: whole answers, chats, sounds; and what they were unsure about."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from urllib.parse import urlencode

from edge_runtime import strict_json
from edge_runtime.calls.link import Json, Link, error_from, named
from edge_runtime.errors import BadRequest, DeviceUnreachable

WORD_TIMEOUT = 60.0  # between two pieces of an answer; before the first, a small device reads the whole conversation
MAX_QUESTION = 500  # characters; it goes into the address, and no specialist reads more
UNASKED = 'leave out "question"'  # what a specialist says that takes none


class Asking(Link):
    """What a device's specialists answer."""

    async def run(self, specialist: str, request: Json) -> Json:
        """Ask a specialist; the request and the answer are those of its task, the answer with `ms` added.

        A file is a `edge_runtime.media.Media` in the request, and {"content_type", "base64"} in the answer.
        """

        from edge_runtime.media import to_json

        asked = to_json(request)
        assert isinstance(asked, dict)
        return await self._call("POST", f"/v1/run/{named(specialist)}", json=asked)

    async def look(self, specialist: str, content_type: str, content: bytes, question: str = "") -> Json:
        """Ask a specialist about one file, as it is; `content_type` as in "image/png". The answer is its task's.

        question: of a person, about the file; a specialist that takes none is asked without, and so is any where it is longer
        than `MAX_QUESTION` characters.
        """
        headers, path = {"Content-Type": content_type}, f"/v1/run/{named(specialist)}"
        if not 0 < len(question) <= MAX_QUESTION:
            return await self._call("POST", path, data=content, headers=headers, timeout=WORD_TIMEOUT)
        asked = f"{path}?{urlencode({'question': question})}"
        try:
            return await self._call("POST", asked, data=content, headers=headers, timeout=WORD_TIMEOUT)
        except BadRequest as refused:
            if UNASKED not in str(refused):
                raise
            return await self.look(specialist, content_type, content)

    async def ask(self, request: Json) -> Json:
        """Let the device's router pick the specialist: {"task", "specialist", "answer", "confidence", "unsure", "ms"}."""
        from edge_runtime.media import to_json

        asked = to_json(request)
        assert isinstance(asked, dict)
        return await self._call("POST", "/v1/ask", json=asked)

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
                    raise error_from(response.status, answer, response.headers.get("Retry-After"))
                async with contextlib.aclosing(event_data(response.content, WORD_TIMEOUT)) as events:
                    async for data in events:
                        if data == "[DONE]":
                            return
                        chunk = strict_json.loads_object(data.encode(), "The answer", DeviceUnreachable)
                        if "error" in chunk:
                            raise error_from(500, chunk, None)
                        yield chunk
            finally:
                response.close()  # not given back: what else is on its way isn't read any more
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise self._unreachable(cause) from None
        raise DeviceUnreachable(f"{self.base_url} went away in the middle of its answer.")

    async def listen(self, specialist: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[Json]:
        """What a wake word's specialist hears, while `pieces` go on: {"type": "wake", "phrase", "seconds", "confidence"}.

        pieces: PCM of 16 bits, little-endian, mono, 16 kHz, as it is recorded. The last event is {"type": "end",
        "seconds"}, or {"type": "error", "code", "message"}.
        """

        import aiohttp

        url = f"{self._origin}/v1/listen/{named(specialist)}"
        headers = self._headers() | {"Content-Type": "audio/pcm"}
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._open().post(url, data=pieces, headers=headers, allow_redirects=False)
            async with response:
                if response.status >= 400:
                    async with asyncio.timeout(self._timeout):
                        answer = await self._read(response)
                    raise error_from(response.status, answer, response.headers.get("Retry-After"))
                async for line in response.content:
                    yield strict_json.loads_object(line, "The event", DeviceUnreachable)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise self._unreachable(cause) from None

    async def unsure(self, specialist: str) -> list[Json]:
        """What the device kept of texts that a specialist was unsure about: [{"text", "confidence", "scores"}]."""
        answer = await self._call("GET", f"/v1/unsure/{named(specialist)}")
        found = answer.get("unsure")
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    async def forget_unsure(self, specialist: str) -> None:
        """Let the device drop them."""
        await self._call("DELETE", f"/v1/unsure/{named(specialist)}")

    async def samples(self, specialist: str) -> Json:
        """`{"samples": [{"request", "response"}]}`: the first golden vectors of what serves."""
        return await self._call("GET", f"/v1/samples/{named(specialist)}")
