"""What the updater works on: a device that serves, or a state folder that no daemon uses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from edge_runtime import strict_json
from edge_runtime.errors import BundleError, EdgeError, NotFound, Overloaded
from edge_runtime.serving.governor import charging
from edge_runtime.serving.memory import rss_bytes
from edge_runtime.update.conditions import Readings
from edge_runtime.update.deadline import in_time
from edge_runtime.update.disk_threads import hangs, in_thread, on_disk, refuse
from edge_runtime.update.install import Installed, Installer

if TYPE_CHECKING:
    from edge_runtime.device import Device

Json = dict[str, object]
CHANGING_SECONDS = 900.0  # to wait for somebody's push, which has upload_seconds and then the time to load it
Told = Callable[[str, float, EdgeError | None], None]  # (specialist, milliseconds, what failed)
Begun = Callable[[], Awaitable[object]]


class Ground(Protocol):
    """A place where specialists are switched."""

    serves: bool  # whether it answers requests, so that a probation can go on

    def emit(self, kind: str, **fields: object) -> None:
        """Tell everyone who listens."""

    def count(self, name: str, **labels: str) -> None:
        """Count in the metrics."""

    def look_on(self, told: Told | None) -> None:
        """Call this after each answer of a specialist, until it is None."""

    def serving(self, name: str) -> str | None:
        """The bundle of a specialist that can answer, by its hash, None where there is none."""

    def readings(self, window: str) -> Readings:
        """What conditions are judged by; hooks may know more."""

    async def switch(self, staged: Path, digest: str, begun: Begun) -> None:
        """Admit a staged bundle, point at it, and let it serve; on any error nothing has changed.

        begun: awaited once it stood its trial, before it is loaded where it serves. Raises `DiskHangs` where what came after
        that didn't come to its end in time.
        """

    async def revert(self, name: str, digest: str, cause: str) -> None:
        """Let what served before this bundle serve again; nothing where the pointer names another one already."""

    async def replay(self, name: str, digest: str) -> tuple[int, int, list[float], float, float]:
        """Ask the golden vectors of the bundle that serves: (answered rightly, all, milliseconds each, its megabytes, of them
        those that it was counted with and doesn't take yet, as of a cache that isn't full)."""

    def memory(self) -> tuple[float, object] | None:
        """Megabytes of this process now, and what is loaded in it; None while that changes.

        As long as the second stays the same, what the first grows by is what loaded models took while they answered.
        """


class Alone:
    """A state folder without a daemon; its lock is held."""

    serves = False

    def __init__(self, installer: Installer) -> None:
        self._installer = installer

    def emit(self, kind: str, **fields: object) -> None:
        """Nobody listens; the journal has it."""

    def count(self, name: str, **labels: str) -> None:
        """Nobody counts."""

    def look_on(self, told: Told | None) -> None:
        """Nothing answers."""

    def serving(self, name: str) -> str | None:
        """What the pointer names."""
        pointer = self._installer.slots.pointers().get(name)
        return None if pointer is None else pointer.active

    def readings(self, window: str) -> Readings:
        """Nothing is asked where nothing serves."""
        return Readings(0, float("inf"), _minute(), charging(Path("/sys")), None, window)

    async def switch(self, staged: Path, digest: str, begun: Begun) -> None:
        """See `Ground`. It is loaded in a process of its own first, as on a device that serves."""
        await in_thread(self._installer.try_out, staged)
        await begun()

        async def begin(still: Callable[[], None]) -> Installed:
            def tell(stage: str, fields: Json) -> None:
                if stage in ("admitted", "placed", "activated"):
                    still()

            return await in_thread(self._installer.switch, staged, digest, tell)

        installed = await in_time(begin, self._installer.slots.state, self._installer.max_bundle_bytes)
        if installed.loaded is not None:
            installed.loaded.engine.close()

    async def revert(self, name: str, digest: str, cause: str) -> None:
        """Move the pointer; what it names is looked at when a daemon starts."""
        await on_disk(self._installer.slots.state, point_back, self._installer, name, digest)

    async def replay(self, name: str, digest: str) -> tuple[int, int, list[float], float, float]:
        """Nothing serves; raises `NotFound`."""
        raise NotFound(f"No daemon serves '{name}'.")

    def memory(self) -> tuple[float, object] | None:
        """Nothing serves."""
        return None


class OnDevice:
    """A device that serves."""

    serves = True

    def __init__(self, device: Device) -> None:
        self._device = device

    def emit(self, kind: str, **fields: object) -> None:
        """See `Ground`."""
        self._device.events.emit(kind, **fields)

    def count(self, name: str, **labels: str) -> None:
        """See `Ground`."""
        self._device.metrics.count(name, **labels)

    def look_on(self, told: Told | None) -> None:
        """See `Ground`."""
        self._device.watch = told

    def serving(self, name: str) -> str | None:
        """See `Ground`."""
        serving = self._device.serving
        return serving.current(name).loaded.digest if serving.has(name) else None

    def readings(self, window: str) -> Readings:
        """See `Ground`."""
        serving = self._device.serving
        used = max((serving.current(name).used for name in serving.names()), default=0.0)
        busy = sum(serving.waiting(name) for name in serving.names())
        sysfs = Path(self._device.config.governor.sysfs)
        return Readings(busy, time.monotonic() - used, _minute(), charging(sysfs), None, window)

    async def switch(self, staged: Path, digest: str, begun: Begun) -> None:
        """See `Ground`. It is loaded elsewhere first, and here once it stood that: a hang ends, and a crash isn't the daemon's."""
        device = self._device
        if digest not in self._digests().values():
            await in_thread(device.installer.try_out, staged)
        await self._change(lambda: self._install(staged, digest, begun))
        device.metrics.count("enigma_installs_total", result="installed")

    def _digests(self) -> dict[str, str]:
        serving = self._device.serving
        return {name: serving.current(name).loaded.digest for name in serving.names()}

    async def _install(self, staged: Path, digest: str, begun: Begun) -> None:
        await begun()
        serving = self._digests()
        await self._device.take(lambda tell: self._device.installer.switch(staged, digest, tell, serving))

    async def _change(self, work: Callable[[], Coroutine[object, object, object]]) -> None:
        """Do what changes the device, under its lock; raises `DiskHangs` while something stands still that may change it."""
        device = self._device
        try:
            async with asyncio.timeout(CHANGING_SECONDS):
                await device.changing.acquire()
        except TimeoutError:
            raise Overloaded("Another bundle is being installed all the time; it goes on when that is over.") from None
        try:
            refuse(device.state)
            await work()
        finally:
            device.changing.release()

    async def revert(self, name: str, digest: str, cause: str) -> None:
        """See `Ground`; where the one before can't be loaded now, the pointer is moved all the same."""
        await self._change(lambda: self._go_back(name, digest, cause))

    async def _go_back(self, name: str, digest: str, cause: str) -> None:
        device = self._device
        pointer = (await on_disk(device.state, device.slots.pointers)).get(name)
        if pointer is None or pointer.active != digest:
            return
        if pointer.previous is None:
            await device.drop(name)
            return
        try:
            await device.go_back(name, cause)
        except EdgeError as error:
            await on_disk(device.state, point_back, device.installer, name, digest)
            device.serving.drop(name)
            device.failed[name] = str(error)
            device.events.emit("error", specialist=name, code=error.code, message=str(error))

    async def replay(self, name: str, digest: str) -> tuple[int, int, list[float], float, float]:
        """See `Ground`. They are asked as programs on the device ask, so a model that takes the daemon down does it here."""
        from edge_runtime.media import described
        from edge_runtime.serving.groups import IN_THE_SHADOW
        from edge_runtime.tasks import task_module

        serving, right, took = self._device.serving, 0, []
        loaded = (await serving.wake(name)).loaded
        if loaded.digest != digest:
            raise NotFound(f"Another version of '{name}' serves.")
        agrees = task_module(loaded.manifest.task).agrees
        path = self._device.slots.folder(digest) / loaded.manifest.golden.file
        pairs = strict_json.loads(await on_disk(self._device.state, path.read_bytes), path.name, BundleError)
        pairs = pairs if isinstance(pairs, list) else []
        for pair in pairs:
            answer = await serving.run(name, pair["request"], IN_THE_SHADOW)
            took.append(1000 * answer.seconds)
            right += agrees(pair["response"], cast(Json, described(answer.value)))
        unfilled = int(getattr(loaded.engine, "unfilled", 0))  # of language models alone
        return right, len(pairs), took, loaded.memory / 2**20, unfilled / 2**20

    def memory(self) -> tuple[float, object] | None:
        """See `Ground`."""
        if self._device.changing.locked() or hangs(self._device.state):
            return None
        return rss_bytes() / 2**20, frozenset(self._device.serving.held.items())


def point_back(installer: Installer, name: str, digest: str) -> None:
    """Move a specialist's pointer from this bundle to the one before, or away where there was none; loads nothing."""
    pointer = installer.slots.pointers().get(name)
    if pointer is None or pointer.active != digest:
        return
    if pointer.previous is None:
        installer.remove(name)
    else:
        installer.slots.roll_back(name)


def _minute() -> int:
    now = time.localtime()
    return now.tm_hour * 60 + now.tm_min
