"""The door to a robot: a UNIX socket that takes lines of JSON and answers each; pipelines and people come through it alike.

    {"token": "...", "op": "drive", "v": 0.2, "w": 0}                      {"accepted": true}
    {"token": "...", "calls": [{"name": "go_to", "targets": ["kitchen"]}], "age_ms": 40, "max_age_ms": 500}

Every line carries its token, but for `stop`, which anybody may who reaches the socket. What is refused has a `reason`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import socket
import stat
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

from firmware_bridge.errors import BridgeError
from firmware_bridge.robot import config, drawn, shown, things
from firmware_bridge.robot.arming import USUAL
from firmware_bridge.robot.config import RobotError
from firmware_bridge.robot.drive import Driver
from firmware_bridge.robot.eyes import Box, Past
from firmware_bridge.robot.modes import Event
from firmware_bridge.robot.picture import picture
from firmware_bridge.robot.tokens import SCOPES, Tokens
from firmware_bridge.robot.zones import Ground

log = logging.getLogger(__name__)

LINE = 64 * 1024
IDLE = 60.0  # seconds that a connection may say nothing
ANSWER = 5.0  # seconds that somebody may take to fetch an answer
MOST = 32  # connections
MOST_WATCHERS = 8
FASTEST = 20.0  # frames a second
RECHECK = 1.0  # seconds until a token that was taken back is noticed by a watcher
# Seconds since the frame that somebody saw who drives: an order that was long on its way moves nothing.
FRESH = 0.5
CALLS, MOST_SIGHTS = 32, 200
OPS = {
    "state": "read",
    "watch": "read",
    "plan": "read",
    "map": "read",
    "limit": "drive",
    "draw": "manage",
    "scan": "sense",
    "sight": "sense",
    "boxes": "sense",
    "picture": "read",
    "drive": "drive",
    "hold": "drive",
    "mode": "manage",
    "release": "manage",
    "clear": "manage",
    "locate": "manage",
    "reload": "manage",
    "undock": "manage",
    "arm": "manage",
    "disarm": "drive",
}
Json = dict[str, object]


class Server:
    """Serves one robot until `close`. toml: its robot.toml, beside which lies what people drew. Raises RobotError."""

    def __init__(self, driver: Driver, tokens: Tokens, path: Path, toml: Path) -> None:
        self._driver, self._tokens, self._path, self._toml = driver, tokens, path, toml
        self._drawn = drawn.read(toml)
        self._drawing = asyncio.Lock()
        self._connections = self._watchers = 0
        self._serving: set[asyncio.Task[None]] = set()
        self._closing = False
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Server:
        """Raises RobotError where the socket can't be made."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        _remove_old(self._path)
        mask = os.umask(0o177)  # for its owner only from the first moment on
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LINE)
        except OSError as error:
            raise RobotError(f"The socket {self._path} can't be made: {error.strerror or error}.") from None
        finally:
            os.umask(mask)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        if (task := asyncio.current_task()) is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            if self._connections > MOST:
                await _say(writer, {"accepted": False, "reason": f"{MOST} connections are open: close some."})
                return
            while True:
                async with asyncio.timeout(IDLE):
                    line = await reader.readline()
                if not line:
                    return
                said = await self._answer(line)
                await _say(writer, said)
                if (every := said.get("every")) is not None:  # of `watch`
                    assert isinstance(every, float)
                    return await self._watch(writer, line, every)
        except (TimeoutError, OSError):
            return
        except asyncio.CancelledError:
            if not self._closing:  # asyncio's streams log a task of theirs that ends cancelled
                raise
        except ValueError:  # of readline
            with contextlib.suppress(OSError, TimeoutError):
                await _say(writer, {"accepted": False, "reason": f"A line has up to {LINE:,} bytes."})
        finally:
            self._connections -= 1
            writer.close()

    async def _answer(self, line: bytes) -> Json:
        try:
            asked = json.loads(line)
            if not isinstance(asked, dict):
                raise RobotError("A line must be an object of JSON.")
            return {"accepted": True, **await self._do(asked)}
        except (ValueError, RecursionError):
            return {"accepted": False, "reason": "A line must be an object of JSON."}
        except OverflowError:
            return {"accepted": False, "reason": "A number in the line is too large."}
        except BridgeError as error:
            return {"accepted": False, "reason": str(error)}

    async def _do(self, asked: Json) -> Json:
        driver, op = self._driver, asked.get("op", "calls" if "calls" in asked else None)
        if op == "stop":
            began = _now()
            stands = await driver.stop()
            return {"board": "stands" if stands else "silent", "ms": round((_now() - began) * 1000, 1)}
        if op == "calls":
            return await self._call(asked)
        if not isinstance(op, str) or op not in OPS:
            raise RobotError(f"op must be stop, calls, {', '.join(OPS)}.")
        self._may(asked, OPS[op])
        if op == "state":
            return {"state": shown.state(driver, _now())}
        if op in ("drive", "hold"):
            _fresh(asked)
        if op == "drive":
            driver.twist(_number(asked, "v"), _number(asked, "w"))
        elif op == "hold":
            driver.hold()
        elif op == "scan":
            ranges = asked.get("ranges")
            if not isinstance(ranges, list) or not 1 <= len(ranges) <= 4000:
                raise RobotError("ranges must be a list of up to 4000 metres; null is a ray that failed.")
            driver.scan(_number(asked, "first"), _number(asked, "step"), [_range(each) for each in ranges])
        elif op == "sight":
            driver.sight(_sights(asked.get("things")))
        elif op == "boxes":
            return {"far_unknown": driver.eyes.boxes(*_boxes(asked))}
        elif op == "picture":
            return {"png": b64encode(await asyncio.to_thread(picture, driver)).decode()}
        elif op == "mode":
            wanted = asked.get("event")
            if wanted not in [event.value for event in Event]:
                raise RobotError(f"event must be {', '.join(event.value for event in Event)}.")
            driver.on(Event(wanted))
        elif op == "undock":
            driver.on(Event.UNDOCK)
        elif op == "arm":
            minutes = _number(asked, "minutes") if "minutes" in asked else USUAL
            driver.arm(minutes, self._tokens.name(asked.get("token")), asked.get("accept") is True)
        elif op == "disarm":
            driver.disarm(self._tokens.name(asked.get("token")))
        elif op == "release":
            await driver.release()
        elif op == "clear":
            driver.clear()
        elif op == "locate":
            x, y, degrees = (_number(asked, name) for name in ("x", "y", "degrees"))
            driver.locate(x, y, math.radians(degrees))
        elif op == "limit":
            driver.limit(_number(asked, "speed"))
        elif op == "watch":
            return {"every": 1 / max(0.1, min(FASTEST, _number(asked, "hz"))) if "hz" in asked else 0.1}
        elif op == "plan":
            return {"plan": shown.plan(driver, self._drawn)}
        elif op == "map":
            return {"map": driver.map.about(), "png": b64encode(await asyncio.to_thread(driver.map.png)).decode()}
        elif op == "draw":
            return await self._draw(asked)
        elif op == "reload":
            try:
                driver.use(drawn.load(self._toml))
                driver.orders.things = things.load(self._toml)
                self._drawn = drawn.read(self._toml)
            except RobotError:
                driver.envelope.grounded = False  # nothing moves by zones that can't be read
                driver.disarm("zones that can't be read")
                raise
        return {}

    async def _draw(self, asked: Json) -> Json:
        """Other zones or places of people's, in the file and from now on; robot.toml's own stay."""
        async with self._drawing:
            if asked.get("revision") != self._drawn.revision:
                raise RobotError("Somebody else drew meanwhile: look again, then draw.")
            parts: Json = {name: asked[name] for name in ("zones", "places") if name in asked}
            if not parts:
                raise RobotError("draw needs zones or places.")
            given = drawn.parse(parts)
            made = replace(self._drawn, revision=self._drawn.revision + 1)
            made = replace(made, **{name: getattr(given, name) for name in parts})
            robot = await asyncio.to_thread(lambda: made.over(config.load(self._toml)))
            # A large ground takes a second, for which the drive loop doesn't wait.
            ground = await asyncio.to_thread(Ground, robot) if robot.fence and "zones" in parts else None
            await asyncio.to_thread(drawn.write, self._toml, made)
            self._drawn = made
            if "zones" in parts:
                self._driver.use(robot, ground)
            else:
                self._driver.name_places(replace(self._driver.robot, places=robot.places))
            return {"revision": made.revision}

    async def _watch(self, writer: asyncio.StreamWriter, line: bytes, every: float) -> None:
        """Frames until whoever watches goes away, or its token ends."""
        if self._watchers >= MOST_WATCHERS:
            await _say(writer, {"accepted": False, "reason": f"{MOST_WATCHERS} watch it already: close one."})
            return
        self._watchers += 1
        try:
            asked, scanned, checked = json.loads(line), -math.inf, _now()
            while not writer.is_closing():
                now = _now()
                if now - checked > RECHECK:
                    checked = now
                    self._may(asked, OPS["watch"])
                made = shown.frame(self._driver, now, self._drawn.revision, scanned)
                if self._driver.latest_scan is not None:
                    scanned = self._driver.latest_scan.at
                await _say(writer, {"frame": made})
                await asyncio.sleep(max(0.0, now + every - _now()))
        except RobotError as error:
            await _say(writer, {"accepted": False, "reason": str(error)})
        finally:
            self._watchers -= 1

    async def _call(self, asked: Json) -> Json:
        calls = asked.get("calls")
        if not isinstance(calls, list) or not 1 <= len(calls) <= CALLS or not all(isinstance(c, dict) for c in calls):
            raise RobotError(f"calls must be a list of 1 to {CALLS} objects, each with a name.")
        stops = [at for at, call in enumerate(calls) if call.get("name") == "stop"]
        if stops:  # always wins, whoever asks
            await self._driver.call(calls[stops[0] : stops[0] + 1])
            calls = calls[stops[-1] + 1 :]
            if not calls:
                return {}
        self._may(asked, "act")
        age, most = asked.get("age_ms"), asked.get("max_age_ms")
        if isinstance(age, int | float) and isinstance(most, int | float) and not age <= most:
            raise RobotError(f"What it is about is {age:.0f} ms old, over max_age_ms.")
        await self._driver.call(calls)
        return {}

    def _may(self, asked: Json, scope: str) -> None:
        if scope not in self._tokens.scopes(asked.get("token")):
            raise RobotError(f"That needs a token with the scope {scope} ({SCOPES[scope]}): robot token add.")


async def ask(path: Path, asked: Json, timeout: float = 5.0) -> Json:
    """One line to a robot's socket, and its answer. Raises RobotError with the reason where it is refused."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_unix_connection(path, limit=1 << 20)
            writer.write(json.dumps(asked).encode() + b"\n")
            await writer.drain()
            said = json.loads(await reader.readline())
    except TimeoutError:
        raise RobotError(f"The robot at {path} didn't answer in time.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise RobotError(f"No robot answers at {path} ({why}): start enigma-bridge robot serve.") from None
    finally:
        if writer is not None:
            writer.close()
    if said.get("accepted") is not True:
        raise RobotError(str(said.get("reason") or "The robot refused."))
    return dict(said)


async def _say(writer: asyncio.StreamWriter, answer: Json) -> None:
    writer.write(json.dumps(answer).encode("utf-8") + b"\n")
    async with asyncio.timeout(ANSWER):
        await writer.drain()


def _remove_old(path: Path) -> None:
    """A socket that nobody serves any more. Raises RobotError where somebody does, or where it is none."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise RobotError(f"{path} is no socket: name another with --socket.")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise RobotError(f"A robot is served at {path} already.")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _fresh(asked: Json) -> None:
    """Raises RobotError where whoever drives saw the robot last too long ago; a program beside it need not say."""
    if "seen" in asked and not 0 <= _now() - _number(asked, "seen") <= FRESH:
        raise RobotError("That order was too long on its way: the robot doesn't follow it.")


def _number(asked: Json, name: str) -> float:
    value = asked.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RobotError(f"{name} must be a number.")
    return float(value)


def _sights(raw: object) -> list[tuple[str, float, float]]:
    """Of [{"name", "at": [x, y]}]."""
    made: list[tuple[str, float, float]] = []
    for each in raw if isinstance(raw, list) and len(raw) <= MOST_SIGHTS else [None]:
        name, at = (each.get("name"), each.get("at")) if isinstance(each, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(at, list) or len(at) != 2:
            raise RobotError(
                f'things must be up to {MOST_SIGHTS} of {{"name": "cup", "at": [x, y]}}, metres on the map.'
            )
        made.append((name, _number({"x": at[0]}, "x"), _number({"y": at[1]}, "y")))
    return made


def _boxes(asked: Json) -> tuple[list[tuple[str, Box]], tuple[float, float], float]:
    """Of {"boxes": [{"name", "box": [x0, y0, x1, y1]}], "size": [w, h], "age_ms"}."""
    raw, size = asked.get("boxes"), asked.get("size")
    made: list[tuple[str, Box]] = []
    for each in raw if isinstance(raw, list) and len(raw) <= MOST_SIGHTS else [None]:
        name, box = (each.get("name"), each.get("box")) if isinstance(each, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(box, list) or len(box) != 4 or not all(map(_share, box)):
            raise RobotError(
                f'boxes must be up to {MOST_SIGHTS} of {{"name": "cup", "box": [x0, y0, x1, y1]}}, shares of the picture.'
            )
        made.append((name, (float(box[0]), float(box[1]), float(box[2]), float(box[3]))))
    if (
        not isinstance(size, list)
        or len(size) != 2
        or not all(type(side) is int and 0 < side <= 1 << 16 for side in size)
    ):
        raise RobotError("size must be the picture's [width, height] in pixels.")
    age = _number(asked, "age_ms") / 1000 if "age_ms" in asked else 0.0
    if not 0 <= age <= Past.SECONDS:
        raise RobotError(f"age_ms must be from 0 to {Past.SECONDS * 1000:.0f}: older pictures say nothing any more.")
    return made, (float(size[0]), float(size[1])), age


def _share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _range(value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RobotError("ranges must be numbers, in metres.")
    return float(value)
