"""Pipelines: what they do, starting and stopping them, and topics that programs on the device publish on."""

from __future__ import annotations

import time

from aiohttp import web

from edge_runtime import strict_json
from edge_runtime.api.access import caller
from edge_runtime.api.wire import read_json, reply
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest, Forbidden
from edge_runtime.pipelines.items import Captured
from edge_runtime.pipelines.topics import Message

TOPIC_BYTES = 64 * 1024
SOUND_SECONDS = (0.1, 60.0)  # that a person may listen at once
_SKEW_SECONDS = 86_400.0  # that a message may be older than now, and no younger


class PipelineRoutes:
    """GET /v1/pipelines and /v1/pipelines/{pipeline}/picture and /sound, POST .../start and /stop, POST /v1/topics."""

    def __init__(self, device: Device) -> None:
        self._device = device

    async def all(self, request: web.Request) -> web.Response:
        """Every pipeline: its state, what went in, was dropped and came out, its last error, the age of its latest."""
        return reply({"pipelines": self._device.pipelines.all()})

    async def start(self, request: web.Request) -> web.Response:
        """Start a pipeline by its file as it is now, also one that runs."""
        return reply(await self._device.pipelines.start(request.match_info["pipeline"]))

    async def stop(self, request: web.Request) -> web.Response:
        """Stop a pipeline; it stays so after a restart."""
        return reply(await self._device.pipelines.stop(request.match_info["pipeline"]))

    async def picture(self, request: web.Request) -> web.Response:
        """The latest picture of a camera whose pipeline says `shown = true`, at most 640 pixels wide and high, a JPEG.

        X-Captured: when it was, in seconds since 1970. With If-None-Match of its ETag, 304 where it is the same still.
        """
        _whole(request, "a camera sees more than one specialist")
        media, captured = await self._device.pipelines.picture(request.match_info["pipeline"])
        tag = f'"{captured.wall:.6f}"'
        headers = {"ETag": tag, "X-Captured": f"{captured.wall:.3f}", "Cache-Control": "no-store"}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=media.content, content_type=media.content_type, headers=headers)

    async def sound(self, request: web.Request) -> web.Response:
        """What a microphone whose pipeline says `heard = true` hears from now on: a WAV, ?seconds=N of it (2).

        X-Captured: when it began, in seconds since 1970. A sound that the source cut is shorter.
        """
        _whole(request, "a microphone hears more than one specialist")
        try:
            seconds = float(request.query.get("seconds", "2"))
        except ValueError:
            seconds = 0.0
        low, high = SOUND_SECONDS
        if not low <= seconds <= high:  # also what is no number
            raise BadRequest(f'"seconds" must be from {low:g} to {high:g}.')
        media, captured = await self._device.pipelines.sound(request.match_info["pipeline"], seconds)
        headers = {"X-Captured": f"{captured.wall:.3f}", "Cache-Control": "no-store"}
        return web.Response(body=media.content, content_type=media.content_type, headers=headers)

    async def publish(self, request: web.Request) -> web.Response:
        """Publish {"topic", "value", "captured"?} to the pipelines that read the topic, and answer to how many.

        captured: when it was, in seconds since 1970; now where it isn't said.
        """
        _whole(request, "a topic may reach any specialist")
        body = await read_json(request, TOPIC_BYTES)
        topic, value, captured = body.get("topic"), body.get("value"), body.get("captured")
        if not isinstance(topic, str) or not isinstance(value, dict) or body.keys() - {"topic", "value", "captured"}:
            raise BadRequest('Send a "topic" (a text), a "value" (an object), and "captured" (seconds) where it was.')
        moment = Captured.now()
        if captured is not None:
            if not strict_json.is_number(captured):
                raise BadRequest('"captured" must be seconds since 1970.')
            ago = time.time() - captured
            if not 0 <= ago <= _SKEW_SECONDS:
                raise BadRequest('"captured" must be within the last day by this device\'s clock.')
            moment = moment.later(-ago)
        return reply({"readers": self._device.pipelines.topics.publish(Message(topic, value, moment))})


def _whole(request: web.Request, why: str) -> None:
    """Raises `Forbidden` for a token that is good for some specialists only."""
    grant = caller(request).grant
    if grant is not None and grant.only:
        raise Forbidden(f"This token is good for {', '.join(grant.only)}; {why}.")
