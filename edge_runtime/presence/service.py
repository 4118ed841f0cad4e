"""The device's side of it: says that it is there, tells its report when something changed, and hears the few commands."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING

from edge_runtime.config import PresenceConfig
from edge_runtime.errors import EdgeError
from edge_runtime.identity.keys import DeviceKey
from edge_runtime.presence import broker as brokers
from edge_runtime.presence import messages
from edge_runtime.presence.messages import Command, Kind, Presence
from edge_runtime.update.report import Report

if TYPE_CHECKING:
    from aiomqtt import Client, Message, Will

    from edge_runtime.presence.home_assistant import HomeAssistant

_log = logging.getLogger(__name__)
GAP_SECONDS = 2.0  # between two reports: what changes at once is told at once
CHECK_SECONDS = 10.0  # between two checks that a broker asks for; what comes faster is one of them
GOODBYE_SECONDS = 2.0  # for saying that the device goes
MOST_ASKED = 16  # commands of Home Assistant at a time
_MOST_TAKEN = 1024  # bytes of a message that a device takes, with its topic


class Service:
    """A device on a broker; made and used in one event loop. Raises `ConfigError` where it can't be as configured.

    report: how the device is now. check: look for updates, as the device does by itself every now and then. home: what Home
    Assistant is told over the same connection.
    """

    def __init__(
        self,
        config: PresenceConfig,
        key: DeviceKey,
        report: Callable[[], Report],
        check: Callable[[], Awaitable[object]],
        clock: Callable[[], float] = time.time,
        home: HomeAssistant | None = None,
    ) -> None:
        brokers.require()
        password = brokers.read_password(config.password_file)
        self._broker = brokers.broker_of(config.broker, config.user, password, config.ca_file)
        brokers.context_of(self._broker)  # read now, to be told of a mistake at the start
        self._prefix = messages.checked_prefix(config.topic)
        self._every = config.report_seconds
        self._key, self._report, self._check, self._clock = key, report, check, clock
        self._home = home
        self._asked: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._checking: asyncio.Task[None] | None = None
        self._checked = -CHECK_SECONDS
        self._connected_at = 0.0
        self.ignored = 0  # messages that were no command

    def changed(self) -> None:
        """Something that the report tells of changed."""
        self._news.set()

    async def run(self) -> None:
        """Be on the broker, for good; cancel it to go, which tells the broker so."""
        try:
            await brokers.stay_connected(
                self._broker, f"enigma-{self._key.id}", self._will, self._talk, most=_MOST_TAKEN
            )
        finally:
            going = [*self._asked, *([self._checking] if self._checking is not None else [])]
            for task in going:
                task.cancel()
            await asyncio.gather(*going, return_exceptions=True)

    def _will(self) -> Will:
        from aiomqtt import Will

        self._connected_at = self._clock()
        return Will(self._topic(Kind.PRESENCE), self._presence(False, self._connected_at), qos=1, retain=True)

    async def _talk(self, client: Client) -> None:
        await brokers.subscribe(client, self._topic("do"), *([self._home.commands] if self._home is not None else []))
        tasks: list[asyncio.Task[None]] = []
        try:
            here = self._presence(True, self._connected_at)
            await brokers.publish(client, self._topic(Kind.PRESENCE), here, retain=True)
            tasks = [asyncio.create_task(self._tell(client)), asyncio.create_task(self._hear(client))]
            if self._home is not None:
                tasks.append(asyncio.create_task(self._home.tell(client)))
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # raises what broke the connection
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._go(client)

    async def _go(self, client: Client) -> None:
        """Where the device goes by itself there is no last will, so it is said."""
        from aiomqtt import MqttError

        with contextlib.suppress(MqttError, TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                now = self._presence(False, self._clock())
                await brokers.publish(client, self._topic(Kind.PRESENCE), now, retain=True)

    async def _tell(self, client: Client) -> None:
        while True:
            self._news.clear()
            try:
                report = messages.signed_report(self._report(), self._key)
            except EdgeError as error:
                _log.error("the device's report can't be told: %s", error)
            else:
                await brokers.publish(client, self._topic(Kind.REPORT), report, retain=True)
            await asyncio.sleep(GAP_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._news.wait()

    async def _hear(self, client: Client) -> None:
        async for message in client.messages:
            try:
                self._take(message)
            except EdgeError as error:
                self.ignored += 1
                _log.info("a message over the broker was passed over: %s", error)

    def _take(self, message: Message) -> None:
        if message.retain:  # kept by the broker from some day on, and given at each connection anew
            raise messages.MessageError("A command isn't to be retained.")
        if self._home is not None and (name := self._home.heard(str(message.topic))) is not None:
            self._ask(self._home.take(name, message.payload))
            return
        command = messages.read_command(message.payload)
        if command is Command.REPORT:
            self._news.set()
        elif (self._checking is None or self._checking.done()) and self._due():
            self._checked = time.monotonic()
            self._checking = asyncio.create_task(self._look())

    def _ask(self, asked: Coroutine[object, object, None]) -> None:
        """Beside the others, as an emergency stop must not wait for them."""
        if len(self._asked) >= MOST_ASKED:
            asked.close()
            raise messages.MessageError(
                f"{MOST_ASKED} commands of Home Assistant are under way: this one is passed over."
            )
        task = asyncio.create_task(self._carry_out(asked))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _carry_out(self, asked: Coroutine[object, object, None]) -> None:
        try:
            await asked
        except EdgeError as error:
            self.ignored += 1
            _log.warning("what Home Assistant asked for wasn't done: %s", error)

    def _due(self) -> bool:
        return time.monotonic() - self._checked >= CHECK_SECONDS

    async def _look(self) -> None:
        try:
            await self._check()
        except EdgeError as error:
            _log.warning("looking for updates, as asked over the broker, failed: %s", error)
        self._news.set()

    def _topic(self, last: str) -> str:
        return messages.topic(self._prefix, self._key.id, last)

    def _presence(self, online: bool, at: float) -> bytes:
        return messages.signed_presence(Presence(self._key.id, online, at), self._key)
