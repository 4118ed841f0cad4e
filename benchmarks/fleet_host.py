"""The host of the simulated fleet of `fleet.py`: it publishes three releases, one after the other, and counts how they fare."""

from __future__ import annotations

import asyncio
import hashlib
import random
import resource
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp

from benchmarks.fleet_device import Device
from benchmarks.fleet_relay import Relay
from benchmarks.fleet_world import (
    AT_ONCE,
    BAD,
    FIRST,
    GOOD,
    HOUR,
    OLD,
    PARTLY,
    SPECIALIST,
    START,
    TASK,
    Setting,
    World,
    bundle_of,
)
from edge_runtime.update.desired import Where
from trainer_host.fleet.database import sqlite_engine
from trainer_host.fleet.rollouts import PAUSED, RUNNING, Plan
from trainer_host.fleet.service import Fleet
from trainer_host.fleet.store import Store
from trainer_host.release.repository import Repository
from trainer_host.release.roles import RoleKeys
from trainer_host.release.serve_updates import listening
from trainer_host.release.trust import Plan as Trust
from trainer_host.release.trust import create
from trainer_host.teacher.vault.sealing import Limits

CYCLE = 1.3  # polls: within it every device that is on has asked once


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


async def simulate(setting: Setting, folder: Path, over: Callable[[Course], None] = lambda course: None) -> Outcome:
    """All of it; `folder` is empty. over: called with each release's course, as soon as it has ended."""
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
            outcome = await Host(world, repository, store, fleet, time_of_world).run(folder, over)
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

    async def run(self, folder: Path, over: Callable[[Course], None]) -> Outcome:
        """The three releases, one after the other."""
        world, setting = self.world, self.world.setting
        for number in range(setting.devices):
            self._join(number, world.draw.uniform(0, setting.poll), 0.0)
        self._look()
        late = [world.draw.uniform(0, setting.joining) for _ in range(setting.late)]
        for number, when in enumerate(sorted(late), start=setting.devices):
            world.at(when, self._joiner(number))
        courses = []
        for version in (GOOD, BAD, PARTLY):
            courses.append(await self._release(folder, version, everyone=version == GOOD))
            over(courses[-1])
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
