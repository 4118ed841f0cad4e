"""The daemon: takes the state folder, listens, admits the active bundles, and stops cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from edge_runtime import __version__, strict_json
from edge_runtime.addresses import is_loopback
from edge_runtime.api.access import Access
from edge_runtime.api.app import make_app
from edge_runtime.api.http_log import http_log
from edge_runtime.config import Config, parse_listen
from edge_runtime.device import Device
from edge_runtime.errors import ConfigError, StateError
from edge_runtime.identity import tls
from edge_runtime.process_watchdog import START_SECONDS, ProcessWatchdog, late_start
from edge_runtime.serving import memory
from edge_runtime.supervision import Supervisor
from edge_runtime.tracing import traces_to
from edge_runtime.update import disk
from edge_runtime.update.slots import lock

_log = logging.getLogger(__name__)
DAEMON_FILE = "daemon.json"
STOP_SECONDS = 5.0  # for requests that are being answered when the daemon is told to stop
END_SECONDS = 60.0  # for its end in all: systemd waits for 90
LAST_ACCEPTED_SECONDS = 0.1
BACKLOG = 128
HANDSHAKE_SECONDS = 10.0  # of TLS, on a slow processor over a bad link
ACCEPT_SECONDS = 0.1  # from a connection's acceptance until the server counts it, at the most


async def serve(state: Path, config: Config, watchdog: ProcessWatchdog, port_file: Path | None = None) -> bool:
    """Run a device until SIGTERM or SIGINT, or until it is asked to start again: whether it was.

    Raises `StateError` or `ConfigError` where it can't start.

    port_file: gets the port, atomically, once the daemon listens (for port 0). watchdog: ends the process where it can't start,
    or end, as a disk hangs.
    """
    began = time.perf_counter()
    memory.give_back_large()
    stop, supervisor = asyncio.Event(), Supervisor()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    handle = lock(state)
    if handle is None:
        raise StateError(f"Another enigma-edge uses {state}; stop it, or choose another --state.")
    try:
        device = Device(state, config)
        logging.getLogger().addHandler(device.log)
        again = False

        def restart() -> None:
            nonlocal again
            again = True
            stop.set()

        device.on_restart = restart
        loop.add_signal_handler(signal.SIGHUP, stop.set if _at_terminal() else device.hang_up)
        device.traces = traces_to(config.telemetry.traces, config.device.label, device.key.id)
        access = Access(device.tokens, config.server.open_on_loopback)
        shown = tls.Shown(device.identity, device.key, config.server.listen, config.server.tls)
        context = shown.context
        runner = web.AppRunner(
            make_app(device, access, shown),
            logger=http_log(),
            access_log=None,
            shutdown_timeout=STOP_SECONDS,
            handle_signals=False,
        )
        await runner.setup()
        listener = _bind(config.server.listen)
        host, port = listener.getsockname()[:2]
        server = await loop.create_server(
            _bounded(runner.server, config.server.max_connections),
            sock=listener,
            backlog=BACKLOG,
            ssl=context,
            ssl_handshake_timeout=None if context is None else HANDSHAKE_SECONDS,
        )
        beside = (
            None
            if not config.server.socket
            else await _beside(Path(config.server.socket), _bounded(runner.server, config.server.max_connections))
        )
        daemon_file, scheme = state / DAEMON_FILE, "http" if context is None else "https"
        try:
            _log.info(
                "enigma-edge %s of device %s listens on %s://%s",
                __version__,
                device.key.id,
                scheme,
                _at(host, port),
            )

            def remember() -> None:
                local = {
                    "pid": os.getpid(),
                    "url": f"{scheme}://{_local(host, port)}",
                    "listen": _at(host, port),
                    "token": access.local_token,
                    "certificate": shown.fingerprint,
                }
                with disk.storage_errors(state):
                    disk.write_atomic(daemon_file, strict_json.dumps(local))

            shown.on_renewed = remember
            remember()
            with disk.storage_errors(state):
                if port_file is not None:
                    disk.write_atomic(port_file.absolute(), f"{port}\n".encode("ascii"))
            async with contextlib.AsyncExitStack() as around:
                if config.server.announce and not is_loopback(host):
                    from edge_runtime.discovery import announced  # as with a broker below

                    about = (config.device.label, device.key.id, __version__)
                    await around.enter_async_context(announced(*about, host, port, context is not None))
                if config.presence.broker:
                    from edge_runtime.presence.on_device import present  # a device without a broker loads none of it

                    await around.enter_async_context(present(device))
                await around.enter_async_context(supervisor.watched())
                await _until(stop, device, began, supervisor, watchdog)
        finally:
            _log.info("stopping")
            watchdog.expect(
                END_SECONDS, f"The daemon didn't come to its end within {END_SECONDS:.0f} seconds; it is ended."
            )
            supervisor.reloading() if again else supervisor.stopping()
            device.announce_stop()
            server.close()
            if beside is not None:
                beside.close()
                with contextlib.suppress(OSError):
                    Path(config.server.socket).unlink()
            # aiohttp drops the first request of a connection that was accepted just now, and waits for it.
            await asyncio.sleep(LAST_ACCEPTED_SECONDS)
            await runner.cleanup()
            await device.close()
            if device.traces is not None:
                await asyncio.to_thread(device.traces.close)
            with contextlib.suppress(FileNotFoundError):
                daemon_file.unlink()
            _log.info("stopped")
            logging.getLogger().removeHandler(device.log)
    finally:
        os.close(handle)
    return again


async def _until(
    stop: asyncio.Event, device: Device, began: float, supervisor: Supervisor, watchdog: ProcessWatchdog
) -> None:
    """Admit the bundles, then wait for the signal, whichever comes first."""

    def goes_on(seconds: float) -> None:
        watchdog.expect(START_SECONDS + seconds, late_start(device.state))
        supervisor.starting(START_SECONDS + seconds)

    starting = asyncio.create_task(device.start(goes_on))
    governing = asyncio.create_task(device.govern())
    resting = asyncio.create_task(device.rest())
    updating = asyncio.create_task(device.update())
    minding = asyncio.create_task(device.mind_disk())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            watchdog.rest()
            await device.pipelines.start_all()
            names = ", ".join(device.serving.names()) or "no specialist yet"
            state = "ready" if device.ready else "NOT ready"
            _log.info("%s after %.2f s: %s", state, time.perf_counter() - began, names)
            supervisor.ready(f"{state}: {names}")
            memory.settle()
            await stopping
    finally:
        tasks = (starting, stopping, governing, resting, updating, minding)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _at_terminal() -> bool:
    """Whether SIGHUP says that the terminal is closed, and not that files were changed."""
    return sys.stdin is not None and sys.stdin.isatty()


def _bind(listen: str) -> socket.socket:
    host, port = parse_listen(listen)
    try:
        name = host.encode("ascii") if host.isascii() else host  # as text, it loads what writes names of other letters
        family, kind, protocol, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as cause:
        raise ConfigError(f"Can't listen on {listen}: {cause.strerror or cause}; choose another --listen.") from None
    bound.setblocking(False)
    return bound


async def _beside(path: Path, protocol: Callable[[], asyncio.BaseProtocol]) -> asyncio.Server:
    """Listen on a UNIX socket too (0660); takes the place of one that nobody listens on any more."""
    if path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(ACCEPT_SECONDS)
            try:
                probe.connect(str(path))
            except OSError:
                path.unlink(missing_ok=True)
            else:
                raise ConfigError(f"Another program listens on {path}; choose another server.socket.")
    try:
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            before = os.umask(0o117)
            try:
                bound.bind(str(path))
            finally:
                os.umask(before)
        except OSError:
            bound.close()
            raise
    except OSError as cause:
        raise ConfigError(f"Can't listen on {path}: {cause.strerror or cause}; choose another server.socket.") from None
    bound.setblocking(False)
    return await asyncio.get_running_loop().create_unix_server(protocol, sock=bound, backlog=BACKLOG)


def _bounded(server: web.Server | None, most: int) -> Callable[[], asyncio.BaseProtocol]:
    """Make protocols for connections, up to a bound: files run out at some hundreds on small systems."""
    assert server is not None
    fresh: list[tuple[float, web.RequestHandler]] = []

    def make() -> asyncio.BaseProtocol:
        # A burst is accepted before the server counts any of it, so what was just made is counted here.
        known, now = set(server.connections), time.monotonic()
        fresh[:] = [(made, handler) for made, handler in fresh if now - made < ACCEPT_SECONDS and handler not in known]
        if len(known) + len(fresh) >= most:
            return _Refuse()
        handler = server()
        fresh.append((now, handler))
        return handler

    return make


class _Refuse(asyncio.Protocol):
    """Closes a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _at(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _local(host: str, port: int) -> str:
    """Where a program on this device reaches the daemon."""
    return _at({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)
