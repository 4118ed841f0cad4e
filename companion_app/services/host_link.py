"""The connection to the host, kept alive: what it offers, its lessons as they go, reconnect with backoff."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

from companion_app.i18n import tr
from companion_app.services.host_client import HostClient, HostError, Json
from companion_app.services.host_wire import lesson_from, lessons_from, offer_from
from companion_app.services.link import Dispatch, Sleep, backoff, sentence_of
from companion_app.services.train_wire import job_from
from companion_app.services.work import together
from companion_app.state import host_actions as hact
from companion_app.state import train_actions as tact

# Lessons tell of themselves at once; this only finds what no event tells, such as a key from the command line.
REFRESH = 10.0


class HostLink:
    """Owns the connection to the host until it is cancelled."""

    def __init__(self, client: HostClient, dispatch: Dispatch, *, sleep: Sleep = asyncio.sleep) -> None:
        self.client = client
        self._dispatch = dispatch
        self._sleep = sleep
        self._attempt = 0
        self._stale = asyncio.Event()
        self._told: set[str] = set()

    async def run(self) -> None:
        """Connect, follow, and begin again whenever the host goes away."""
        while True:
            self._dispatch(hact.HostConnecting())
            reason = await self._follow()
            await self.client.close()
            wait = backoff(self._attempt, random.random())
            self._attempt += 1
            self._dispatch(hact.HostLost(reason, wait))
            await self._sleep(wait)

    def look_again(self) -> None:
        """Ask the host now: something was changed."""
        self._stale.set()

    async def look(self) -> None:
        """Ask the host once how all stands. Raises HostError."""
        # A lesson that tells of itself while the host is asked is newer than what the host will answer.
        self._told.clear()
        tasks = await self.client.tasks()
        offer = offer_from(tasks, await self.client.providers(), await self.client.keys())
        lessons = lessons_from(await self.client.lessons())
        self._dispatch(hact.HostUpdated(offer, lessons, frozenset(self._told)))

    async def _follow(self) -> str:
        """Stay connected as long as it goes; returns the reason of the end as one sentence."""
        reason = tr("The host closed the connection.")
        try:
            async with self.client.listening() as events:
                listening = asyncio.create_task(self._listen(events))
                await together(listening, asyncio.create_task(self._refresh(listening)))
        except HostError as failed:
            reason = sentence_of(failed)
        return reason

    async def _listen(self, events: AsyncIterator[Json]) -> None:
        async for item in events:
            if item.get("type") == "lesson":
                lesson = lesson_from(item)
                self._told.add(lesson.id)
                self._dispatch(hact.LessonTold(lesson))
            elif item.get("type") in ("training", "release", "tune"):
                self._dispatch(tact.JobTold(job_from(item)))

    async def _refresh(self, listening: asyncio.Task[None]) -> None:
        """Look at once, after news, and now and then; apart from `_listen`, which must keep up."""
        while not listening.done():
            self._stale.clear()
            await self.look()
            self._attempt = 0
            news = asyncio.ensure_future(self._stale.wait())
            try:
                await asyncio.wait({listening, news}, timeout=REFRESH, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
