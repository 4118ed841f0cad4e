"""The device's figures beside their goals, in one table and one run.

    python benchmarks/figures.py --bundle home-en-1.0.0.enigma [--models FOLDER] [--peer-python PYTHON]
        [--soak-requests 1000000] [--swaps 300] [--json FILE]

`edge.py` measures start, memory, latency, throughput and the idle processor, beside a bare aiohttp script, and MLServer
and LitServe where they are installed; `soak.py` many requests with swaps; and here a loop at 30 Hz, as of a camera, over an int8 model of MobileNet's
size (`vww_96_int8.tflite`, `mobilenet_v1.onnx`; --models: MLPerf Tiny's folder). --bundle: an int8 specialist with files
for both runtimes. What has nothing to be measured with is "not measured", and says why. Ends with 1 where a goal is missed.
Latencies and rates want a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import edge, soak  # noqa: E402
from benchmarks.mlperf_tiny import DEFAULT as MODELS  # noqa: E402
from edge_runtime.engines import BY_SUFFIX, LITERT, ONNX, GraphEngine, available_runtimes, open_engine  # noqa: E402

HERTZ = 30.0
LONG_ENOUGH = 200_000  # requests of a soak: in fewer, what caches take at first looks like a slope
CAMERA = ("vww_96_int8.tflite", "mobilenet_v1.onnx")
MLSERVER, LITSERVE = "MLServer", "LitServe"


@dataclass(frozen=True)
class Figure:
    """A line: met is None where there is nothing to say it of."""

    what: str
    goal: str
    measured: str
    met: bool | None


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    edge.add_options(parser)
    soak.add_options(parser)
    parser.add_argument("--models", type=Path, default=MODELS, help="MLPerf Tiny's models (default: %(default)s)")
    parser.add_argument("--loop", type=float, default=20.0, help="seconds at 30 Hz (default: %(default)s)")
    args = parser.parse_args(argv)
    address, rows = edge.compare(args)
    figures = of_servers(rows)
    figures += [of_loop(name, args.models, args.loop) for name in CAMERA]
    figures.append(of_soak(soak.soak(args.soak_requests, args.swaps, args.clients)) if args.soak_requests else NO_SOAK)
    print(table(figures))
    if args.json is not None:
        kept = {"bundle": address, "figures": [asdict(each) for each in figures], "rows": [asdict(row) for row in rows]}
        args.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return int(any(each.met is False for each in figures))


def of_servers(rows: Sequence[edge.Row]) -> list[Figure]:
    """What the rows of `edge.compare` come to."""
    by_name = {row.what: row for row in rows}
    figures: list[Figure] = []
    peers = [(name, factor, by_name.get(name)) for name, factor in ((MLSERVER, 2.0), (LITSERVE, 4.0))]
    # What the bare script needs depends on the model and on what else is installed, so memory is held against it too:
    # the goals of 62 and 82 MB were set where it needed 61 and 80.
    for runtime, most, more in ((LITERT, 62.0, 1.0), (ONNX, 82.0, 2.0)):
        server = by_name.get(f"enigma-edge ({runtime})", edge.Row(""))
        tensors = by_name.get(f"enigma-edge, binary tensors ({runtime})", edge.Row(""))
        whole = by_name.get(f"specialist in process ({runtime})", edge.Row(""))
        bare = by_name.get(f"bare {runtime} call", edge.Row(""))
        script = by_name.get(f"bare script ({runtime})", edge.Row(""))
        sent = by_name.get(f"bare script, binary tensors ({runtime})", edge.Row(""))
        figures += [
            at_most(f"RSS, {runtime}", most, server.memory_mb, "MB", 1),
            at_most(f"RSS over a bare script, {runtime}", more, _less(server.memory_mb, script.memory_mb), "MB", 1),
            told(f"start over a bare script, {runtime}", _less(server.start_cpu_s, script.start_cpu_s), "CPU s", 2),
            told(f"a request over a bare script, JSON, {runtime}", _less(server.cpu_us, script.cpu_us), "CPU us", 0),
            told(f"a request over a bare script, binary, {runtime}", _less(tensors.cpu_us, sent.cpu_us), "CPU us", 0),
            at_most(f"cold start, {runtime}", 0.6, server.cold_start_s, "s", 2, _spent(server)),
            at_most(f"idle CPU, {runtime}", 0.3, server.idle_percent, "% of a core", 2),
            at_most(f"sequential p50 over the call, JSON, {runtime}", 0.6, _over(server, whole), "ms", 3),
            at_most(f"sequential p50 over the call, binary, {runtime}", 0.4, _over(tensors, bare), "ms", 3),
        ]
        for kind, ours, other in (("binary tensors", tensors, sent), ("JSON", server, script)):
            if ours.rps_16 is not None and other.rps_16 is not None:
                said = f"{ours.rps_16 / other.rps_16:.2f} x ({ours.rps_16:.0f} and {other.rps_16:.0f} requests/s)"
                said += _by_processor(ours, other)
                figures.append(Figure(f"16 clients, {kind}, {runtime}, over a bare script", "", said, None))
        for name, factor, peer in peers:
            for kind, ours in (("binary tensors", tensors), ("JSON", server)):
                what = f"16 clients, {kind}, {runtime}, over {name}"
                # The goal is of binary tensors; the same work as the peer's, JSON and words and all, is told beside it.
                goal = "" if kind == "JSON" else f">= {factor:g} x"
                if ours.rps_16 is None or peer is None or peer.rps_16 is None:
                    why = peer.note if peer is not None and peer.note else "no such rows"
                    figures.append(Figure(what, goal, f"not measured: {why}", None))
                    continue
                ratio = ours.rps_16 / peer.rps_16
                said = f"{ratio:.2f} x ({ours.rps_16:.0f} and {peer.rps_16:.0f} requests/s){_by_processor(ours, peer)}"
                figures.append(Figure(what, goal, said, ratio >= factor if goal else None))
    return figures


def of_loop(name: str, folder: Path, seconds: float) -> Figure:
    """The share of a core that a model takes which is asked 30 times a second."""
    path = next(iter(sorted(folder.rglob(name))), folder / name)
    runtime = next((each for each in BY_SUFFIX[path.suffix] if each in available_runtimes()), None)
    what = f"30 Hz loop, {name}"
    if not path.is_file() or runtime is None:
        return Figure(what, "<= 4 % of a core", f"not measured: no {name} in {folder}, or no runtime", None)
    engine = open_engine(path)
    assert isinstance(engine, GraphEngine)
    draw = np.random.default_rng(0)
    feed = {
        tensor.name: draw.integers(-100, 100, [size or 1 for size in tensor.shape]).astype(tensor.dtype)
        for tensor in engine.inputs
    }
    engine.run(feed)
    began, spent = time.perf_counter(), time.process_time()
    count = int(seconds * HERTZ)
    for number in range(count):
        engine.run(feed)
        time.sleep(max(0.0, began + (number + 1) / HERTZ - time.perf_counter()))
    used = (time.process_time() - spent) / (time.perf_counter() - began) * 100
    engine.close()
    return at_most(f"{what}, {runtime}", 4.0, used, "% of a core", 2)


def of_soak(made: soak.Soak) -> Figure:
    """Met where nothing is lost and a million requests add no more than a megabyte."""
    met = made.slope_mb <= 1.0 if made.requests >= LONG_ENOUGH else None
    return Figure("soak", "0 lost, <= 1 MB per million", soak.told(made), False if made.lost else met)


NO_SOAK = Figure("soak", "0 lost, <= 1 MB per million", "not measured: --soak-requests 0", None)


def at_most(what: str, most: float, value: float | None, unit: str, digits: int, more: str = "") -> Figure:
    """A figure that is better the less it is."""
    goal = f"<= {most:g} {unit}"
    if value is None:
        return Figure(what, goal, "not measured", None)
    return Figure(what, goal, f"{value:.{digits}f} {unit}{more}", value <= most)


def table(figures: Sequence[Figure]) -> str:
    """The lines in columns."""
    said = {True: "yes", False: "NO", None: "-"}
    wide = max(len(each.what) for each in figures)
    lines = [f"{'what':{wide}}  {'goal':28} met  measured"]
    lines += [f"{each.what:{wide}}  {each.goal:28} {said[each.met]:4} {each.measured}" for each in figures]
    return "\n".join(lines)


def told(what: str, value: float | None, unit: str, digits: int) -> Figure:
    """A figure without a goal."""
    return Figure(what, "", "not measured" if value is None else f"{value:.{digits}f} {unit}", None)


def _over(server: edge.Row, call: edge.Row) -> float | None:
    return _less(server.p50_ms, call.p50_ms)


def _less(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def _by_processor(ours: edge.Row, other: edge.Row) -> str:
    """The same by processor time of a request, which another program on the machine changes less."""
    if ours.cpu_us_16 is None or other.cpu_us_16 is None:
        return ""
    ratio = other.cpu_us_16 / ours.cpu_us_16
    return f", {ratio:.2f} x by processor time ({ours.cpu_us_16:.0f} and {other.cpu_us_16:.0f} us)"


def _spent(server: edge.Row) -> str:
    return "" if server.start_cpu_s is None else f" ({server.start_cpu_s:.2f} CPU s)"


if __name__ == "__main__":
    sys.exit(main())
