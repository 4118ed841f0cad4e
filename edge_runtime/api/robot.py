"""The robot beside this device: watching it, driving it by hand, orders, zones and places, and the emergency stop.

A socket of `watch` carries frames to the client and, from who may ask, sticks back: {"drive": [v, w], "seen": t} in m/s and
rad/s, {"hold": true, "seen": t} and {"stop": n}. `seen` is the `t` of the frame that was shown last: the robot follows no order
that was half a second on its way. Its deadman, a quarter of a second, is its own, whatever becomes of the client or of this device.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from aiohttp.http import WSCloseCode

from edge_runtime import strict_json
from edge_runtime.api.access import Caller, caller
from edge_runtime.api.wire import read_json, reply
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest, EdgeError, Forbidden, NotFound, Overloaded
from edge_runtime.mobile.bridge import for_bridge
from edge_runtime.robot import STOP_SECONDS, RobotDoor, Sticks

_log = logging.getLogger(__name__)
BODY_BYTES = 64 * 1024
MOST_SOCKETS = 8
USUAL_HZ, MOST_HZ = 10.0, 20.0
MESSAGE_BYTES = 1024
HEARTBEAT_SECONDS = 4.0
SEND_SECONDS = 4.0
RECHECK_SECONDS = 0.5  # until a token that was taken back is noticed
DRIVE_SECONDS = 1.0  # for the robot to take a stick's position
Json = dict[str, object]


class RobotRoutes:
    """GET /v1/robot, /v1/robot/watch and /v1/robot/map, POST .../stop, release, clear, arm, disarm, mode, orders and limit, PUT .../drawn."""

    def __init__(self, device: Device, still: Callable[[web.Request], bool] = lambda request: True) -> None:
        """still: whether a request that goes on would be let in again."""
        self._device, self._still = device, still
        self._door = RobotDoor(device.config.robot)
        self._open = 0

    async def about(self, request: web.Request) -> web.Response:
        """The robot's plan (body, limits, fence, zones, places) and its state."""
        async with self._door.line() as line:
            plan, state = await line.ask({"op": "plan"}), await line.ask({"op": "state"})
        return reply({**plan, **state})

    async def map(self, request: web.Request) -> web.Response:
        """The map as a PNG: white where something stands, faint where it is free, clear where nobody knows."""
        said = await self._door.ask({"op": "map"})
        picture = base64.b64decode(str(said.get("png") or ""))
        return web.Response(body=picture, content_type="image/png", headers={"Cache-Control": "no-store"})

    async def stop(self, request: web.Request) -> web.Response:
        """The emergency stop, kept until `release`: whether the board said that it stands, and in how many milliseconds."""
        return reply(await self._stop(caller(request)))

    async def release(self, request: web.Request) -> web.Response:
        """End the emergency stop; what it stopped stays in fault until `clear`."""
        return await self._do(request, {"op": "release"})

    async def clear(self, request: web.Request) -> web.Response:
        """End a fault whose cause is gone; the robot is driven by hand then."""
        return await self._do(request, {"op": "clear"})

    async def arm(self, request: web.Request) -> web.Response:
        """Let a real robot's motors turn for some minutes: {"minutes": 15}. Raises `NotFound` unless the configuration has may_arm."""
        if not self._device.config.robot.may_arm:
            raise NotFound(
                "This device arms no robot from afar: run enigma-bridge robot arm on its machine, or set may_arm in [robot]."
            )
        minutes = _number((await _only(request, "minutes"))["minutes"], "minutes")
        _log.warning("the robot is asked to arm for %g minutes by %s", minutes, caller(request).id or "this device")
        return await self._do(request, {"op": "arm", "minutes": minutes})

    async def disarm(self, request: web.Request) -> web.Response:
        """Take that back: it brakes, and stands."""
        return await self._do(request, {"op": "disarm"})

    async def mode(self, request: web.Request) -> web.Response:
        """Say who drives: {"event": "take", "assist", "automate", "dock" or "undock"}."""
        return await self._do(request, {"op": "mode", **await _only(request, "event")})

    async def limit(self, request: web.Request) -> web.Response:
        """The most that it may have: {"speed": m/s}, never more than robot.toml's."""
        return await self._do(request, {"op": "limit", **await _only(request, "speed")})

    async def orders(self, request: web.Request) -> web.Response:
        """Orders, all of them or none: {"calls": [{"name": "go_to", "targets": ["kitchen"]}]}; `stop` drops all others.

        Those of a specialist of pack `robot-en` are taken too, see `edge_runtime.mobile.bridge`.
        """
        body = await _only(request, "calls")
        who, calls = caller(request), body["calls"]
        _may_act(who)
        share = None
        if isinstance(calls, list) and all(isinstance(call, dict) for call in calls):
            calls, share = for_bridge(calls)
        said = await self._door.order(calls, share)
        self._device.events.emit("robot", did="orders", by=who.id or None)
        return reply(said)

    async def draw(self, request: web.Request) -> web.Response:
        """Replace the zones or the places that people drew: {"revision", "zones"?, "places"?}; robot.toml's own stay."""
        body = await read_json(request, BODY_BYTES)
        if body.keys() - {"revision", "zones", "places"}:
            raise BadRequest('Send "revision" of the plan that you saw, and "zones" or "places" or both.')
        return await self._do(request, {"op": "draw", **body})

    async def watch(self, request: web.Request) -> web.WebSocketResponse:
        """Frames of the robot over a WebSocket, up to `hz` (10) a second; sticks and the emergency stop come back over it."""
        hz = _hz(request.query.get("hz"))
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, max_msg_size=MESSAGE_BYTES)
        if not socket.can_prepare(request).ok:
            raise BadRequest("Frames come over a WebSocket; connect with a WebSocket client.")
        if self._open >= MOST_SOCKETS:
            raise Overloaded(f"{MOST_SOCKETS} watch the robot already; close one and try again.")
        self._open += 1
        try:
            frames = self._door.watch(hz)
            await anext(frames)  # what can't be watched is refused as an answer, before there is a socket
            await socket.prepare(request)
            session = _Session(socket, Sticks(self._door, DRIVE_SECONDS), caller(request), self._stop)
            tasks = [asyncio.create_task(session.send(frames)), asyncio.create_task(self._watch(socket, request))]
            try:
                await session.receive()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                await session.let_go()
        finally:
            self._open -= 1
        return socket

    async def _stop(self, who: Caller) -> Json:
        began = time.perf_counter()
        said = await self._door.ask({"op": "stop"}, STOP_SECONDS)
        ms = round((time.perf_counter() - began) * 1000, 1)
        board = said.get("board")
        _log.warning(
            "emergency stop of the robot by %s: the board %s after %.1f ms", who.id or "this device", board, ms
        )
        self._device.events.emit("robot", did="stop", by=who.id or None, board=board, ms=ms)
        return {"board": board, "ms": ms}

    async def _do(self, request: web.Request, asked: Json) -> web.Response:
        who = caller(request)
        _may_act(who)
        said = await self._door.ask(asked)
        self._device.events.emit("robot", did=asked.get("op", "orders"), by=who.id or None)
        return reply(said)

    async def _watch(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        """End the stream when its token does."""
        while self._still(request):  # noqa: ASYNC110 - another process may take a token back, which tells nobody
            await asyncio.sleep(RECHECK_SECONDS)
        with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError):
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"the token has ended")


class _Session:
    """One client at the sticks, or one that only looks."""

    def __init__(
        self, socket: web.WebSocketResponse, sticks: Sticks, who: Caller, stop: Callable[[Caller], Awaitable[Json]]
    ) -> None:
        self._socket, self._sticks, self._who, self._stop = socket, sticks, who, stop
        self._moves = False
        self._refused = ""
        self._stopping: set[asyncio.Task[None]] = set()

    async def send(self, frames: AsyncIterator[bytes]) -> None:
        """The latest frame, again and again: a slow client misses some, and sees no old ones."""
        latest: list[bytes] = []
        news = asyncio.Event()

        async def read() -> None:
            async for line in frames:
                latest[:] = [line]
                news.set()

        reading = asyncio.create_task(read())
        waiting: asyncio.Task[bool] | None = None
        try:
            while True:
                waiting = asyncio.create_task(news.wait())
                await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    reading.result()
                    return
                news.clear()
                await self._say(latest[0].decode("utf-8"))
        except EdgeError as error:
            await self._say(json.dumps({"error": str(error)}))
        except (ConnectionError, TimeoutError, RuntimeError):
            pass  # the client went away
        finally:
            for task in (reading, waiting):
                if task is not None:
                    task.cancel()
            with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError):
                async with asyncio.timeout(SEND_SECONDS):
                    await self._socket.close(code=WSCloseCode.TRY_AGAIN_LATER)

    async def receive(self) -> None:
        """What the client sends, until it goes."""
        async for message in self._socket:
            if message.type is not web.WSMsgType.TEXT:
                return
            try:
                await self._take(strict_json.loads_object(message.data.encode("utf-8"), "The message", BadRequest))
            except EdgeError as error:
                if str(error) != self._refused:  # said once, not twenty times a second
                    self._refused = str(error)
                    with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError):
                        await self._say(json.dumps({"refused": str(error)}))
            else:
                self._refused = ""

    async def let_go(self) -> None:
        """The client is gone: what it drove stands at once, and not only when the robot's deadman sees to it."""
        for task in self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await asyncio.shield(task)  # a stop that was asked for is carried out
        if self._moves:
            with contextlib.suppress(EdgeError):
                await self._sticks.ask({"op": "drive", "v": 0.0, "w": 0.0})
        self._sticks.close()

    async def _take(self, said: Json) -> None:
        if self._who.grant is not None and not self._who.grant.covers("operator"):
            raise Forbidden("This needs the scope operator; who only looks sends nothing.")
        if "stop" in said:
            task = asyncio.create_task(self._stopped(said["stop"]))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)
            return
        _may_act(self._who)
        seen = _number(said.get("seen"), "seen")
        if said.get("hold") is True:
            await self._sticks.ask({"op": "hold", "seen": seen})
            return
        drive = said.get("drive")
        if not isinstance(drive, list) or len(drive) != 2:
            raise BadRequest('Send {"drive": [v, w], "seen": t}, {"hold": true, "seen": t} or {"stop": n}.')
        v, w = _number(drive[0], "v"), _number(drive[1], "w")
        self._moves = bool(v or w)
        await self._sticks.ask({"op": "drive", "v": v, "w": w, "seen": seen})

    async def _stopped(self, number: object) -> None:
        try:
            said = await self._stop(self._who)
        except EdgeError as error:
            said = {"error": str(error)}
        with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError):
            await self._say(json.dumps({"stopped": number, **said}))

    async def _say(self, text: str) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._socket.send_str(text)


def _may_act(who: Caller) -> None:
    if who.grant is not None and who.grant.only:
        raise Forbidden(f"This token is good for {', '.join(who.grant.only)}, not for the robot; it may stop it.")


async def _only(request: web.Request, name: str) -> Json:
    body = await read_json(request, BODY_BYTES)
    if body.keys() != {name}:
        raise BadRequest(f'Send an object with "{name}" and nothing else.')
    return body


def _number(value: object, name: str) -> float:
    if not strict_json.is_number(value):
        raise BadRequest(f'"{name}" must be a number.')
    return float(value)


def _hz(text: str | None) -> float:
    try:
        hz = USUAL_HZ if text is None else float(text)
    except ValueError:
        hz = math.nan
    if not 0.1 <= hz <= MOST_HZ:
        raise BadRequest(f"'hz' must be a number from 0.1 to {MOST_HZ:g}.")
    return hz
