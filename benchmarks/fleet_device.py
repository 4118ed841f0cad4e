"""One device of the simulated fleet of `fleet.py`: its trust and its states are real, its model and its disk aren't."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from benchmarks.fleet_world import BAD, FIRST, GOOD, PARTLY, SPECIALIST, TASK, World, bundle_of
from edge_runtime.errors import EdgeError
from edge_runtime.update.conditions import Readings, unmet
from edge_runtime.update.desired import MOST_BYTES as MOST_DESIRED
from edge_runtime.update.desired import TARGET as DESIRED
from edge_runtime.update.desired import Rollout, chosen
from edge_runtime.update.machine import (
    DUE,
    Effect,
    Event,
    Release,
    State,
    Unit,
    What,
    judge,
    reconcile,
    resume,
    step,
)
from edge_runtime.update.places import HttpPlace, Refused, Unreachable
from edge_runtime.update.report import Report, Told
from edge_runtime.update.tuf.metadata import (
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    TargetFile,
    check_bytes,
    file_name,
)
from edge_runtime.update.tuf.transport import HttpTransport
from edge_runtime.update.tuf.trusted import Trusted

MODELS, FLEET = f"models/{TASK}", "fleet"
PROBATION = 300.0
READY = Readings(0, 99.0, 0, True, True)
MOST_METADATA = 512 * 1024


class PowerCut(Exception):
    """The power of one device went."""


class Device:
    """One device: what it trusts, what its journal says, and what lies on its disk."""

    def __init__(self, world: World, id_: str, tags: tuple[str, ...], off: tuple[float, float]) -> None:
        self.world, self.id, self.tags, self.off = world, id_, tags, off
        self.trusted = Trusted(world.root, world.clock())
        self.transport = HttpTransport(world.session, world.relay.url)
        self.files = HttpPlace(world.session, f"{world.relay.url}/targets")
        self.rollouts: tuple[Rollout, ...] = ()
        self._read = ""
        self.unit = Unit()
        self.version, self.serving, self.former = FIRST, bundle_of(FIRST), ""
        self._part = bytearray()
        self._validator = ""
        self._told: Told | None = None
        self._down = False

    async def poll(self) -> None:
        """Ask the repository, do what is due, and come again later."""
        world = self.world
        if self.off[0] <= world.now < self.off[1]:
            world.at(self.off[1], self.poll)
            return
        world.polls += 1
        try:
            if self._down:
                await self._boot()
            await self._refresh()
            await self._pursue()
        except (Unreachable, Refused, EdgeError):
            world.failed += 1
        except PowerCut:
            world.cuts += 1
            self._down = True
        self._tell()
        world.at(world.now + world.setting.poll * world.draw.uniform(0.8, 1.2), self.poll)

    async def end_probation(self, release: Release) -> None:
        """The time of trial is over."""
        if self.unit.state is not State.PROBATION or self.unit.release != release or self._down:
            return
        bad = self.world.fails(release.version, self.tags)
        event = Event(What.FAILED, cause="2 of 8 golden vectors differ") if bad else Event(What.PASSED)
        try:
            await self._happen(event)
        except PowerCut:
            self.world.cuts += 1
            self._down = True
        self._tell()

    async def _refresh(self) -> None:
        """As a TUF client does (specification 1.0.31, section 5.3 to 5.6); what was verified stays."""
        trusted, fetch = self.trusted, self.transport.fetch
        trusted.now = max(trusted.now, self.world.clock())
        while True:
            try:
                raw = await fetch(f"metadata/{file_name(ROOT, trusted.root.version + 1)}", MOST_METADATA)
            except Refused:
                break
            trusted.update_root(raw)
        trusted.update_timestamp(await fetch(f"metadata/{file_name(TIMESTAMP)}", MOST_METADATA))
        assert trusted.timestamp is not None
        newest = trusted.timestamp.snapshot
        if trusted.snapshot is None or trusted.snapshot.version != newest.version:
            trusted.update_snapshot(await fetch(f"metadata/{file_name(SNAPSHOT, newest.version)}", MOST_METADATA))
        for role, delegator in ((TARGETS, ROOT), (MODELS, TARGETS), (FLEET, TARGETS)):
            about = trusted.about(role)
            if trusted.has_targets(role, delegator) and trusted.targets(role, delegator).version == about.version:
                continue
            raw = await fetch(f"metadata/{file_name(role, about.version)}", about.length or MOST_METADATA)
            trusted.update_targets(raw, role, delegator, None if role == TARGETS else trusted.targets())
        file = trusted.targets(FLEET, TARGETS).targets[DESIRED]
        if file.hashes["sha256"] != self._read:
            raw = await fetch(f"targets/{file.path(True)}", MOST_DESIRED)
            check_bytes(raw, file.length, file.hashes, DESIRED)
            self.rollouts, self._read = self.world.parsed(raw), file.hashes["sha256"]

    async def _pursue(self) -> None:
        wish = self._wish()
        event = judge(self.unit, wish, self.serving)
        if event is not None:
            await self._happen(event)
        elif self.unit.state is not State.PROBATION:
            await self._do(DUE.get(self.unit.state, ()))

    def _wish(self) -> Release | None:
        """What the fleet wants here, where the task's own signers name the same file."""
        rollout = chosen(self.rollouts, self.id, self.tags).get(SPECIALIST)
        if rollout is None:
            return None
        file = self._file(rollout.target)
        if file is None or file.hashes["sha256"] != rollout.sha256:
            return None
        bundle = str(file.custom["bundle"])
        return Release(rollout.id, rollout.target, rollout.sha256, bundle, rollout.version, rollout.when)

    def _file(self, name: str) -> TargetFile | None:
        return self.trusted.targets(MODELS, TARGETS).targets.get(name)

    async def _happen(self, event: Event) -> None:
        self.unit, effects = step(self.unit, event)  # written down before anything is done
        await self._do(effects)

    async def _do(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            self._may_fall()
            event = await self._effect(effect)
            if event is not None:
                await self._happen(event)

    async def _effect(self, effect: Effect) -> Event | None:
        release, world = self.unit.release, self.world
        match effect:
            case Effect.DISCARD | Effect.TIDY:
                self._part.clear()
                self._validator = ""
            case Effect.FETCH:
                assert release is not None
                await self._fetch(release)
                return Event(What.FETCHED)
            case Effect.STAGE:
                assert release is not None
                whole = hashlib.sha256(self._part).hexdigest() == release.sha256
                return Event(What.STAGED if whole else What.LOST)
            case Effect.SWITCH:
                assert release is not None
                wish = self._wish()
                if unmet(wish.when if wish else release.when, READY):
                    return None
                former, self.former, self.serving = self.serving, self.serving, release.bundle
                self.version = release.version
                world.ran.setdefault(release.version, set()).add(self.id)
                self._may_fall()  # the pointer names it, the journal doesn't say so yet
                return Event(What.SWITCHED, former=former)
            case Effect.WATCH:
                assert release is not None
                world.at(world.now + PROBATION, lambda: self.end_probation(release))
            case Effect.REVERT:
                self.serving = self.unit.former or ""
                self.version = next(each for each in (FIRST, GOOD, BAD, PARTLY) if bundle_of(each) == self.serving)
                self._may_fall()
                return Event(What.REVERTED)
        return None

    async def _fetch(self, release: Release) -> None:
        """All of the file, from where it was left."""
        file = self._file(release.target)
        assert file is not None
        path = file.path(True)
        while len(self._part) < file.length:
            async with self.files.open(path, len(self._part), self._validator) as opened:
                del self._part[opened.first :]
                self._validator = opened.validator
                async for piece in opened.pieces:
                    self._part += piece
            self._may_fall()
        self.world.given.setdefault(release.version, set()).add(self.id)

    async def _boot(self) -> None:
        """Take what the disk says, and go on."""
        self._down = False
        while event := reconcile(self.unit, self.serving, self.former):
            self.unit, _ = step(self.unit, event)
        if self.unit.state is State.PROBATION:
            await self._happen(Event(What.BOOTED))
        else:
            await self._do(resume(self.unit))

    def _may_fall(self) -> None:
        if self.world.draw.randrange(10_000) < self.world.setting.cuts:
            raise PowerCut

    def _tell(self) -> None:
        """Report, where something changed."""
        unit = self.unit
        rollout = "" if unit.release is None else unit.release.rollout
        told = Told(self.version, self.serving, unit.state.value, unit.cause, rollout)
        if told != self._told:
            self._told = told
            self.world.news[self.id] = Report(
                self.id, self.id, self.tags, self.world.now, specialists={SPECIALIST: told}
            )
