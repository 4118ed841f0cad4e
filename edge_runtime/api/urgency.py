"""How urgent a request is, as its client says: in headers, or in the parameters of the Open Inference Protocol."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge_runtime.errors import BadRequest
from edge_runtime.serving.turns import NORMAL, PRIORITIES, USUAL, Urgency

if TYPE_CHECKING:
    from aiohttp import web

PRIORITY, DEADLINE = "Enigma-Priority", "Enigma-Deadline-Ms"
_LONGEST_MS = 600_000.0


def urgency_of(request: web.Request) -> Urgency:
    """What the headers `Enigma-Priority` and `Enigma-Deadline-Ms` say; raises `BadRequest`."""
    named, within = request.headers.get(PRIORITY), request.headers.get(DEADLINE)
    if named is None and within is None:
        return USUAL
    if named is not None and named not in PRIORITIES:
        raise BadRequest(f"{PRIORITY} must be {', '.join(PRIORITIES)}.")
    return Urgency(NORMAL if named is None else PRIORITIES[named], None if within is None else _milliseconds(within))


def urgency_in(request: web.Request, parameters: object) -> Urgency:
    """The same, where the body's parameters may say it as Triton's schedule policy extension has it.

    "priority": 1 is the highest, 2 the usual one, 0 the usual one too; "timeout": microseconds. Raises `BadRequest`.
    """
    told = urgency_of(request)
    if not isinstance(parameters, dict):
        return told
    level, timeout = parameters.get("priority", 0), parameters.get("timeout", 0)
    if type(level) is not int or not 0 <= level < 2**63:
        raise BadRequest("`priority` must be a whole number: 1 is the highest, 0 says nothing.")
    if type(timeout) is not int or not 0 <= timeout <= _LONGEST_MS * 1000:
        raise BadRequest(f"`timeout` must be microseconds, up to {_LONGEST_MS * 1000:.0f}; 0 says nothing.")
    return Urgency(
        min(level, max(PRIORITIES.values()) + 1) - 1 if level else told.priority,
        timeout / 1e6 if timeout else told.seconds,
    )


def _milliseconds(text: str) -> float:
    try:
        value = float(text) if len(text) < 20 else math.nan
    except ValueError:
        value = math.nan
    if not 0 < value <= _LONGEST_MS:
        raise BadRequest(f"{DEADLINE} must be milliseconds, above 0 and at most {_LONGEST_MS:.0f}.")
    return value / 1000
