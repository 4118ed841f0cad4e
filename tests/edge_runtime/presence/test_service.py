"""A device on a real broker: it is seen to be there and to be gone, and can be asked for nothing but what it does anyway."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiomqtt
import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.config import PresenceConfig
from edge_runtime.errors import ConfigError
from edge_runtime.identity.keys import DeviceKey
from edge_runtime.presence import broker as brokers
from edge_runtime.presence import messages, service
from edge_runtime.presence.broker import broker_of, read_password
from edge_runtime.presence.messages import Kind, Presence
from edge_runtime.presence.service import Service
from edge_runtime.update.report import Report
from tests import mosquitto
from tests.mosquitto import HOST, Mosquitto

KEY, OTHER = (DeviceKey(seed, public_key_of(seed)) for seed in (b"\1" * 32, b"\2" * 32))
PASSWORDS = {KEY.id: "k1", OTHER.id: "k2", HOST: "h"}
DEADLINE = 120.0  # of a machine that does other work meanwhile
TOLD = [("enigma/+/presence", 1), ("enigma/+/report", 1)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto.running(tmp_path / "broker", PASSWORDS) as made:
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "GAP_SECONDS", 0.05)
    monkeypatch.setattr(brokers, "ANSWER_SECONDS", DEADLINE)  # a broker that is slow isn't one that knows no MQTT 5
    monkeypatch.setattr(brokers, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(brokers, "LONGEST_PAUSE", 0.3)


class Here:
    """A device's presence in this process, and what was asked of it."""

    def __init__(self, broker: Mosquitto, folder: Path, tls: bool = False) -> None:
        (folder / "password").write_text("k1\n")
        self.name, self.checks, self.reports = "kitchen", 0, 0
        config = PresenceConfig(
            broker=f"{'mqtts' if tls else 'mqtt'}://127.0.0.1:{broker.port}",
            user=KEY.id,
            password_file=str(folder / "password"),
            ca_file=str(broker.ca) if tls else "",
        )
        self.service = Service(config, KEY, self.report, self.check)

    def report(self) -> Report:
        self.reports += 1
        return Report(KEY.id, self.name, (), float(self.reports))

    async def check(self) -> None:
        self.checks += 1

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.service.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=DEADLINE)
            assert task.cancelled()


@contextlib.asynccontextmanager
async def client_of(broker: Mosquitto, user: str = HOST) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", broker.port, username=user, password=PASSWORDS[user]) as client:
        yield client


async def next_presence(client: aiomqtt.Client, online: bool) -> Presence:
    """The next message that says so; what else comes before is passed over."""
    async with asyncio.timeout(DEADLINE):
        async for message in client.messages:
            device, kind = messages.told_on("enigma", str(message.topic))
            if kind is Kind.PRESENCE:
                told = messages.read_presence(bytes(message.payload), device, {})
                if told.online is online:
                    return told
    raise AssertionError


async def logged(caplog: pytest.LogCaptureFixture, what: str, times: int = 1) -> None:
    async with asyncio.timeout(DEADLINE):
        while caplog.text.count(what) < times:  # noqa: ASYNC110 - a log can't be awaited
            await asyncio.sleep(0.02)


async def next_report(client: aiomqtt.Client) -> Report:
    async with asyncio.timeout(DEADLINE):
        async for message in client.messages:
            device, kind = messages.told_on("enigma", str(message.topic))
            if kind is Kind.REPORT:
                return messages.read_report(bytes(message.payload), device, {})
    raise AssertionError


async def test_a_device_is_online_with_its_report_and_says_when_it_goes(broker: Mosquitto, tmp_path: Path) -> None:
    here = Here(broker, tmp_path)
    async with client_of(broker) as client:
        await client.subscribe(TOLD)
        async with here.running():
            came = await next_presence(client, True)
            assert (await next_report(client)).name == "kitchen"
            here.name = "hall"
            here.service.changed()
            assert (await next_report(client)).name == "hall"
        assert (await next_presence(client, False)).at >= came.at
    async with client_of(broker) as late:  # who comes later is told the same
        await late.subscribe(TOLD)
        assert (await next_presence(late, False)).device == KEY.id


async def test_a_broker_that_comes_back_finds_the_device_again(
    broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here = Here(broker, tmp_path)
    caplog.set_level(logging.INFO, "edge_runtime.presence")
    async with here.running():
        async with client_of(broker) as client:
            await client.subscribe(TOLD)
            first = await next_presence(client, True)
        broker.stop()
        await logged(caplog, "can't be used now", 2)  # the connection broke, then none is to be had
        await asyncio.sleep(0.5)  # several tries go by
        broker.start()
        async with client_of(broker) as client:
            await client.subscribe(TOLD)
            async with asyncio.timeout(DEADLINE):
                while (await next_presence(client, True)).at <= first.at:
                    pass
    assert caplog.text.count("can't be used now") == 2  # and not one for each try


@contextlib.asynccontextmanager
async def without_5(broker: Mosquitto, answer: bytes) -> AsyncIterator[int]:
    """The port of a broker that speaks 3.1.1 alone: a CONNECT of MQTT 5 gets this answer and no more, all else goes on."""

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(4096):
            writer.write(piece)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\x00\x04MQTT")
        version = await reader.readexactly(1)
        if version == b"\x05":
            writer.write(answer)
            await reader.read()  # until it goes
        else:
            to_broker, sent = await asyncio.open_connection("127.0.0.1", broker.port)
            sent.write(head + version)
            await asyncio.gather(passed_on(reader, sent), passed_on(to_broker, writer))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x01", b""], ids=["refuses", "says nothing"])
async def test_a_broker_that_knows_no_mqtt_5_is_spoken_to_by_3_1_1(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    if not answer:
        monkeypatch.setattr(brokers, "ANSWER_SECONDS", 0.5)
    here = Here(broker, tmp_path)
    async with client_of(broker) as client, without_5(broker, answer) as port:
        await client.subscribe(TOLD)
        here.service._broker = broker_of(f"mqtt://127.0.0.1:{port}", KEY.id, "k1")
        async with here.running():
            await next_presence(client, True)
            told = await next_report(client)
            await client.publish(f"enigma/{KEY.id}/do", b"report", qos=1)
            await next_report_after(client, told.at)
        assert (await next_presence(client, False)).device == KEY.id


async def test_commands_ask_for_what_the_device_does_by_itself(broker: Mosquitto, tmp_path: Path) -> None:
    here = Here(broker, tmp_path)
    async with here.running(), client_of(broker) as client:
        await client.subscribe(TOLD)
        await next_report(client)
        await client.publish(f"enigma/{KEY.id}/do", b"report", qos=1)
        again = await next_report_after(client, 1.0)
        await client.publish(f"enigma/{KEY.id}/do", b"check", qos=1)
        await next_report_after(client, again.at)  # once it has looked
        assert here.checks == 1
        await client.publish(f"enigma/{KEY.id}/do", b"check", qos=1)  # so soon, it is the same one
        await client.publish(f"enigma/{KEY.id}/do", b"report", qos=1)
        await next_report_after(client, again.at + 1)
        assert here.checks == 1


async def next_report_after(client: aiomqtt.Client, at: float) -> Report:
    while True:
        async with asyncio.timeout(DEADLINE):
            async for message in client.messages:
                if str(message.topic).endswith("/report"):
                    told = messages.read_report(bytes(message.payload), KEY.id, {})
                    if told.at > at:
                        return told


async def test_what_is_no_command_is_passed_over_and_the_device_stays(broker: Mosquitto, tmp_path: Path) -> None:
    here = Here(broker, tmp_path)
    do = f"enigma/{KEY.id}/do"
    async with client_of(broker) as client:
        await client.publish(do, b"check", qos=1, retain=True)  # from some day on, for ever
    async with here.running(), client_of(broker) as client:
        await client.subscribe(TOLD)
        await next_report(client)
        for payload in (
            b"install http://evil.example/x.enigma",
            b"",
            b"\xff" * 300,
            b"x" * 5_000_000,
            b'{"do":"check"}',
        ):
            await client.publish(do, payload, qos=1, timeout=DEADLINE)
        await client.publish(do, b"report", qos=1)
        await next_report_after(client, 1.0)
        assert here.checks == 0
        assert here.service.ignored == 5  # the one that the broker had kept, and those above but for the long one


async def test_no_device_can_tell_or_ask_anything_in_the_name_of_another(broker: Mosquitto, tmp_path: Path) -> None:
    here = Here(broker, tmp_path)
    async with here.running(), client_of(broker) as client, client_of(broker, OTHER.id) as other:
        await client.subscribe(TOLD)
        await next_report(client)
        forged = messages.signed_report(Report(KEY.id, "forged", (), 1e9), OTHER)
        await other.publish(f"enigma/{KEY.id}/report", forged, qos=1, retain=True)
        await other.publish(f"enigma/{KEY.id}/do", b"check", qos=1)
        await client.publish(f"enigma/{KEY.id}/do", b"report", qos=1)
        assert (await next_report_after(client, 1.0)).name == "kitchen"  # the broker passed nothing of the other's on
        assert here.checks == 0


def test_the_docs_tell_to_give_users_what_these_tests_give_them() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "fleet.md").read_text()
    assert mosquitto.ACL in guide and messages.topic("enigma", "<device>", "do") in guide


async def test_a_broker_is_spoken_to_over_tls_that_is_checked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with mosquitto.running(tmp_path / "tls", PASSWORDS, tls=True) as broker:
        here = Here(broker, tmp_path, tls=True)
        async with here.running():
            options = aiomqtt.TLSParameters(ca_certs=str(broker.ca))
            async with aiomqtt.Client(
                "127.0.0.1", broker.port, username=HOST, password="h", tls_params=options
            ) as client:
                await client.subscribe(TOLD)
                assert (await next_report(client)).name == "kitchen"
        (tmp_path / "other").mkdir()
        mosquitto._certificate(tmp_path / "other")
        (tmp_path / "other" / "certificate.pem").replace(broker.ca)  # what the device trusts from now on
        caplog.clear()
        async with Here(broker, tmp_path, tls=True).running():
            await logged(caplog, "CERTIFICATE_VERIFY_FAILED")
        assert "connected to" not in caplog.text


async def test_a_wrong_password_is_said_once_and_tried_again_later(
    broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here = Here(broker, tmp_path)
    (tmp_path / "password").write_text("wrong")
    here.service._broker = broker_of(
        f"mqtt://127.0.0.1:{broker.port}", KEY.id, read_password(str(tmp_path / "password"))
    )
    async with here.running():
        await logged(caplog, "Not authorized")
        await asyncio.sleep(0.5)
    assert caplog.text.count("can't be used now") == 1 and "wrong" not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        *("", "broker", "http://broker", "mqtt://", "mqtt://a b", "mqtt://a:99999", "mqtt://a/topic", "mqtt://a?x=1"),
        *("mqtt://me:secret@broker", "mqtts://-a", "mqtt://[zz]"),
    ],
)
def test_what_is_no_address_of_a_broker_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        broker_of(url)
    assert "secret" not in str(refused.value)


def test_a_password_goes_to_far_brokers_only_encrypted(tmp_path: Path) -> None:
    assert broker_of("mqtts://broker.example", "me", "secret").port == 8883
    assert broker_of("mqtt://192.168.1.2", "me", "secret").port == 1883
    with pytest.raises(ConfigError, match="mqtts"):
        broker_of("mqtt://broker.example", "me", "secret")
    with pytest.raises(ConfigError, match="user"):
        broker_of("mqtts://broker.example", "", "secret")
    assert "secret" not in repr(broker_of("mqtts://broker.example", "me", "secret"))
    for content in (b"", b"\n", b"\xff", b"x" * 5000):
        (tmp_path / "password").write_bytes(content)
        with pytest.raises(ConfigError):
            read_password(str(tmp_path / "password"))
    with pytest.raises(ConfigError, match="No such file"):
        read_password(str(tmp_path / "none"))
