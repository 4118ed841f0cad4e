"""Asking: the specialists and their answers."""

from __future__ import annotations

from aiohttp import web

from edge_runtime import kept_json
from edge_runtime.api.openai_wire import model_json
from edge_runtime.api.wire import read_json, reply
from edge_runtime.device import Device


class RunRoutes:
    """GET /v1/models and POST /v1/run/{specialist}."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._limit = device.config.server.max_body_kb * 1024
        self._reader = kept_json.Reader()

    async def models(self, request: web.Request) -> web.Response:
        """The specialists that serve; "data" are the language models, as OpenAI's clients read them."""
        serving = self._device.serving
        found = [(name, serving.current(name)) for name in serving.names()]
        data = [model_json(name, generation.since) for name, generation in found if generation.language is not None]
        return reply({"object": "list", "data": data, "models": self._device.models()})

    async def run(self, request: web.Request) -> web.Response:
        """One answer of one specialist, with the milliseconds that it took."""
        name = request.match_info["specialist"]
        self._device.serving.current(name)  # an unknown name costs no body
        answer = await self._device.run(name, await read_json(request, self._limit, self._reader.loads_object))
        return reply({**answer.value, "ms": round(answer.seconds * 1000, 3)})
