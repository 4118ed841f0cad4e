"""Listens for the companion until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from aiohttp import web

from edge_runtime.addresses import is_loopback
from edge_runtime.api.http_log import http_log
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.grants import grant
from edge_runtime.identity.keys import device_key
from edge_runtime.identity.pairing import issue_code
from edge_runtime.identity.tls import Shown
from edge_runtime.update.slots import lock
from trainer_host.errors import TrainerError
from trainer_host.listening import bounded_server
from trainer_host.server.access import CODE_MINUTES, CODE_TRIES
from trainer_host.server.app import make_app
from trainer_host.workspace import Workspace

MAX_CONNECTIONS = 64
IDLE_SECONDS = 30.0  # a connection without a whole request for so long is closed
CLOSE_SECONDS = 3.0  # for requests that are being answered when the server stops


def folder_of(workspace: Workspace) -> Path:
    """Where the server keeps what is its own: pairings, and how lessons stand."""
    return workspace.home / "server"


def pairing_code(workspace: Workspace, scope: str = "owner") -> str:
    """A code that one client may redeem for a token of this scope, within minutes; it ends an earlier one."""
    return issue_code(IdentityFolder(folder_of(workspace)), grant(scope), CODE_MINUTES, CODE_TRIES)


def running(workspace: Workspace) -> bool:
    """Whether a server has this home."""
    handle = lock(folder_of(workspace))
    if handle is not None:
        os.close(handle)
    return handle is None


async def serve(
    workspace: Workspace,
    host: str,
    port: int,
    names: Iterable[str],
    on_listening: Callable[[str], None],
    tls: str = "network",
    chat_budget: str | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; raises as `listening`."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with listening(workspace, host, port, names, tls, chat_budget) as url:
        on_listening(url)
        await stop.wait()


@contextlib.asynccontextmanager
async def listening(
    workspace: Workspace,
    host: str,
    port: int,
    names: Iterable[str] = (),
    tls: str = "network",
    chat_budget: str | None = None,
) -> AsyncIterator[str]:
    """The server at work; its address. Port 0 lets the system choose one. tls: see `identity.tls.CHOICES`.

    Raises `TrainerError` where the address can't be had, or another server has this home.
    """
    handle = lock(folder_of(workspace))
    if handle is None:
        raise TrainerError(f"Another 'enigma serve' has {workspace.home}; stop it, or choose another --home.")
    try:
        identity = IdentityFolder(folder_of(workspace))
        listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        shown = Shown(identity, device_key(identity), listen, tls)
        context = shown.context
        app = make_app(
            workspace,
            identity,
            loopback_only=is_loopback(host),
            names=names,
            shown=shown,
            chat_budget=chat_budget,
        )
        runner = web.AppRunner(
            app,
            logger=http_log(),
            access_log=None,
            handle_signals=False,
            keepalive_timeout=IDLE_SECONDS,
            shutdown_timeout=CLOSE_SECONDS,
        )
        await runner.setup()
        try:
            server = await bounded_server(runner.server, host, port, MAX_CONNECTIONS, context)
            try:
                bound_host, bound_port = server.sockets[0].getsockname()[:2]
                scheme = "http" if context is None else "https"
                yield f"{scheme}://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}"
            finally:
                server.close()
        finally:
            await runner.cleanup()
    finally:
        os.close(handle)
