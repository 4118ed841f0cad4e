"""Commands that are done once however often they are sent: the header Idempotency-Key, as draft-ietf-httpapi-idempotency-key-header-07
has it.

Who sent a command and lost the connection doesn't know whether it was done. It sends it again with the same key, and gets
the answer of the first time. Keys are on the disk before a command begins, so that this holds over a power cut too.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from aiohttp import web

from edge_runtime import strict_json
from edge_runtime.api.access import caller
from edge_runtime.api.later import Handler
from edge_runtime.errors import BadRequest, EdgeError, Interrupted, StateError
from edge_runtime.update import disk

HEADER = "Idempotency-Key"
FILE = "commands.json"
# The commands for which a key counts. What isn't here may be sent twice anyway, or gives away a secret.
PATHS = frozenset(
    {
        "/v1/bundles",
        "/v1/switch/{specialist}",
        "/v1/rollback/{specialist}",
        "/v1/remove/{specialist}",
        "/v1/pipelines/{pipeline}/start",
        "/v1/pipelines/{pipeline}/stop",
        "/v1/restart",
    }
)
MOST = 128  # keys that are kept, the oldest goes first
SECONDS = 86_400.0  # who was away for a day looks before it sends anything again
_ANSWER_BYTES = 4096  # every answer of these commands is shorter
_DRAIN_SECONDS = 30.0
_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass
class _Done:
    """One command. at: when it came, in seconds since 1970. answer: None while it is under way, or was when the power went."""

    command: str
    at: float
    answer: str | None = None


class Once:
    """Remembers commands by who sent them and by their key."""

    def __init__(self, state: Path) -> None:
        self._path = state / FILE
        self._kept: dict[str, _Done] | None = None
        self._under_way: dict[str, asyncio.Future[None]] = {}
        self._writing = asyncio.Lock()

    def around(self, handler: Handler) -> Handler:
        """A handler of one of `PATHS` that does a command once."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self.answer(request, caller(request).id, handler)

        return handle

    async def answer(self, request: web.Request, who: str, handler: Handler) -> web.StreamResponse:
        """What the handler answers, or answered the first time; raises `BadRequest`, `Interrupted`, and what it does."""
        given = request.headers.get(HEADER)
        if given is None:
            return await handler(request)
        key = given.strip().strip('"')
        if not _KEY.fullmatch(key):
            raise BadRequest(f"'{HEADER}' must have 1 to 64 letters, digits or '_.:-'; a UUID is best.")
        known, name = self._load(), hashlib.sha256(f"{who} {key}".encode()).hexdigest()[:32]
        command = f"{request.method} {request.path}"[:300]
        while (running := self._under_way.get(name)) is not None:
            await asyncio.wait([running])
        done = known.get(name)
        if done is not None:
            return await _again(request, done, command)
        ended = self._under_way[name] = asyncio.get_running_loop().create_future()
        try:
            known[name] = _Done(command, round(time.time(), 3))
            await self._write()
            try:
                response = await handler(request)
            except BaseException:
                # Refused, so nothing was done, and it may be sent again by this key.
                known.pop(name, None)
                await self._write()
                raise
            body = getattr(response, "body", None)
            known[name].answer = (
                body.decode("utf-8") if isinstance(body, bytes) and len(body) <= _ANSWER_BYTES else "{}"
            )
            await self._write()
            return response
        finally:
            self._under_way.pop(name, None)
            ended.set_result(None)

    def _load(self) -> dict[str, _Done]:
        if self._kept is None:
            self._kept = _read(self._path)
        return self._kept

    async def _write(self) -> None:
        known = self._load()
        async with self._writing:
            oldest = time.time() - SECONDS
            for name in [name for name, done in known.items() if done.at < oldest] + list(known)[:-MOST]:
                known.pop(name, None)
            content = strict_json.dumps({"format": 1, "commands": {name: asdict(done) for name, done in known.items()}})
            with disk.storage_errors(self._path.parent):
                await asyncio.to_thread(disk.write_atomic, self._path, content)


async def _again(request: web.Request, done: _Done, command: str) -> web.Response:
    if done.command != command:
        raise BadRequest(f"This '{HEADER}' was used for another command; take another one.")
    if done.answer is None:
        raise Interrupted("The device stopped while it did this; look how it stands before you ask for it again.")
    async with asyncio.timeout(_DRAIN_SECONDS):
        while await request.content.readany():  # who sends a bundle listens once it is sent
            pass
    return web.Response(body=done.answer.encode("utf-8"), content_type="application/json")


def _read(path: Path) -> dict[str, _Done]:
    """What was kept; a file that can't be read counts as none: it only spares commands a second time."""
    try:
        found = strict_json.loads_object(path.read_bytes(), str(path), StateError).get("commands")
        assert isinstance(found, dict)
        return {name: _Done(str(one["command"]), float(one["at"]), one["answer"]) for name, one in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, EdgeError, AssertionError, KeyError, TypeError, ValueError):
        return {}
