"""A companion and a real device that is killed again and again in the middle of commands; for the tests and for `scripts/reconnect.py`.

Every command is a step of a counter that only the device keeps: its version, which each command swaps once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from companion_app.services.commands import Commands
from companion_app.services.device_commands import DeviceCommands
from companion_app.services.remember import Memory
from companion_app.state import actions as act
from companion_app.state import fleet_actions as fact
from companion_app.state.inventory import Inventory
from companion_app.state.model import AppState, Device, Phase
from companion_app.state.store import Store
from tests.edge_runtime.conftest import RunningDevice

WAIT = 60.0
FIRST, SECOND = "1.0.0", "2.0.0"


@dataclass
class Told:
    """What the cycles came to. seconds: from a device's first answer until the companion was online again."""

    seconds: list[float] = field(default_factory=list)
    interrupted: int = 0
    wrong: list[str] = field(default_factory=list)


class Companion:
    """All of a companion but its window."""

    def __init__(self, home: Inventory, folder: Path) -> None:
        self.store = Store(AppState(inventory=home))
        self.ended: list[fact.CommandEnded] = []
        self.device: RunningDevice | None = None  # the one that `cycles` left running
        dispatch = self.store.dispatch

        def listening(action: object) -> None:
            if isinstance(action, fact.CommandEnded):
                self.ended.append(action)
            dispatch(action)  # type: ignore[arg-type]

        self.store.dispatch = listening  # type: ignore[method-assign, assignment]
        self.memory = Memory(folder)
        self.commands = Commands(self.store, self.memory)
        self.devices = DeviceCommands(self.store, self.memory, self.commands)

    async def close(self) -> None:
        """End all of it."""
        await self.devices.close()
        await self.commands.close()

    @property
    def online(self) -> bool:
        """Whether the device answers, and has told all of itself."""
        device = self.store.state.device
        return device is not None and device.link.phase is Phase.ONLINE

    @property
    def version(self) -> str:
        """The version that the app says serves."""
        device = self.store.state.device
        return device.link.models[0].version if device is not None and device.link.models else ""

    async def until(self, condition: Callable[[], object], what: str, seconds: float = WAIT) -> None:
        """Wait until something holds."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():  # noqa: ASYNC110 - the store tells listeners, not events
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"waited in vain for {what}: {self.store.state.device}, {self.ended[-3:]}") from None


async def cycles(companion: Companion, device: RunningDevice, count: int, seed: int) -> Told:
    """Kill the device -9 at a moment of chance while it is told to swap its versions, start it, and compare.

    The device must have both versions. Every command must be done once, or be told to have been interrupted and then be
    done once or not at all.
    """
    chance, told = random.Random(seed), Told()
    port = device.port
    companion.commands.watch(companion.store.state.selected)
    for number in range(count):
        await companion.until(lambda: companion.online and _knows(companion), "the connection")
        before = device.version()
        assert before in (FIRST, SECOND)
        wanted = SECOND if before == FIRST else FIRST
        heard = len(companion.ended)
        companion.devices.roll_back("tiny")
        await asyncio.sleep(chance.uniform(0.0, 0.08))
        await asyncio.to_thread(device.kill)
        device = await asyncio.to_thread(RunningDevice, device.state, f"127.0.0.1:{port}")
        began = time.monotonic()
        await companion.until(lambda: companion.online, "the reconnection")
        told.seconds.append(time.monotonic() - began)
        await companion.until(lambda heard=heard: len(companion.ended) > heard, "the end of the command")
        ended, now = companion.ended[-1], device.version()
        if ended.failed:
            told.interrupted += 1
        if now not in (wanted, before) or (now != wanted and not ended.failed) or len(companion.ended) > heard + 1:
            told.wrong.append(f"cycle {number}: from {before} to {now}, and was told {ended}")
    companion.device = device
    return told


async def reopened(home: Inventory, folder: Path, count: int) -> list[float]:
    """Open the companion of a config folder again and again: seconds until its remembered device is online, each time."""
    took = []
    for _ in range(count):
        companion = Companion(home, folder)
        try:
            began = time.monotonic()
            remembered = companion.memory.devices()
            companion.store.dispatch(act.Paired(Device(remembered[0].address, "d", remembered[0].role)))
            companion.commands.start(remembered)
            await companion.until(lambda companion=companion: companion.online, "the remembered device")  # type: ignore[misc]
            took.append(time.monotonic() - began)
        finally:
            await companion.close()
    return took


def _knows(companion: Companion) -> bool:
    detail = companion.store.state.fleet.details.get(companion.store.state.selected or "")
    return detail is not None and detail.versions is not None
