"""Hears over an MQTT broker what devices tell, keeps it, and asks them to look for updates.

Whoever may publish on the broker could send anything, so a message counts only where the device's own key signed it, and a
device only where it is known: paired with this host, in the database, or, if that is wanted, any. What a device said before
isn't taken for news where somebody repeats it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import BadRequest, EdgeError
from edge_runtime.identity.pin import read_pin
from edge_runtime.presence import broker as brokers
from edge_runtime.presence import messages
from edge_runtime.presence.broker import Broker
from edge_runtime.presence.messages import Command, Kind, MessageError
from edge_runtime.update.report import Report
from trainer_host.errors import TrainerError
from trainer_host.release.devices import Device

if TYPE_CHECKING:
    from aiomqtt import Client, Message, Will

    from trainer_host.fleet.store import Store

_log = logging.getLogger(__name__)
TOGETHER = 500  # messages that are kept in one transaction
# Messages that wait to be read, of at most 64 KiB each: all of a large fleet's come at once when a listener connects.
HELD = 4096
MOST_LOGGED = 100  # refusals that are told one by one; all are counted
MOST_PACKET = messages.MOST_MESSAGE + 1024  # with its topic and what MQTT adds
LOOK_SECONDS = 10.0  # between two looks at which devices are known
SECONDS = 15.0  # for a broker to take commands


@dataclass
class Heard:
    """What came of listening so far. refused: messages that nobody knows the sender of, or that are forged or repeated."""

    reports: int = 0
    gone: int = 0
    refused: int = 0


class Waiting(asyncio.Queue["Message"]):
    """Messages that wait to be read, up to `HELD`. lost: whether there were more since it was last asked.

    What the broker kept and was taken already is left out, so that asking for the lost ones again gets further each time.
    """

    def __init__(self) -> None:
        super().__init__(HELD)
        self.lost = False
        self._taken: dict[str, int] = {}

    def put_nowait(self, item: Message) -> None:
        """Add a message, or leave it out."""
        if item.retain and self._taken.get(str(item.topic)) == hash(item.payload):
            return
        if self.full():
            self.lost = True
        else:
            super().put_nowait(item)

    def took(self, message: Message) -> None:
        """Say that a message of a known device was taken."""
        self._taken[str(message.topic)] = hash(message.payload)


class Listener:
    """A fleet's ear on one broker; used in one event loop, and writes to the database in a thread.

    known: gives public keys in hex by device id, empty where only the id is known; asked again now and then, as devices are
    paired. strangers: whether devices that aren't known are taken too.
    """

    def __init__(
        self,
        store: Store,
        prefix: str,
        known: Callable[[], Mapping[str, str]],
        strangers: bool = False,
        told: Callable[[Heard], None] = lambda heard: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._prefix = messages.checked_prefix(prefix)
        self._paired = known
        self._keys: dict[str, str] = {}
        self._known: set[str] = set()
        self._looked = -LOOK_SECONDS
        self._strangers = strangers
        self._told, self._clock = told, clock
        self.heard = Heard()
        self.listening = asyncio.Event()  # set once the broker lets it hear
        self._waiting = Waiting()
        self._reported: dict[str, float] = {}  # when each device told its last report, by its clock
        self._kept: dict[str, float] = {}  # the same of what the database had when this began
        self._presence: dict[str, messages.Presence] = {}

    async def run(self, broker: Broker, identifier: str) -> None:
        """Listen for good; cancel it to end. Raises `TrainerError` where the database can't be used."""
        await brokers.stay_connected(broker, identifier, _no_will, self._talk, MOST_PACKET, self._queue)

    def _queue(self) -> Waiting:
        self._waiting = Waiting()
        return self._waiting

    async def _talk(self, client: Client) -> None:
        topics = [f"{self._prefix}/+/{kind}" for kind in (Kind.PRESENCE, Kind.REPORT)]
        while True:
            self._waiting.lost = False
            await brokers.subscribe(client, *topics)
            self.listening.set()
            while not (self._waiting.lost and self._waiting.empty()):  # else the broker gives what it kept again
                batch = [await anext(aiter(client.messages))]
                while len(batch) < TOGETHER and not self._waiting.empty():
                    batch.append(self._waiting.get_nowait())
                await self._take(batch)

    async def _take(self, batch: Sequence[Message]) -> None:
        now = self._clock()
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            await asyncio.to_thread(self._look)
        reports: dict[str, Report] = {}
        gone: dict[str, float] = {}
        for message in batch:
            try:
                device, kind = messages.told_on(self._prefix, str(message.topic))
                self._check_known(device)
                self._waiting.took(message)
                content = message.payload if isinstance(message.payload, bytes) else b""
                if kind is Kind.REPORT:
                    if (report := self._news(content, device, now, bool(message.retain))) is None:
                        continue
                    reports[device] = report
                    gone.pop(device, None)
                else:
                    self._note(content, device)
                if (presence := self._presence.get(device)) is not None and not presence.online:
                    # What the broker kept is of some time ago; the device can't have been there later than it says.
                    last = max(presence.at, self._reported.get(device, 0.0))
                    gone[device] = min(now, last) if message.retain else now
            except EdgeError as error:
                self._refuse(error, str(message.topic))
        if reports or gone:
            await asyncio.to_thread(self._keep, list(reports.values()), gone, now)
        self.heard.reports += len(reports)
        self.heard.gone += len(gone)
        self._told(self.heard)

    def _check_known(self, device: str) -> None:
        if not self._strangers and device not in self._known:
            raise MessageError("this device isn't paired with this host, nor in its database.")

    def _news(self, content: bytes, device: str, now: float, kept: bool) -> Report | None:
        """The report; None where it was told already, as a broker that kept it does, or newer news came over the LAN."""
        report = messages.read_report(content, device, self._keys)
        last = self._reported.get(device)
        if report.at < (self._kept.get(device, 0.0) if last is None else last):
            if kept and last is None:
                return None
            raise MessageError("this report is an older one that somebody repeats.")
        # A clock that is ahead must not keep the device from being heard once it is set right.
        self._reported[device] = min(report.at, now)
        return None if report.at == last else report

    def _note(self, content: bytes, device: str) -> None:
        presence = messages.read_presence(content, device, self._keys)
        last = self._presence.get(device)
        if last is not None and presence.at < last.at <= self._clock():
            raise MessageError("this presence is an older one that somebody repeats.")
        self._presence[device] = presence

    def _refuse(self, error: EdgeError, topic: str) -> None:
        self.heard.refused += 1
        if self.heard.refused <= MOST_LOGGED:
            _log.warning("refused a message on %s: %s", topic[:120], error)

    def _look(self) -> None:
        """Whom to take, as it is known now."""
        paired = self._paired()
        with self._store.reading() as session:
            devices = session.devices()
        self._known = {device.id for device in devices} | set(paired)
        self._kept = self._kept or {device.id: device.told for device in devices}
        self._keys = {device: key for device, key in paired.items() if key}
        self._looked = time.monotonic()

    def _keep(self, reports: Sequence[Report], gone: Mapping[str, float], now: float) -> None:
        with self._store.changing() as session:
            session.take_all(reports, now, "mqtt")
            for device, at in gone.items():
                session.away(device, at)


def keys_of(devices: Sequence[Device]) -> dict[str, str]:
    """The public keys, in hex, of paired devices by id; empty where only the id was kept."""
    found: dict[str, str] = {}
    for device in devices:
        found[device.id] = ""
        with contextlib.suppress(BadRequest):
            found[device.id] = read_pin(device.certificate).device
    return found


async def ask(broker: Broker, prefix: str, devices: Collection[str], command: Command) -> None:
    """Ask devices by their ids; those that aren't on the broker now don't hear it. Raises `TrainerError`."""
    from aiomqtt import MqttError

    checked = messages.checked_prefix(prefix)
    try:
        async with asyncio.timeout(SECONDS), brokers.connected(broker, "", None, MOST_PACKET) as client:
            for device in devices:
                await brokers.publish(client, messages.topic(checked, device, "do"), command.encode(), retain=False)
    except (MqttError, TimeoutError) as cause:
        why = "no answer in time" if isinstance(cause, TimeoutError) else str(cause)[:200]
        raise TrainerError(f"{broker} can't be used ({why}); check the address, the user and the password.") from None


def _no_will() -> Will | None:
    return None
