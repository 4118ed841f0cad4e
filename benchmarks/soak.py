"""A soak: a daemon that answers many requests while its model is swapped, with its memory and what it lost.

    python benchmarks/soak.py [--soak-requests 1000000] [--swaps 300] [--clients 4] [--json FILE]

Eight hours of a device in a shorter run: clients ask a small router over HTTP without a pause, each waiting for its
answer, and in even steps another version of the bundle is pushed. Whatever isn't answered with 200, or by a label that
no version would give, is lost. Memory is the daemon's resident memory, read after every hundredth of the requests; its
slope is that of a line through the readings behind the first tenth, in which caches fill and both versions come once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.servers import Target, cpu_seconds, memory, request_of, running  # noqa: E402
from edge_runtime.bundle import public_key_of  # noqa: E402
from edge_runtime.identity.files import IdentityFolder  # noqa: E402
from edge_runtime.identity.trust import TrustStore  # noqa: E402
from tests.edge_runtime import tiny  # noqa: E402

READINGS = 100
PUSH_SECONDS = 60.0


@dataclass(frozen=True)
class Soak:
    """What came of it. first, last: MB of the daemon; slope: MB per million requests."""

    requests: int
    swaps: int
    lost: int
    seconds: float
    cpu_seconds: float
    first_mb: float
    last_mb: float
    slope_mb: float


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    made = soak(args.soak_requests, args.swaps, args.clients)
    print(told(made))
    if args.json is not None:
        args.json.write_text(json.dumps(asdict(made), indent=1) + "\n", encoding="utf-8")


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `soak` takes."""
    parser.add_argument("--soak-requests", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--swaps", type=int, default=300, help="bundles pushed meanwhile (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=4, help="connections at once (default: %(default)s)")


def told(made: Soak) -> str:
    """One line."""
    return (
        f"{made.requests:,} requests and {made.swaps} swaps in {made.seconds:.0f} s ({made.cpu_seconds:.0f} CPU s of the "
        f"daemon): {made.lost} lost; {made.first_mb:.1f} MB after a tenth, {made.last_mb:.1f} MB at the end, "
        f"{made.slope_mb:+.2f} MB per million requests"
    )


def soak(requests: int, swaps: int, clients: int) -> Soak:
    """Start a daemon, ask it, swap meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        state = work / "device"
        TrustStore(IdentityFolder(state)).add(public_key_of(tiny.KEY), "benchmark")
        (state / "config.toml").write_text('[log]\nlevel = "warning"\n')
        bundles = []
        for number in (1, 2):
            path = work / f"tiny-{number}.enigma"
            tiny.make_bundle(path, tiny.usable_manifest(f"{number}.0.0"), seed=number)
            bundles.append(path.read_bytes())
        command = [sys.executable, "-m", "edge_runtime.cli"]
        subprocess.run(
            [*command, "install", work / "tiny-1.enigma", "--state", state],
            check=True,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )

        def start(port: int) -> subprocess.Popen[bytes]:
            return subprocess.Popen([*command, "run", "--state", state, "--listen", f"127.0.0.1:{port}"], cwd=ROOT)

        def target(port: int) -> Target:
            bodies = [json.dumps({"text": text}).encode() for text in tiny.SENTENCES]
            return Target(port, "/v1/run/tiny", bodies, "/readyz")

        with running(start, target, []) as (process, aim):
            token = json.loads((state / "daemon.json").read_text())["token"]
            return asyncio.run(_Run(aim, process.pid, token, bundles, requests, swaps).all(clients))


class _Run:
    """The clients, the swaps and the readings of one soak."""

    def __init__(self, aim: Target, pid: int, token: str, bundles: list[bytes], requests: int, swaps: int) -> None:
        self._aim, self._pid, self._token, self._bundles = aim, pid, token, bundles
        self._requests, self._swaps = requests, swaps
        self._asked = self._lost = self._swapped = 0
        self._readings: list[tuple[int, float]] = []

    async def all(self, clients: int) -> Soak:
        """Ask until all is asked."""
        began, spent = time.perf_counter(), cpu_seconds(self._pid)
        swapping = asyncio.create_task(self._swap())
        await asyncio.gather(*(self._client(number) for number in range(clients)))
        await swapping
        self._readings.append((self._asked, memory(self._pid, alone=True)))
        later = [each for each in self._readings if each[0] >= self._requests // 10] or self._readings
        line = np.polyfit([at for at, _ in later], [held for _, held in later], 1) if len(later) > 1 else [0.0]
        return Soak(
            self._asked,
            self._swapped,
            self._lost,
            time.perf_counter() - began,
            cpu_seconds(self._pid) - spent,
            later[0][1],
            later[-1][1],
            float(line[0]) * 1e6,
        )

    async def _client(self, offset: int) -> None:
        bodies = [request_of(self._aim, body) for body in self._aim.bodies]
        every = max(1, self._requests // READINGS)
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while self._asked < self._requests:
            self._asked += 1
            number = self._asked
            if number % every == 0:
                self._readings.append((number, memory(self._pid, alone=True)))
            try:
                if connection is None:
                    connection = await asyncio.open_connection("127.0.0.1", self._aim.port)
                status, content = await _ask(*connection, bodies[(number + offset) % len(bodies)])
            except (OSError, asyncio.IncompleteReadError):
                self._lost += 1
                connection = None
                continue
            self._lost += status != 200 or json.loads(content).get("label") not in (*tiny.LABELS, None)
        if connection is not None:
            connection[1].close()

    async def _swap(self) -> None:
        while self._swapped < self._swaps:
            if self._asked < min(self._requests, (self._swapped + 1) * self._requests / (self._swaps + 1)):
                await asyncio.sleep(0.005)
                continue
            bundle = self._bundles[(self._swapped + 1) % 2]
            head = (
                f"POST /v1/bundles HTTP/1.1\r\nHost: 127.0.0.1:{self._aim.port}\r\nAuthorization: Bearer {self._token}\r\n"
                f"Content-Type: application/octet-stream\r\nContent-Length: {len(bundle)}\r\nConnection: close\r\n\r\n"
            )
            reader, writer = await asyncio.open_connection("127.0.0.1", self._aim.port)
            async with asyncio.timeout(PUSH_SECONDS):
                status, content = await _ask(reader, writer, head.encode() + bundle)
            writer.close()
            if status != 200 or json.loads(content).get("changed") is not True:
                raise RuntimeError(f"swap {self._swapped + 1} was answered {status}: {content[:200]!r}")
            self._swapped += 1


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, bytes]:
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    at = head.index(b"content-length:") + 15
    return int(head.split(b" ", 2)[1]), await reader.readexactly(int(head[at : head.index(b"\r", at)]))


if __name__ == "__main__":
    main()
