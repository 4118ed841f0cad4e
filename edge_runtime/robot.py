"""The door to a robot that `enigma-bridge robot serve` serves on this machine: lines of JSON over its UNIX socket.

The robot's own process holds the safety envelope and the deadman; what is asked for here is refused there where it must be.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from edge_runtime import strict_json
from edge_runtime.config import RobotConfig
from edge_runtime.errors import BadRequest, EdgeError, NotFound, Overloaded

ANSWER_SECONDS = 3.0
STOP_SECONDS = 5.0  # the robot's board is asked four times within
QUIET_SECONDS = 5.0  # without a frame: it hangs
LINE_BYTES = 4 * 1024 * 1024  # a map's picture
Json = dict[str, object]


class RobotDoor:
    """One robot. Raises `NotFound` where the configuration names none."""

    def __init__(self, config: RobotConfig) -> None:
        self._config = config

    async def ask(self, asked: Json, seconds: float = ANSWER_SECONDS) -> Json:
        """One line and its answer. Raises `BadRequest` with the robot's reason, `Overloaded` where it isn't there."""
        async with self.line(seconds) as line:
            return await line.ask(asked)

    @contextlib.asynccontextmanager
    async def line(self, seconds: float = ANSWER_SECONDS) -> AsyncIterator[RobotLine]:
        """A connection for several lines, one after the other; `seconds` for each."""
        line = await self.open(seconds)
        try:
            yield line
        finally:
            line.close()

    async def open(self, seconds: float) -> RobotLine:
        """The same, for whoever closes it."""
        path = self._path()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(path, limit=LINE_BYTES)
        except (OSError, TimeoutError) as cause:
            raise _away(path, cause) from None
        return RobotLine(path, reader, writer, self._token(), seconds)

    async def order(self, calls: object, share: float | None = None) -> Json:
        """Orders, and the share of robot.toml's speed that it may have from now on. Raises as `ask`.

        It is slowed before it has the orders, and let go faster only once it took them.
        """
        async with self.line() as line:
            limit: Json = {}
            if share is not None:
                plan = (await line.ask({"op": "plan"})).get("plan")
                most = plan.get("most_speed") if isinstance(plan, dict) else None
                if not isinstance(most, int | float):
                    raise Overloaded("The robot didn't say how fast it may be; update its bridge.")
                limit = {"op": "limit", "speed": share * most}
            if limit and share is not None and share < 1:
                await line.ask(limit)
            said = await line.ask({"calls": calls}) if calls != [] or not limit else {}
            if limit and share is not None and share >= 1:
                await line.ask(limit)
            return said

    async def watch(self, hz: float) -> AsyncIterator[bytes]:
        """Frames, each a line of JSON, until the robot ends them. Raises as `ask`."""
        async with self.line() as line:
            await line.ask({"op": "watch", "hz": hz})
            while True:
                yield await line.read(QUIET_SECONDS)

    def _path(self) -> Path:
        if not self._config.socket:
            raise NotFound("This device has no robot: name its socket in the section [robot] of its configuration.")
        return Path(self._config.socket)

    def _token(self) -> str:
        if not self._config.token_file:
            return ""
        from edge_runtime.pipelines.webhook import read_secret

        return read_secret(Path(self._config.token_file)).decode("utf-8", "replace")


class RobotLine:
    """An open connection; lines are asked one after the other."""

    def __init__(
        self, path: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str, seconds: float
    ) -> None:
        self._path, self._reader, self._writer, self._seconds = path, reader, writer, seconds
        self._token: Json = {"token": token} if token else {}

    async def ask(self, asked: Json) -> Json:
        """Raises `BadRequest` with the robot's reason, `Overloaded` where it doesn't answer."""
        try:
            async with asyncio.timeout(self._seconds):
                self._writer.write(json.dumps({**self._token, **asked}, allow_nan=False).encode() + b"\n")
                await self._writer.drain()
        except (OSError, TimeoutError) as cause:
            raise _away(self._path, cause) from None
        said = strict_json.loads_object(await self.read(self._seconds), "The robot's answer", Overloaded)
        if said.get("accepted") is not True:
            raise BadRequest(str(said.get("reason") or "The robot refused.")[:500])
        return {name: value for name, value in said.items() if name != "accepted"}

    def close(self) -> None:
        """End the connection."""
        self._writer.close()

    async def read(self, seconds: float) -> bytes:
        """One line. Raises `Overloaded`."""
        try:
            async with asyncio.timeout(seconds):
                line = await self._reader.readline()
        except (OSError, TimeoutError, ValueError) as cause:
            raise _away(self._path, cause) from None
        if not line:
            raise Overloaded(f"The robot at {self._path} ended the connection.", 1.0)
        return line


class Sticks:
    """A connection that is made anew where the robot didn't answer in time: a late answer must not be taken for the next one's."""

    def __init__(self, door: RobotDoor, seconds: float) -> None:
        self._door, self._seconds = door, seconds
        self._line: RobotLine | None = None

    async def ask(self, asked: Json) -> Json:
        """As `RobotLine.ask`."""
        if self._line is None:
            self._line = await self._door.open(self._seconds)
        try:
            return await self._line.ask(asked)
        except Overloaded:
            self.close()
            raise

    def close(self) -> None:
        """End the connection; another question begins one."""
        if self._line is not None:
            self._line.close()
            self._line = None


def _away(path: Path, cause: Exception) -> EdgeError:
    why = "it doesn't answer in time" if isinstance(cause, TimeoutError) else getattr(cause, "strerror", None) or cause
    return Overloaded(f"The robot at {path} can't be asked ({why}): does enigma-bridge robot serve run?", 1.0)
