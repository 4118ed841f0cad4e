"""What the audit log says of one call to a provider, and its plain form: a line of the log, or a row that waits to be one.

No key, and no text of a prompt or an answer unless somebody asked for it (`trainer_host.teacher.recording`): a key's
name, numbers, and words from a fixed list.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, get_args

from trainer_host.teacher.protocol import Usage

# How a call ended. A fixed list: a server's own words could hold anything.
Outcome = Literal[
    "answered",
    "rate limited",
    "key refused",
    "request refused",
    "server error",
    "unreadable answer",
    "timed out",
    "not reached",
    "cancelled",
    "lost",  # its process ended before an answer was kept
    "batch sent",
    "batch answered",
    "batch failed",
]
_OUTCOMES = frozenset(get_args(Outcome))
MAX_TEXT = 12_000  # characters of a recorded prompt or answer
_FIELD = 120  # characters of a name
_LARGEST = 10**15  # tokens; a server may report anything
_TOKENS = ("input", "output", "cache_read", "cache_write")
_HASH = re.compile(r"[0-9a-f]{1,64}")
_JSON = json.JSONEncoder(separators=(",", ":"))  # one for all: json.dumps would make it anew for each call


@dataclass(frozen=True)
class Call:
    """One call. key: the stored key's name, never the key. request: the hash that the cache knows the request by.
    cost: US dollars, None where the price isn't known. status: of HTTP, None where nothing came. time: when it was
    sent, ISO 8601 in UTC; "" is the moment of logging. recovered: it was logged by a later process than the one that sent it.
    prompt, answer: texts without personal data, only where they were asked for; cut at `MAX_TEXT`."""

    provider: str
    model: str
    outcome: Outcome
    key: str | None = None
    task: str = ""
    usage: Usage | None = None
    cost: Decimal | None = None
    request: str = ""
    status: int | None = None
    seconds: float = 0.0
    time: str = ""
    recovered: bool = False
    prompt: str | None = field(default=None, repr=False)
    answer: str | None = field(default=None, repr=False)


def now() -> str:
    """ISO 8601, UTC, so that texts compare as times."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fields_of(call: Call) -> dict[str, object]:
    """A call's members as they are logged; raises `ValueError` for what could hold a key or a text."""
    if call.outcome not in _OUTCOMES:
        raise ValueError(f"{call.outcome!r} is no outcome")
    if call.request and not _HASH.fullmatch(call.request):
        raise ValueError("a request is logged by its hash")
    usage = call.usage
    made: dict[str, object] = {
        "time": call.time[:_FIELD] or now(),
        "provider": call.provider[:_FIELD],
        "key": None if call.key is None else call.key[:_FIELD],
        "task": call.task[:_FIELD],
        "model": call.model[:_FIELD],
        "outcome": call.outcome,
        "status": call.status,
        "input": None if usage is None else min(usage.input, _LARGEST),
        "output": None if usage is None else min(usage.output, _LARGEST),
        "cache_read": None if usage is None else min(usage.cache_read, _LARGEST),
        "cache_write": None if usage is None else min(usage.cache_write, _LARGEST),
        "cost": None if call.cost is None else f"{call.cost:f}",
        "seconds": round(call.seconds, 3),
        "request": call.request,
    }
    if call.recovered:
        made["recovered"] = True
    for name, text in (("prompt", call.prompt), ("answer", call.answer)):
        if text is not None:
            made[name] = _cut(text)
    return made


def call_of(fields: dict[str, object]) -> Call | None:
    """A call from its members; None where they aren't those of a call."""
    try:
        usage = None
        if fields["input"] is not None:
            usage = Usage(*(int(str(fields[name])) for name in _TOKENS))
        cost, status, key = fields["cost"], fields["status"], fields["key"]
        return Call(
            provider=str(fields["provider"]),
            model=str(fields["model"]),
            outcome=fields["outcome"],  # type: ignore[arg-type]  # as it stands there
            key=None if key is None else str(key),
            task=str(fields["task"]),
            usage=usage,
            cost=None if cost is None else Decimal(str(cost)),
            request=str(fields["request"]),
            status=None if status is None else int(str(status)),
            seconds=float(str(fields["seconds"])),
            time=str(fields["time"]),
            recovered=fields.get("recovered") is True,
            prompt=_text(fields.get("prompt")),
            answer=_text(fields.get("answer")),
        )
    except (KeyError, ValueError, ArithmeticError):
        return None


def to_text(call: Call) -> str:
    """A call as one piece of JSON."""
    return _JSON.encode(fields_of(call))


def from_text(text: str) -> Call | None:
    """What `to_text` wrote; None for anything else."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return call_of(fields) if isinstance(fields, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _cut(text: str) -> str:
    left = len(text) - MAX_TEXT
    return text if left <= 0 else f"{text[:MAX_TEXT]} ... [{left} more characters]"
