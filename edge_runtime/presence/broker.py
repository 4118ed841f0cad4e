"""Connections to an MQTT broker: the address, TLS, and coming back after it went away. For devices and hosts alike.

It needs the package aiomqtt (the extra `mqtt`), which is imported when it is used and not before. MQTT 5 is spoken, since
its Maximum Packet Size lets a broker leave out what is too long for a small device; and 3.1.1 with a broker that knows no 5.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from edge_runtime.addresses import is_near
from edge_runtime.errors import ConfigError

if TYPE_CHECKING:
    import ssl

    from aiomqtt import Client, Message, MqttError, Will

_log = logging.getLogger(__name__)
PORTS = {"mqtt": 1883, "mqtts": 8883}
KEEP_ALIVE_SECONDS = 30  # a broker tells the last will of who was silent for 1.5 times as long
ANSWER_SECONDS = 5.0  # for a broker to acknowledge what it was sent
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between tries
STEADY_SECONDS = 60.0  # a connection that lasted so long begins the pauses anew
_HELD = _SENT = 64  # messages that wait to be read, and to be sent
_REFUSED = 0x80  # codes of SUBACK from here on (MQTT 5, section 3.9.3)
_OTHER_VERSION = (
    0x84  # of CONNACK: Unsupported Protocol Version (MQTT 5, section 3.2.2.2), which paho makes of 3.1.1's too
)
_MOST_PASSWORD = 4096  # bytes
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}")


@dataclass(frozen=True)
class Broker:
    """Where a broker is and how to be let in. ca: certificates to trust in place of the system's."""

    host: str
    port: int
    encrypted: bool
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.encrypted else 'mqtt'}://{self.host}:{self.port}"


def broker_of(url: str, user: str = "", password: str = "", ca: str = "") -> Broker:
    """Read mqtt://HOST[:PORT] or mqtts://HOST[:PORT]; raises `ConfigError` with what to write instead."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in PORTS or not _HOST.fullmatch(host) or parts.path not in ("", "/") or parts.query:
        raise ConfigError(
            f"'{url[:80]}' isn't the address of an MQTT broker; write it as in mqtts://broker.example:8883."
        )
    if "@" in parts.netloc:
        raise ConfigError("An address holds no user and no password, as others might read it; say them on their own.")
    encrypted = parts.scheme == "mqtts"
    if password and not encrypted and not is_near(host):
        raise ConfigError(
            f"The password would go to {host} for all to read; use mqtts://, or a broker on this network."
        )
    if password and not user:
        raise ConfigError("A password for the broker needs a user.")
    return Broker(host, port or PORTS[parts.scheme], encrypted, user, password, Path(ca) if ca else None)


def read_password(file: str) -> str:
    """A password that is alone in a file, empty where none is named; raises `ConfigError`."""
    if not file:
        return ""
    try:
        with Path(file).open("rb") as opened:
            password = opened.read(_MOST_PASSWORD + 1).decode("utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as cause:
        why = cause.strerror if isinstance(cause, OSError) else "it isn't UTF-8"
        raise ConfigError(f"The broker's password can't be read from {file}: {why}.") from None
    if not 0 < len(password) <= _MOST_PASSWORD // 4:
        raise ConfigError(f"{file} should hold the broker's password and nothing else.")
    return password


def require() -> None:
    """Raise `ConfigError` where the package for it is missing."""
    try:
        import aiomqtt  # noqa: F401
    except ImportError:
        raise ConfigError("Speaking to an MQTT broker needs the package aiomqtt; install enigma[mqtt].") from None


async def stay_connected(
    broker: Broker,
    identifier: str,
    will: Callable[[], Will | None],
    talk: Callable[[Client], Awaitable[None]],
    most: int,
    waiting: Callable[[], asyncio.Queue[Message]] | None = None,
) -> None:
    """Connect, let `talk` go on for as long as the connection lasts, and come back after a pause, until cancelled.

    will: asked before each connection. most: bytes of the longest packet that is taken. waiting: makes the queue of a
    connection's messages, by default one of 64, beyond which they are lost. Pauses double from one second to a minute, each
    between half of that and all of it, so that the devices of a whole house don't return at once. Raises `ConfigError` where
    the certificates can't be read.
    """
    from aiomqtt import MqttError

    said, tries = "", 0
    while True:
        began = time.monotonic()
        try:
            async with connected(broker, identifier, will(), most, waiting and waiting()) as client:
                _log.info("connected to %s", broker)
                said = ""
                await talk(client)
        except (MqttError, TimeoutError) as cause:
            _still_wanted()  # where the broker didn't answer to our going
            why = _shown(cause)
            # A broker that is away for days is one line in the log, not thousands.
            _log.log(logging.DEBUG if why == said else logging.WARNING, "%s can't be used now: %s", broker, why)
            said = why
        tries = 0 if time.monotonic() - began >= STEADY_SECONDS else min(tries + 1, 16)
        await asyncio.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** max(0, tries - 1)) * random.uniform(0.5, 1.0))


async def publish(client: Client, topic: str, content: bytes, retain: bool) -> None:
    """Have a message acknowledged by the broker; raises what `stay_connected` expects of `talk`."""
    await client.publish(topic, content, qos=1, retain=retain)
    _still_wanted()


async def subscribe(client: Client, *topics: str) -> None:
    """Hear of topics from now on; raises as `publish` does, also where the broker allows none of them."""
    from aiomqtt import MqttError

    granted = await client.subscribe([(topic, 1) for topic in topics])
    _still_wanted()
    if all((code if isinstance(code, int) else code.value) >= _REFUSED for code in granted):
        raise MqttError(f"the broker doesn't let this user hear {topics[0]}")


def _still_wanted() -> None:
    """Raise `CancelledError` where the task was cancelled: `asyncio.wait_for` before Python 3.12 may lose that
    (gh-86296), and aiomqtt waits by it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


@contextlib.asynccontextmanager
async def connected(
    broker: Broker, identifier: str, will: Will | None, most: int, waiting: asyncio.Queue[Message] | None = None
) -> AsyncIterator[Client]:
    """One connection, see `stay_connected`; raises aiomqtt's `MqttError` where it can't be had. identifier: empty for any."""
    from aiomqtt import MqttError

    async with contextlib.AsyncExitStack() as stack:
        client = _client(broker, identifier, will, most, waiting)
        try:
            await stack.enter_async_context(client)
        except MqttError as cause:
            if not _may_know_no_5(cause):
                raise
            client = _client(broker, identifier, will, 0, waiting)
            await stack.enter_async_context(client)
            _log.info("%s didn't answer to MQTT 5, so 3.1.1 is spoken", broker)
        yield client


def _client(
    broker: Broker, identifier: str, will: Will | None, most: int, waiting: asyncio.Queue[Message] | None
) -> Client:
    """A client that isn't connected yet. most: see `stay_connected`; 0: it speaks MQTT 3.1.1, which can't bound packets."""
    from aiomqtt import Client, ProtocolVersion
    from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = None
    if most:
        properties = Properties(PacketTypes.CONNECT)
        properties.MaximumPacketSize = most
    return Client(
        broker.host,
        broker.port,
        username=broker.user or None,
        password=broker.password or None,
        identifier=identifier or None,
        protocol=ProtocolVersion.V5 if most else ProtocolVersion.V311,
        clean_start=True if most else MQTT_CLEAN_START_FIRST_ONLY,  # with 3.1.1 a session is clean by itself
        will=will,
        timeout=ANSWER_SECONDS,
        keepalive=KEEP_ALIVE_SECONDS,
        max_queued_incoming_messages=_HELD,
        # It calls this with the bound and puts messages into what it gets.
        queue_type=None if waiting is None else cast("type[asyncio.Queue[Message]]", lambda maxsize: waiting),
        max_queued_outgoing_messages=_SENT,
        properties=properties,
        tls_context=context_of(broker),
    )


def _may_know_no_5(cause: MqttError) -> bool:
    """Whether a broker may want 3.1.1: it says so, or nothing at all, as some do that can't read a CONNECT of MQTT 5."""
    from aiomqtt import MqttCodeError

    return not isinstance(cause, MqttCodeError) or getattr(cause.rc, "value", cause.rc) == _OTHER_VERSION


def context_of(broker: Broker) -> ssl.SSLContext | None:
    """What the broker's certificate is checked by, None without TLS; raises `ConfigError`."""
    if not broker.encrypted:
        return None
    import ssl

    try:
        return ssl.create_default_context(cafile=broker.ca)
    except (OSError, ssl.SSLError) as cause:
        why = (cause.strerror if not isinstance(cause, ssl.SSLError) else "") or "it holds no certificate"
        raise ConfigError(f"The broker's certificates can't be read from {broker.ca}: {why}.") from None


def _shown(cause: Exception) -> str:
    return str(cause)[:200] or ("no answer in time" if isinstance(cause, TimeoutError) else type(cause).__name__)
