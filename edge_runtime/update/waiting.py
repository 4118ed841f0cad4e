"""How long a staged release has waited for the device: over restarts, by the time that the machine ran, so no clock counts."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.errors import EdgeError, StateError
from edge_runtime.update import disk
from edge_runtime.update.machine import Release

FILE_NAME = "waited.json"
DAY = 86400.0
KEEP_SECONDS = 600.0  # so much of it a power cut may lose; a card isn't written to more often for it


class Overdue(EdgeError):
    """A release waited for its conditions for as long as it may."""

    code = "overdue"


class Waited:
    """The wait of one release. folder: where it lies on its way in; most: seconds that it may wait in all."""

    def __init__(self, folder: Path, most: float) -> None:
        self._path = folder / FILE_NAME
        self._most = most
        self._since: float | None = None
        self.seconds = self._kept = _read(self._path)

    async def goes_on(self, why: str) -> None:
        """It still waits, for this reason; raises `Overdue` where that is too long."""
        now = time.monotonic()
        if self._since is not None:
            self.seconds += now - self._since
        self._since = now
        if self.seconds >= self._most:
            raise Overdue(f"It waited for {self._most / DAY:.3g} days, as long as condition_days allows. {why}")
        if self.seconds - self._kept >= KEEP_SECONDS:
            await self._keep()

    async def paused(self) -> None:
        """What it waits for now isn't the device's, and doesn't count."""
        self._since = None
        if self.seconds > self._kept:
            await self._keep()

    async def _keep(self) -> None:
        self._kept = self.seconds
        with disk.storage_errors(self._path.parent):
            content = strict_json.dumps({"seconds": round(self.seconds, 1)})
            await asyncio.to_thread(disk.write_atomic, self._path, content)


class Waits:
    """The waits of all specialists of a device."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Release, Waited]] = {}

    def of(self, name: str, release: Release, folder: Path, days: float) -> Waited:
        """That of a specialist's staged release, which lies in `folder` and may wait so many days."""
        of, waited = self._found.get(name, (None, None))
        if waited is None or not release.same(of):
            waited = Waited(folder, days * DAY)
        self._found[name] = release, waited
        return waited

    def over(self, name: str) -> None:
        """It waits no more."""
        self._found.pop(name, None)


def _read(path: Path) -> float:
    """What an earlier run kept, 0 where it kept nothing that can be read."""
    try:
        seconds = strict_json.loads_object(path.read_bytes(), str(path), StateError).get("seconds")
    except (OSError, StateError):
        return 0.0
    return float(seconds) if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0 else 0.0
