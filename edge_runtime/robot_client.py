"""How the companion talks to the robot beside a device: `DeviceClient.robot`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from edge_runtime import strict_json
from edge_runtime.errors import DeviceUnreachable

if TYPE_CHECKING:
    import aiohttp

    from edge_runtime.client import DeviceClient

FRAME_BYTES = 256 * 1024
MAP_BYTES = 4 * 1024 * 1024
HEARTBEAT = 4.0  # seconds
CLOSE_SECONDS = 1.0
Json = dict[str, object]


class RobotClient:
    """One robot over its device's client; raises what that one does, `NotFound` where there is no robot."""

    def __init__(self, client: DeviceClient) -> None:
        self._client = client

    async def about(self) -> Json:
        """`{"plan", "state"}`; see docs/robots.md."""
        return await self._client._call("GET", "/v1/robot")

    async def map(self) -> bytes:
        """A PNG: white where something stands, faint where it is free, clear where nobody knows."""
        import aiohttp

        client = self._client
        try:
            async with asyncio.timeout(client._timeout):
                async with client._open().get(
                    f"{client._origin}/v1/robot/map", headers=client._headers(), allow_redirects=False
                ) as response:
                    if response.status != 200:
                        raise DeviceUnreachable(f"{client.base_url} answered {response.status} instead of a map.")
                    made = bytearray()
                    async for piece in response.content.iter_chunked(64 * 1024):
                        made += piece
                        if len(made) > MAP_BYTES:
                            raise DeviceUnreachable(f"{client.base_url} sends a map without end.")
                    return bytes(made)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise client._unreachable(cause) from None

    async def stop(self, seconds: float | None = None) -> Json:
        """The emergency stop: `{"board": "stands" or "silent", "ms"}`. seconds: for the answer."""
        return await self._client._call("POST", "/v1/robot/stop", timeout=seconds)

    async def release(self) -> None:
        """End the emergency stop, and the fault that it left; a person drives then."""
        await self._client._call("POST", "/v1/robot/release")
        await self.clear()

    async def clear(self) -> None:
        """End a fault whose cause is gone."""
        await self._client._call("POST", "/v1/robot/clear")

    async def arm(self, minutes: float) -> None:
        """Let its motors turn for so long; the device's configuration must allow it."""
        await self._client._call("POST", "/v1/robot/arm", json={"minutes": minutes})

    async def disarm(self) -> None:
        """It brakes, and stands."""
        await self._client._call("POST", "/v1/robot/disarm")

    async def mode(self, event: str) -> None:
        """take, assist, automate, dock or undock."""
        await self._client._call("POST", "/v1/robot/mode", json={"event": event})

    async def limit(self, speed: float) -> None:
        """The most that it may have, m/s."""
        await self._client._call("POST", "/v1/robot/limit", json={"speed": speed})

    async def order(self, calls: Sequence[Json]) -> None:
        """All of them or none, one after the other."""
        await self._client._call("POST", "/v1/robot/orders", json={"calls": list(calls)})

    async def draw(
        self, revision: int, zones: Sequence[Json] | None = None, places: Sequence[Json] | None = None
    ) -> int:
        """Replace what people drew; revision: of the plan that was seen. The new one."""
        sent: Json = {"revision": revision}
        sent |= {} if zones is None else {"zones": list(zones)}
        sent |= {} if places is None else {"places": list(places)}
        made = (await self._client._call("PUT", "/v1/robot/drawn", json=sent)).get("revision")
        return made if isinstance(made, int) else revision

    def watch(self, hz: float = 10.0) -> RobotWatch:
        """A connection with frames and sticks; an async context manager."""
        return RobotWatch(self._client, hz)


class RobotWatch:
    """Frames as they come, and sticks and stops the other way."""

    def __init__(self, client: DeviceClient, hz: float) -> None:
        self._client, self._hz = client, hz
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def __aenter__(self) -> RobotWatch:
        self._socket = await self._client._socket_to(f"/v1/robot/watch?hz={self._hz:g}", FRAME_BYTES, HEARTBEAT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import aiohttp

        if self._socket is not None:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._socket.close()

    async def messages(self) -> AsyncIterator[Json]:
        """`{"frame"}`, `{"refused"}`, `{"stopped": n, "board", "ms"}` or `{"error"}`, until the connection ends: then `DeviceUnreachable`."""
        import aiohttp

        assert self._socket is not None
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            yield strict_json.loads_object(message.data.encode("utf-8"), "The message", DeviceUnreachable)
        raise DeviceUnreachable(f"The connection to the robot at {self._client.base_url} broke; connect again.")

    async def drive(self, v: float, w: float, seen: float) -> None:
        """m/s and rad/s; `seen` is the `t` of the latest frame. It counts for the robot's deadman, a quarter of a second."""
        await self._send({"drive": [round(v, 3), round(w, 3)], "seen": seen})

    async def hold(self, seen: float) -> None:
        """The deadman of `assisted`, for as long."""
        await self._send({"hold": True, "seen": seen})

    async def stop(self, number: int) -> None:
        """The emergency stop; `messages` tells `{"stopped": number}`."""
        await self._send({"stop": number})

    async def _send(self, message: Json) -> None:
        assert self._socket is not None
        try:
            async with asyncio.timeout(HEARTBEAT):
                await self._socket.send_str(json.dumps(message))
        except (ConnectionError, OSError, TimeoutError, RuntimeError) as cause:
            raise self._client._unreachable(cause) from None
