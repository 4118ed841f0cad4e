"""Serves the update repository as the static files that it is, and keeps its timestamp fresh while it does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from aiohttp import web

from edge_runtime.api.http_log import http_log
from trainer_host.errors import TrainerError
from trainer_host.listening import bounded_server
from trainer_host.release.repository import Repository

_log = logging.getLogger(__name__)
MAX_CONNECTIONS = 256
IDLE_SECONDS = 15.0  # a connection without a whole request for so long is closed
CLOSE_SECONDS = 3.0  # for files that are being sent when the server stops
REFRESH_SECONDS = 3600.0
MAX_PATH = 512  # characters; the longest that we name have some 250


async def serve(
    repository: Repository, host: str, port: int, on_listening: Callable[[str], None], renew: bool = True
) -> None:
    """Serve until SIGTERM or SIGINT; raises as `listening`."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with listening(repository, host, port, renew) as url:
        on_listening(url)
        await stop.wait()


@contextlib.asynccontextmanager
async def listening(repository: Repository, host: str, port: int, renew: bool = True) -> AsyncIterator[str]:
    """The server at work; its address. Port 0 lets the system choose one.

    renew: sign again what would stop counting, hourly. Raises `TrainerError` where the address can't be had.
    """
    app = web.Application(client_max_size=0)
    files = _Files(repository.public)
    app.router.add_get("/{path:.*}", files.send)
    runner = web.AppRunner(
        app,
        logger=http_log(),
        access_log=None,
        handle_signals=False,
        keepalive_timeout=IDLE_SECONDS,
        shutdown_timeout=CLOSE_SECONDS,
    )
    await runner.setup()
    renewing = asyncio.create_task(_renew(repository)) if renew else None
    try:
        server = await bounded_server(runner.server, host, port, MAX_CONNECTIONS)
        try:
            bound_host, bound_port = server.sockets[0].getsockname()[:2]
            yield f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}"
        finally:
            server.close()
    finally:
        if renewing is not None:
            renewing.cancel()
            await asyncio.wait([renewing])
        await runner.cleanup()


class _Files:
    """GET and HEAD of metadata/ and targets/, with ranges and conditions; nothing else lies there for anybody."""

    def __init__(self, public: Path) -> None:
        self._public = public

    async def send(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        parts = path.split("/")
        # A name with a dot at its start is a file that isn't whole yet, or leads out of the folder.
        if len(path) > MAX_PATH or parts[0] not in ("metadata", "targets") or any(p[:1] in ("", ".") for p in parts):
            raise web.HTTPNotFound
        file = self._public.joinpath(*parts)
        if "\\" in path or "\0" in path or not await asyncio.to_thread(file.is_file):
            raise web.HTTPNotFound
        # Files are named by their version or their hash, but for timestamp.json, and a root to come isn't there yet.
        lasting = parts[-1] != "timestamp.json"
        caching = "public, max-age=86400, immutable" if lasting else "no-cache"
        return web.FileResponse(file, headers={"Cache-Control": caching, "X-Content-Type-Options": "nosniff"})


async def _renew(repository: Repository) -> None:
    while True:
        try:
            await asyncio.to_thread(repository.refresh)
        except TrainerError as error:
            _log.warning("The update repository's timestamp wasn't renewed: %s", error)
        await asyncio.sleep(REFRESH_SECONDS)
