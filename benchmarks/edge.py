"""The device beside a bare runtime call, MLServer and LitServe: start, memory, latency, throughput.

    python benchmarks/edge.py --bundle home-en-1.0.0.enigma [--json FILE] [--peer-python PYTHON]

Every server runs the same specialist (the same Python pre- and post-processing and the same model file) and
gets the bundle's golden requests over one keep-alive connection (sequential) and over 16. A device serves one
home for long, so the requests of a home come in a block; the row "floor" is a request that asks no model. MLServer and
LitServe are measured where the peer's interpreter has them; --peer-python names another virtual environment,
which needs numpy and onnxruntime beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from edge_runtime.bundle import Manifest, read_envelope, unpack_bundle  # noqa: E402
from edge_runtime.engines import available_runtimes, open_engine  # noqa: E402
from edge_runtime.identity.files import IdentityFolder  # noqa: E402
from edge_runtime.identity.trust import TrustStore  # noqa: E402
from edge_runtime.tasks import task_module  # noqa: E402

CLIENTS = 16
BLOCK = 50  # requests in a row from one home
PEERS = {"mlserver": "MLServer", "litserve": "LitServe"}


@dataclass(frozen=True)
class Row:
    """One line of the table; None where it doesn't apply or wasn't measured."""

    what: str
    cold_start_s: float | None = None
    memory_mb: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    rps_16: float | None = None
    start_cpu_s: float | None = None
    idle_percent: float | None = None  # of a core
    note: str = ""


@dataclass(frozen=True)
class Target:
    """How a server is asked: path, bodies, and how it is found to be ready."""

    port: int
    path: str
    bodies: list[bytes]
    ready: str
    headers: tuple[str, ...] = ("Content-Type: application/json",)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser)
    args = parser.parse_args()
    address, rows = compare(args)
    _print(rows)
    if args.json:
        figures = {"bundle": address, "rows": [asdict(row) for row in rows]}
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `compare` reads."""
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle to serve")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--requests", type=int, default=2000, help="sequential requests (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of load with 16 clients (default: %(default)s)")
    parser.add_argument("--starts", type=int, default=5, help="cold starts, of which the median (default: %(default)s)")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has MLServer and LitServe")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds without a request (default: %(default)s)")


def compare(args: argparse.Namespace) -> tuple[str, list[Row]]:
    """The bundle's address, and a row for every way to ask it."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files = work / "files"
        files.mkdir()
        with args.bundle.open("rb") as source:
            envelope = read_envelope(source)
        manifest = unpack_bundle(args.bundle, envelope, files)  # our own file: its signer needs no trust here
        golden = json.loads((files / manifest.golden.file).read_bytes())
        requests = traffic([item["request"] for item in golden])
        for runtime in sorted({s.runtime for m in manifest.models for s in m.scored_in}):
            if runtime not in available_runtimes():
                rows.append(Row(runtime, note="skipped: not installed here"))
                continue
            bare, inputs = _bare(manifest, files, runtime, requests, args.requests)
            rows += bare
            rows += _enigma(args, work, envelope.signer, manifest.name, runtime, (requests, inputs))
        for module, name in PEERS.items():
            rows.append(_peer(args, work, files, module, name, requests))
    return envelope.address, rows


def traffic(requests: list[dict]) -> list[dict]:
    """Requests in blocks of one home, as a device gets them; a task without homes gets one block."""
    homes: dict[str, list[dict]] = {}
    for request in requests:
        homes.setdefault(json.dumps(request.get("inventory")), []).append(request)
    return [
        request for home in homes.values() for request in itertools.islice(itertools.cycle(home), max(BLOCK, len(home)))
    ]


def _bare(
    manifest: Manifest, files: Path, runtime: str, requests: list[dict], count: int
) -> tuple[list[Row], list[dict]]:
    """The model alone, and with the task's pre- and post-processing, in this process; and the model's inputs."""
    model = next(m for m in manifest.models if any(s.runtime == runtime for s in m.scored_in))
    engine = open_engine(files / model.file, 1, runtime, model.inputs, model.outputs)
    recorder = Recorder(engine)
    specialist = task_module(manifest.task).load(manifest, files, recorder)
    for request in requests:
        specialist.run(request)
    recorder.record = False
    inputs, asked = itertools.cycle(recorder.seen), itertools.cycle(requests)
    bare = _timed(lambda: engine.run(next(inputs)), count)
    whole = _timed(lambda: specialist.run(next(asked)), count)
    engine.close()
    rows = [
        Row(f"bare {runtime} call", p50_ms=bare[0], p99_ms=bare[1]),
        Row(f"specialist in process ({runtime})", p50_ms=whole[0], p99_ms=whole[1]),
    ]
    return rows, recorder.seen


class Recorder:
    """An engine that remembers what it was asked."""

    def __init__(self, engine: object) -> None:
        self._engine = engine
        self.runtime, self.version = engine.runtime, engine.version  # type: ignore[attr-defined]
        self.seen: list[dict] = []
        self.record = True

    def run(self, inputs: dict) -> dict:
        if self.record:
            self.seen.append({name: value.copy() for name, value in inputs.items()})
        return self._engine.run(inputs)  # type: ignore[attr-defined]

    def close(self) -> None:
        return


def _enigma(
    args: argparse.Namespace, work: Path, signer: bytes, name: str, runtime: str, asked: tuple[list[dict], list[dict]]
) -> list[Row]:
    requests, inputs = asked
    state = work / f"device-{runtime}"
    TrustStore(IdentityFolder(state)).add(signer, "benchmark")
    (state / "config.toml").write_text(f'[models]\nruntimes = ["{runtime}"]\n[log]\nlevel = "warning"\n')
    command = [sys.executable, "-m", "edge_runtime.cli"]
    subprocess.run(
        [*command, "install", args.bundle, "--state", state], check=True, cwd=ROOT, stdout=subprocess.DEVNULL
    )
    bodies = [json.dumps(request).encode() for request in requests]

    def start(port: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, "run", "--state", state, "--listen", f"127.0.0.1:{port}"], cwd=ROOT)

    def floor(port: int) -> Target:
        return Target(port, "/healthz", [], "/readyz")

    with running(start, floor, []) as (_, aim):
        p50, p99 = sequential(aim, args.requests)
    whole = measure(
        args,
        f"enigma-edge ({runtime})",
        start,
        lambda port: Target(port, f"/v1/run/{name}", bodies, "/readyz"),
    )
    tensors = [binary(each) for each in inputs[:256]]
    head = (f"Inference-Header-Content-Length: {tensors[0][1]}",) if tensors else ()
    same = [body for body, length in tensors if length == tensors[0][1]]

    def v2(port: int) -> Target:
        return Target(
            port, f"/v2/models/{name}/infer", same, "/readyz", ("Content-Type: application/octet-stream", *head)
        )

    rows = [Row(f"floor: no model ({runtime})", p50_ms=p50, p99_ms=p99), whole]
    if same:  # a language model takes no tensors
        with running(start, v2, []) as (_, aim):
            p50, p99 = sequential(aim, args.requests)
            rps = asyncio.run(load(aim, args.seconds))
        rows.append(Row(f"enigma-edge, binary tensors ({runtime})", p50_ms=p50, p99_ms=p99, rps_16=rps))
    return rows


def binary(inputs: dict) -> tuple[bytes, int]:
    """A request of the Open Inference Protocol with its tensors behind the JSON, and how long the JSON is."""
    names = {"float32": "FP32", "float64": "FP64", "float16": "FP16", "bool": "BOOL"}
    listed = [
        {
            "name": name,
            "shape": list(value.shape),
            "datatype": names.get(value.dtype.name, value.dtype.name.upper()),
            "parameters": {"binary_data_size": value.nbytes},
        }
        for name, value in inputs.items()
    ]
    head = json.dumps({"inputs": listed, "parameters": {"binary_data_output": True}}).encode()
    return head + b"".join(value.tobytes() for value in inputs.values()), len(head)


def _peer(args: argparse.Namespace, work: Path, files: Path, module: str, name: str, requests: list[dict]) -> Row:
    probe = subprocess.run([args.peer_python, "-c", f"import {module}, onnxruntime"], capture_output=True, check=False)
    if probe.returncode:
        return Row(name, note=f"skipped: {module} or onnxruntime isn't installed for {Path(args.peer_python).name}")
    script = ROOT / "benchmarks" / f"peer_{module}.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}

    def start(port: int) -> subprocess.Popen[bytes]:
        with (work / f"{module}.log").open("ab") as log:
            return subprocess.Popen(
                [args.peer_python, str(script), str(files), str(port)],
                env=environment,
                cwd=work,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def target(port: int) -> Target:
        if module == "mlserver":
            tensors = [
                {"name": "request", "shape": [1], "datatype": "BYTES", "data": [json.dumps(r)]} for r in requests
            ]
            bodies = [json.dumps({"inputs": [tensor]}).encode() for tensor in tensors]
            return Target(port, "/v2/models/specialist/infer", bodies, "/v2/models/specialist/ready")
        return Target(port, "/predict", [json.dumps(r).encode() for r in requests], "/health")

    try:
        return measure(args, name, start, target)
    except (TimeoutError, OSError, RuntimeError) as cause:
        tail = (work / f"{module}.log").read_text(errors="replace").strip().splitlines()[-1:]
        return Row(name, note=f"skipped: it didn't start ({cause}; {' '.join(tail)[:120]})")


def measure(
    args: argparse.Namespace,
    what: str,
    start: Callable[[int], subprocess.Popen[bytes]],
    target: Callable[[int], Target],
) -> Row:
    starts: list[float] = []
    spent: list[float] = []
    for _ in range(args.starts - 1):
        with running(start, target, starts) as (process, _):
            spent.append(cpu_seconds(process.pid))
    with running(start, target, starts) as (process, aim):
        spent.append(cpu_seconds(process.pid))
        idle = _idle(process.pid, args.idle)
        p50, p99 = sequential(aim, args.requests)
        rps = asyncio.run(load(aim, args.seconds))
        held = memory(process.pid)
    return Row(what, statistics.median(starts), held, p50, p99, rps, statistics.median(spent), idle)


def cpu_seconds(pid: int) -> float:
    """The processor's seconds of a process and those that it started."""
    total = 0
    for each in [pid, *_children(pid)]:
        fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])  # user and system, see proc(5)
    return total / os.sysconf("SC_CLK_TCK")


def _idle(pid: int, seconds: float) -> float | None:
    """Percent of a core that a server uses which nobody asks; None for no seconds."""
    if not seconds:
        return None
    time.sleep(1.0)  # what a start leaves to do
    before, began = cpu_seconds(pid), time.perf_counter()
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.perf_counter() - began) * 100


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
    head = (
        f"POST {aim.path} HTTP/1.1\r\nHost: 127.0.0.1:{aim.port}\r\n"
        + "".join(f"{header}\r\n" for header in aim.headers)
        + f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def sequential(aim: Target, count: int) -> tuple[float, float]:
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

        return _timed(once, count)


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


def _timed(once: Callable[[], object], count: int) -> tuple[float, float]:
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


def memory(pid: int) -> float:
    """MB: resident for one process, proportional where several share pages."""
    pids = [pid, *_children(pid)]
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _print(rows: list[Row]) -> None:
    head = ("start s", "CPU s", "MB", "p50 ms", "p99 ms", "rps/16", "idle %")
    print(f"{'':44}" + "".join(f"{name:>9}" for name in head))
    for row in rows:
        cells = [
            (row.cold_start_s, 2),
            (row.start_cpu_s, 2),
            (row.memory_mb, 1),
            (row.p50_ms, 3),
            (row.p99_ms, 3),
            (row.rps_16, 0),
            (row.idle_percent, 2),
        ]
        shown = "".join(" " * 9 if value is None else f"{value:9.{digits}f}" for value, digits in cells)
        print(f"{row.what:44}{shown} {row.note}".rstrip())


if __name__ == "__main__":
    main()
