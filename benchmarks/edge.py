"""The device beside a bare runtime call, a bare script, MLServer and LitServe: start, memory, latency, throughput.

    python benchmarks/edge.py --bundle home-en-1.0.0.enigma [--json FILE] [--peer-python PYTHON]

Every server runs the same specialist (the same Python pre- and post-processing and the same model file) out of one
compiled copy of this code, as after an installation, and gets the bundle's golden requests over one keep-alive
connection (sequential) and over 16. A device serves one home for long, so the requests of a home come in a block; the
row "floor" is a request that asks no model, and the bare script is what somebody would write with aiohttp alone
(`peer_bare.py`). MLServer and LitServe are measured where the peer's interpreter has them; --peer-python names another
virtual environment, which needs numpy and onnxruntime beside them. --python: of an environment as devices have it,
for the device and the bare script.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.servers import Target, cpu_seconds, load, memory, running, sequential, timed  # noqa: E402
from edge_runtime.bundle import Manifest, read_envelope, unpack_bundle  # noqa: E402
from edge_runtime.engines import available_runtimes, open_engine  # noqa: E402
from edge_runtime.identity.files import IdentityFolder  # noqa: E402
from edge_runtime.identity.trust import TrustStore  # noqa: E402
from edge_runtime.tasks import task_module  # noqa: E402

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
    cpu_us: float | None = None  # of the server's processor time for a sequential request
    cpu_us_16: float | None = None  # the same with 16 clients
    note: str = ""


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
    parser.add_argument("--python", default=sys.executable, help="interpreter of the device and the bare script")
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
        code = installed(work, {args.python, args.peer_python})
        for runtime in sorted({s.runtime for m in manifest.models for s in m.scored_in}):
            if runtime not in available_runtimes():
                rows.append(Row(runtime, note="skipped: not installed here"))
                continue
            bare, inputs = _bare(manifest, files, runtime, requests, args.requests)
            rows += bare
            asked = [json.dumps(request).encode() for request in requests], *_tensors(inputs)
            rows += _enigma(args, work, envelope.signer, manifest.name, runtime, asked)
            rows += _script(args, code, files, runtime, asked)
        for module, name in PEERS.items():
            rows.append(_peer(args, work, files, module, name, requests))
    return envelope.address, rows


def installed(work: Path, pythons: set[str]) -> Path:
    """A folder with this code as an installation leaves it, compiled, so that no start compiles anything.

    Whoever works on the code often has PYTHONDONTWRITEBYTECODE set: every start compiles it then, for 0.2 s and more.
    """
    code = work / "installed"
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "edge_runtime", code / "edge_runtime", ignore=leave)
    for script in (ROOT / "benchmarks").glob("peer_*.py"):
        shutil.copy(script, code / script.name)
    for python in pythons:
        subprocess.run([python, "-m", "compileall", "-q", code], check=True)
    return code


def surroundings(code: Path) -> dict[str, str]:
    """The environment of every server."""
    return {**os.environ, "PYTHONPATH": str(code), "OPENBLAS_NUM_THREADS": "1"}


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
    bare = timed(lambda: engine.run(next(inputs)), count)
    whole = timed(lambda: specialist.run(next(asked)), count)
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


Asked = tuple[list[bytes], list[bytes], tuple[str, ...]]  # JSON; tensors, with the headers that they need


def _tensors(inputs: list[dict]) -> tuple[list[bytes], tuple[str, ...]]:
    """Requests by tensors that share one head, and their headers; none for a model that takes none."""
    made = [binary(each) for each in inputs[:256]]
    if not made:
        return [], ()
    heads = ("Content-Type: application/octet-stream", f"Inference-Header-Content-Length: {made[0][1]}")
    return [body for body, length in made if length == made[0][1]], heads


def _enigma(args: argparse.Namespace, work: Path, signer: bytes, name: str, runtime: str, asked: Asked) -> list[Row]:
    bodies, tensors, heads = asked
    state = work / f"device-{runtime}"
    TrustStore(IdentityFolder(state)).add(signer, "benchmark")
    (state / "config.toml").write_text(f'[models]\nruntimes = ["{runtime}"]\n[log]\nlevel = "warning"\n')
    command, code = [args.python, "-m", "edge_runtime.cli"], work / "installed"
    bundle = args.bundle.absolute()
    quiet = {"env": surroundings(code), "cwd": code, "stderr": subprocess.DEVNULL}
    subprocess.run([*command, "install", bundle, "--state", state], check=True, stdout=subprocess.DEVNULL, **quiet)

    def start(port: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, "run", "--state", state, "--listen", f"127.0.0.1:{port}"], **quiet)

    def floor(port: int) -> Target:
        return Target(port, "/healthz", [], "/readyz")

    with running(start, floor, []) as (process, aim):
        rows = [Row(f"floor: no model ({runtime})", **_one_by_one(process.pid, aim, args.requests))]
    rows.append(
        measure(
            args, f"enigma-edge ({runtime})", start, lambda port: Target(port, f"/v1/run/{name}", bodies, "/readyz")
        )
    )
    if tensors:
        path = f"/v2/models/{name}/infer"
        what = f"enigma-edge, binary tensors ({runtime})"
        rows.append(_by_tensors(args, what, start, lambda port: Target(port, path, tensors, "/readyz", heads)))
    return rows


def _script(args: argparse.Namespace, code: Path, files: Path, runtime: str, asked: Asked) -> list[Row]:
    """What the same takes in a bare script around aiohttp."""
    bodies, tensors, heads = asked

    def start(port: int) -> subprocess.Popen[bytes]:
        command = [args.python, code / "peer_bare.py", files, str(port), runtime]
        return subprocess.Popen(command, env=surroundings(code), cwd=code, stderr=subprocess.DEVNULL)

    what = f"bare script ({runtime})"
    rows = [measure(args, what, start, lambda port: Target(port, "/predict", bodies, "/readyz"))]
    if tensors:
        what = f"bare script, binary tensors ({runtime})"
        rows.append(_by_tensors(args, what, start, lambda port: Target(port, "/infer", tensors, "/readyz", heads)))
    return rows


def _by_tensors(
    args: argparse.Namespace,
    what: str,
    start: Callable[[int], subprocess.Popen[bytes]],
    target: Callable[[int], Target],
) -> Row:
    with running(start, target, []) as (process, aim):
        found = _one_by_one(process.pid, aim, args.requests)
        return Row(what, **found, **_together(process.pid, aim, args.seconds))


def _one_by_one(pid: int, aim: Target, count: int) -> dict[str, float]:
    """p50, p99 and the server's processor time of sequential requests, as fields of a row."""
    before = cpu_seconds(pid)
    p50, p99, asked = sequential(aim, count)
    return {"p50_ms": p50, "p99_ms": p99, "cpu_us": (cpu_seconds(pid) - before) / asked * 1e6}


def _together(pid: int, aim: Target, seconds: float) -> dict[str, float]:
    """Requests a second of 16 clients and the server's processor time of one, as fields of a row."""
    before = cpu_seconds(pid)
    rps = asyncio.run(load(aim, seconds))
    return {"rps_16": rps, "cpu_us_16": (cpu_seconds(pid) - before) / max(rps * seconds, 1.0) * 1e6}


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
    code = work / "installed"

    def start(port: int) -> subprocess.Popen[bytes]:
        with (work / f"{module}.log").open("ab") as log:
            return subprocess.Popen(
                [args.peer_python, code / f"peer_{module}.py", files, str(port)],
                env=surroundings(code),
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
        found = _one_by_one(process.pid, aim, args.requests)
        together = _together(process.pid, aim, args.seconds)
        held = memory(process.pid)
    return Row(
        what,
        statistics.median(starts),
        held,
        start_cpu_s=statistics.median(spent),
        idle_percent=idle,
        **found,
        **together,
    )


def _idle(pid: int, seconds: float) -> float | None:
    """Percent of a core that a server uses which nobody asks; None for no seconds."""
    if not seconds:
        return None
    time.sleep(1.0)  # what a start leaves to do
    before, began = cpu_seconds(pid), time.perf_counter()
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.perf_counter() - began) * 100


def _print(rows: list[Row]) -> None:
    head = ("start s", "CPU s", "MB", "p50 ms", "p99 ms", "rps/16", "idle %", "CPU us", "CPU us/16")
    print(f"{'':44}" + "".join(f"{name:>10}" for name in head))
    for row in rows:
        cells = [
            (row.cold_start_s, 2),
            (row.start_cpu_s, 2),
            (row.memory_mb, 1),
            (row.p50_ms, 3),
            (row.p99_ms, 3),
            (row.rps_16, 0),
            (row.idle_percent, 2),
            (row.cpu_us, 0),
            (row.cpu_us_16, 0),
        ]
        shown = "".join(" " * 10 if value is None else f"{value:10.{digits}f}" for value, digits in cells)
        print(f"{row.what:44}{shown} {row.note}".rstrip())


if __name__ == "__main__":
    main()
