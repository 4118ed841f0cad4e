"""Brings each specialist to what is wanted of it, a state at a time.

One task per specialist drives its unit through `edge_runtime.update.machine`, and writes each state into the journal before it
acts. Whatever takes longer than it may is given up, or put off, and says so; nothing here ever stops what serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edge_runtime.config import Config
from edge_runtime.errors import EdgeError
from edge_runtime.update import disk
from edge_runtime.update.conditions import HELD
from edge_runtime.update.disk_threads import DiskHangs, on_disk, refuse
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
from edge_runtime.update.source import trust_folder, updates_folder
from edge_runtime.update.waiting import DAY, Overdue, Waits

if TYPE_CHECKING:
    from edge_runtime.update.reach import Reach
    from edge_runtime.update.watching import Watch
    from edge_runtime.update.wishes import Wish

_log = logging.getLogger(__name__)
T = TypeVar("T")
Json = dict[str, object]
STOP_SECONDS = 5.0


class Drives:
    """The units of one device and what moves them; made and used in one event loop."""

    def __init__(self, state: Path, config: Config, installer: Installer, ground: Ground) -> None:
        self.state = state
        self.config = config
        self.installer = installer
        self.ground = ground
        self.journal = Journal(updates_folder(state))
        self.waits = Waits(updates_folder(state))
        self.hindered: dict[str, str] = {}  # specialist -> why it doesn't go on now
        self.reach: Reach | None = None  # how the repository is reached, None where it never was
        self._wishes: dict[str, Wish] | None = None  # None before it is known
        self._drives: dict[str, asyncio.Task[None]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._queued: set[str] = set()
        self._switching: set[str] = set()
        self._given_up: dict[str, Event] = {}  # what couldn't be written down yet, as the journal's disk hangs too
        self._watches: dict[str, Watch] = {}
        self._writing = asyncio.Lock()

    @property
    def units(self) -> Mapping[str, Unit]:
        """specialist -> its state."""
        return self.journal.units

    async def before_start(self) -> None:
        """Before anything is loaded: take what the disk says, count a start that failed, and go back where it was the last."""
        await self._on_disk(self._tidy)
        pointers = await self._on_disk(self.installer.slots.pointers)
        for name, unit in list(self.units.items()):
            pointer = pointers.get(name)
            where = (None, None) if pointer is None else (pointer.active, pointer.previous)
            while event := reconcile(unit, *where):
                unit = await self._happen(name, event)
            if unit.state is State.PROBATION or unit.running:
                unit = await self._happen(name, Event(What.BOOTED))
            if unit.revert and unit.release is not None:
                await self._on_disk(point_back, self.installer, name, unit.release.bundle)
                await self._happen(name, Event(What.REVERTED))
        await self._on_disk(self._remove_what_is_over)

    def _tidy(self) -> None:
        for folder in (updates_folder(self.state), trust_folder(self.state)):
            for left in folder.glob(".*.part"):  # of a file that was to be replaced when the power went
                disk.remove(left)

    def _remove_what_is_over(self) -> None:
        incoming = updates_folder(self.state) / "incoming"
        for path in incoming.iterdir() if incoming.is_dir() else ():
            if self._unit(path.name).state not in UNDER_WAY:  # a removal isn't sure before the disk has it
                disk.remove(path)

    async def _on_disk(self, work: Callable[..., T], *arguments: object) -> T:
        return await on_disk(updates_folder(self.state), work, *arguments)

    async def after_start(self, fell: Mapping[str, str]) -> None:
        """Once all is loaded. fell: specialist -> why its active bundle didn't load."""
        for name, unit in list(self.units.items()):
            release = unit.release
            if unit.state is State.PROBATION and release is not None and self.ground.serving(name) != release.bundle:
                cause = fell.get(name, "It couldn't be loaded at the start.")
                await self._happen(name, Event(What.FAILED, cause=cause, evidence={"at": "start"}))

    async def history(self, most: int, before: int | None = None) -> tuple[list[Json], int, str]:
        """The latest lines of the journal, the newest first; how many were ever written; and the hash of the last one."""
        async with self._writing:
            lines = await self._on_disk(self.journal.entries, most, before)
            return lines, self.journal.count, self.journal.head

    async def rest(self, seconds: float) -> None:
        """Wait until nothing can go on now, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._drives:
                    await asyncio.wait(list(self._drives.values()))

    def told(self, name: str, milliseconds: float, error: EdgeError | None) -> None:
        """A specialist answered, or failed to: for the one that watches it."""
        if (watch := self._watches.get(name)) is not None:
            watch.told(milliseconds, error)

    def wish(self, name: str) -> Wish | None:
        """What is wanted of a specialist, None where nothing is."""
        return (self._wishes or {}).get(name)

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
        unit = self._unit(name)
        if self._wishes is not None:
            wish = self._wishes.get(name)
            if event := judge(unit, None if wish is None else wish.release, self.ground.serving(name)):
                return event
        return self._overdue(name, unit)

    def _overdue(self, name: str, unit: Unit) -> Event | None:
        """Count the time of a release that is under way, whatever it waits for; its end, where that was all it had."""
        if unit.release is None or unit.state not in UNDER_WAY:
            return None
        wait, wish, days = self.waits.of(name, unit.release), self.wish(name), self.config.update.release_days
        if HELD in (unit.release if wish is None else wish.release).when:
            wait.paused()
            return None
        wait.goes_on()
        if wait.whole < days * DAY:
            return None
        cause = f"It didn't come to serve within {days:.3g} days, as long as release_days allows."
        told: Json = {"at": unit.state.value, "days": round(wait.whole / DAY, 3)}
        return Event(What.FAILED, cause=" ".join([cause, self.hindered.get(name, "")]).strip(), evidence=told)

    async def count_time(self) -> None:
        """Count the time of all that is under way, and end what has had all of its own."""
        if any([self._overdue(name, unit) for name, unit in self.units.items()]):  # each is counted
            self._start_drives()
        with contextlib.suppress(EdgeError):  # a disk that fails; what is counted stays in memory
            await self.waits.keep()

    async def _drive(self, name: str, before: asyncio.Task[None] | None) -> None:
        """Bring a specialist as far as it goes now."""
        if before is not None:
            await asyncio.wait([before])
            self._queued.discard(name)
        try:
            while await self._once(name):
                self.hindered.pop(name, None)
        except DiskHangs as error:
            if self.hindered.get(name) != str(error):
                self.hinder(name, str(error))
                with contextlib.suppress(EdgeError):  # the journal's disk may be the same
                    await self.note("hung", name, cause=str(error))
        except EdgeError as error:  # the disk, mostly: the next poll tries again
            self.hinder(name, str(error))
        except Exception as cause:  # one release that the code doesn't stand must not keep the others from theirs
            _log.exception("the update of %s failed", name)
            self.hinder(name, f"The update failed ({type(cause).__name__}); the device's log says why.")

    async def _once(self, name: str) -> bool:
        """Take one step; whether there may be another."""
        from edge_runtime.update import steps

        if (given_up := self._given_up.get(name)) is not None:
            await self._happen(name, given_up)
            del self._given_up[name]
        refuse(self.state)  # a switch that didn't come back may still move the pointer
        unit = self._unit(name)
        if unit.revert:
            assert unit.release is not None
            await finish(self.ground.revert(name, unit.release.bundle, unit.cause))
            await self._happen(name, Event(What.REVERTED))
            return True
        event = self._judged(name)
        if event is None and unit.release is not None:
            refuse(self.folder(name))
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

        try:
            event = await steps.switch(self, name, release)
        except EdgeError:
            await self._let_be(name)
            raise
        if event is None:
            await self._let_be(name)
            return
        if event.what is What.HUNG:
            self._given_up[name] = event
        await self._happen(name, event)
        self._given_up.pop(name, None)

    async def trying(self, name: str) -> None:
        """A switch begins that a model, or the disk, may take the whole process with."""
        if not self._unit(name).running:
            await self._happen(name, Event(What.TRYING))

    async def _let_be(self, name: str) -> None:
        if self._unit(name).running:
            await self._happen(name, Event(What.STOPPED))

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
            await self._on_disk(lambda: self.journal.record(event.what.value, name, unit, **told))
        if Effect.DISCARD in effects or Effect.TIDY in effects:
            with contextlib.suppress(
                DiskHangs
            ):  # it is written down; what lies there is removed at the next start at last
                await on_disk(self.folder(name), disk.remove, self.folder(name))
        if unit.state not in UNDER_WAY:
            self.waits.over(name)
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
            await self._on_disk(lambda: self.journal.record(what, specialist, None, **fields))

    async def _stop(self) -> None:
        """The daemon stops on purpose: what is on probation didn't fail by it."""
        drives = list(self._drives.values())
        for drive in drives:
            drive.cancel()
        if drives:
            await asyncio.wait(drives, timeout=STOP_SECONDS)  # a switch under way goes on; the next start takes it up
        for name, unit in list(self.units.items()):
            if unit.running:
                told = asyncio.create_task(self._happen(name, Event(What.STOPPED)))
                await asyncio.wait([told], timeout=STOP_SECONDS)
                with contextlib.suppress(EdgeError, asyncio.InvalidStateError):  # then it counts as a start that failed
                    told.result()
        if self._telling:
            await asyncio.wait(self._telling, timeout=STOP_SECONDS)
        kept = asyncio.create_task(self.waits.keep(1.0))
        await asyncio.wait([kept], timeout=STOP_SECONDS)
        with contextlib.suppress(EdgeError, asyncio.InvalidStateError):  # then it counts anew
            kept.result()
