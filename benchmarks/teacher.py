"""Asking a provider: ours beside a bare aiohttp loop, the openai SDK, curator and distilabel, on one server that answers late.

    python benchmarks/teacher.py [--calls 1000] [--latency 0.05] [--concurrency 25] [--rounds 3] [--clients enigma,aiohttp]
        [--json FILE] [--peer-python PYTHON]

The server is `teacher_server.py` in a process of its own, which answers at the moment it should. Each client runs in a fresh process, twice: one that has
a cache may send nothing the second time. "ideal" is calls / concurrency x latency. The clients take turns, `--rounds`
times; the table has each one's best round, for other work on the machine only ever adds. The clock runs from the first
request to the last answer; "cpu ms" is the client's processor time per call, which busy neighbours change less. The openai SDK, curator (bespokelabs-curator) and
distilabel (whose steps are processes, so that "cpu ms" and "MB" are those of its first one alone) are measured where the
peer's interpreter has them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = {
    "enigma": "enigma (keys, cache, budget, audit)",
    "aiohttp": "bare aiohttp loop",
    "openai": "openai SDK and a semaphore",
    "curator": "curator",
    "distilabel": "distilabel",
}
WANTED_RATIO, WANTED_IMPORT = 1.15, 0.5


@dataclass(frozen=True)
class Row:
    """One client. ratio: wall time over ideal; cpu_ms: per call; again: requests that a second run sent; None: not
    measured."""

    what: str
    import_s: float | None = None
    wall_s: float | None = None
    ratio: float | None = None
    cpu_ms: float | None = None
    memory_mb: float | None = None
    again: int | None = None
    note: str = ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=1000, help="requests (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before an answer (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=25, help="open at a time (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="times that each one runs (default: %(default)s)")
    parser.add_argument("--clients", default=",".join(CLIENTS), help="which (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has the peers")
    args = parser.parse_args()
    ideal = math.ceil(args.calls / args.concurrency) * args.latency
    clients = [client for client in args.clients.split(",") if client in CLIENTS]
    rounds: dict[str, list[Row]] = {client: [] for client in clients}
    for _ in range(args.rounds):
        for client in clients:
            if any(row.ratio is None for row in rounds[client]):
                continue
            python = sys.executable if client in ("enigma", "aiohttp") else args.peer_python
            with tempfile.TemporaryDirectory() as folder:
                rounds[client].append(_measure(client, python, args, ideal, Path(folder)))
    rows = [Row("ideal", wall_s=ideal, ratio=1.0), *(_best(rounds[client]) for client in clients)]
    _print(rows)
    print(f"\nWanted of ours: ratio at most {WANTED_RATIO}, import at most {WANTED_IMPORT} s, nothing sent again.")
    for client in clients:
        ratios = " ".join(f"{row.ratio:.2f}" for row in rounds[client] if row.ratio is not None)
        print(f"{CLIENTS[client]}: ratios of the rounds {ratios or 'none'}")
    if args.json is not None:
        plain = {"best": [asdict(row) for row in rows]}
        plain["rounds"] = [asdict(row) for client in clients for row in rounds[client]]
        args.json.write_text(json.dumps(plain, indent=1) + "\n")


def _best(rows: list[Row]) -> Row:
    return min(rows, key=lambda row: math.inf if row.ratio is None else row.ratio)


def _measure(client: str, python: str, args: argparse.Namespace, ideal: float, folder: Path) -> Row:
    log = folder / f"{client}.log"
    with _server(args.latency, log) as url:
        found: dict[str, float] = {}
        sent: list[int] = []
        for _ in range(2):
            command = [python, str(ROOT / "benchmarks" / "teacher_client.py"), client, url, str(args.calls)]
            command += [str(args.concurrency), str(folder / f"{client}-state")]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd=ROOT)
            if done.returncode:
                said = (done.stderr.strip().splitlines() or ["it failed"])[-1]
                return Row(CLIENTS[client], note=f"skipped: {said[:100]}")
            sent.append(log.stat().st_size - sum(sent))
            found = found or json.loads(done.stdout.splitlines()[-1])
    return Row(
        CLIENTS[client],
        round(found["import_s"], 3),
        round(found["wall_s"], 3),
        round(found["wall_s"] / ideal, 3),
        round(found["cpu_s"] / args.calls * 1000, 3),
        round(found["memory_mb"], 1),
        sent[1],
        "" if sent[0] == args.calls else f"sent {sent[0]} the first time",
    )


@contextlib.contextmanager
def _server(latency: float, log: Path) -> Iterator[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "teacher_server.py"), str(latency), str(log)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def _print(rows: list[Row]) -> None:
    print(f"{'':38} {'import s':>9} {'wall s':>8} {'ratio':>7} {'cpu ms':>7} {'MB':>7} {'again':>6}")
    for row in rows:
        cells = [(row.import_s, 9, 2), (row.wall_s, 8, 2), (row.ratio, 7, 2)]
        cells += [(row.cpu_ms, 7, 2), (row.memory_mb, 7, 0), (row.again, 6, 0)]
        shown = [" " * width if c is None else f"{c:{width}.{digits}f}" for c, width, digits in cells]
        print(f"{row.what:38} {' '.join(shown)} {row.note}".rstrip())


if __name__ == "__main__":
    main()
