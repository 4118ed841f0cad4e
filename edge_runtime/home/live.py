"""The inventory of a Home Assistant as it is now, by its WebSocket API: areas, names and aliases are told there and not by REST.

It is asked with the token of a user who needs no more than to see. After `follow` began, a change of a state or of a name is known
at once; a connection that breaks is made anew, and everything is asked again.

https://developers.home-assistant.io/docs/api/websocket
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge_runtime import local_only, strict_json
from edge_runtime.errors import BadRequest, EdgeError, Overloaded, Unauthorized
from edge_runtime.home.inventory import MAX_ALIASES, MAX_AREAS, MAX_ENTITIES, MAX_TEXT

if TYPE_CHECKING:
    import aiohttp

ANSWER_SECONDS = 15.0
MESSAGE_BYTES = 32 * 1024 * 1024  # all states of a large house are one message
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds until a broken connection is made anew, doubled each time
SETTLE, GATHERS = (
    0.2,
    1.0,
)  # seconds of silence that end the gathering of changes, as of a scene, and the most that it takes
MOST_ATTRIBUTES = 40
_REGISTRIES = ("area", "device", "entity")
Json = dict[str, object]


class HomeAssistantLive:
    """One connection. url: as of its pages; entities: patterns of those that count, as "light.*"."""

    def __init__(self, url: str, token: str, entities: Sequence[str] = ("*",)) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadRequest("The Home Assistant's address must begin with http:// or https:// and a host.")
        if parts.scheme == "http" and not local_only.is_near(parts.hostname):
            raise BadRequest("The address must begin with https:// beyond this machine and its private networks.")
        if refused := local_only.refuse_far(parts.hostname, f"the Home Assistant at {parts.hostname}"):
            raise BadRequest(refused)
        self.host, self._token, self._patterns = parts.hostname, token, tuple(entities)
        self._url = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/api/websocket"
        self._number = 0
        self._states: dict[str, Json] = {}
        self._registry: dict[str, list[Json]] = {}

    async def inventory(self) -> Json:
        """Areas and entities, as `parse_home` reads them. Raises `Unauthorized`, `Overloaded` where it can't be reached."""
        async with contextlib.aclosing(self._told()) as told:
            return await anext(told)

    async def follow(self) -> AsyncGenerator[Json, None]:
        """The inventory, and again each time that something in it changes. Raises `Unauthorized`; other failures are waited out."""
        wait, last = FIRST_WAIT, None
        while True:
            with contextlib.suppress(Overloaded):
                async with contextlib.aclosing(self._told()) as told:
                    async for made in told:
                        wait = FIRST_WAIT
                        if made != last:
                            last = made
                            yield made
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(LONGEST_WAIT, 2 * wait)

    async def _told(self) -> AsyncGenerator[Json, None]:
        async with self._connected() as line:
            self._states = {}
            for name in _REGISTRIES:
                await self._ask(line, "subscribe_events", event_type=f"{name}_registry_updated")
            await self._ask_registries(line)
            await self._ask(line, "subscribe_entities")
            clock = asyncio.get_running_loop()
            stale, tell_by = False, clock.time() + ANSWER_SECONDS  # the states of all come first
            seconds: float | None = ANSWER_SECONDS
            while True:
                try:
                    message = await self._read(line, seconds)
                except TimeoutError:
                    message = {}
                event = message.get("event")
                if message.get("type") == "event" and isinstance(event, dict):
                    stale = self._heard(event) or stale
                    tell_by = min(tell_by, clock.time() + GATHERS)
                    if (seconds := min(SETTLE, tell_by - clock.time())) > 0:
                        continue
                elif message:
                    continue
                if stale:
                    await self._ask_registries(line)
                stale, seconds, tell_by = False, None, math.inf
                yield self._made()

    def _heard(self, event: Json) -> bool:
        """Takes a change of states; whether it is of a registry instead."""
        if "event_type" in event:
            return True
        added, changed, removed = event.get("a"), event.get("c"), event.get("r")
        for entity, state in added.items() if isinstance(added, dict) else ():
            if isinstance(state, dict):
                self._states[entity] = {"s": state.get("s"), "a": dict(_object(state.get("a")))}
        for entity, change in changed.items() if isinstance(changed, dict) else ():
            state = self._states.setdefault(entity, {"s": None, "a": {}})
            plus, minus = _object(_object(change).get("+")), _object(_object(change).get("-"))
            attributes = dict(_object(state["a"])) | _object(plus.get("a"))
            gone = minus.get("a")
            for name in gone if isinstance(gone, list) else ():
                attributes.pop(str(name), None)
            self._states[entity] = {"s": plus.get("s", state["s"]), "a": attributes}
        for entity in removed if isinstance(removed, list) else ():
            self._states.pop(str(entity), None)
        return False

    def _made(self) -> Json:
        """The inventory of what was told."""
        areas = [
            {"id": _text(each.get("area_id")), "name": _text(each.get("name"))}
            for each in self._registry["area"]
            if each.get("area_id") and each.get("name")
        ]
        places = {_text(each.get("id")): each.get("area_id") for each in self._registry["device"]}
        known = {_text(each.get("entity_id")): each for each in self._registry["entity"]}
        made = []
        for entity in sorted(self._states):
            registered = known.get(entity, {})
            if not self._counts(entity) or registered.get("hidden_by") or registered.get("disabled_by"):
                continue
            state = self._states[entity]
            attributes = _object(state["a"])
            name = registered.get("name") or attributes.get("friendly_name") or registered.get("original_name")
            area = registered.get("area_id") or places.get(_text(registered.get("device_id")))
            aliases = registered.get("aliases")
            one: Json = {"id": entity, "name": _text(name) or entity, "domain": entity.partition(".")[0]}
            one |= {"area": _text(area)} if area else {}
            one |= {"state": _text(state["s"])} if state["s"] is not None else {}
            if isinstance(aliases, list) and aliases:
                one["aliases"] = [_text(each) for each in aliases[:MAX_ALIASES] if each]
            if device_class := attributes.get("device_class"):
                one["device_class"] = _text(device_class)
            one["attributes"] = {
                name: value
                for name, value in list(attributes.items())[:MOST_ATTRIBUTES]
                if isinstance(value, int | float | bool) or (isinstance(value, str) and len(value) <= MAX_TEXT)
            }
            made.append(one)
        return {"areas": areas[:MAX_AREAS], "entities": made[:MAX_ENTITIES]}

    def _counts(self, entity: str) -> bool:
        return any(fnmatchcase(entity, pattern) for pattern in self._patterns)

    async def _ask_registries(self, line: aiohttp.ClientWebSocketResponse) -> None:
        for name in _REGISTRIES:
            told = await self._ask(line, f"config/{name}_registry/list")
            self._registry[name] = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []

    async def _ask(self, line: aiohttp.ClientWebSocketResponse, kind: str, **more: object) -> object:
        self._number += 1
        number = self._number
        await line.send_json({"id": number, "type": kind, **more})
        while True:
            try:
                said = await self._read(line, ANSWER_SECONDS)
            except TimeoutError:
                raise Overloaded(f"The Home Assistant at {self.host} didn't answer {kind} in time.", 5.0) from None
            if said.get("type") == "result" and said.get("id") == number:
                break
            if said.get("type") == "event" and isinstance(said.get("event"), dict):
                self._heard(said["event"])  # type: ignore[arg-type]
        if said.get("success") is not True:
            why = _text(_object(said.get("error")).get("message")) or "it gave no reason"
            raise BadRequest(f"The Home Assistant at {self.host} refused {kind}: {why}")
        return said.get("result")

    async def _read(self, line: aiohttp.ClientWebSocketResponse, seconds: float | None) -> Json:
        """Raises TimeoutError, `Overloaded` where the connection ended."""
        import aiohttp

        message = await line.receive(seconds)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Overloaded(f"The Home Assistant at {self.host} ended the connection.", 1.0)
        return strict_json.loads_object(message.data.encode("utf-8"), "Home Assistant's message", Overloaded)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        import aiohttp

        try:
            async with (
                aiohttp.ClientSession(trust_env=False) as session,
                session.ws_connect(
                    self._url, heartbeat=30.0, max_msg_size=MESSAGE_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=5.0),
                ) as line,
            ):  # fmt: skip
                said = await self._read(line, ANSWER_SECONDS)
                if said.get("type") == "auth_required":
                    await line.send_json({"type": "auth", "access_token": self._token})
                    said = await self._read(line, ANSWER_SECONDS)
                if said.get("type") != "auth_ok":
                    raise Unauthorized(f"The Home Assistant at {self.host} doesn't take the token.")
                yield line
        except EdgeError:
            raise
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            why = " ".join(str(cause).split())[:160] or type(cause).__name__
            raise Overloaded(f"The Home Assistant at {self.host} can't be reached ({why}).", 5.0) from None


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return str(value)[:MAX_TEXT] if value is not None else ""
