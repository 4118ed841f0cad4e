"""A device's pipelines, their topics, and what their cameras see and their microphones hear."""

from __future__ import annotations

import asyncio

from edge_runtime.calls.link import Json, Link, error_from, named, once
from edge_runtime.errors import DeviceUnreachable

PICTURE_BYTES = 2 * 2**20
SOUND_BYTES = 2**21  # a minute
MOST_TIME = 253_402_300_800  # seconds since 1970 to the year 10000
PIPELINE_TIMEOUT = 30.0  # a source, its stages and its sinks end in turn


class Piping(Link):
    """What a device does by itself."""

    async def pipelines(self) -> Json:
        """`{"pipelines": [...]}`, each with its state, counts, last error and stages; see docs/pipelines.md."""
        return await self._call("GET", "/v1/pipelines")

    async def picture(self, pipeline: str, tag: str = "") -> tuple[bytes, str, float] | None:
        """What a pipeline's camera saw last, where its file says `shown = true`: (a JPEG, its tag, seconds since 1970).

        tag: of the picture that is known; None where there is no newer one. Needs an operator's token.
        """
        headers = {"If-None-Match": tag} if tag else {}
        return await self._media(f"/v1/pipelines/{named(pipeline)}/picture", headers, PICTURE_BYTES, self._timeout)

    async def sound(self, pipeline: str, seconds: float = 2.0) -> tuple[bytes, float]:
        """What a pipeline's microphone hears from now on, where its file says `heard = true`: (a WAV, when it began).

        seconds: 0.1 to 60 of it; less comes where the source was cut. Needs an operator's token.
        """
        path = f"/v1/pipelines/{named(pipeline)}/sound?seconds={seconds:g}"
        found = await self._media(path, {}, SOUND_BYTES, self._timeout + seconds)
        if found is None:
            raise DeviceUnreachable(f"{self.base_url} sends no sound; update its software.")
        return found[0], found[2]

    async def _media(
        self, path: str, headers: dict[str, str], most: int, timeout: float
    ) -> tuple[bytes, str, float] | None:
        """(A file of at most so many bytes, its tag, when it was captured); None where it is the same still."""
        import aiohttp

        try:
            async with asyncio.timeout(timeout):
                async with self._open().get(
                    self._origin + path, headers=self._headers() | headers, allow_redirects=False
                ) as response:
                    if response.status == 304:
                        return None
                    if response.status != 200:
                        raise error_from(response.status, await self._read(response), None)
                    content = bytearray()
                    async for piece in response.content.iter_chunked(64 * 1024):
                        content += piece
                        if len(content) > most:
                            raise DeviceUnreachable(f"{self.base_url} sends a file without end.")
                    captured = float(response.headers.get("X-Captured", ""))
                    if not 0 <= captured < MOST_TIME:
                        raise ValueError("it says no moment of what it sends")
                    return bytes(content), response.headers.get("ETag", ""), captured
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise self._unreachable(cause) from None

    async def start_pipeline(self, name: str, *, key: str | None = None) -> Json:
        """Start a pipeline by its file as it is now; needs a host's token."""
        path = f"/v1/pipelines/{named(name)}/start"
        return await self._call("POST", path, headers=once(key), timeout=PIPELINE_TIMEOUT)

    async def stop_pipeline(self, name: str, *, key: str | None = None) -> Json:
        """Stop a pipeline, also over restarts; needs a host's token."""
        path = f"/v1/pipelines/{named(name)}/stop"
        return await self._call("POST", path, headers=once(key), timeout=PIPELINE_TIMEOUT)

    async def publish(self, topic: str, value: Json) -> int:
        """Publish on a topic that pipelines read; returns how many do."""
        answer = await self._call("POST", "/v1/topics", json={"topic": topic, "value": value})
        readers = answer.get("readers")
        return readers if isinstance(readers, int) else 0
