"""A disk that stands still at any call of an update: the device goes on, says so, and ends the update once it is back."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.config import Config, UpdateConfig
from edge_runtime.device import Device
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.trust import TrustStore
from edge_runtime.update import deadline, disk, disk_threads, steps
from edge_runtime.update.agent import UpdateAgent
from edge_runtime.update.disk_threads import DiskHangs, within
from edge_runtime.update.ground import Alone
from edge_runtime.update.install import Installer
from edge_runtime.update.journal import Journal
from edge_runtime.update.machine import State, Unit
from edge_runtime.update.slots import Pointer, Slots
from edge_runtime.update.source import updates_folder

from ..conftest import trust
from .following import NAME
from .updating import NEW, Case, prepare

CALLS = ("open", "write", "fsync", "rename", "replace", "mkdir", "unlink", "rmdir", "scandir", "stat")
SAMPLED = 17  # a prime, so that each of the calls comes to be the one that hangs
UNTRIED = Config(update=UpdateConfig(trial=False))


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_threads, "SECONDS", 0.05)
    monkeypatch.setattr(disk_threads, "LEAST_BYTES_PER_SECOND", 2**40)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return prepare(tmp_path_factory.mktemp("hung"))


class Disk:
    """Lets the Nth call in a thread stand still until it is let go; a call on the event loop's own thread is noted.

    but: what lies there is of another disk.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, but: Path) -> None:
        self.at, self.count = 0, 0
        self._but = str(but)
        self.back = threading.Event()
        self.hung: list[str] = []
        self.on_the_loop: list[str] = []
        self._counting = threading.Lock()
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def _wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            if str(arguments[0]).startswith(self._but):
                pass
            elif threading.current_thread().name == "disk":
                with self._counting:
                    self.count += 1
                    hangs = self.count == self.at
                if hangs:
                    self.hung.append(name)
                    assert self.back.wait(60)
            elif self.at and threading.current_thread() is threading.main_thread():
                self.on_the_loop.append(f"{name} {arguments[0]}")
            return call(*arguments, **named)

        return wrapper


def agent_of(state: Path, config: Config = UNTRIED) -> UpdateAgent:
    installer = Installer(Slots(state), TrustStore(IdentityFolder(state)), config)
    return UpdateAgent(state, config, installer, Alone(installer), "device-1")


async def looked(agent: UpdateAgent, most: float = 20.0) -> None:
    async with asyncio.timeout(60):  # far more than any deadline here
        await agent.check()
        await agent.rest(most)


def test_wherever_the_disk_stands_still_the_updater_goes_on_and_ends_it_later(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "SWITCH_SECONDS", 0.5)
    hanging, told = Disk(monkeypatch, case.site.public), set()

    async def hang(state: Path) -> bool:
        """Whether it hung in the switch, and was given up."""
        given_up = False
        agent = agent_of(state)  # reads the journal: before that nothing serves either
        hanging.count, hanging.at = 0, point
        await looked(agent, 3.0)  # loading a model has ten minutes
        hanging.at = 0
        if hanging.hung:
            told.add("cause" if agent.cause else "hindered" if agent.hindered else "late")
            hanging.back.set()

        def over() -> bool:
            nonlocal given_up
            unit, asked = agent.units[NAME], agent.wish(NAME) is not None
            given_up = unit.state is State.ROLLED_BACK  # also where this process stood during its switch
            assert not given_up or (unit.evidence == {"at": "switch"} and "doesn't answer" in unit.cause)
            return not unit.revert if given_up else asked and unit.state is State.PROBATION

        async with asyncio.timeout(60):
            while not over():
                await looked(agent)
                await asyncio.sleep(0.01)
        await agent.close()
        return given_up

    point = 0  # none hangs
    asyncio.run(hang(Path(shutil.copytree(case.base, tmp_path / "whole"))))
    calls, hung = hanging.count, 0
    assert calls > 10 * SAMPLED
    for point in range(5, calls, SAMPLED):
        state = Path(shutil.copytree(case.base, tmp_path / str(point)))
        hanging.hung, hanging.back = [], threading.Event()
        given_up = asyncio.run(hang(state))
        assert case.served(state) == (case.old if given_up else NEW), point
        with monkeypatch.context() as patch:
            patch.setattr(disk_threads, "SECONDS", 60.0)
            asyncio.run(agent_of(state).before_start())  # what couldn't be removed then is removed at a start
        assert not case.left_over(state), point
        hung += len(hanging.hung)
    assert hung > 5  # where another call was late on a busy machine, what was to hang came later
    assert told >= {"cause", "hindered"}
    # What serves would stand still with it. Only where nothing serves are pointers read there.
    assert [call for call in hanging.on_the_loop if str(tmp_path) in call and "/specialists" not in call] == []


def test_a_hang_is_in_the_journal_and_a_release_that_never_comes_is_given_up(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = Path(shutil.copytree(case.base, tmp_path / "device"))
    back, unpacked = threading.Event(), Installer.stage

    def slow(*arguments: Any) -> Path:
        back.wait(60)
        return unpacked(*arguments)

    monkeypatch.setattr(Installer, "stage", slow)
    short = Config(update=UpdateConfig(trial=False, release_days=0.4 / 86400))

    async def hang() -> None:
        agent = agent_of(state, short)
        while agent.units[NAME].state is not State.VERIFIED or not agent.hindered:
            await looked(agent)
        assert "doesn't answer" in agent.hindered[NAME]
        await looked(agent)
        lines = [line for line in Journal(updates_folder(state)).entries() if line["what"] == "hung"]
        assert len([line for line in lines if f"incoming/{NAME} doesn't answer" in str(line["cause"])]) == 1
        async with asyncio.timeout(60):
            while agent.units[NAME].state is State.VERIFIED:  # as the daemon does between two looks
                await agent.count_time()
                await asyncio.sleep(0.05)
        unit = agent.units[NAME]
        assert unit.state is State.ROLLED_BACK and not unit.revert
        assert "release_days" in unit.cause and "doesn't answer" in unit.cause
        assert unit.evidence["at"] == "verified"
        assert agent.waits.of(NAME, unit.release).seconds == 0.0  # type: ignore[arg-type]
        back.set()
        await agent.close()

    asyncio.run(hang())
    assert case.served(state) == case.old


async def never(*arguments: object) -> Path:
    """A server that always sends just enough."""
    await asyncio.sleep(3600)
    return Path()


@pytest.mark.parametrize("why", ["fetching", "unsigned", "held"])
def test_a_release_that_waits_for_others_has_a_deadline_and_a_paused_one_none(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setattr(disk_threads, "SECONDS", 60.0)
    at = State.FETCHING if why == "fetching" else State.STAGED
    if why == "fetching":
        monkeypatch.setattr(steps, "fetch_plan", never)
    state = Path(shutil.copytree(case.base, tmp_path / "device"))
    site = case.site
    rollout = site.want(f"models/router/{NAME}-{NEW}.enigma", when=("docked", "held") if why == "held" else ("docked",))
    days = 0.4 / 86400
    short = Config(update=UpdateConfig(trial=False, release_days=days))

    async def wait() -> Unit:
        agent = agent_of(state, short)
        await agent.check()
        async with asyncio.timeout(60):
            while agent.units[NAME].state is not at:  # noqa: ASYNC110 - as the device is watched
                await asyncio.sleep(0.01)
        if why == "unsigned":
            await agent.close()  # a restart, that knows of no signature before it asked
            agent = agent_of(state, short)
        for _ in range(8):
            await agent.count_time()
            await asyncio.sleep(0.1)
        await agent.rest(0.5)
        unit = agent.units[NAME]
        await agent.close()
        return unit

    unit = asyncio.run(wait())
    assert unit.release is not None and unit.release.rollout == rollout
    if why == "held":
        assert unit.state is State.STAGED
    else:
        assert unit.state is State.ROLLED_BACK and unit.evidence["at"] == at.value
        assert "release_days" in unit.cause


async def test_a_push_to_a_disk_that_hangs_is_refused_in_time_and_the_next_one_taken_once_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundles: dict[str, Path]
) -> None:
    state, content = tmp_path / "device", bundles["v1"].read_bytes()
    trust(state)
    device = Device(state, UNTRIED)
    await device.start()
    back, writes = threading.Event(), os.write

    def hang(handle: int, data: bytes) -> int:
        if Path(f"/proc/self/fd/{handle}").readlink().suffix == ".enigma":
            back.wait(60)
        return writes(handle, data)

    async def arriving() -> AsyncIterator[bytes]:
        yield content

    monkeypatch.setattr(os, "write", hang)
    for _ in range(2):
        with pytest.raises(DiskHangs):
            await device.install(arriving(), None)
    assert not device.changing.locked() and device.serving.names() == []
    back.set()
    async with asyncio.timeout(60):
        while disk_threads.hangs(device.slots.incoming):  # noqa: ASYNC110 - a thread ends it
            await asyncio.sleep(0.01)
    monkeypatch.setattr(disk_threads, "SECONDS", 60.0)
    assert (await device.install(arriving(), None)).changed
    await device.close()


async def test_a_push_whose_switch_hangs_is_given_up_in_time_and_changes_nothing_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundles: dict[str, Path]
) -> None:
    monkeypatch.setattr(disk_threads, "SECONDS", 60.0)
    state, back, moves = tmp_path / "device", threading.Event(), Slots.activate
    trust(state)
    device = Device(state, UNTRIED)
    await device.start()

    async def push(name: str) -> bool:
        async def arriving() -> AsyncIterator[bytes]:
            yield bundles[name].read_bytes()

        return (await device.install(arriving(), None)).changed

    def hang(slots: Slots, name: str, digest: str) -> Pointer | None:
        former = moves(slots, name, digest)
        back.wait(60)
        return former

    assert await push("v1") and await push("v2")
    pointers = device.slots.pointers()
    with monkeypatch.context() as patch:
        patch.setattr(Slots, "activate", hang)
        patch.setattr(deadline, "SWITCH_SECONDS", 0.05)
        with pytest.raises(DiskHangs, match="doesn't answer"):
            await push("v3")
        for change in (push("v3"), device.roll_back(NAME), device.remove(NAME)):
            with pytest.raises(DiskHangs):
                await change
        assert (await device.run(NAME, {"text": "turn on the light"})).value and not device.changing.locked()
        back.set()
        async with asyncio.timeout(60):
            while disk_threads.hangs(state):  # noqa: ASYNC110 - a thread ends it
                await asyncio.sleep(0.01)
    assert device.slots.pointers() == pointers and device.models()[0]["version"] == "2.0.0"
    assert await push("v3")
    await device.close()


@pytest.mark.parametrize("journal", ["answers", "hangs too"])
def test_a_release_whose_switch_hangs_is_given_up_and_taken_back_once_the_disk_is_there(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: str
) -> None:
    monkeypatch.setattr(disk_threads, "SECONDS", 60.0)
    state = Path(shutil.copytree(case.base, tmp_path / "device"))
    case.site.want(f"models/router/{NAME}-{NEW}.enigma")
    back, places, records = threading.Event(), Slots.place, Journal.record

    def hang(slots: Slots, staged: Path, digest: str) -> None:
        back.wait(60)
        places(slots, staged, digest)

    def record(self: Journal, what: str, *arguments: Any, **named: Any) -> Any:
        if what == "hung" and arguments[1:] and not silent.is_set():
            silent.set()
            raise DiskHangs("The journal's disk doesn't answer either.")
        return records(self, what, *arguments, **named)

    silent = threading.Event()
    monkeypatch.setattr(Slots, "place", hang)
    if journal == "hangs too":
        monkeypatch.setattr(Journal, "record", record)

    async def give_up() -> Unit:
        agent = agent_of(state)
        with monkeypatch.context() as patch:
            patch.setattr(deadline, "SWITCH_SECONDS", 0.05)
            await looked(agent)
        if journal == "hangs too":
            assert agent.units[NAME].state is State.STAGED and "either" in agent.hindered[NAME]
            await looked(agent)
        given_up = agent.units[NAME]
        assert given_up.revert and "doesn't answer" in agent.hindered[NAME]
        restarted = agent_of(Path(shutil.copytree(state, tmp_path / "restarted")))
        await restarted.before_start()  # as where the process ended with the thread in it
        assert restarted.units[NAME].state is State.ROLLED_BACK and not restarted.units[NAME].revert
        back.set()
        async with asyncio.timeout(60):
            while agent.units[NAME].revert:
                await looked(agent)
                await asyncio.sleep(0.01)
        await agent.close()
        return agent.units[NAME]

    unit = asyncio.run(give_up())
    assert unit.state is State.ROLLED_BACK and unit.evidence == {"at": "switch"}
    assert "given up" in unit.cause and "doesn't answer" in unit.cause
    assert case.served(state) == case.served(tmp_path / "restarted") == case.old
    assert not case.left_over(state)


async def test_what_stands_still_on_a_disk_that_answers_lets_the_daemon_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, began, dead = Device(tmp_path / "device", UNTRIED), asyncio.Event(), threading.Event()
    device.on_restart = began.set
    monkeypatch.setattr(disk, "probe", lambda folder: dead.wait(60))
    stuck = asyncio.get_running_loop().create_future()
    with pytest.raises(DiskHangs):
        await within(0.01, device.state, stuck)
    minding = asyncio.create_task(device.mind_disk())
    await asyncio.sleep(0.5)
    assert not began.is_set()  # a new process couldn't read its models, and this one has them
    dead.set()
    async with asyncio.timeout(60):
        await began.wait()
    await minding
    stuck.set_result(None)
    await device.close()
