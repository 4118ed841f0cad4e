"""A port of this computer that takes no more connections at once than it may."""

from __future__ import annotations

import asyncio
import ssl

from aiohttp import web

from trainer_host.errors import TrainerError


async def bounded_server(
    server: web.Server | None, host: str, port: int, most: int, tls: ssl.SSLContext | None = None
) -> asyncio.Server:
    """Let a server take connections, `most` at once; more are closed at once. Raises `TrainerError` where it can't."""
    assert server is not None

    def connection() -> asyncio.BaseProtocol:
        # Those of one burst are made before any is counted: the backlog bounds them.
        return server() if len(server.connections) < most else _Full()

    try:
        return await asyncio.get_running_loop().create_server(connection, host, port, backlog=most, ssl=tls)
    except OSError as cause:
        why = cause.strerror or str(cause)
        raise TrainerError(f"Can't listen on {host}:{port} ({why}); choose another --listen.") from None


class _Full(asyncio.Protocol):
    """Closes a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
