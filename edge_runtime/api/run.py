"""Asking: the specialists and their answers."""

from __future__ import annotations

from aiohttp import web

from edge_runtime import kept_json
from edge_runtime.api.access import caller
from edge_runtime.api.urgency import urgency_of
from edge_runtime.api.wire import ASKED, ENCODER, media_type, read_body, read_json, reply
from edge_runtime.device import Device
from edge_runtime.errors import NotAcceptable
from edge_runtime.media import Media

Json = dict[str, object]
# The request's field for a body that is a file, by the first half of its content type.
_FIELDS = {"image": "image", "audio": "audio", "video": "video"}
_FIGURES = ("unsure", "confidence")  # of an answer, that go into headers beside a file


class RunRoutes:
    """GET /v1/models, POST /v1/run/{specialist} and POST /v1/ask."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._limit = device.config.server.max_body_kb * 1024
        self._file_limit = device.config.server.max_file_kb * 1024
        self._reader = kept_json.Reader()

    async def models(self, request: web.Request) -> web.Response:
        """The specialists that serve; "data" are those that OpenAI's clients may ask."""
        from edge_runtime.api.openai_wire import model_json

        serving = self._device.serving
        found = [(name, serving.current(name)) for name in serving.names()]
        data = [
            model_json(name, generation.since) for name, generation in found if generation.writes or generation.embeds
        ]
        return reply({"object": "list", "data": data, "models": self._device.models()})

    async def run(self, request: web.Request) -> web.StreamResponse:
        """One answer of one specialist, with the milliseconds that it took.

        A body that is a picture or a sound is the request's "image" or "audio", beside the texts of its query. Where
        only a type of file is accepted, that file of the answer is the body, and headers tell the rest; a long text that
        is said comes sentence by sentence.
        """
        name = request.match_info["specialist"]
        self._device.known(name)  # an unknown name costs no body
        urgency = urgency_of(request)
        asked, wanted = await self._asked(request), _accepted(request)
        if wanted is not None and wanted.startswith("audio/"):
            from edge_runtime.api.speaking import spoken

            if (streamed := await spoken(self._device, request, name, asked, urgency, wanted)) is not None:
                return streamed
        answer = await self._device.run(name, asked, urgency)
        took = round(answer.seconds * 1000, 3)
        if wanted is None:
            return reply({**answer.value, "ms": took})
        files = [value for value in answer.value.values() if isinstance(value, Media)]
        file = next((file for file in files if _matches(file.content_type, wanted)), None)
        if file is None:
            made = ", ".join(item.content_type for item in files) or "no file"
            raise NotAcceptable(
                f"The answer has {made}, not {wanted[:60]}; accept application/json to see the whole answer."
            )
        told = {key: answer.value[key] for key in _FIGURES if isinstance(answer.value.get(key), bool | float)}
        headers = {f"Enigma-{key.title()}": str(value).lower() for key, value in told.items()}
        headers["Enigma-Ms"] = str(took)
        return web.Response(body=file.content, content_type=file.content_type, headers=headers)

    async def ask(self, request: web.Request) -> web.Response:
        """The answer of the specialist that the device's router picks; see `edge_runtime.routing`."""
        from edge_runtime.routing import route

        found = await route(
            self._device, await self._asked(request), urgency_of(request), allow=caller(request).may_use
        )
        value = None if found.answer is None else found.answer.value
        return reply(
            {
                "task": found.task,
                "confidence": found.confidence,
                "specialist": found.specialist,
                "unsure": found.answer is None or found.answer.value.get("unsure") is True,
                "answer": value,
                "ms": round(found.seconds * 1000, 3),
            }
        )

    async def _asked(self, request: web.Request) -> Json:
        field = _FIELDS.get(media_type(request).partition("/")[0])
        if field is None:
            asked = await read_json(request, self._limit, self._reader.loads_object)
            if self._device.config.log.inputs:
                request[ASKED] = ENCODER.encode(asked)
            return asked
        content = await read_body(request, self._file_limit)
        return {**request.query, field: Media(media_type(request), content)}


def _accepted(request: web.Request) -> str | None:
    """The type of file that the client wants; None where it takes JSON."""
    header = request.headers.get("Accept", "")
    types = [part.partition(";")[0].strip().lower() for part in header.split(",")[:20]]
    named = [kind for kind in types if kind]
    if not named or any(kind in ("*/*", "application/*", "application/json") for kind in named):
        return None
    return named[0]


def _matches(content_type: str, wanted: str) -> bool:
    return content_type == wanted or (wanted.endswith("/*") and content_type.startswith(wanted[:-1]))
