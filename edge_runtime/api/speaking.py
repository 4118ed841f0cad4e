"""A long text is said part by part: the first sentence is on its way while the second is made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiohttp import web

from edge_runtime.device import Device
from edge_runtime.errors import EdgeError
from edge_runtime.media import Media
from edge_runtime.serving.turns import Urgency
from edge_runtime.tasks import Speaks

Json = dict[str, object]
WAV, PCM = "audio/wav", "audio/pcm"
SEND_SECONDS = 30.0  # a client that takes nothing for so long is gone

_log = logging.getLogger(__name__)


async def spoken(
    device: Device,
    request: web.Request,
    name: str,
    asked: Json,
    urgency: Urgency,
    accepted: str,
    samples: Callable[[bytes], bytes] | None = None,
) -> web.StreamResponse | None:
    """The sounds of a request's parts, one after another; None where it has one part, or the specialist doesn't speak so.

    accepted: `WAV`, whose header says that its length isn't known, or `PCM`, the samples alone. samples: makes those of each part's
    WAV; without it they are at the voice's own rate, and the content type says which. What fails on the way ends the
    connection: whoever listens hears that the sound breaks off.
    """
    specialist = device.serving.current(name).loaded.specialist
    if accepted not in (WAV, PCM) or not isinstance(specialist, Speaks):
        return None
    parts, unsure = specialist.parts(asked)
    if len(parts) < 2 and accepted == WAV:
        return None
    from edge_runtime.tasks.voice import RATE, endless_header, pcm_of

    first = await device.run(name, parts[0], urgency)  # an error here is still an answer
    kind = WAV if accepted == WAV else PCM if samples is not None else f"{PCM}; rate={RATE}"
    response = web.StreamResponse(
        headers={"Content-Type": kind, "Cache-Control": "no-store", "Enigma-Unsure": str(unsure).lower()}
    )
    await response.prepare(request)
    try:
        await _write(response, endless_header() if accepted == WAV else b"")
        for number in range(len(parts)):
            answer = first if number == 0 else await device.run(name, parts[number], urgency)
            sound = answer.value["sound"]
            assert isinstance(sound, Media)
            await _write(response, (samples or pcm_of)(sound.content))
        await response.write_eof()
    except (EdgeError, TimeoutError) as error:
        _log.warning("%s stopped speaking: %s", name, error or "nobody listens")
        if request.transport is not None:
            request.transport.close()
    return response


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await response.write(data)
