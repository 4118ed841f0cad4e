"""Follows a repository of updates: asks what is wanted, and brings each specialist there, a state at a time.

One task polls; one task per specialist drives its unit through `edge_runtime.update.machine`, and writes each state into the
journal before it acts. Nothing here ever stops what serves: what can't be fetched, or isn't signed, or is out of date only
means that nothing new is taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.config import Config
from edge_runtime.errors import EdgeError, StateError
from edge_runtime.update import disk
from edge_runtime.update.ground import Ground, point_back
from edge_runtime.update.install import Installer
from edge_runtime.update.journal import Journal
from edge_runtime.update.machine import (
    DUE,
    UNDER_WAY,
    Effect,
    Event,
    Release,
    State,
    Unit,
    What,
    judge,
    reconcile,
    step,
)
from edge_runtime.update.receive import finish
from edge_runtime.update.source import Source, follow, forget, source_of, trust_folder, updates_folder
from edge_runtime.update.waiting import Overdue, Waits

if TYPE_CHECKING:
    from edge_runtime.update.reach import Reach
    from edge_runtime.update.watching import Watch
    from edge_runtime.update.wishes import Wish

_log = logging.getLogger(__name__)
Json = dict[str, object]
FIRST_SECONDS = 30.0  # within so long after its start a device asks first: a power cut starts many at once
JITTER = 0.2
STOP_SECONDS = 5.0


class UpdateAgent:
    """The updater of one device; made and used in one event loop."""

    def __init__(self, state: Path, config: Config, installer: Installer, ground: Ground, device: str) -> None:
        self.state = state
        self.config = config
        self.installer = installer
        self.ground = ground
        self.device = device
        self.journal = Journal(updates_folder(state))
        self.waits = Waits()
        self.hindered: dict[str, str] = {}  # specialist -> why it doesn't go on now
        self.cause = ""  # why nothing new can be taken, empty where it can
        self.checked = 0.0  # when the repository was asked last, in seconds since 1970
        self._reach: Reach | None = None
        self._wishes: dict[str, Wish] | None = None  # None before it is known
        self._read = False  # whether that is all that the metadata say
        self._drives: dict[str, asyncio.Task[None]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._queued: set[str] = set()
        self._switching: set[str] = set()
        self._watches: dict[str, Watch] = {}
        self._writing = asyncio.Lock()
        self._polling = asyncio.Lock()
        self._soon = asyncio.Event()

    @property
    def units(self) -> Mapping[str, Unit]:
        """specialist -> its state."""
        return self.journal.units

    @property
    def source(self) -> Source | None:
        """What is followed; raises `StateError`."""
        return source_of(self.state)

    async def before_start(self) -> None:
        """Before anything is loaded: take what the disk says, count a start that failed, and go back where it was the last."""
        for folder in (updates_folder(self.state), trust_folder(self.state)):
            for left in folder.glob(".*.part"):  # of a file that was to be replaced when the power went
                disk.remove(left)
        pointers = self.installer.slots.pointers()
        for name, unit in list(self.units.items()):
            pointer = pointers.get(name)
            where = (None, None) if pointer is None else (pointer.active, pointer.previous)
            while event := reconcile(unit, *where):
                unit = await self._happen(name, event)
            if unit.state is State.PROBATION:
                unit = await self._happen(name, Event(What.BOOTED))
            if unit.revert and unit.release is not None:
                await asyncio.to_thread(point_back, self.installer, name, unit.release.bundle)
                await self._happen(name, Event(What.REVERTED))
        incoming = updates_folder(self.state) / "incoming"
        for path in incoming.iterdir() if incoming.is_dir() else ():
            if self._unit(path.name).state not in UNDER_WAY:  # a removal isn't sure before the disk has it
                disk.remove(path)

    async def after_start(self, fell: Mapping[str, str]) -> None:
        """Once all is loaded. fell: specialist -> why its active bundle didn't load."""
        for name, unit in list(self.units.items()):
            release = unit.release
            if unit.state is State.PROBATION and release is not None and self.ground.serving(name) != release.bundle:
                cause = fell.get(name, "It couldn't be loaded at the start.")
                await self._happen(name, Event(What.FAILED, cause=cause, evidence={"at": "start"}))

    async def follow(self, root: bytes, places: Sequence[str], direct_push: bool = True) -> Source:
        """Follow a repository from now on; raises `BadRequest`."""
        made = await asyncio.to_thread(follow, self.state, root, places, direct_push)
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
            gone = await asyncio.to_thread(forget, self.state)
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
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._soon.wait()
                await self.check()
                wait = self.config.update.poll_seconds * random.uniform(1 - JITTER, 1 + JITTER)
        finally:
            await self._stop()

    async def check(self, places: Sequence[str] = ()) -> None:
        """Ask what is wanted, and begin to bring it here. places: to ask this once, in place of the source's."""
        async with self._polling:
            self._soon.clear()
            try:
                source = await asyncio.to_thread(source_of, self.state)
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

    async def history(self, most: int, before: int | None = None) -> tuple[list[Json], int, str]:
        """The latest lines of the journal, the newest first; how many were ever written; and the hash of the last one."""
        async with self._writing:
            lines = await asyncio.to_thread(self.journal.entries, most, before)
            return lines, self.journal.count, self.journal.head

    async def rest(self, seconds: float) -> None:
        """Wait until nothing can go on now, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._drives:
                    await asyncio.wait(list(self._drives.values()))

    async def close(self) -> None:
        """End what is open; what is under way goes on another time."""
        await self._stop()

    def told(self, name: str, milliseconds: float, error: EdgeError | None) -> None:
        """A specialist answered, or failed to: for the one that watches it."""
        if (watch := self._watches.get(name)) is not None:
            watch.told(milliseconds, error)

    def wish(self, name: str) -> Wish | None:
        """What is wanted of a specialist, None where nothing is."""
        return (self._wishes or {}).get(name)

    @property
    def reach(self) -> Reach | None:
        """How the repository is reached, None where it never was."""
        return self._reach

    def folder(self, name: str) -> Path:
        """Where a specialist's release lies on its way in."""
        return updates_folder(self.state) / "incoming" / name

    def hinder(self, name: str, why: str) -> None:
        """Say why a unit doesn't go on now; it is tried again at the next poll."""
        if self.hindered.get(name) != why:
            self.hindered[name] = why
            self.ground.emit("update", specialist=name, state=self._unit(name).state.value, message=why)

    def _unit(self, name: str) -> Unit:
        return self.units.get(name, Unit())

    async def _ask(self, places: Sequence[str]) -> None:
        from edge_runtime.update.reach import Reach
        from edge_runtime.update.wishes import read_wishes

        if self._reach is None:
            self._reach = Reach(trust_folder(self.state))
        client, changed = await self._reach.refreshed(places)
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

    def _start_drives(self) -> None:
        """A task for each unit that has something to do; one whose release isn't the newest any more ends first."""
        for name in {*self.units, *(self._wishes or {})}:
            event = self._judged(name)
            drive = self._drives.get(name)
            if drive is not None:
                if event is None or name in self._switching or name in self._queued:
                    continue  # it asks itself what is wanted before its next step
                drive.cancel()
                self._queued.add(name)  # the one that waits for its end
            unit = self._unit(name)
            if event is not None or unit.revert or unit.state in DUE:
                task = asyncio.create_task(self._drive(name, drive))
                self._drives[name] = task
                task.add_done_callback(lambda done, name=name: self._ended(name, done))  # type: ignore[misc]

    def _ended(self, name: str, done: asyncio.Task[None]) -> None:
        if self._drives.get(name) is done:
            del self._drives[name]
            self._queued.discard(name)

    def _judged(self, name: str) -> Event | None:
        if self._wishes is None:
            return None
        wish = self._wishes.get(name)
        return judge(self._unit(name), None if wish is None else wish.release, self.ground.serving(name))

    async def _drive(self, name: str, before: asyncio.Task[None] | None) -> None:
        """Bring a specialist as far as it goes now."""
        if before is not None:
            await asyncio.wait([before])
            self._queued.discard(name)
        try:
            while await self._once(name):
                self.hindered.pop(name, None)
        except EdgeError as error:  # the disk, mostly: the next poll tries again
            self.hinder(name, str(error))
        except Exception as cause:  # one release that the code doesn't stand must not keep the others from theirs
            _log.exception("the update of %s failed", name)
            self.hinder(name, f"The update failed ({type(cause).__name__}); the device's log says why.")

    async def _once(self, name: str) -> bool:
        """Take one step; whether there may be another."""
        from edge_runtime.update import steps

        unit = self._unit(name)
        if unit.revert:
            assert unit.release is not None
            await finish(self.ground.revert(name, unit.release.bundle, unit.cause))
            await self._happen(name, Event(What.REVERTED))
            return True
        event = self._judged(name)
        if event is None and unit.release is not None:
            match unit.state:
                case State.FETCHING:
                    event = await steps.fetch(self, name, unit.release)
                case State.VERIFIED:
                    event = await steps.stage(self, name, unit.release)
                case State.STAGED:
                    return await self._activate(name, unit.release)
                case State.PROBATION:
                    event = await self._watch(name, unit)
        if event is None:
            return False
        await self._happen(name, event)
        return True

    async def _activate(self, name: str, release: Release) -> bool:
        """Wait for a staged release's conditions and switch to it; whether there may be another step."""
        from edge_runtime.update import steps

        try:
            if not await steps.ready(self, name, release):
                return False
        except Overdue as error:
            await self._happen(name, Event(What.FAILED, cause=str(error), evidence={"at": "condition"}))
            return True
        self._switching.add(name)
        try:
            await finish(self._switch(name, release))
        finally:
            self._switching.discard(name)
        return self._unit(name).state is not State.STAGED

    async def _switch(self, name: str, release: Release) -> None:
        from edge_runtime.update import steps

        event = await steps.switch(self, name, release)
        if event is not None:
            await self._happen(name, event)

    async def _watch(self, name: str, unit: Unit) -> Event | None:
        from edge_runtime.update.probation import Outcome, Rules
        from edge_runtime.update.watching import Watch

        if not self.ground.serves or unit.release is None:
            return None
        release, ours = unit.release, self.config.update
        rules = Rules(
            ours.probation_requests,
            ours.probation_seconds,
            ours.boots,
            release.p95_ms or None,
            release.memory_mb or None,
        )
        watch = self._watches[name] = Watch(rules, unit.boots)
        self.ground.look_on(self.told)
        try:
            verdict = await watch.verdict(self.ground, name, release)
        finally:
            del self._watches[name]
            if not self._watches:
                self.ground.look_on(None)
        passed = verdict.outcome is Outcome.PASSED
        return Event(What.PASSED if passed else What.FAILED, cause=verdict.cause, evidence=verdict.evidence)

    async def _happen(self, name: str, event: Event) -> Unit:
        """Write an event down, tell it, and do what is done at once."""
        unit, moved = await finish(self._happened(name, event))
        if moved and unit.state in (State.COMMITTED, State.ROLLED_BACK):
            from edge_runtime.update import steps

            self.ground.count("enigma_updates_total", result=unit.state.value)
            task = asyncio.create_task(steps.after(self, name, unit))  # a hook, for which nothing waits
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
        return unit

    async def _happened(self, name: str, event: Event) -> tuple[Unit, bool]:
        async with self._writing:
            former = self._unit(name)
            unit, effects = step(former, event, self.config.update.boots)
            told: Json = {"rollout": unit.release.rollout, "version": unit.release.version} if unit.release else {}
            if event.evidence and event.evidence != unit.evidence:
                told["seen"] = event.evidence
            await asyncio.to_thread(self.journal.record, event.what.value, name, unit, **told)
        if Effect.DISCARD in effects or Effect.TIDY in effects:
            self.waits.over(name)
            await asyncio.to_thread(disk.remove, self.folder(name))
        moved = unit.state is not former.state
        if moved or event.what is What.WANT:
            self._tell(name, unit, told)
        return unit, moved and event.what is not What.CONTENT

    def _tell(self, name: str, unit: Unit, told: Mapping[str, object]) -> None:
        fields = {**told, "state": unit.state.value, "message": unit.cause or None, "evidence": unit.evidence or None}
        self.ground.emit("update", specialist=name, **fields)

    async def note(self, what: str, specialist: str = "", **fields: object) -> None:
        """Write down what people did."""
        async with self._writing:
            await asyncio.to_thread(self.journal.record, what, specialist, None, **fields)

    async def _unreach(self) -> None:
        if self._reach is not None:
            await self._reach.close()
            self._reach = None

    async def _stop(self) -> None:
        """The daemon stops on purpose: what is on probation didn't fail by it."""
        drives = list(self._drives.values())
        for drive in drives:
            drive.cancel()
        if drives:
            await asyncio.wait(drives, timeout=STOP_SECONDS)  # a switch under way goes on; the next start takes it up
        for name, unit in list(self.units.items()):
            if unit.state is State.PROBATION and unit.running:
                with contextlib.suppress(EdgeError):  # a full disk; then it counts as a start that failed
                    await self._happen(name, Event(What.STOPPED))
        if self._telling:
            await asyncio.wait(self._telling, timeout=STOP_SECONDS)
        await self._unreach()
