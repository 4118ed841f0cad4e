"""OpenAI's embeddings: where texts lie among others, by the vector that a router's graph gives beside its answer."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import cast

import numpy as np
from aiohttp import web

from edge_runtime.api.access import caller
from edge_runtime.api.openai_wire import Body, Json
from edge_runtime.api.urgency import urgency_of
from edge_runtime.api.wire import read_json, reply
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest

MOST_TEXTS = 2048  # as OpenAI takes


@dataclass(frozen=True)
class EmbeddingRequest:
    """A checked body of POST /v1/embeddings. packed: as base64 of float32, little-endian. width: as it must be, if asked."""

    model: str
    texts: tuple[str, ...]
    packed: bool
    width: int | None


class EmbeddingRoutes:
    """POST /v1/embeddings."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._limit = device.config.server.max_body_kb * 1024

    async def embed(self, request: web.Request) -> web.Response:
        """A vector of length 1 for each text, by the cosine of which texts are near or far."""
        asked = read_embedding(await read_json(request, self._limit))
        caller(request).may_use(asked.model)
        urgency = urgency_of(request)
        data: list[Json] = []
        tokens = 0
        for index, text in enumerate(asked.texts):  # one by one: a list must not fill the queue for the others
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError("The client went away.")
            made = (await self._device.embed(asked.model, text, urgency)).value
            vector = cast(np.ndarray, made["embedding"])
            if asked.width not in (None, len(vector)):
                raise BadRequest(f"`dimensions`: '{asked.model}' gives {len(vector)} numbers; leave it out.")
            tokens += cast(int, made["tokens"])
            data.append({"object": "embedding", "index": index, "embedding": _written(vector, asked.packed)})
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return reply({"object": "list", "model": asked.model, "data": data, "usage": usage})


def read_embedding(raw: Json) -> EmbeddingRequest:
    """Check a body of POST /v1/embeddings; raises `BadRequest` with the field that is wrong."""
    body = Body(raw)
    model = body.take("model", str, "a specialist's name")
    if not model:
        raise BadRequest("`model` must be the name of a specialist; GET /v1/models lists them.")
    found = body.any("input")
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise BadRequest("`input` must be a text, or a list of texts, none of them empty; tokens aren't taken.")
    if len(texts) > MOST_TEXTS:
        raise BadRequest(f"`input` has {len(texts)} texts; send at most {MOST_TEXTS}.")
    form = body.any("encoding_format")
    if form not in (None, "float", "base64"):
        raise BadRequest("`encoding_format` must be float or base64.")
    made = EmbeddingRequest(model, tuple(texts), form == "base64", body.whole("dimensions", 1))
    body.end()
    return made


def _written(vector: np.ndarray, packed: bool) -> object:
    if packed:
        return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    return [round(float(value), 7) for value in vector]  # what float32 tells apart
