"""Asks for a robot's actions. A model never touches a motor: the safety envelope is asked, and it decides.

The envelope is another process, which listens on a UNIX socket of this machine. It gets one line of JSON,

    {"token"?, "pipeline", "calls": [{"name", "arguments", "targets"}], "captured": {"monotonic", "wall"}, "age_ms", "max_age_ms"}

and answers one, {"accepted": true} or {"accepted": false, "reason": "..."}. Where it isn't there, nothing moves; there
is no other way. Orders of pack `robot-en` are said as the bridge takes them first. What is unsure, old or no list of calls isn't even asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.errors import BadRequest
from edge_runtime.media import to_json
from edge_runtime.mobile.bridge import for_bridge
from edge_runtime.pipelines import declare
from edge_runtime.pipelines.envelope import ask
from edge_runtime.pipelines.items import Item, Json, SinkError
from edge_runtime.pipelines.references import fill
from edge_runtime.pipelines.webhook import read_secret

if TYPE_CHECKING:
    from edge_runtime.events import EventHub

MOST_CALLS = 32
_SHOWN = 200  # characters of the envelope's reason


class Actions:
    """One envelope; every request has a connection of its own, so none can be answered by another's line."""

    def __init__(self, declared: declare.Action, pipeline: str, events: EventHub) -> None:
        self._declared, self._pipeline, self._events = declared, pipeline, events
        self._token = (
            None if declared.token_file is None else read_secret(declared.token_file).decode("utf-8", "replace")
        )

    async def deliver(self, item: Item) -> bool:
        """Ask for the calls of an answer; False where it has none, or is unsure. Raises `SinkError`."""
        if item.answer is not None and item.answer.get("unsure") is True:
            return False
        value = item.value if isinstance(item.value, dict) else {}
        calls = _calls(to_json(fill(self._declared.calls, value, item.answer, "calls")))
        if not calls:
            return False
        try:
            calls, share = for_bridge(calls)
        except BadRequest as cause:
            raise SinkError(str(cause)) from None
        if item.captured.age > self._declared.max_age:
            raise SinkError(
                f"An action wasn't asked for: what it is about is {item.captured.age * 1000:.0f} ms old, over max_age_ms."
            )
        request: Json = {} if self._token is None else {"token": self._token}
        request |= {
            "pipeline": self._pipeline,
            "calls": calls,
            "captured": item.captured.plain(),
            "age_ms": round(item.captured.age * 1000, 1),
            "max_age_ms": round(self._declared.max_age * 1000),
        }
        if share is not None:
            await self._limit(share)
            if not calls:
                return True
        answer = await self._ask(request)
        accepted, reason = answer.get("accepted"), str(answer.get("reason") or "")[:_SHOWN]
        if not isinstance(accepted, bool):
            raise SinkError(f"The safety envelope at {self._declared.socket} didn't say whether it accepts.")
        self._events.emit(
            "action",
            pipeline=self._pipeline,
            calls=[call["name"] for call in calls],
            accepted=accepted,
            reason=reason or None,
            captured=item.captured.plain(),
        )
        if not accepted:
            raise SinkError(f"The safety envelope refused: {reason or 'it gave no reason'}.")
        return True

    async def close(self) -> None:
        """Nothing is held."""

    async def _limit(self, share: float) -> None:
        """Let the robot have that share of its most speed, from now on."""
        token: Json = {} if self._token is None else {"token": self._token}
        plan = (await self._ask({**token, "op": "plan"})).get("plan")
        most = plan.get("most_speed") if isinstance(plan, dict) else None
        if not isinstance(most, int | float):
            raise SinkError(f"The safety envelope at {self._declared.socket} knows no speeds; leave them out.")
        said = await self._ask({**token, "op": "limit", "speed": share * most})
        if said.get("accepted") is not True:
            raise SinkError(f"The safety envelope refused: {str(said.get('reason') or 'it gave no reason')[:_SHOWN]}.")

    async def _ask(self, request: Json) -> Json:
        return await ask(self._declared.socket, request, self._declared.timeout)


def _calls(value: object) -> list[Json]:
    if not isinstance(value, list) or len(value) > MOST_CALLS:
        raise BadRequest(f"calls must be a list of up to {MOST_CALLS} calls.")
    for call in value:
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            raise BadRequest('A call must be an object with a "name".')
    return value
