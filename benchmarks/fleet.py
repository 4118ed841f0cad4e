"""A fleet in one process: thousands of devices' own rules against a real repository server over bad connections.

    python benchmarks/fleet.py [--devices 10000] [--poll 3600] [--soak 3600] [--seed 1] [--plot FILE.png] [--json FILE]

What is real: the update repository and its web server, every request and byte over HTTP on this machine, the TUF rules by
which each device trusts metadata (`edge_runtime.update.tuf.trusted`), the queries (`desired`), each device's table of states
(`machine`), the host's database, stages and thresholds (`trainer_host.fleet`). What is simulated: the time, the models (random
bytes, whose probation ends as the scenario says), power cuts, and devices that are off. Between devices and server sits a
relay that drops connections, cuts answers short, answers 503 or waits.

Three releases: a good one goes from one device to all, also to those that were off for days and those that joined later; one
that fails everywhere; and one that fails on three of 16 machines. Times are of the simulated clock.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import heapq
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

ROOT_FOLDER = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT_FOLDER))

from benchmarks.fleet_relay import Relay  # noqa: E402
from edge_runtime.errors import EdgeError  # noqa: E402
from edge_runtime.update.conditions import Readings, unmet  # noqa: E402
from edge_runtime.update.desired import MOST_BYTES as MOST_DESIRED  # noqa: E402
from edge_runtime.update.desired import TARGET as DESIRED  # noqa: E402
from edge_runtime.update.desired import Rollout, Where, chosen, parse_desired  # noqa: E402
from edge_runtime.update.machine import (  # noqa: E402
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
from edge_runtime.update.places import HttpPlace, Refused, Unreachable  # noqa: E402
from edge_runtime.update.report import Report, Told  # noqa: E402
from edge_runtime.update.tuf.metadata import (  # noqa: E402
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    TargetFile,
    check_bytes,
    file_name,
)
from edge_runtime.update.tuf.transport import HttpTransport  # noqa: E402
from edge_runtime.update.tuf.trusted import Trusted  # noqa: E402
from trainer_host.fleet.database import sqlite_engine  # noqa: E402
from trainer_host.fleet.rollouts import PAUSED, RUNNING, Plan  # noqa: E402
from trainer_host.fleet.service import Fleet  # noqa: E402
from trainer_host.fleet.store import Store  # noqa: E402
from trainer_host.release.repository import Repository  # noqa: E402
from trainer_host.release.roles import RoleKeys  # noqa: E402
from trainer_host.release.serve_updates import listening  # noqa: E402
from trainer_host.release.trust import Plan as Trust  # noqa: E402
from trainer_host.release.trust import create  # noqa: E402
from trainer_host.teacher.vault.sealing import Limits  # noqa: E402

SPECIALIST, TASK = "home-en", "router"
MODELS, FLEET = f"models/{TASK}", "fleet"
FIRST, GOOD, BAD, PARTLY = "1.0.0", "2.0.0", "3.0.0", "4.0.0"
OLD = "cpu:old"  # the machines on which PARTLY fails
START = datetime(2027, 1, 1, tzinfo=UTC)
AT_ONCE = 64  # devices that speak to the server at the same time
TICK = 60.0  # what is due within so many seconds of the simulated clock happens together
PROBATION = 300.0
READY = Readings(0, 99.0, 0, True, True)
MOST_METADATA = 512 * 1024
HOUR = 3600.0
CYCLE = 1.3  # polls: within it every device that is on has asked once


@dataclass(frozen=True)
class Setting:
    """A scenario. poll, soak: seconds; look: how often the host looks, too; size: bytes of a model. faulty: share of requests
    that go wrong; late: devices that join within `joining` seconds of the first release; away: share of devices that are off
    once, from within `leaving` seconds on, for up to `away_days`; cuts: power cuts in 10,000 steps of a device's updater.
    """

    devices: int = 10_000
    late: int = 300
    poll: float = 3600.0
    soak: float = 3600.0
    look: float = 300.0
    size: int = 64 * 1024
    faulty: float = 0.02
    joining: float = 12 * HOUR
    away: float = 0.05
    leaving: float = 8 * HOUR
    away_days: float = 2.0
    cuts: int = 50
    seed: int = 1
    most_days: float = 10.0


@dataclass
class Course:
    """How a release fared. hours: since it was started, until this share of all devices ran it; given: devices that ever
    fetched it whole; ran: that ever switched to it; ended: hours until the host paused it or was done; stages: hours at which
    each stage began.
    """

    version: str
    hours: dict[str, float]
    given: int
    ran: int
    state: str
    cause: str
    ended: float
    stages: dict[str, float]
    requests: int
    megabytes: float
    curve: list[tuple[float, float]]


@dataclass
class Outcome:
    """A whole run. polls: of devices; failed: polls that came to nothing; cuts: power cuts. wall, cpu: seconds; memory: MB."""

    setting: Setting
    courses: list[Course]
    polls: int
    failed: int
    cuts: int
    requests: int
    megabytes: float
    faults: dict[str, int]
    wrong: int  # devices that at the end run something else than the good release
    wall: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0


class Inline(ThreadPoolExecutor):
    """Runs at once what would go to a thread: tiny files of this machine, whose hand-over would cost more than they do."""

    def submit(self, fn: Callable[..., object], /, *arguments: object, **named: object) -> Future[object]:  # type: ignore[override]
        """Run it."""
        done: Future[object] = Future()
        try:
            done.set_result(fn(*arguments, **named))
        except Exception as cause:  # raised by the future, as from a thread
            done.set_exception(cause)
        return done


class World:
    """The simulated time, what is due when, and what all devices share."""

    def __init__(self, setting: Setting, relay: Relay, session: aiohttp.ClientSession, root: bytes) -> None:
        self.setting, self.relay, self.session, self.root = setting, relay, session, root
        self.draw = random.Random(setting.seed)
        self.now = 0.0
        self.news: dict[str, Report] = {}
        self.given: dict[str, set[str]] = {}
        self.ran: dict[str, set[str]] = {}
        self.polls = self.failed = self.cuts = 0
        self._due: list[tuple[float, int, Callable[[], Coroutine[None, None, None]]]] = []
        self._order = 0
        self._parsed: dict[bytes, tuple[Rollout, ...]] = {}

    def clock(self) -> datetime:
        """The simulated time."""
        return START + timedelta(seconds=round(self.now))

    def seconds(self) -> float:
        """The simulated time in seconds since 1970."""
        return START.timestamp() + self.now

    def at(self, when: float, what: Callable[[], Coroutine[None, None, None]]) -> None:
        """Let something happen then."""
        self._order += 1
        heapq.heappush(self._due, (when, self._order, what))

    async def go_on(self) -> None:
        """Let the next tick's events happen, `AT_ONCE` at a time."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def happen(what: Callable[[], Coroutine[None, None, None]]) -> None:
            async with turns:
                await what()

        self.now = max(self.now, self._due[0][0])
        until = self.now + TICK
        happening = []
        while self._due and self._due[0][0] < until:
            happening.append(happen(heapq.heappop(self._due)[2]))
        await asyncio.gather(*happening)
        self.now = until

    def fails(self, version: str, tags: Sequence[str]) -> bool:
        """Whether a release doesn't stand its probation on a machine."""
        return version == BAD or (version == PARTLY and OLD in tags)

    def parsed(self, raw: bytes) -> tuple[Rollout, ...]:
        """The list of rollouts; read once, since all devices read the same."""
        if raw not in self._parsed:
            self._parsed = {raw: parse_desired(raw)}
        return self._parsed[raw]


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


async def simulate(setting: Setting, folder: Path) -> Outcome:
    """All of it; `folder` is empty."""
    began, cpu = time.perf_counter(), time.process_time()
    asyncio.get_running_loop().set_default_executor(Inline(1))
    time_of_world = [0.0]
    repository = Repository(
        folder / "updates",
        RoleKeys(folder / "keys", lambda prompt: None, Limits(1, 8)),
        lambda: START + timedelta(seconds=round(time_of_world[0])),
    )
    create(repository, Trust(), None)
    publish(repository, folder, setting, FIRST)
    root = (repository.public / "metadata" / "1.root.json").read_bytes()
    async with (
        listening(repository, "127.0.0.1", 0, renew=False) as server,
        Relay(int(server.rpartition(":")[2]), setting.faulty, random.Random(setting.seed)) as relay,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session,
    ):
        world = World(setting, relay, session, root)
        with Store(sqlite_engine(folder / "fleet.db"), "the database") as store:
            fleet = Fleet(store, repository, "simulator", world.seconds)
            outcome = await Host(world, repository, store, fleet, time_of_world).run(folder)
    outcome.wall, outcome.cpu = time.perf_counter() - began, time.process_time() - cpu
    outcome.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return outcome


class Host:
    """The host's side: it publishes, starts rollouts, and steps them by what devices tell."""

    def __init__(
        self, world: World, repository: Repository, store: Store, fleet: Fleet, time_of_world: list[float]
    ) -> None:
        self.world, self.repository, self.store, self.fleet = world, repository, store, fleet
        self._time = time_of_world
        self.devices: list[Device] = []
        self._looked = self._renewed = 0.0

    async def run(self, folder: Path) -> Outcome:
        """The three releases, one after the other."""
        world, setting = self.world, self.world.setting
        for number in range(setting.devices):
            self._join(number, world.draw.uniform(0, setting.poll), 0.0)
        self._look()
        late = [world.draw.uniform(0, setting.joining) for _ in range(setting.late)]
        for number, when in enumerate(sorted(late), start=setting.devices):
            world.at(when, self._joiner(number))
        courses = [await self._release(folder, GOOD, everyone=True)]
        for version in (BAD, PARTLY):
            courses.append(await self._release(folder, version, everyone=False))
        return Outcome(
            setting,
            courses,
            world.polls,
            world.failed,
            world.cuts,
            world.relay.traffic.requests,
            round(world.relay.traffic.down / 1e6, 1),
            dict(sorted(world.relay.traffic.faults.items())),
            sum(device.version != GOOD for device in self.devices),
        )

    def _join(self, number: int, first: float, now: float) -> None:
        world, setting = self.world, self.world.setting
        off = (0.0, 0.0)
        if world.draw.random() < setting.away:
            begin = now + world.draw.uniform(0, setting.leaving)
            off = (begin, begin + world.draw.uniform(1 * HOUR, setting.away_days * 24 * HOUR))
        id_ = hashlib.sha256(f"{setting.seed}:{number}".encode()).hexdigest()[:16]
        tags = (f"floor:{number % 7}", *((OLD,) if id_[0] in "012" else ()))
        device = Device(world, id_, tags, off)
        device._tell()
        self.devices.append(device)
        world.at(now + first, device.poll)

    def _joiner(self, number: int) -> Callable[[], Coroutine[None, None, None]]:
        async def join() -> None:
            self._join(number, 0.0, self.world.now)

        return join

    async def _release(self, folder: Path, version: str, everyone: bool) -> Course:
        """Publish, start and follow one; `everyone`: until all run it, else until it was paused and all had time to see it."""
        world, setting = self.world, self.world.setting
        publish(self.repository, folder, setting, version)
        began = world.now
        requests, down = world.relay.traffic.requests, world.relay.traffic.down
        started = self.fleet.start(SPECIALIST, version, Where(), Plan(soak=setting.soak))
        hours: dict[str, float] = {}
        stages = {str(started.plan.stages[0]): 0.0}
        curve: list[tuple[float, float]] = []
        ended, state = 0.0, started.state
        while self._since(began) < setting.most_days * 24:
            await world.go_on()
            self._time[0] = world.now
            have = sum(device.version == version for device in self.devices) / len(self.devices)
            for share in (0.5, 0.9, 0.99, 1.0):
                if have >= share:
                    hours.setdefault(f"{share:.0%}", round(self._since(began), 2))
            if world.now - self._looked < setting.look:
                continue
            self._look()
            for course in self.fleet.step():
                if course.state == RUNNING:
                    stages.setdefault(str(course.plan.stages[course.stage]), self._since(began))
                state = course.state
            curve.append((round(self._since(began), 3), round(have, 5)))
            if state != RUNNING:
                ended = ended or self._since(began)
                all_there = have == 1.0 and len(self.devices) == setting.devices + setting.late
                if all_there if everyone else self._since(began) > ended + CYCLE * setting.poll / HOUR:
                    break
        with self.store.reading() as session:
            course = session.course(started.id)
        if course.state == PAUSED:  # back to the release before, also where it stood its probation
            self.fleet.abort(course.id)
            until = world.now + CYCLE * setting.poll
            while world.now < until or any(device.version == version for device in self.devices):
                await world.go_on()
            self._look()
        return Course(
            version,
            hours,
            len(world.given.get(version, ())),
            len(world.ran.get(version, ())),
            course.state,
            course.cause,
            round(ended, 2),
            {name: round(at, 2) for name, at in stages.items()},
            world.relay.traffic.requests - requests,
            round((world.relay.traffic.down - down) / 1e6, 1),
            curve,
        )

    def _look(self) -> None:
        world = self.world
        self._looked = self._time[0] = world.now
        news, world.news = list(world.news.values()), {}
        with self.store.changing() as session:
            session.take_all(news, world.seconds(), "mqtt")
        if world.now - self._renewed >= 6 * HOUR:
            self._renewed = world.now
            self.repository.refresh()

    def _since(self, began: float) -> float:
        return (self.world.now - began) / HOUR


def publish(repository: Repository, folder: Path, setting: Setting, version: str) -> None:
    """A bundle of random bytes: what is in it, devices of this simulation don't open."""
    path = folder / f"{SPECIALIST}-{version}.enigma"
    path.write_bytes(random.Random(f"{setting.seed} {version}").randbytes(setting.size))
    custom: dict[str, object] = {
        "kind": "bundle",
        "specialist": SPECIALIST,
        "task": TASK,
        "version": version,
        "bundle": bundle_of(version),
    }
    repository.publish({f"models/{TASK}/{path.name}": (path, custom)})


def bundle_of(version: str) -> str:
    """What names a version on a device."""
    return hashlib.sha256(version.encode()).hexdigest()


def told(outcome: Outcome) -> str:
    """The run as a person reads it."""
    setting = outcome.setting
    lines = [
        f"{setting.devices:,} devices and {setting.late:,} that join later; a poll each {setting.poll / 60:.0f} min, soak "
        f"{setting.soak / 60:.0f} min, models of {setting.size / 1024:.0f} KiB; {setting.faulty:.1%} of requests fail, "
        f"{setting.away:.0%} of devices are off for up to {setting.away_days:g} days."
    ]
    for course in outcome.courses:
        what = {GOOD: "good", BAD: "fails everywhere", PARTLY: "fails on 3 of 16"}[course.version]
        lines += [
            f"{course.version} ({what}): {course.state} after {course.ended:.1f} h"
            + f"; {course.cause}" * bool(course.cause),
            f"  fetched by {course.given:,} devices, run by {course.ran:,}"
            + "".join(f"; {share} after {at:.1f} h" for share, at in course.hours.items()),
            "  stages: " + ", ".join(f"{name} at {at:.1f} h" for name, at in course.stages.items()),
            f"  {course.requests:,} requests, {course.megabytes:,.1f} MB",
        ]
    lines += [
        f"{outcome.polls:,} polls ({outcome.failed:,} came to nothing), {outcome.cuts:,} power cuts, "
        f"{outcome.requests:,} requests, {outcome.megabytes:,.1f} MB; faults: "
        + ", ".join(f"{count:,} {name}" for name, count in outcome.faults.items()),
        f"At the end {outcome.wrong:,} devices run something else than {GOOD}.",
        f"{outcome.wall:.0f} s ({outcome.cpu:.0f} s CPU), {outcome.memory:.0f} MB.",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run it; 1 where a device was left behind, or a bad release got beyond its stage."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--poll", type=float, default=3600.0, help="seconds between two polls of a device")
    parser.add_argument("--soak", type=float, default=3600.0, help="seconds that each stage is watched")
    parser.add_argument("--size", type=int, default=64 * 1024, help="bytes of a model")
    parser.add_argument("--away-days", type=float, default=2.0, help="the longest that a device is off")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", type=Path, help="a PNG of how the releases spread")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    setting = Setting(
        args.devices,
        max(1, args.devices * 3 // 100),
        args.poll,
        args.soak,
        size=args.size,
        away_days=args.away_days,
        seed=args.seed,
    )
    gc.set_threshold(100_000, 50, 100)  # what devices trust stays: looking for garbage in it again and again costs much
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(simulate(setting, Path(folder)))
    print(told(outcome))
    if args.json:
        args.json.write_text(json.dumps(asdict(outcome), indent=1) + "\n")
    if args.plot:
        from benchmarks.fleet_plot import plot

        plot(outcome, args.plot)
    return 0 if outcome.wrong == 0 and outcome.courses[1].ran <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
