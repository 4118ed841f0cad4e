"""The device itself, without transport: what it serves, installs, trusts and tells."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from edge_runtime import telling
from edge_runtime.answering import Answering
from edge_runtime.config import Config
from edge_runtime.errors import BundleError, EdgeError, NotFound, OutOfMemory, Overloaded, TookTooLong
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.keys import DeviceKey, device_key
from edge_runtime.identity.tokens import TokenStore
from edge_runtime.identity.trust import TrustStore
from edge_runtime.kept_log import KeptLog
from edge_runtime.pipelines.service import Pipelines
from edge_runtime.update import deadline, disk, disk_threads
from edge_runtime.update.deadline import in_time
from edge_runtime.update.disk_threads import DiskHangs, in_thread, on_disk, refuse
from edge_runtime.update.install import Installed, Installer, Started, Tell
from edge_runtime.update.receive import receive
from edge_runtime.update.slots import Pointer, Slots
from edge_runtime.update.source import updates_folder

if TYPE_CHECKING:
    from edge_runtime.update.admit import Loaded
    from edge_runtime.update.agent import UpdateAgent
    from edge_runtime.update.source import Source

_log = logging.getLogger(__name__)
T = TypeVar("T")
Json = dict[str, object]


class Device(Answering):
    """One device over its state folder; made and used in one event loop."""

    def __init__(self, state: Path, config: Config) -> None:
        self.started = time.time()
        self._since = time.monotonic()
        self.identity = IdentityFolder(state)
        self.key: DeviceKey = device_key(self.identity)
        self.tokens = TokenStore(self.identity)
        self.trust = TrustStore(self.identity)
        self.slots = Slots(state)
        self.installer = Installer(self.slots, self.trust, config)
        super().__init__(state, config, self.installer.reload)
        self.log = KeptLog()  # filled where the daemon lets it listen
        self.stopping = False
        self.pipelines = Pipelines(state, self, config.robot)
        self.changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.updater: UpdateAgent | None = None  # None where nothing was ever followed
        self._following = asyncio.Event()  # there is something to update from, or was before

    @property
    def about(self) -> Json:
        """The device's name, id and public key (base64), as a pairing answers them."""
        public = base64.b64encode(self.key.public).decode("ascii")
        return {"name": self.config.device.label, "id": self.key.id, "public_key": public}

    @property
    def up_seconds(self) -> float:
        """Since it was made, whatever its clock was set to meanwhile: a board without one of its own starts in 1970."""
        return time.monotonic() - self._since

    @property
    def ready(self) -> bool:
        """Whether every active bundle was admitted and serves."""
        return not (self.serving.starting or self.stopping or self.failed)

    async def start(self, goes_on: Callable[[float], None] = lambda seconds: None) -> None:
        """Sweep what a crash left, then admit the active bundles, rolling back those that fail.

        goes_on: told before each specialist how many seconds it may take. Raises `DiskHangs` where the disk doesn't answer.
        """
        async with self.changing:
            with disk.storage_errors(self.state):
                swept = await on_disk(self.state, self.slots.sweep)
            if swept:
                _log.info("removed %d unfinished or unused files", swept)
            fell: dict[str, str] = {}
            if updates_folder(self.state).is_dir():
                with self._serving_anyway():
                    await self.updates.before_start()
            for name, pointer in (await on_disk(self.state, self.slots.pointers)).items():
                more = 2 * deadline.more_for(self.installer.max_bundle_bytes)
                goes_on(deadline.LOAD_SECONDS + deadline.SWITCH_SECONDS + more)
                result = await self._begun(name, pointer)
                if result.loaded is not None:
                    try:
                        await self.serving.make_room(name, result.loaded.memory)
                    except OutOfMemory as error:
                        result.loaded.engine.close()
                        result = dataclasses.replace(result, loaded=None, failure=str(error))
                self.serving.release(name)
                if result.loaded is not None:
                    self.serving.swap(result.loaded)
                    self.events.emit("serving", specialist=name, version=result.loaded.manifest.version)
                if result.rolled_back:
                    self.metrics.count("enigma_rollbacks_total")
                    self.events.emit("rolled_back", specialist=name, message=result.rolled_back)
                    fell[name] = result.rolled_back
                if result.failure:
                    self.failed[name] = fell[name] = result.failure
                    self.events.emit("error", specialist=name, code="start", message=result.failure)
            self.serving.starting = False
        if self.updater is not None:
            with self._serving_anyway():
                await self.updater.after_start(fell)
            self._following.set()

    async def _begun(self, name: str, pointer: Pointer | None) -> Started:
        """What one specialist's start comes to; one that hangs keeps the others from theirs for a while, and not for ever."""
        try:
            return await self._in_time(lambda still: in_thread(self.installer.start, name, pointer, still))
        except TookTooLong as late:
            if not await disk_threads.answers(self.state):
                raise disk_threads.no_answer(self.state) from None  # then no other one can be loaded either
            return Started(name, None, None, str(late))

    @contextlib.contextmanager
    def _serving_anyway(self) -> Iterator[None]:
        """Whatever keeps the updater from its work, what is installed serves."""
        try:
            yield
        except EdgeError as error:
            self.events.emit("error", code=error.code, message=f"Updates: {error}")

    @property
    def updates(self) -> UpdateAgent:
        """What follows a repository of updates; a device that never did doesn't load it."""
        if self.updater is None:
            from edge_runtime.update.agent import UpdateAgent
            from edge_runtime.update.ground import OnDevice

            self.updater = UpdateAgent(self.state, self.config, self.installer, OnDevice(self), self.key.id)
        return self.updater

    async def follow(self, root: bytes, places: Sequence[str], direct_push: bool) -> Source:
        """Take updates from a repository from now on; see `edge_runtime.update.source`."""
        source = await self.updates.follow(root, places, direct_push)
        self._following.set()
        return source

    async def update(self) -> None:
        """Follow the repository of updates, where there is one, until cancelled."""
        await self._following.wait()
        await self.updates.run()

    def hang_up(self) -> None:
        """Begin to `reread`, as a signal asks for it."""
        task = asyncio.create_task(self.reread())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def reread(self) -> None:
        """Take the plan and the pipelines as their files are now, without an end to anything that they leave alone."""
        if not self.serving.starting:  # else the start reads them anyway
            await self.reread_plan()
            await self.pipelines.start_all()

    async def mind_disk(self) -> None:
        """Until cancelled: where something stands still on a disk that answers otherwise, let the process begin again.

        Nothing else ends a thread that stands still. Where the disk doesn't answer at all a new process couldn't read its
        models, so this one goes on with those that it has.
        """
        answered = 0
        while True:
            await asyncio.sleep(disk_threads.SECONDS)
            answered = answered + 1 if disk_threads.hangs(self.state) and await disk_threads.answers(self.state) else 0
            if answered > 1 and disk_threads.hangs(self.state) and self.on_restart is not None:
                _log.error(
                    "something stands still in %s, whose disk answers otherwise; the daemon begins again", self.state
                )
                self.on_restart()
                return

    async def install(self, chunks: AsyncIterator[bytes], declared: int | None) -> Installed:
        """Take a bundle as it arrives, install it and let it serve; on any error the old one goes on.

        declared: the length that the sender announced, if it did.
        """
        self._free_to_change()
        async with self.changing:
            path = self.slots.new_upload()
            try:
                async with asyncio.timeout(self.config.update.upload_seconds):
                    await receive(path, chunks, declared, self.installer.check_head, self._told)
                names = self.serving.names()
                serving = {name: self.serving.current(name).loaded.digest for name in names}
                installed = await self.owned(self.take(lambda tell: self.installer.install(path, tell, serving)))
            except TimeoutError:
                error: EdgeError = BundleError("The upload took too long; check the network and send it again.")
                await self._refused(error)
                raise error from None
            except EdgeError as error:
                await self._refused(error)
                raise
            finally:
                with contextlib.suppress(DiskHangs):  # the next start sweeps it
                    await on_disk(path.parent, disk.remove, path)
        self.metrics.count("enigma_installs_total", result="installed" if installed.changed else "unchanged")
        if installed.changed:
            await self._write_down("pushed", installed.specialist, version=installed.version, bundle=installed.bundle)
        return installed

    async def roll_back(self, name: str, expected: str | None = None) -> Json:
        """Let the previous bundle of a specialist serve again. expected: its hash; raises `NotFound` where it isn't that."""
        self._free_to_change()
        async with self.changing:
            if expected is not None and await on_disk(self.state, self.slots.previous, name) != expected:
                raise NotFound(f"'{name[:64]}' was changed by somebody else a moment ago; look again what serves.")
            done = await self.owned(self.go_back(name, "asked for by a person"))
        await self._write_down("went_back", name, version=done["version"], bundle=done["bundle"])
        return done

    async def go_back(self, name: str, cause: str) -> Json:
        """See `roll_back`; `changing` is held. Raises `TookTooLong` where it isn't loaded in time, and `DiskHangs`."""
        return await self._in_time(lambda still: self._gone_back(name, cause, still))

    async def _gone_back(self, name: str, cause: str, still: Callable[[], None]) -> Json:
        loop = asyncio.get_running_loop()

        def check(got: Loaded) -> None:
            still()
            self._make_room(loop, name, got.memory)

        try:
            loaded = await in_thread(self.installer.roll_back, name, check)
        finally:
            self.serving.release(name)
        self.serving.swap(loaded)
        self.failed.pop(name, None)
        self.metrics.count("enigma_rollbacks_total")
        version = loaded.manifest.version
        self.events.emit("rolled_back", specialist=name, version=version, message=cause)
        return {"specialist": name, "version": version, "bundle": f"sha256:{loaded.digest}"}

    async def remove(self, name: str) -> Json:
        """Unload a specialist and forget its bundles; of an adapter's base, all but what the adapter needs."""
        self._free_to_change()
        async with self.changing:
            await self.owned(self.drop(name))
        await self._write_down("removed", name)
        return {"specialist": name}

    async def drop(self, name: str) -> None:
        """See `remove`; `changing` is held."""
        await on_disk(self.state, self.installer.remove, name)
        self.serving.drop(name)
        self.failed.pop(name, None)
        self.events.emit("removed", specialist=name)

    def models(self) -> list[Json]:
        """The specialists that serve; the fields are documented in docs/device-api.md."""
        return [telling.model(self, name) for name in self.serving.names()]

    def status(self) -> Json:
        """All that a person wants to know about the device."""
        return telling.status(self)

    def metrics_text(self) -> str:
        """The metrics in Prometheus' text format."""
        return telling.metrics_text(self)

    def announce_stop(self) -> None:
        """Become not ready and let the listeners go."""
        self.stopping = True
        self.events.emit("stopping")
        self.events.close()

    async def close(self) -> None:
        """End the pipelines, finish what installs, then the last requests, then free the models."""
        await self.pipelines.close()
        self.shadows.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10.0)
        await self.serving.close()

    async def take(self, install: Callable[[Tell], Installed]) -> Installed:
        """Let what is installed in a thread serve; `changing` is held. install: by the stages that it tells.

        Raises `TookTooLong` where it isn't admitted in time, and `DiskHangs` where it isn't in its place then; both change
        nothing however late it is.
        """
        return await self._in_time(lambda still: self._taken(install, still))

    async def _in_time(self, begin: Callable[[Callable[[], None]], Awaitable[T]]) -> T:
        return await in_time(begin, self.state, self.installer.max_bundle_bytes)

    async def _taken(self, install: Callable[[Tell], Installed], still: Callable[[], None]) -> Installed:
        loop = asyncio.get_running_loop()

        coming = ""

        def tell(stage: str, fields: Json) -> None:
            nonlocal coming
            if stage in ("admitted", "placed", "activated"):
                still()
            if stage == "admitted":
                coming = str(fields["specialist"])
                self._make_room(loop, coming, cast(int, fields["memory_bytes"]))
            if stage != "placed":
                loop.call_soon_threadsafe(lambda: self.events.emit("install", stage=stage, **fields))

        try:
            installed = await in_thread(install, tell)
        finally:
            self.serving.release(coming)
        if installed.loaded is not None:
            self.serving.swap(installed.loaded)
            self.failed.pop(installed.specialist, None)
            self.events.emit(
                "activated",
                specialist=installed.specialist,
                version=installed.version,
                bundle=installed.bundle,
                runtime=installed.loaded.engine.runtime,
            )
        return installed

    def _make_room(self, loop: asyncio.AbstractEventLoop, name: str, needed: int) -> None:
        """See `Serving.make_room`, from a thread."""
        asyncio.run_coroutine_threadsafe(self.serving.make_room(name, needed), loop).result()

    async def owned(self, work: Coroutine[object, object, T]) -> T:
        """Run to the end what must not stop half-way, even where the one who asked went away."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    def _told(self, taken: int, total: int) -> None:
        """A quarter more of an upload is here."""
        self.events.emit("install", stage="receiving", bytes=taken, total=total)

    def _free_to_change(self) -> None:
        if self.stopping:
            raise Overloaded("The device is stopping; try again when it is back.", 10.0)
        if self.changing.locked():
            raise Overloaded("The device is starting, or another bundle is being installed; try again soon.", 5.0)
        refuse(self.state)  # what stands still there may still move a pointer

    async def _refused(self, error: EdgeError) -> None:
        self.metrics.count("enigma_installs_total", result="refused")
        self.events.emit("error", code=error.code, message=str(error))
        await self._write_down("refused", cause=str(error))

    async def _write_down(self, what: str, specialist: str = "", **fields: object) -> None:
        """Write what people did into the journal of updates, where there is one."""
        if self.updater is not None:
            with self._serving_anyway():
                await self.updater.note(what, specialist, **fields)
