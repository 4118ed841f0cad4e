"""Asking a provider: ours beside a bare aiohttp loop, the openai SDK and curator, on one server that answers late.

    python benchmarks/teacher.py [--calls 1000] [--latency 0.05] [--concurrency 25] [--json FILE] [--peer-python PYTHON]

The server is the tests' own provider in a process of its own. Each client runs in a fresh process, twice where it has a
cache: the second time nothing may be sent. "ideal" is calls / concurrency x latency. The openai SDK and curator
(bespokelabs-curator) are measured where the peer's interpreter has them.
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
}
WANTED_RATIO, WANTED_IMPORT = 1.15, 0.5


@dataclass(frozen=True)
class Row:
    """One client. ratio: wall time over ideal; again: requests that a second run sent; None: not measured."""

    what: str
    import_s: float | None = None
    wall_s: float | None = None
    ratio: float | None = None
    memory_mb: float | None = None
    again: int | None = None
    note: str = ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=1000, help="requests (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before an answer (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=25, help="open at a time (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has the peers")
    args = parser.parse_args()
    ideal = math.ceil(args.calls / args.concurrency) * args.latency
    rows = [Row("ideal", wall_s=ideal, ratio=1.0)]
    with tempfile.TemporaryDirectory() as folder:
        for client in CLIENTS:
            python = sys.executable if client in ("enigma", "aiohttp") else args.peer_python
            rows.append(_measure(client, python, args, ideal, Path(folder)))
    _print(rows)
    print(f"\nWanted of ours: ratio at most {WANTED_RATIO}, import at most {WANTED_IMPORT} s, nothing sent again.")
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def _measure(client: str, python: str, args: argparse.Namespace, ideal: float, folder: Path) -> Row:
    log = folder / f"{client}.jsonl"
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
            sent.append(len(log.read_text().splitlines()) - sum(sent))
            found = found or json.loads(done.stdout.splitlines()[-1])
    return Row(
        CLIENTS[client],
        round(found["import_s"], 3),
        round(found["wall_s"], 3),
        round(found["wall_s"] / ideal, 3),
        round(found["memory_mb"], 1),
        sent[1],
        "" if sent[0] == args.calls else f"sent {sent[0]} the first time",
    )


@contextlib.contextmanager
def _server(latency: float, log: Path) -> Iterator[str]:
    command = [
        sys.executable,
        "-m",
        "tests.trainer_host.teacher.fake_api",
        "--latency",
        str(latency),
        "--log",
        str(log),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def _print(rows: list[Row]) -> None:
    print(f"{'':38} {'import s':>9} {'wall s':>8} {'ratio':>7} {'MB':>7} {'again':>6}")
    for row in rows:
        cells = [(row.import_s, 9, 2), (row.wall_s, 8, 2), (row.ratio, 7, 2), (row.memory_mb, 7, 0), (row.again, 6, 0)]
        shown = [" " * width if c is None else f"{c:{width}.{digits}f}" for c, width, digits in cells]
        print(f"{row.what:38} {' '.join(shown)} {row.note}".rstrip())


if __name__ == "__main__":
    main()
