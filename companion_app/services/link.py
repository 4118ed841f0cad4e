"""One device's connection, kept alive: models and readiness, events as they come, reconnect with backoff."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable

from companion_app.i18n import tr
from companion_app.services.device_look import DeviceLook
from companion_app.services.host_client import HostError
from companion_app.services.said import refusal
from companion_app.services.wire import changes_models, event_from, specialist_from
from companion_app.services.work import together
from companion_app.state import actions as act
from companion_app.state import fleet_actions as fact
from edge_runtime.client import DeviceClient, EdgeError, Unauthorized

log = logging.getLogger(__name__)

# The first retry is quick (a restarting device is back within a second), the last ones spare a phone's radio.
FIRST_RETRY = 0.5
LAST_RETRY = 30.0
# For the first minute a device may well be starting again, and is to be back within 3 s of its own start.
SOON = 2.0
SOON_TRIES = 30
# Events bring news at once; this only finds what no event tells, such as readiness.
REFRESH = 10.0
# While a person watches the device, its figures are to be live.
WATCHED_REFRESH = 2.0
# Where there are no events, this is how old the picture may be.
POLL = 3.0
# For one whole look at the device; the client has its own, shorter deadlines per call.
LOOK_DEADLINE = 25.0
# A device retells its latest 64 events to whoever connects; twice that tells old from new.
REMEMBERED_EVENTS = 128

Dispatch = Callable[[act.Action], None]
Sleep = Callable[[float], Awaitable[None]]


def backoff(attempt: int, chance: float) -> float:
    """Seconds to wait before try `attempt` (0 is the first): doubling, +-25 % by `chance` in 0..1, up to two bounds.

    The spread keeps many companions from knocking at a restarted device in the same instant.
    """
    most = SOON if attempt < SOON_TRIES else min(LAST_RETRY, SOON * 2 ** min(attempt - SOON_TRIES, 16))
    return min(most, FIRST_RETRY * 2 ** min(attempt, 16)) * (0.75 + 0.5 * chance)


class Link:
    """Owns the connection to one device until it is cancelled."""

    def __init__(self, client: DeviceClient, address: str, dispatch: Dispatch, *, sleep: Sleep = asyncio.sleep) -> None:
        self.client = client
        self._address = address
        self._dispatch = dispatch
        self._sleep = sleep
        self._attempt = 0
        self._refused = False
        self._stale = asyncio.Event()
        self._poked = asyncio.Event()
        self._details = DeviceLook(client)
        self._watched = False
        self._seen: deque[tuple[object, object]] = deque(maxlen=REMEMBERED_EVENTS)

    async def run(self) -> None:
        """Connect, follow, and begin again whenever the device goes away."""
        while True:
            self._dispatch(act.LinkConnecting(self._address))
            reason = await self._follow()
            await self.client.close()
            wait = backoff(self._attempt, random.random())
            self._attempt += 1
            self._dispatch(act.LinkLost(self._address, reason, wait, self._refused))
            await self._pause(wait)

    def poke(self) -> None:
        """Look at once: there is news, or the device may be back."""
        self._poked.set()
        self._stale.set()

    def watch(self, watched: bool) -> None:
        """Whether a person looks at this device, so that its figures are to be live and whole."""
        if watched and not self._watched:
            self._stale.set()
        self._watched = watched

    async def _pause(self, seconds: float) -> None:
        """Wait, unless somebody pokes."""
        self._poked.clear()
        tasks = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._poked.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def look(self) -> None:
        """Ask the device once how it is. Raises EdgeError, TimeoutError."""
        async with asyncio.timeout(LOOK_DEADLINE):
            models = await self.client.models()
            ready = await self.client.ready()
            self._dispatch(act.LinkUpdated(self._address, ready, tuple(specialist_from(model) for model in models)))
            self._dispatch(fact.DetailSeen(self._address, await self._details.look(self._watched)))

    async def _follow(self) -> str:
        """Stay connected as long as it goes; returns the reason of the end as one sentence."""
        reason, self._refused = tr("The device closed the connection."), False
        try:
            await self.look()
            self._attempt = 0
            if self.client.token is None:
                # A device on this machine shows its models without a token, but not its events.
                while True:
                    await self._sleep(POLL)
                    await self.look()
            events = asyncio.create_task(self._events())
            await together(events, asyncio.create_task(self._refresh(events)))
        except (EdgeError, TimeoutError) as failed:
            reason, self._refused = sentence_of(failed), isinstance(failed, Unauthorized)
        return reason

    async def _events(self) -> None:
        # Not `events(since=...)`: a restarted device counts from 1 again, and would then tell nothing.
        async for item in self.client.events():
            which = (item.get("id"), item.get("time"))
            if which in self._seen:
                continue
            self._seen.append(which)
            self._dispatch(act.EventSeen(self._address, event_from(item)))
            if changes_models(item):
                self._stale.set()

    async def _refresh(self, events: asyncio.Task[None]) -> None:
        """Look again after news, and now and then; apart from `_events`, which must keep up."""
        while not events.done():
            news = asyncio.ensure_future(self._stale.wait())
            try:
                wait = WATCHED_REFRESH if self._watched else REFRESH
                await asyncio.wait({events, news}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
            self._stale.clear()
            if not events.done():
                await self.look()


def sentence_of(error: BaseException) -> str:
    """One sentence for a person."""
    if isinstance(error, EdgeError):
        return refusal(error.code, str(error))
    if isinstance(error, HostError):
        return str(error)
    if isinstance(error, TimeoutError):
        return tr("The device did not answer in time; is it on, and on this network?")
    if isinstance(error, OSError):
        return tr("That did not work: {why}.", why=(error.strerror or str(error)).lower())
    raise error
