"""The Open Inference Protocol 2 over HTTP, for programs that bring their own tensors: the graph without its task.

What a task does around its model (tokens, labels, thresholds) is not in the way here, and not of help either.
"""

from __future__ import annotations

from aiohttp import web

from edge_runtime import __version__, strict_json
from edge_runtime.api.tensors import metadata, read_tensors, write_tensors
from edge_runtime.api.urgency import urgency_in
from edge_runtime.api.wire import ENCODER, read_body, reply
from edge_runtime.device import Device
from edge_runtime.engines import GraphEngine
from edge_runtime.errors import BadRequest, NotFound

Json = dict[str, object]
PATH = "/v2"
LENGTH = "Inference-Header-Content-Length"  # of the JSON, where tensors' bytes stand behind it
EXTENSIONS = ["binary_tensor_data", "schedule_policy"]
_MOST_ID = 256


class InferenceRoutes:
    """GET /v2 and below, POST /v2/models/{specialist}/infer."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._limit = device.config.server.max_file_kb * 1024

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
        body = await read_body(request, self._limit)
        length = _json_length(request, len(body))
        asked = strict_json.loads_object(body[:length])
        number = asked.get("id")
        if number is not None and not (isinstance(number, str) and len(number) <= _MOST_ID):
            raise BadRequest(f"`id` must be a text of at most {_MOST_ID} characters.")
        inputs = read_tensors(asked, body[length:], engine.inputs)
        urgency = urgency_in(request, asked.get("parameters"))
        outputs, tail = write_tensors(asked, await self._device.infer(name, inputs, urgency))
        answer: Json = {"model_name": name, "model_version": version, "outputs": outputs}
        if number is not None:
            answer["id"] = number
        if not tail:
            return reply(answer)
        head = ENCODER.encode(answer).encode("utf-8")
        return web.Response(body=head + tail, content_type="application/octet-stream", headers={LENGTH: str(len(head))})

    def _graph(self, request: web.Request) -> tuple[str, str, GraphEngine]:
        """Name, version and engine of the specialist in the address; raises `NotFound`, `BadRequest`."""
        name = request.match_info["specialist"]
        loaded = self._device.serving.current(name).loaded
        wanted, version = request.match_info.get("version"), loaded.manifest.version
        if wanted not in (None, version):
            raise NotFound(f"'{name}' serves version {version}, not {str(wanted)[:40]}.")
        return name, version, self._device.serving.graph(name)


def _json_length(request: web.Request, size: int) -> int:
    """Bytes of the body that are JSON."""
    header = request.headers.get(LENGTH)
    if header is None:
        # The official client names no type, which reads as octets; browsers' own forms and texts are neither.
        if request.content_type not in ("application/json", "application/octet-stream"):
            raise BadRequest("The body must be JSON: send the header 'Content-Type: application/json'.")
        return size
    if not (header.isascii() and header.isdigit()) or len(header) > 12 or int(header) > size:
        raise BadRequest(f"{LENGTH} must say how many of the body's {size:,} bytes are JSON.")
    return int(header)
