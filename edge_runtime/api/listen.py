"""Listening live: a client sends sound as it is recorded, and gets a line whenever the phrase is heard in it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage

from edge_runtime.api.wire import media_type
from edge_runtime.audio.files import RATE
from edge_runtime.audio.wake import WakeSession, samples_of
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest, EdgeError, Overloaded, Unauthorized
from edge_runtime.tasks.wake_word import WakeWord

PCM = "audio/pcm"  # 16 bits, little-endian, mono, 16 kHz
LINES = "application/x-ndjson"
MAX_STREAMS = 8
QUIET_SECONDS = 30.0  # a microphone that sends nothing for so long is gone
SEND_SECONDS = 10.0
RECHECK_SECONDS = 0.5  # until a token that was taken back is noticed
_PIECE = RATE // 5 * 2  # bytes that the specialist is asked about at once: a fifth of a second


class ListenRoutes:
    """POST /v1/listen/{specialist}."""

    def __init__(self, device: Device, still: Callable[[web.Request], bool] = lambda request: True) -> None:
        """still: whether a request that goes on would be let in again."""
        self._device = device
        self._still = still
        self._open = 0

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """Lines of JSON while the body goes on: each detection, and at its end how much was heard, or an error."""
        name = request.match_info["specialist"]
        specialist = self._device.serving.current(name).loaded.specialist
        if not isinstance(specialist, WakeWord):
            raise BadRequest(f"'{name}' waits for no phrase; ask it with POST /v1/run/{name}.")
        if media_type(request) != PCM:
            raise BadRequest(f"Send {PCM}: 16 bits, little-endian, mono, {RATE:,} samples a second, without a header.")
        if self._open >= MAX_STREAMS:
            raise Overloaded(f"The device listens to {MAX_STREAMS} microphones already; end one and try again.")
        self._open += 1
        try:
            return await self._stream(request, name, specialist.listen())
        finally:
            self._open -= 1

    async def _stream(self, request: web.Request, name: str, session: WakeSession) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": LINES, "Cache-Control": "no-store"})
        await response.prepare(request)
        waiting = bytearray()
        check = time.monotonic() + RECHECK_SECONDS
        try:
            while True:
                async with asyncio.timeout(QUIET_SECONDS):
                    piece = await request.content.readany()
                waiting += piece
                while len(waiting) >= _PIECE or (waiting and not piece):
                    some = bytes(waiting[:_PIECE])
                    del waiting[:_PIECE]
                    await self._heard(response, name, session, some)
                if time.monotonic() >= check:
                    check = time.monotonic() + RECHECK_SECONDS
                    if not self._still(request):
                        raise Unauthorized("The token has ended; pair again.")
                if not piece:
                    await _line(response, {"type": "end", "seconds": round(session.seconds, 2)})
                    break
        except EdgeError as error:
            await _line(response, {"type": "error", "code": error.code, "message": str(error)})
        except (TimeoutError, web.RequestPayloadError, BadHttpMessage):
            await _line(response, {"type": "error", "code": "bad_request", "message": "The sound stopped coming."})
        await response.write_eof()
        return response

    async def _heard(self, response: web.StreamResponse, name: str, session: WakeSession, piece: bytes) -> None:
        # The model may be a newer one than the session began with: the specialist takes the session over.
        answer = await self._device.serving.run(name, {"session": session, "samples": samples_of(piece)})
        found = answer.value["detections"]
        assert isinstance(found, list)
        for one in found:
            self._device.metrics.count("enigma_wakes_total", specialist=name)
            self._device.events.emit("wake", specialist=name, phrase=one["phrase"], confidence=one["confidence"])
            await _line(response, {"type": "wake", **one})


async def _line(response: web.StreamResponse, value: dict[str, object]) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await response.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")
