"""Files that a person drops on the companion: sent, looked at, and only then put into a dataset."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.errors import TooLarge
from trainer_host.data.dataset import Dataset
from trainer_host.data.dropped import ROWS, TEXTS, Preview, add_rows, add_texts, preview, unpack
from trainer_host.errors import NotThere
from trainer_host.server import fields
from trainer_host.server.errors import Unprocessable
from trainer_host.server.fields import Json
from trainer_host.workspace import Workspace

MAX_BYTES = 128 * 2**20
MAX_WAITING = 8  # dropped files that nobody has decided on; the oldest makes room
MAX_NAME = 200
RECEIVE_DEADLINE = 600.0  # a slow phone needs a while for the largest file
BODY_BYTES = 4096
SHOWN = 100
HELD_OUT = 0.2


class ImportRoutes:
    """/v1/imports. Files lie in the workspace until they are put into a dataset, dropped, or the server starts anew."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._folder = workspace.home / "imports"
        self._waiting: list[str] = []
        self._ready: set[str] = set()
        self._turn = asyncio.Lock()

    async def send(self, request: web.Request) -> web.Response:
        """Take a file's bytes (`?name=`), and answer what is in it."""
        name = _named(request.query.get("name", ""))
        if (request.content_length or 0) > MAX_BYTES:
            raise _too_large(name)
        async with self._turn:
            if not self._waiting:  # what an earlier server left behind
                await asyncio.to_thread(shutil.rmtree, self._folder, True)
            while len(self._waiting) >= MAX_WAITING:
                await self._drop(self._waiting[0])
            id_ = secrets.token_hex(8)
            self._waiting.append(id_)
        try:
            async with asyncio.timeout(RECEIVE_DEADLINE):
                await self._receive(request, id_, name)
            found = await asyncio.to_thread(self._look, id_, name)
        except BaseException:
            await self._drop(id_)
            raise
        self._ready.add(id_)
        return reply(_plain(id_, found))

    async def add(self, request: web.Request) -> web.Response:
        """Put what was sent into a dataset: rows by their task, or texts."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "kind", "task", "dataset")
        kind, name = fields.text(body, "kind", 10), fields.text(body, "dataset", 100)
        if kind not in ("rows", "texts"):
            raise Unprocessable('"kind" is rows or texts.')
        task = fields.text(body, "task", 40) if kind == "rows" else ""
        async with self._turn:
            id_ = self._known(request)
            folder = self._folder / id_ / "files"

            def make() -> tuple[Dataset, int]:
                if kind == "texts":
                    return add_texts(self._workspace, folder, name=name)
                return add_rows(self._workspace, folder, task=task, name=name, held_out=HELD_OUT)

            made, new = await asyncio.to_thread(make)
            await self._drop(id_)
        counts = {"train": made.counts["train"], "heldout": made.counts["heldout"]}
        return reply({"dataset": made.name, "task": made.task, "new": new, **counts}, status=201)

    async def forget(self, request: web.Request) -> web.Response:
        """Drop what was sent."""
        async with self._turn:
            await self._drop(self._known(request))
        return reply({})

    def _known(self, request: web.Request) -> str:
        id_ = request.match_info["id"]
        if id_ not in self._ready:
            raise NotThere("These files aren't here any more; drop them again.")
        return id_

    async def _receive(self, request: web.Request, id_: str, name: str) -> None:
        folder = self._folder / id_
        await asyncio.to_thread(folder.mkdir, 0o700, True)
        size = 0
        with (folder / name).open("xb") as out:
            async for block in _blocks(request):
                size += len(block)
                if size > MAX_BYTES:
                    raise _too_large(name)
                await asyncio.to_thread(out.write, block)
        if not size:
            raise Unprocessable(f"{name} is empty.")

    def _look(self, id_: str, name: str) -> Preview:
        place = self._folder / id_
        folder = place / "files"
        folder.mkdir(mode=0o700)
        if name.lower().endswith(".zip"):
            unpack(place / name, folder)
            (place / name).unlink()
        else:
            (place / name).rename(folder / name)
        found = preview(folder)
        if not found.found:
            why = found.refused[0] if found.refused else (name, "holds no files")
            more = f" (and {len(found.refused) - 1} more)" if len(found.refused) > 1 else ""
            raise Unprocessable(f"{why[0]} {why[1]}{more}; nothing was taken.")
        return found

    async def _drop(self, id_: str) -> None:
        self._ready.discard(id_)
        if id_ in self._waiting:
            self._waiting.remove(id_)
        await asyncio.to_thread(shutil.rmtree, self._folder / id_, True)


async def _blocks(request: web.Request) -> AsyncIterator[bytes]:
    async for block in request.content.iter_chunked(2**18):
        yield block


def _named(name: str) -> str:
    """A file's own name, without any folder; raises `Unprocessable`."""
    own = PurePosixPath(name.replace("\\", "/")).name
    if not own or len(own) > MAX_NAME or not own.isprintable() or own.startswith("."):
        raise Unprocessable('Send the file\'s name as "?name=", as in rows.csv.')
    if Path(own).suffix.lower() not in (*ROWS, *TEXTS, ".zip"):
        raise Unprocessable(f"{own} can't be imported; files are {', '.join((*ROWS, *TEXTS))}, or a .zip of them.")
    return own


def _too_large(name: str) -> TooLarge:
    return TooLarge(f"{name} is too large: at most {MAX_BYTES // 2**20} MB are taken at once; split it.")


def _plain(id_: str, found: Preview) -> Json:
    files = [
        {"name": one.name, "kind": one.kind, "count": one.count, "sample": list(one.sample)}
        for one in found.found[:SHOWN]
    ]
    refused = [{"name": name, "why": why} for name, why in found.refused[:SHOWN]]
    kinds = {kind: sum(one.count for one in found.found if one.kind == kind) for kind in ("rows", "texts")}
    return {"id": id_, "files": files, "refused": refused, **{kind: count for kind, count in kinds.items()}}
