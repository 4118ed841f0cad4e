"""Runs one member beside its robot: messages over UDP, signed by the team's key, and orders to the robot's own socket.

Each cell is an order of its own, `go_to` with x and y, so the robot's envelope and its zones are behind all that a team agrees
on. A datagram that isn't signed, older than the last one, or too long is passed over and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from firmware_bridge.errors import BridgeError
from firmware_bridge.robot.config import RobotError
from firmware_bridge.team.config import Team
from firmware_bridge.team.ledger import NAME, TeamError
from firmware_bridge.team.member import Member, Message
from firmware_bridge.team.schedule import Cell

log = logging.getLogger(__name__)

TICK = 0.05
MOST_DATAGRAM, MOST_MESSAGE = 60_000, 1 << 20  # bytes, packed and unpacked
ASK = 0.2  # seconds between two looks at the robot
Ask = Callable[[dict[str, object]], Awaitable[dict[str, object]]]


def seal(key: bytes, message: Message) -> bytes:
    """A message as it goes out. Raises TeamError where it is too long."""
    packed = zlib.compress(json.dumps(message, separators=(",", ":")).encode(), 1)
    if len(packed) + 32 > MOST_DATAGRAM:
        raise TeamError("What the team has agreed on is too long for a message: end some tasks.")
    return hmac.digest(key, packed, hashlib.sha256) + packed


def unseal(key: bytes, data: bytes) -> Message:
    """The message of a datagram. Raises TeamError where the team's key didn't sign it."""
    signature, packed = data[:32], data[32:]
    if not hmac.compare_digest(signature, hmac.digest(key, packed, hashlib.sha256)):
        raise TeamError("The message isn't signed by the team's key.")
    try:
        opened = zlib.decompressobj()
        message = json.loads(opened.decompress(packed, MOST_MESSAGE))
    except (ValueError, RecursionError, zlib.error):
        raise TeamError("The message can't be read.") from None
    if not isinstance(message, dict):
        raise TeamError("The message can't be read.")
    return message


class Runner(asyncio.DatagramProtocol):
    """One member of a team. ask: a line to its robot and the answer; raises RobotError. Used as an async context manager."""

    def __init__(self, team: Team, member: Member, ask: Ask) -> None:
        self.team, self.member, self._ask = team, member, ask
        self.passed_over = 0  # datagrams
        self.why = ""  # why the robot doesn't go, as it says itself
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Runner:
        """Raises TeamError where its port can't be had."""
        host, port = self.team.members[self.member.name]
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        except OSError as error:
            raise TeamError(f"{host}:{port} can't be listened at: {error.strerror or error}.") from None
        self._tasks = [asyncio.create_task(self._speak()), asyncio.create_task(self._drive())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(BridgeError):
            await self._ask({"calls": [{"name": "stop"}]})
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, _: Any) -> None:
        """A datagram came, from whom doesn't matter: the signature does."""
        try:
            message = unseal(self.team.key, data)
            if "task" in message:
                self._take(message)
            else:
                self.member.hear(asyncio.get_running_loop().time(), message)
        except TeamError as error:
            self.passed_over += 1
            log.debug("A datagram was passed over: %s", error)

    def error_received(self, error: Exception) -> None:
        """A member isn't there now."""

    def _take(self, message: Message) -> None:
        """A task that a person gave to the team."""
        name, at, priority = message["task"], message.get("at"), message.get("priority")
        if (
            not isinstance(name, str)
            or not NAME.fullmatch(name)
            or type(priority) is not int
            or not isinstance(at, list)
        ):
            raise TeamError("The task can't be read.")
        if len(at) != 2 or not all(type(each) in (int, float) and abs(each) < 1e4 for each in at):
            raise TeamError("The task's place can't be read.")
        if name not in self.member.ledger.tasks:
            self.member.wish(name, self.member.floor.cell(*at), priority)

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sealed = [seal(self.team.key, message) for message in self.member.tick(loop.time())]
            except TeamError as error:
                log.error("%s", error)
                sealed = []
            for data in sealed:
                for name, address in self.team.members.items():
                    if name != self.member.name and self._transport is not None:
                        self._transport.sendto(data, address)
            await asyncio.sleep(TICK)

    async def _drive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            target = self.member.goes_to(loop.time())
            if target is None:
                await asyncio.sleep(TICK)
                continue
            try:
                await self._go(target)
                self.why = ""
            except BridgeError as error:
                if str(error) != self.why:
                    log.warning("The robot doesn't go: %s", error)
                self.why = str(error)
                await asyncio.sleep(1.0)

    async def _go(self, cell: Cell) -> None:
        """One cell on; it stops on the way where the leader falls silent. Raises RobotError."""
        loop = asyncio.get_running_loop()
        x, y = self.member.floor.middle(cell)
        await self._ask({"calls": [{"name": "go_to", "arguments": {"x": x, "y": y}}]})
        while True:
            await asyncio.sleep(ASK)
            if self.member.goes_to(loop.time()) != cell:
                await self._ask({"calls": [{"name": "stop"}]})
                return
            state = (await self._ask({"op": "state"})).get("state")
            orders = state.get("orders") if isinstance(state, dict) else None
            last = orders[-1] if isinstance(orders, list) and orders else {}
            if last.get("state") == "done":
                self.member.arrived()
                return
            if last.get("state") in ("failed", "dropped"):
                raise RobotError(str(last.get("why") or "It gave the order up."))
