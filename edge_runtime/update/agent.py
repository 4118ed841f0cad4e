"""Follows a repository of updates: asks what is wanted, which `edge_runtime.update.drives` then brings here.

Nothing here ever stops what serves: what can't be fetched, or isn't signed, or is out of date only means that nothing new is
taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.config import Config
from edge_runtime.errors import EdgeError, StateError
from edge_runtime.update.drives import STOP_SECONDS, Drives
from edge_runtime.update.ground import Ground
from edge_runtime.update.install import Installer
from edge_runtime.update.machine import State
from edge_runtime.update.source import Source, follow, forget, source_of, trust_folder, updates_folder

_log = logging.getLogger(__name__)
FIRST_SECONDS = 30.0  # within so long after its start a device asks first: a power cut starts many at once
JITTER = 0.2
LOOK_SECONDS = 60.0  # between two counts of the time of what is under way


class UpdateAgent(Drives):
    """The updater of one device; made and used in one event loop."""

    def __init__(self, state: Path, config: Config, installer: Installer, ground: Ground, device: str) -> None:
        super().__init__(state, config, installer, ground)
        self.device = device
        self.cause = ""  # why nothing new can be taken, empty where it can
        self.checked = 0.0  # when the repository was asked last, in seconds since 1970
        self._source: Source | None = None
        self._source_read = False
        self._read = False  # whether the wishes are all that the metadata say
        self._polling = asyncio.Lock()
        self._soon = asyncio.Event()

    @property
    def source(self) -> Source | None:
        """What is followed; raises `StateError`."""
        if not self._source_read:  # once: later it is told by what changes it
            self._source, self._source_read = source_of(self.state), True
        return self._source

    async def follow(self, root: bytes, places: Sequence[str], direct_push: bool = True) -> Source:
        """Follow a repository from now on; raises `BadRequest`."""
        made = self._source = await self._on_disk(follow, self.state, root, places, direct_push)
        self._source_read = True
        await self.note("followed", places=list(made.places), root=made.root, direct_push=direct_push)
        self.ground.emit("following", places=list(made.places), direct_push=direct_push)
        async with self._polling:
            await self._unreach()
            self._wishes, self._read = None, False
        self._soon.set()
        return made

    async def forget(self) -> bool:
        """Follow nothing any more: what is under way ends, what serves goes on. Whether anything was followed."""
        async with self._polling:
            await self._unreach()
            self._wishes = {}
            self._start_drives()
            under_way = [drive for name, drive in self._drives.items() if self._unit(name).state is not State.PROBATION]
            if under_way:
                await asyncio.wait(under_way, timeout=STOP_SECONDS)
            self._wishes, self._read, self.cause = None, False, ""
            gone = await self._on_disk(forget, self.state)
            self._source, self._source_read = None, True
        if gone:
            await self.note("forgot")
            self.ground.emit("following", places=[])
        return gone

    async def run(self) -> None:
        """Follow the repository until cancelled; what is on probation is watched whether one is followed or not."""
        try:
            self._start_drives()
            wait = random.uniform(0, min(FIRST_SECONDS, self.config.update.poll_seconds))
            while True:
                await self._wait(wait)
                await self.check()
                wait = self.config.update.poll_seconds * random.uniform(1 - JITTER, 1 + JITTER)
        finally:
            await self.close()

    async def _wait(self, seconds: float) -> None:
        """Until it is time to ask again; meanwhile the time of what is under way is counted."""
        ends = time.monotonic() + seconds
        while not self._soon.is_set() and (left := ends - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_SECONDS)):
                    await self._soon.wait()
            await self.count_time()

    async def check(self, places: Sequence[str] = ()) -> None:
        """Ask what is wanted, and begin to bring it here. places: to ask this once, in place of the source's."""
        async with self._polling:
            self._soon.clear()
            try:
                self._source = source = await self._on_disk(source_of, self.state)
                self._source_read = True
                if source is not None:
                    await self._ask(places or source.places)
                    self.checked = round(time.time(), 3)
                    self.ground.count("enigma_update_checks_total", result="asked")
            except EdgeError as error:
                self._cannot(error)
            except Exception as cause:  # whatever a repository says, the device goes on asking
                _log.exception("asking for updates failed")
                self._cannot(
                    StateError(f"Asking for updates failed ({type(cause).__name__}); the device's log says why.")
                )
            else:
                self.cause = ""
            self._start_drives()

    async def close(self) -> None:
        """End what is open; what is under way goes on another time."""
        await self._stop()
        await self._unreach()

    async def _ask(self, places: Sequence[str]) -> None:
        from edge_runtime.update.reach import Reach
        from edge_runtime.update.wishes import read_wishes

        if self.reach is None:
            self.reach = Reach(trust_folder(self.state))
        client, changed = await self.reach.refreshed(places)
        if not changed and self._read:
            return
        self._read = False
        tags = self.config.device.tags
        wishes, refused = await read_wishes(client, updates_folder(self.state), self.device, tags)
        for name, why in refused.items():
            if self.hindered.get(name) != why:
                self.hindered[name] = why
                self.ground.emit("error", specialist=name, code="update", message=why)
        for name in self.hindered.keys() - refused.keys() - self._drives.keys():
            del self.hindered[name]
        self._wishes = wishes
        self._read = not refused

    def _cannot(self, error: EdgeError) -> None:
        self.ground.count("enigma_update_checks_total", result="failed")
        if self.cause != str(error):
            self.cause = str(error)
            self.ground.emit("error", code=error.code, message=self.cause)

    async def _unreach(self) -> None:
        if self.reach is not None:
            await self.reach.close()
            self.reach = None
