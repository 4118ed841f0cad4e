"""Has a Home Assistant do what a home specialist understood, by its REST API: allowed entities only, all of an answer or none of it."""

from __future__ import annotations

import asyncio
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge_runtime import local_only
from edge_runtime.home.services import Service, services
from edge_runtime.pipelines import declare
from edge_runtime.pipelines.items import Item, Json, SinkError
from edge_runtime.pipelines.webhook import read_secret

if TYPE_CHECKING:
    import aiohttp

    from edge_runtime.events import EventHub

MOST_CALLS, MOST_TARGETS = 32, 200
_ENTITY = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
_READ_BYTES = 64 * 1024


class HomeAssistantCalls:
    """One Home Assistant. The token is a long-lived one of a user there who may control entities and isn't its administrator."""

    def __init__(self, declared: declare.HomeAssistant, pipeline: str, events: EventHub) -> None:
        self._declared, self._pipeline, self._events = declared, pipeline, events
        self._host = urlsplit(declared.url).hostname or ""
        self._token = read_secret(declared.token_file).decode("utf-8", "replace")
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, item: Item) -> bool:
        """Calls the services of an answer, one after the other; False where there are none, or it is unsure. Raises `SinkError`."""
        answer = item.answer
        if answer is None or answer.get("unsure") is True or not answer.get("calls"):
            return False
        if refused := local_only.refuse_far(self._host, f"the Home Assistant at {self._host}"):
            raise SinkError(refused)
        wanted = self._wanted(answer["calls"])
        if not wanted:
            return False
        if item.captured.age > self._declared.max_age:
            raise SinkError(
                f"Nothing was asked for: what it is about is {item.captured.age * 1000:.0f} ms old, over max_age_ms."
            )
        for service in wanted:
            await self._call(service)
        told = [f"{each.domain}.{each.name}" for each in wanted]
        self._events.emit("home_assistant", pipeline=self._pipeline, services=told, captured=item.captured.plain())
        return True

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _wanted(self, calls: object) -> list[Service]:
        """All services of an answer; raises `SinkError` where one of its entities isn't allowed, before anything is done."""
        if not isinstance(calls, list) or len(calls) > MOST_CALLS:
            raise SinkError(f"An answer has up to {MOST_CALLS} calls.")
        made: list[Service] = []
        for call in calls:
            name, arguments, targets = _parts(call)
            for target in targets:
                if not any(fnmatchcase(target, pattern) for pattern in self._declared.entities):
                    raise SinkError(f"{target} isn't among the entities that this pipeline may move; nothing was done.")
            try:
                made += services(name, arguments, targets)
            except ValueError as error:
                raise SinkError(f"{error} Nothing was done.") from None
        return made

    async def _call(self, service: Service) -> None:
        import aiohttp

        url = f"{self._declared.url.rstrip('/')}/api/services/{service.domain}/{service.name}"
        body = {"entity_id": list(service.entities), **service.data}
        try:
            async with asyncio.timeout(self._declared.timeout):
                async with self._open().post(url, json=body, allow_redirects=False) as answer:
                    await answer.content.read(_READ_BYTES)
                    status = answer.status
        except TimeoutError:
            raise SinkError(f"The Home Assistant at {self._host} didn't answer in time.") from None
        except (aiohttp.ClientError, OSError, ValueError) as cause:
            why = " ".join(str(cause).split())[:160] or type(cause).__name__
            raise SinkError(f"The Home Assistant at {self._host} can't be reached ({why}).") from None
        if status in (401, 403):
            raise SinkError(
                f"The Home Assistant at {self._host} doesn't take the token in {self._declared.token_file.name}."
            )
        if not 200 <= status < 300:
            raise SinkError(
                f"The Home Assistant at {self._host} answered {service.domain}.{service.name} with status {status}."
            )

    def _open(self) -> aiohttp.ClientSession:
        import ssl

        import aiohttp

        if self._session is None:
            secure = self._declared.url.startswith("https:")
            self._session = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {self._token}"},
                trust_env=False,
                connector=aiohttp.TCPConnector(ssl=ssl.create_default_context() if secure else True, limit=1),
            )
        return self._session


def _parts(call: object) -> tuple[str, Json, tuple[str, ...]]:
    if isinstance(call, dict) and isinstance(call.get("name"), str):
        arguments, targets = call.get("arguments") or {}, call.get("targets") or []
        good = isinstance(arguments, dict) and isinstance(targets, list) and len(targets) <= MOST_TARGETS
        if good and all(isinstance(each, str) and _ENTITY.fullmatch(each) for each in targets):
            return call["name"], arguments, tuple(targets)
    raise SinkError(
        "A call has a name, arguments, and targets that are ids of Home Assistant's entities, as light.hall."
    )
