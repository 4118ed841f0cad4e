"""How a device reaches its repository of updates: addresses and folders in turn, and one client over what it trusts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.errors import EdgeError
from edge_runtime.update.places import FolderPlace, HttpPlace, Place
from edge_runtime.update.tuf.client import NotReached, UpdateClient, utc_now
from edge_runtime.update.tuf.metadata import TargetFile
from edge_runtime.update.tuf.transport import FolderTransport, HttpTransport, Transport

if TYPE_CHECKING:
    import aiohttp

    from edge_runtime.update.tuf.trusted import Trusted

REFRESH_SECONDS = 120.0  # for all metadata of one place; the transport bounds each file
CONNECTIONS = 4


class Reach:
    """One client at a time: two would each remember other versions."""

    def __init__(self, trust: Path) -> None:
        self._trust = trust
        self._client: UpdateClient | None = None
        self._place = ""
        self._using = asyncio.Lock()
        self._trusted: Trusted | None = None  # as of the last time that all of it was fine
        self._now: Callable[[], datetime] = utc_now  # the time, not before what was signed then and what passed since
        self._root = b""  # by which
        self._kept_root = b""  # that lies on the disk
        self._places: tuple[str, ...] = ()
        self._sessions: dict[bool, aiohttp.ClientSession] = {}  # by whether they know the system's certificates

    async def refreshed(self, places: Sequence[str]) -> tuple[UpdateClient, bool]:
        """A client whose metadata are as new as the first place that answers, and whether anything changed.

        Raises `NotReached` and `MetadataError`.

        A place whose metadata can't be trusted is passed over like one that can't be reached, as long as another one is left.
        """
        first = (self._place,) if self._place in places else ()
        failed: EdgeError | None = None
        for place in dict.fromkeys((*first, *places)):
            try:
                changed = await self._asked(place)
            except TimeoutError:
                failed = failed or NotReached(
                    f"The repository of updates at {place[:80]} didn't answer within {REFRESH_SECONDS:.0f} seconds."
                )
            except EdgeError as error:
                # What can't be trusted says more than what can't be reached.
                failed = error if failed is None or isinstance(failed, NotReached) else failed
            else:
                assert self._client is not None
                self._places = tuple(dict.fromkeys((place, *places)))
                return self._client, changed
        self._client, self._place = None, ""
        if not isinstance(failed, NotReached):
            self._trusted = None
        raise failed or NotReached("There is no place of the repository of updates to ask.")

    async def target(self, name: str, role: str) -> TargetFile | None:
        """A target that this role signed, None where it didn't; raises as `refreshed`, also where that role's metadata expired."""
        async with self._using:  # during a refresh nothing is trusted
            if self._client is None:
                return None
            found = await self._client.target(name, role)
        return found[0] if found is not None and found[1] == role else None

    def places(self) -> list[Place]:
        """Where targets come from, the place that answered last first."""
        return [self._at(place) for place in self._places]

    def stale(self, until: datetime) -> str:
        """Why nothing new may be installed by what was trusted last, empty where it may. until: that a release's roles count.

        A repository that can't be reached now is no reason: what was signed counts until it expires. One that offers
        what can't be trusted is, and so is a root that took keys back.
        """
        trusted = self._trusted
        if trusted is None or trusted.timestamp is None or trusted.snapshot is None or self._root != self._kept_root:
            return "It waits until the repository of updates can be asked again."
        ends = (until, *(each.expires for each in (trusted.root, trusted.timestamp, trusted.snapshot)))
        if max(self._now(), trusted.now) >= min(ends):
            return "It waits: the metadata of the repository of updates expired, so nothing new is installed."
        return ""

    async def close(self) -> None:
        """End the connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        self._client = self._trusted = None

    async def _asked(self, place: str) -> bool:
        async with self._using:
            if self._client is None or place != self._place:
                self._client = UpdateClient(self._trust, self._transport(place))
                self._place = place
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    changed = await self._client.refresh()
            finally:
                self._kept_root = self._client.root
            self._trusted, self._root, self._now = self._client.trusted, self._kept_root, self._client.now
            return changed

    def _transport(self, place: str) -> Transport:
        return FolderTransport(Path(place)) if place.startswith("/") else HttpTransport(self._open(place), place)

    def _at(self, place: str) -> Place:
        return FolderPlace(Path(place)) if place.startswith("/") else HttpPlace(self._open(place), place)

    def _open(self, place: str) -> aiohttp.ClientSession:
        import ssl

        import aiohttp

        encrypted = place.startswith("https:")
        if encrypted not in self._sessions:
            # The daemon imports aiohttp without the system's certificates, which cost 2 MB.
            context: ssl.SSLContext | bool = ssl.create_default_context() if encrypted else True
            self._sessions[encrypted] = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
                connector=aiohttp.TCPConnector(ssl=context, limit=CONNECTIONS),
            )
        return self._sessions[encrypted]
