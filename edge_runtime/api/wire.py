"""Bodies in and out: bounded JSON from clients, errors as one sentence in JSON."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest, EdgeError, Overloaded, TooLarge
from edge_runtime.media import to_json

ASKED = web.RequestKey("asked", str)  # what a request asked, where its device keeps that
# Addresses whose clients are OpenAI's, and want its shape of an error.
OPENAI_PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/models", "/v1/embeddings", "/v1/audio/")
BODY_SECONDS = 20.0  # a body of a megabyte takes 8 s over a very bad link
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=to_json)  # of `Media`

Json = dict[str, object]


async def read_json(
    request: web.Request, limit: int, parse: Callable[[bytes], Json] = strict_json.loads_object
) -> Json:
    """A request's JSON object; raises `BadRequest` or `TooLarge` with what to change.

    parse: reads the body; raises `BadRequest`.
    """
    # A form or plain text can be sent across origins by any web page; JSON can't without our consent.
    if media_type(request) != "application/json":
        raise BadRequest("The body must be JSON: send the header 'Content-Type: application/json'.")
    return parse(await read_body(request, limit))


def media_type(request: web.Request) -> str:
    """What a body is said to be, without parameters; octets where nothing is said.

    aiohttp asks the standard library's parser of e-mails, which is 0.6 MB that nothing else here needs.
    """
    said = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return said if said.count("/") == 1 else "application/octet-stream"


async def read_body(request: web.Request, limit: int) -> bytes:
    """A request's body; raises `BadRequest` or `TooLarge`."""
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge(f"The body has {request.content_length:,} bytes; send at most {limit:,}.")
    try:
        if request.content.is_eof():  # most bodies come with their head, and need no clock
            body = request.content.read_nowait()
        else:
            body = await _arriving(request, limit)
    except (web.RequestPayloadError, BadHttpMessage, ConnectionError) as cause:
        # After the answer aiohttp would read on, and log as its own error what it meets.
        request.content.feed_eof()
        request.protocol.close()
        raise BadRequest(f"The body can't be read: {_one_line(cause)}.") from None
    if len(body) > limit:
        raise TooLarge(f"The body has more than {limit:,} bytes; send less.")
    return body


async def _arriving(request: web.Request, limit: int) -> bytes:
    """A body as it arrives, up to its end or what is beyond the limit."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while len(body) <= limit and (chunk := await request.content.readany()):
                body += chunk
    except TimeoutError:
        raise BadRequest(f"The body didn't arrive within {BODY_SECONDS:g} seconds; send it again.") from None
    return bytes(body)


def reply(value: Json, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON response."""
    body = ENCODER.encode(value).encode("utf-8")
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def reply_error(error: EdgeError, body: Json | None = None) -> web.Response:
    """An error as `{"error": {"code", "message"}}`, or as `body`, with its HTTP status."""
    headers: dict[str, str] = {}
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    elif error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return reply(body or {"error": {"code": error.code, "message": str(error)}}, error.status, headers)


def _one_line(cause: Exception) -> str:
    return " ".join(str(cause).split()).removeprefix("400, message: ").rstrip(".")[:160] or type(cause).__name__
