"""Whoever sits between a paired client and its device: reads nothing, repeats nothing, changes nothing, and can't be the device."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.client import DeviceClient
from edge_runtime.errors import DeviceUnreachable
from edge_runtime.identity.certificate import device_certificate, id_of
from edge_runtime.identity.tls import context_of

from ..conftest import StartDevice

SAID = "turn on the marmalade light"
Change = Callable[[bytes], bytes]


class Tap:
    """Passes bytes on to a port, and keeps them. change: what becomes of those to the device."""

    def __init__(self, port: int) -> None:
        self.there = self.back = b""
        self.change: Change = bytes
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        from_device, to_device = await asyncio.open_connection("127.0.0.1", self._port)

        async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter, there: bool) -> None:
            with contextlib.suppress(OSError):
                while piece := await source.read(65536):
                    if there:
                        self.there += piece
                        piece = self.change(piece)
                    else:
                        self.back += piece
                    sink.write(piece)
                    await sink.drain()
            sink.close()

        await asyncio.gather(pass_on(reader, to_device, True), pass_on(from_device, writer, False))


@contextlib.asynccontextmanager
async def listening(meet: Callable[..., object], **options: object) -> AsyncIterator[str]:
    """The address of a server on loopback."""
    server = await asyncio.start_server(meet, "127.0.0.1", 0, **options)  # type: ignore[arg-type]
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_between_a_client_and_its_device_nothing_is_read_repeated_or_changed(
    start_device: StartDevice, bundles: dict[str, Path], state: Path, tmp_path: Path
) -> None:
    device = start_device(listen="0.0.0.0:0")
    device.push(bundles["v1"])
    certificate = json.loads((state / "daemon.json").read_text())["certificate"]
    tap = Tap(device.port)

    def answered() -> int:
        lines = device.get("/metrics", Authorization=f"Bearer {device.token}").body.decode().splitlines()
        return sum(int(float(line.split()[1])) for line in lines if line.startswith("enigma_run_seconds_count"))

    async with asyncio.timeout(60):
        async with listening(tap.meet) as url, DeviceClient(url, device.token, certificate=certificate) as client:
            assert "label" in await client.run("tiny", {"text": SAID})
        whole = tap.there + tap.back
        assert len(tap.there) > 500 and len(tap.back) > 500
        for secret in (b"marmalade", device.token.encode(), b"tiny", b"Authorization", b"label"):
            assert secret not in whole
        before = answered()
        assert before == 1

        # The same bytes once more: the device's half of the handshake is another, so nothing of it can be opened.
        reader, writer = await asyncio.open_connection("127.0.0.1", device.port)
        writer.write(tap.there)
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()
        assert answered() == before

        # A bit of what comes behind the handshake: the record is refused, and with it the connection.
        sent = 0

        def flipped(piece: bytes) -> bytes:
            nonlocal sent
            sent += 1
            return piece if sent == 1 else piece[:-1] + bytes([piece[-1] ^ 1])

        tap.change = flipped
        async with listening(tap.meet) as url, DeviceClient(url, device.token, certificate=certificate) as client:
            with pytest.raises(DeviceUnreachable):
                await client.run("tiny", {"text": SAID})
        assert answered() == before

        # Somebody else with a certificate of the same making: the client goes before it says a word.
        heard = bytearray()

        async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                heard.extend(await reader.read(65536))
            writer.close()

        theirs = bytes(range(32))
        shown = device_certificate(theirs, id_of(public_key_of(theirs)), 0)
        tls = context_of(shown, tmp_path)
        async with (
            listening(pretend, ssl=tls) as url,
            DeviceClient(url, device.token, certificate=certificate) as client,
        ):
            with pytest.raises(DeviceUnreachable, match="certificate"):
                await client.run("tiny", {"text": SAID})
        assert not heard
