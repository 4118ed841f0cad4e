"""What it costs a device to ask an update repository whether anything is new, beside the reference client (python-tuf).

    python benchmarks/tuf_client.py [--polls 200] [--json FILE]

A repository as ours are (a role with --targets bundles, each with its chunks) is served as static files by a process of its
own, behind a counter of bytes. Each client runs in a fresh process: it follows the repository once and then asks --polls times
while nothing changes. Measured are its processor time and the bytes on the wire per poll, the memory that it adds to a
process which has loaded aiohttp and PyNaCl already, as a device's daemon has, and its memory in all.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

CLIENTS = ("enigma", "python-tuf", "python-tuf without cryptography")
NAME = "models/router/home-{}.0.0.enigma"


def main() -> None:
    """Each client's figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--polls", type=int, default=200, help="default: 200")
    parser.add_argument("--targets", type=int, default=40, help="bundles in the repository (default: 40)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("place", nargs="*", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.client:
        print(json.dumps(_measure(args.client, args.place[0], Path(args.place[1]), args.polls)))
        return
    figures = {}
    with (
        tempfile.TemporaryDirectory() as place,
        _served(make(Path(place, "repository"), args.targets)) as (url, counts),
    ):
        for client in CLIENTS:
            folder = Path(place, client)
            folder.mkdir()
            (folder / "root.json").write_bytes(Path(place, "repository", "metadata", "1.root.json").read_bytes())
            _run(client, 0, url, folder)  # which fetches all that there is
            counts[:] = [0, 0]
            _run(client, 0, url, folder)
            first = counts[:]
            counts[:] = [0, 0]
            figures[client] = _run(client, args.polls, url, folder)
            up, down = ((there - before) / args.polls for there, before in zip(counts, first, strict=True))
            figures[client] |= {"bytes up a poll": round(up), "bytes down a poll": round(down)}
            print(f"{client:32} " + ", ".join(f"{name} {value}" for name, value in figures[client].items()), flush=True)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _run(client: str, polls: int, url: str, folder: Path) -> dict[str, object]:
    command = [sys.executable, __file__, "--client", client, "--polls", str(polls), url, str(folder)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def make(folder: Path, count: int) -> Path:
    """A repository with `count` bundles of 4 MiB, whose files aren't there: nobody fetches them."""
    from nacl.signing import SigningKey

    from edge_runtime.update.tuf.metadata import (
        Delegation,
        MetaFile,
        Role,
        Root,
        Snapshot,
        TargetFile,
        Targets,
        Timestamp,
        file_name,
        key_of,
        sign,
        time_text,
        to_bytes,
    )

    now = datetime.now(UTC).replace(microsecond=0)
    until = now + timedelta(days=7)
    seeds = {
        role: hashlib.sha256(role.encode()).digest() for role in ("root", "timestamp", "snapshot", "targets", "models")
    }
    keys = {role: key_of(bytes(SigningKey(seed).verify_key)) for role, seed in seeds.items()}
    top = {role: Role((keys[role].keyid,), 1) for role in ("root", "timestamp", "snapshot", "targets")}
    chunks = [hashlib.sha256(bytes([i])).hexdigest() for i in range(4)]
    custom: dict[str, object] = {"kind": "bundle", "specialist": "home", "task": "router", "chunks": chunks}
    names = [NAME.format(i) for i in range(count)]
    bundles = {name: TargetFile(name, 4 * 2**20, {"sha256": chunks[0]}, custom) for name in names}
    models = Delegation("models/router", (keys["models"].keyid,), 1, True, ("models/router/*",))
    targets = Targets(1, until, {}, {keys["models"].keyid: keys["models"]}, (models,), {})
    made = {
        "root": Root(1, until, {keys[role].keyid: keys[role] for role in top}, top, True, {}),
        "targets": targets,
        "models/router": Targets(1, until, bundles, {}, (), {}),
        "snapshot": Snapshot(1, until, {"targets.json": MetaFile(1), "models/router.json": MetaFile(1)}, {}),
        "timestamp": Timestamp(1, until, MetaFile(1), {"issued": time_text(now)}),
    }
    for role, content in made.items():
        raw = to_bytes(sign(content, [seeds[role.partition("/")[0]]]))
        place = folder / "metadata" / unquote(file_name(role, None if role == "timestamp" else 1))  # as web servers ask
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(raw)
    return folder


@contextlib.contextmanager
def _served(folder: Path):  # type: ignore[no-untyped-def]
    """(address, [bytes up, bytes down]) of a server in a process of its own."""
    counts = multiprocessing.Array("q", 2)
    port = multiprocessing.Value("i", 0)
    process = multiprocessing.Process(target=_serve, args=(folder, port, counts), daemon=True)
    process.start()
    while not port.value:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port.value}", counts
    finally:
        process.terminate()
        process.join()


def _serve(folder: Path, port, counts) -> None:  # type: ignore[no-untyped-def]
    asyncio.run(_serve_all(folder, port, counts))


async def _serve_all(folder: Path, port, counts) -> None:  # type: ignore[no-untyped-def]
    from aiohttp import web

    app = web.Application()
    app.router.add_static("/", folder)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    inner = runner.addresses[0][1]

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, which: int) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                counts[which] += len(piece)
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", inner)
        await asyncio.gather(pump(reader, back, 0), pump(there, writer, 1))

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    port.value = server.sockets[0].getsockname()[1]
    await server.serve_forever()


def _measure(client: str, url: str, folder: Path, polls: int) -> dict[str, object]:
    import aiohttp  # noqa: F401
    import nacl.signing  # noqa: F401

    before = _rss()
    if client == "enigma":
        spent = asyncio.run(_enigma(url, folder, polls))
    else:
        if client.endswith("without cryptography"):
            sys.modules["cryptography"] = None  # type: ignore[assignment]
        spent = _python_tuf(url, folder, polls)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"CPU ms a poll": round(spent, 2), "MiB added": round(_rss() - before, 1), "MiB in all": round(peak, 1)}


async def _enigma(url: str, folder: Path, polls: int) -> float:
    import aiohttp

    from edge_runtime.update.tuf.client import UpdateClient
    from edge_runtime.update.tuf.transport import HttpTransport

    async with aiohttp.ClientSession() as session:
        client = UpdateClient(folder, HttpTransport(session, url))
        await client.refresh()
        assert await client.target(NAME.format(0), "models/router") is not None
        start = time.process_time()
        for _ in range(polls):
            assert not await client.refresh()
        return (time.process_time() - start) * 1000 / max(1, polls)


def _python_tuf(url: str, folder: Path, polls: int) -> float:
    from tuf.ngclient import Updater

    first = (folder / "root.json").read_bytes()

    def refreshed() -> Updater:
        updater = Updater(str(folder), f"{url}/metadata/", bootstrap=first)
        updater.refresh()
        return updater

    refreshed().get_targetinfo(NAME.format(0))
    start = time.process_time()
    for _ in range(polls):
        refreshed()
    return (time.process_time() - start) * 1000 / max(1, polls)


def _rss() -> float:
    """MiB that this process has in memory now."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
