"""The Open Inference Protocol 2 over HTTP, for programs that bring their own tensors: the graph without its task.

What a task does around its model (tokens, labels, thresholds) is not in the way here, and not of help either.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from edge_runtime import __version__, strict_json
from edge_runtime.api.tensors import Given, filled, metadata, raw_bytes, read_inputs, write_tensors
from edge_runtime.api.urgency import DEADLINE, PRIORITY, urgency_in
from edge_runtime.api.wire import ENCODER, media_type, read_body, reply
from edge_runtime.device import Device
from edge_runtime.engines import GraphEngine
from edge_runtime.errors import BadRequest, NotFound
from edge_runtime.serving.turns import Urgency

Json = dict[str, object]
PATH = "/v2"
LENGTH = "Inference-Header-Content-Length"  # of the JSON, where tensors' bytes stand behind it
EXTENSIONS = ["binary_tensor_data", "schedule_policy"]
_MOST_ID = 256
_MOST_KNOWN, _KNOWN_BYTES = 64, 4096  # of requests' JSON that is kept as it was read


@dataclass
class _Asked:
    """A request's JSON, read and checked. head: of an answer whose outputs, all in bytes, have this `form`."""

    json: Json
    given: list[Given]
    urgency: Urgency
    form: object = None
    head: bytes = b""
    names: tuple[str, ...] = ()


class InferenceRoutes:
    """GET /v2 and below, POST /v2/models/{specialist}/infer."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._limit = device.config.server.max_file_kb * 1024
        # Clients that send bytes send the same JSON before them each time, and get the same before their answers: read
        # and written once, this saves a small model's request a tenth of its time. By bundle, headers and JSON.
        self._known: dict[tuple[str, str | None, str | None, bytes], _Asked] = {}

    async def server(self, request: web.Request) -> web.Response:
        """Server metadata."""
        return reply({"name": "enigma-edge", "version": __version__, "extensions": EXTENSIONS})

    async def live(self, request: web.Request) -> web.Response:
        """Whether the server runs."""
        return reply({"live": True})

    async def ready(self, request: web.Request) -> web.Response:
        """Whether all specialists serve; 503 otherwise."""
        return reply({"ready": self._device.ready}, 200 if self._device.ready else 503)

    async def model_ready(self, request: web.Request) -> web.Response:
        """Whether one specialist serves."""
        name, _, _ = self._graph(request)
        return reply({"name": name, "ready": True})

    async def model(self, request: web.Request) -> web.Response:
        """What a specialist's graph takes and gives."""
        name, version, engine = self._graph(request)
        return reply(
            {
                "name": name,
                "versions": [version],
                "platform": f"{engine.runtime}_{engine.version}",
                "inputs": [metadata(tensor) for tensor in engine.inputs],
                "outputs": [metadata(tensor) for tensor in engine.outputs],
            }
        )

    async def infer(self, request: web.Request) -> web.Response:
        """Run a specialist's graph once."""
        name, version, engine = self._graph(request)
        digest = self._device.serving.current(name).loaded.digest
        body = await read_body(request, self._limit)
        length = _json_length(request, len(body))
        asked = self._read(request, digest, engine, body[:length])
        made = await self._device.infer(name, filled(asked.given, body, length), asked.urgency)
        form = [(value.dtype, value.shape) for value in made.values()]
        if asked.head and asked.form == form:
            tail = b"".join([raw_bytes(made[each]) for each in asked.names])
            return _bytes(asked.head, tail)
        outputs, tail = write_tensors(asked.json, made)
        answer: Json = {"model_name": name, "model_version": version, "outputs": outputs}
        if asked.json.get("id") is not None:
            answer["id"] = asked.json["id"]
        if not tail:
            return reply(answer)
        head = ENCODER.encode(answer).encode("utf-8")
        if not any("data" in each for each in outputs):
            asked.form, asked.head, asked.names = form, head, tuple(str(each["name"]) for each in outputs)
        return _bytes(head, tail)

    def _read(self, request: web.Request, digest: str, engine: GraphEngine, head: bytes) -> _Asked:
        """What a request's JSON and headers ask; raises `BadRequest`."""
        key = digest, request.headers.get(PRIORITY), request.headers.get(DEADLINE), head
        asked = self._known.get(key)
        if asked is not None:
            return asked
        json = strict_json.loads_object(head)
        number = json.get("id")
        if number is not None and not (isinstance(number, str) and len(number) <= _MOST_ID):
            raise BadRequest(f"`id` must be a text of at most {_MOST_ID} characters.")
        asked = _Asked(json, read_inputs(json, engine.inputs), urgency_in(request, json.get("parameters")))
        # With numbers, or with a name of its own, a request hardly comes a second time.
        if len(head) <= _KNOWN_BYTES and number is None and all(each.values is None for each in asked.given):
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = asked
        return asked

    def _graph(self, request: web.Request) -> tuple[str, str, GraphEngine]:
        """Name, version and engine of the specialist in the address; raises `NotFound`, `BadRequest`."""
        name = request.match_info["specialist"]
        loaded = self._device.serving.current(name).loaded
        wanted, version = request.match_info.get("version"), loaded.manifest.version
        if wanted not in (None, version):
            raise NotFound(f"'{name}' serves version {version}, not {str(wanted)[:40]}.")
        return name, version, self._device.serving.graph(name)


def _bytes(head: bytes, tail: bytes) -> web.Response:
    headers = {"Content-Type": "application/octet-stream", LENGTH: str(len(head))}
    return web.Response(body=head + tail, headers=headers)


def _json_length(request: web.Request, size: int) -> int:
    """Bytes of the body that are JSON."""
    header = request.headers.get(LENGTH)
    if header is None:
        # The official client names no type, which reads as octets; browsers' own forms and texts are neither.
        if media_type(request) not in ("application/json", "application/octet-stream"):
            raise BadRequest("The body must be JSON: send the header 'Content-Type: application/json'.")
        return size
    if not (header.isascii() and header.isdigit()) or len(header) > 12 or int(header) > size:
        raise BadRequest(f"{LENGTH} must say how many of the body's {size:,} bytes are JSON.")
    return int(header)
