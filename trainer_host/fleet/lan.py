"""Asks all paired devices over the network how they are, a bounded number at a time, and keeps what they tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import DeviceUnreachable, EdgeError, NotFound
from edge_runtime.update.report import Report, ReportError, report_of
from trainer_host.errors import TrainerError
from trainer_host.release.devices import LOCAL, Device, client_of, device_named
from trainer_host.workspace import Workspace

if TYPE_CHECKING:
    from trainer_host.fleet.store import Store

AT_ONCE = 32  # devices that are asked at the same time
SECONDS = 8.0  # for one of them, its connection too; one that sleeps or is gone costs no more
CHECK_SECONDS = 60.0  # for one that asks its repository before it answers


@dataclass(frozen=True)
class Answer:
    """What came of asking a device. report: None where it told nothing; why: then the reason, as a sentence; there: whether
    it answered at all.
    """

    device: Device
    report: Report | None
    why: str = ""
    there: bool = False


async def ask_all(
    devices: Sequence[Device],
    check: bool = False,
    at_once: int = AT_ONCE,
    seconds: float | None = None,
    told: Callable[[Answer], None] = lambda answer: None,
) -> list[Answer]:
    """Ask each, in the order given; nobody's silence keeps the others waiting.

    check: let each look for updates first. seconds: for one, `SECONDS` or `CHECK_SECONDS` by default. told: called with each answer as it comes.
    """
    most = seconds or (CHECK_SECONDS if check else SECONDS)
    turns = asyncio.Semaphore(at_once)

    async def ask(device: Device) -> Answer:
        async with turns:
            answer = await _ask(device, check, most)
        told(answer)
        return answer

    return list(await asyncio.gather(*(ask(device) for device in devices)))


def refresh(
    workspace: Workspace,
    devices: Sequence[Device],
    store: Store,
    check: bool = False,
    told: Callable[[Answer], None] = lambda answer: None,
) -> list[Answer]:
    """Ask devices and keep what they tell; those that don't answer are marked as away. Blocks."""
    answers = asyncio.run(ask_all([_now(workspace, device) for device in devices], check, told=told))
    now = time.time()
    with store.changing() as session:
        session.take_all([answer.report for answer in answers if answer.report is not None], now, "lan")
        # One that tells over a broker isn't gone because this host doesn't reach it.
        seen = {device.id: device.seen for device in session.devices() if device.via == "lan"}
        for answer in answers:
            if not answer.there and answer.device.id in seen:
                session.away(answer.device.id, seen[answer.device.id])
    return answers


def _now(workspace: Workspace, device: Device) -> Device:
    """The device at its address of now: that of the one in HOME/device is another at each start."""
    try:
        return device_named(workspace, device.name) if device.name == LOCAL else device
    except TrainerError:
        return device  # it isn't running; asking it says so


async def _ask(device: Device, check: bool, seconds: float) -> Answer:
    try:
        async with asyncio.timeout(seconds), client_of(device) as client:
            told = await (client.check_updates() if check else client.updates())
        report = report_of(told)
    except TimeoutError:
        return Answer(device, None, f"it didn't answer within {seconds:g} s.")
    except DeviceUnreachable as error:
        return Answer(device, None, str(error))
    except NotFound:
        return Answer(device, None, "its version of Enigma tells nothing of updates; update Enigma on it.", True)
    except EdgeError as error:
        return Answer(device, None, str(error), True)
    if report.device != device.id:
        # Its address is another one's by now; where it encrypts, its certificate said so already.
        return Answer(device, None, str(ReportError(f"another device, {report.device}, answers at {device.url}.")))
    return Answer(device, report, there=True)
