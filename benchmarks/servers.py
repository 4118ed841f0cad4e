"""Servers of other processes, asked over one connection and over many: latency, throughput, memory, processor time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

CLIENTS = 16


@dataclass(frozen=True)
class Target:
    """How a server is asked: path, bodies, and how it is found to be ready."""

    port: int
    path: str
    bodies: list[bytes]
    ready: str
    headers: tuple[str, ...] = ("Content-Type: application/json",)


def cpu_seconds(pid: int) -> float:
    """The processor's seconds of a process and those that it started."""
    total = 0
    for each in [pid, *_children(pid)]:
        with contextlib.suppress(OSError):  # one that it started may have ended
            fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])  # user and system, see proc(5)
    return total / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(
    start: Callable[[int], subprocess.Popen[bytes]], target: Callable[[int], Target], starts: list[float]
) -> Iterator[tuple[subprocess.Popen[bytes], Target]]:
    """A started server that is ready; its seconds to be so are added to `starts`."""
    aim = target(free_port())
    began = time.perf_counter()
    process = start(aim.port)
    try:
        while not _answers(aim):
            if process.poll() is not None:
                raise RuntimeError(f"it ended with {process.returncode}")
            if time.perf_counter() - began > 60:
                raise TimeoutError("not ready within 60 s")
            time.sleep(0.005)
        starts.append(time.perf_counter() - began)
        yield process, aim
    finally:
        for pid in [*_children(process.pid), process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _answers(aim: Target) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{aim.port}{aim.ready}", timeout=1) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def request_of(aim: Target, body: bytes) -> bytes:
    """A whole request, as it goes over the wire."""
    head = (
        f"POST {aim.path} HTTP/1.1\r\nHost: 127.0.0.1:{aim.port}\r\n"
        + "".join(f"{header}\r\n" for header in aim.headers)
        + f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def sequential(aim: Target, count: int) -> tuple[float, float, int]:
    """p50 and p99 in milliseconds over one connection, and how many requests it took with the warm-up."""
    ask = f"GET {aim.path} HTTP/1.1\r\nHost: 127.0.0.1:{aim.port}\r\n\r\n".encode()
    bodies = itertools.cycle([request_of(aim, body) for body in aim.bodies] or [ask])
    with socket.create_connection(("127.0.0.1", aim.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = connection.makefile("rb")

        def once() -> None:
            connection.sendall(next(bodies))
            status = stream.readline()
            if b" 200 " not in status:
                raise RuntimeError(f"{aim.path} answered {status!r}")
            length = 0
            while (line := stream.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            stream.read(length)

        return *timed(once, count), count + count // 10


async def load(aim: Target, seconds: float) -> float:
    """Answers per second with 16 clients, each waiting for its answer before it asks again."""
    ends = time.perf_counter() + seconds
    done = 0

    async def client(offset: int) -> None:
        nonlocal done
        bodies = itertools.cycle([request_of(aim, body) for body in aim.bodies[offset:] + aim.bodies[:offset]])
        reader, writer = await asyncio.open_connection("127.0.0.1", aim.port)
        while time.perf_counter() < ends:
            writer.write(next(bodies))
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise RuntimeError(f"{aim.path} answered {head[:60]!r}")
            at = head.lower().index(b"\r\ncontent-length:") + 17  # and not Inference-Header-Content-Length
            await reader.readexactly(int(head[at : head.index(b"\r", at)]))
            done += 1
        writer.close()

    await asyncio.gather(*(client(number % len(aim.bodies)) for number in range(CLIENTS)))
    return done / seconds


def timed(once: Callable[[], object], count: int) -> tuple[float, float]:
    """p50 and p99 in milliseconds, after a tenth of the calls as warm-up."""
    for _ in range(count // 10):
        once()
    times: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        once()
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return times[len(times) // 2], times[int(len(times) * 0.99)]


def memory(pid: int, alone: bool = False) -> float:
    """MB: resident for one process, proportional where several share pages. alone: whatever it started."""
    pids = [pid] if alone else [pid, *_children(pid)]
    if len(pids) == 1:
        field, name = "VmRSS:", "status"
    else:
        field, name = "Pss:", "smaps_rollup"
    total = 0
    for each in pids:
        for line in Path(f"/proc/{each}/{name}").read_text().splitlines():
            if line.startswith(field):
                total += int(line.split()[1])
    return total / 1024


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rsplit(")", 1)[1].split()[1]) == pid:
                found += [int(path.parent.name), *_children(int(path.parent.name))]
    return found


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
