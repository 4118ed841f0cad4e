"""Errors of the host's API, as `{"error": code, "message": sentence}` with a status."""

from __future__ import annotations

import math

from aiohttp import web

from edge_runtime.api.wire import reply
from edge_runtime.errors import BadRequest, EdgeError, NotFound, Overloaded
from trainer_host.errors import NotThere, TrainerError


class Unprocessable(BadRequest):
    """The body can be read, and asks for what can't be; the sentence says what to change."""

    status = 422
    code = "invalid"


class Conflict(BadRequest):
    """What is there already forbids it."""

    status = 409
    code = "conflict"


def error_reply(error: EdgeError) -> web.Response:
    """The answer to a request that failed."""
    headers: dict[str, str] = {}
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    elif error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return reply({"error": error.code, "message": str(error)}, error.status, headers)


def from_trainer(error: TrainerError) -> EdgeError:
    """A person's mistake, found by the host's own code, as an error of the API."""
    if isinstance(error, NotThere):
        return NotFound(str(error))
    return Unprocessable(str(error))


def missing_package(error: ModuleNotFoundError) -> str:
    """What to do where an extra isn't installed."""
    return f"The package '{error.name}' is missing on the host; install Enigma with the extra 'trainer' there."


def from_aiohttp(error: web.HTTPException) -> EdgeError:
    """An error of the web framework in our form."""
    if isinstance(error, web.HTTPNotFound):
        return NotFound("There is nothing at this address; docs/host-api.md lists what there is.")
    if isinstance(error, web.HTTPMethodNotAllowed):
        made = EdgeError(f"This address takes {', '.join(sorted(error.allowed_methods))}.")
        made.code = "method_not_allowed"
    else:
        made = EdgeError(f"{error.reason}.")
    made.status = error.status
    return made
