"""The host's ear on a real broker: what devices signed is kept, and nothing that anybody else made up."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import aiomqtt
import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.identity.keys import DeviceKey
from edge_runtime.identity.pin import Pin
from edge_runtime.presence import messages
from edge_runtime.presence.broker import broker_of
from edge_runtime.presence.messages import Command, Presence
from edge_runtime.update.report import Report, Told
from tests import mosquitto
from tests.mosquitto import HOST, Mosquitto
from trainer_host.errors import TrainerError
from trainer_host.fleet import listen
from trainer_host.fleet.database import sqlite_engine
from trainer_host.fleet.listen import Heard, Listener
from trainer_host.fleet.records import Device
from trainer_host.fleet.store import Store
from trainer_host.release import devices

KEYS = [DeviceKey(bytes([number]) * 32, public_key_of(bytes([number]) * 32)) for number in range(1, 41)]
KITCHEN, HALL, STRANGER = KEYS[:3]
PASSWORDS = {HOST: "h"}
DEADLINE = 120.0  # of a machine that does other work meanwhile


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto.running(tmp_path / "broker", PASSWORDS) as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(sqlite_engine(tmp_path / "fleet.db"), "the database") as made:
        yield made


class Ear:
    """A listener at work, and a client that may publish what it likes."""

    def __init__(self, store: Store, listener: Listener, heard: asyncio.Condition, client: aiomqtt.Client) -> None:
        self.store, self.listener, self.client, self._heard = store, listener, client, heard

    async def say(self, key: DeviceKey, content: bytes, last: str, retain: bool = False) -> None:
        await self.client.publish(f"enigma/{key.id}/{last}", content, qos=1, retain=retain)

    async def until(self, **counts: int) -> None:
        """Until so many were heard."""
        async with asyncio.timeout(DEADLINE), self._heard:
            await self._heard.wait_for(
                lambda: all(getattr(self.listener.heard, name) >= count for name, count in counts.items())
            )

    def known(self) -> dict[str, Device]:
        with self.store.reading() as session:
            return {device.id: device for device in session.devices()}


@contextlib.asynccontextmanager
async def listening(
    broker: Mosquitto, store: Store, known: Mapping[str, str], strangers: bool = False
) -> AsyncIterator[Ear]:
    heard = asyncio.Condition()

    async def notify() -> None:
        async with heard:
            heard.notify_all()

    tasks: set[asyncio.Task[None]] = set()

    def told(_: Heard) -> None:
        tasks.add(asyncio.create_task(notify()))

    listener = Listener(store, "enigma", lambda: known, strangers, told)
    at = broker_of(f"mqtt://127.0.0.1:{broker.port}", HOST, "h")
    task = asyncio.create_task(listener.run(at, "enigma-host"))
    try:
        async with asyncio.timeout(DEADLINE):
            await listener.listening.wait()
        async with aiomqtt.Client("127.0.0.1", broker.port, username=HOST, password="h") as client:
            yield Ear(store, listener, heard, client)
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=DEADLINE)
    assert task.cancelled()


def report(key: DeviceKey, at: float, **told: Told) -> Report:
    return Report(key.id, f"name-{key.id[:4]}", ("floor:2",), at, "following", told)


async def test_what_devices_sign_is_kept_and_so_is_that_they_go(broker: Mosquitto, store: Store) -> None:
    good = Told("1.4.0", "a" * 64, "committed", "", "r-0001", 1.0, 12.0, 30.0, 5.0)
    async with listening(broker, store, {KITCHEN.id: KITCHEN.public.hex(), HALL.id: ""}) as ear:
        await ear.say(KITCHEN, messages.signed_presence(Presence(KITCHEN.id, True, 9.0), KITCHEN), "presence", True)
        await ear.say(KITCHEN, messages.signed_report(report(KITCHEN, 10.0, easy=good), KITCHEN), "report", True)
        await ear.say(HALL, messages.signed_report(report(HALL, 10.0), HALL), "report", True)
        await ear.until(reports=2)
        assert {device.present for device in ear.known().values()} == {True}
        await ear.say(KITCHEN, messages.signed_presence(Presence(KITCHEN.id, False, 9.0), KITCHEN), "presence", True)
        await ear.until(gone=1)
        assert (ear.known()[KITCHEN.id].present, ear.known()[HALL.id].present) == (False, True)
    with store.reading() as session:
        told = session.told(KITCHEN.id)[0]
        assert (told.about, told.version, told.state, told.golden, told.p95_ms) == (
            "easy",
            "1.4.0",
            "committed",
            1.0,
            12.0,
        )
    # Who listens later hears the same of what the broker kept: one that is away isn't taken to be there.
    async with listening(broker, store, {KITCHEN.id: "", HALL.id: ""}) as ear:
        await ear.until(reports=2, gone=1)
        assert ear.known()[KITCHEN.id].present is False
        assert ear.known()[KITCHEN.id].seen == 10.0  # when it told of itself last, not when we heard of it


async def test_forged_repeated_and_unknown_messages_are_refused(
    broker: Mosquitto, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(broker, store, {KITCHEN.id: KITCHEN.public.hex(), HALL.id: "f" * 64}) as ear:
        await ear.say(KITCHEN, messages.signed_report(report(KITCHEN, 20.0), KITCHEN), "report")
        await ear.until(reports=1)
        worse = dataclasses.replace(report(KITCHEN, 30.0), name="forged")
        refused = [
            (KITCHEN, messages.signed_report(worse, HALL), "report"),  # signed by another device
            (HALL, messages.signed_report(worse, HALL), "report"),  # a true signature over another's report
            (HALL, messages.signed_report(report(HALL, 30.0), HALL), "report"),  # not the key it was paired with
            (KITCHEN, messages.signed_report(report(KITCHEN, 19.0), KITCHEN), "report"),  # an old one
            (KITCHEN, messages.signed_presence(Presence(KITCHEN.id, False, 1.0), HALL), "presence"),
            (STRANGER, messages.signed_report(report(STRANGER, 30.0), STRANGER), "report"),
            (KITCHEN, b"{}", "report"),
            (KITCHEN, b"", "presence"),
        ]
        for message in refused:
            await ear.say(*message)
        await ear.say(KITCHEN, b"x" * 500_000, "report")  # the broker keeps it back
        await ear.until(refused=len(refused))
        assert ear.listener.heard == Heard(1, 0, len(refused))
        assert [device.name for device in ear.known().values()] == [report(KITCHEN, 0).name]
        assert ear.known()[KITCHEN.id].present
    assert caplog.text.count("refused a message") == len(refused)
    async with listening(broker, store, {KITCHEN.id: ""}) as ear:  # nor does a listener that begins anew forget
        await ear.say(KITCHEN, messages.signed_report(report(KITCHEN, 19.0), KITCHEN), "report")
        await ear.until(refused=1)
    async with listening(broker, store, {}, strangers=True) as ear:  # where that is wanted, anybody may join
        await ear.say(STRANGER, messages.signed_report(report(STRANGER, 30.0), STRANGER), "report")
        await ear.until(reports=1)
        assert STRANGER.id in ear.known()


async def test_what_a_full_queue_lost_is_asked_for_again(
    broker: Mosquitto, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "HELD", 4)
    monkeypatch.setattr(listen, "TOGETHER", 2)
    async with aiomqtt.Client("127.0.0.1", broker.port, username=HOST, password="h") as client:
        for key in KEYS:
            signed = messages.signed_report(report(key, 10.0), key)
            await client.publish(f"enigma/{key.id}/report", signed, qos=1, retain=True)
    async with listening(broker, store, {key.id: "" for key in KEYS}) as ear:
        await ear.until(reports=len(KEYS))
        assert set(ear.known()) == {key.id for key in KEYS} and ear.listener.heard.refused == 0


async def test_a_clock_that_was_ahead_does_not_silence_a_device(broker: Mosquitto, store: Store) -> None:
    async with listening(broker, store, {KITCHEN.id: ""}) as ear:
        ear.listener._clock = lambda: 1000.0
        for reports, at in enumerate((900_000.0, 1001.0, 1002.0), start=1):
            await ear.say(KITCHEN, messages.signed_report(report(KITCHEN, at), KITCHEN), "report")
            await ear.until(reports=reports)
        assert ear.listener.heard.refused == 0


async def test_commands_are_published_to_each_device_and_not_kept(broker: Mosquitto) -> None:
    at = broker_of(f"mqtt://127.0.0.1:{broker.port}", HOST, "h")
    async with aiomqtt.Client("127.0.0.1", broker.port, username=HOST, password="h") as client:
        await client.subscribe("enigma/+/do", qos=1)
        await listen.ask(at, "enigma", [KITCHEN.id, HALL.id], Command.CHECK)
        async with asyncio.timeout(DEADLINE):
            heard = [await anext(aiter(client.messages)) for _ in range(2)]
        assert {(str(one.topic), one.payload, bool(one.retain)) for one in heard} == {
            (f"enigma/{key.id}/do", b"check", False) for key in (KITCHEN, HALL)
        }
    with pytest.raises(TrainerError, match="Not authorized"):
        await listen.ask(dataclasses.replace(at, password="no"), "enigma", [KITCHEN.id], Command.CHECK)


def test_keys_are_those_of_the_pairings() -> None:
    pinned = devices.Device("a", "https://a", "t", KITCHEN.id, str(Pin("0" * 64, KITCHEN.public.hex())))
    plain = devices.Device("b", "http://b", "t", HALL.id)
    assert listen.keys_of([pinned, plain]) == {KITCHEN.id: KITCHEN.public.hex(), HALL.id: ""}
