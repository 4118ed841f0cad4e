"""MLPerf Tiny's reference models through the device's engines: latency in each runtime, accuracy against the minima.

    python benchmarks/mlperf_tiny.py [FOLDER] [--seconds 0.5] [--also PYTHON ...] [--json FILE]

FOLDER holds the models of the public repositories mlcommons/tiny (.tflite) and mlcommons/tiny_results_v1.3 (.onnx), by
their names there, at any depth; by default ../shared/data/mlperf_tiny beside the repository. What is in it besides
examines them: cifar10_303.npz (`images` uint8 [N, 32, 32, 3], `labels` int64 [N]) the image classifiers, and kws01/ of
eembc/energyrunner (y_labels.csv and its samples, 49 x 10 int8 each) the keyword spotters. Models without labelled inputs
get random ones, for their latency alone. --also runs the same in another interpreter, as one with tflite-runtime, whose
rows join the table. One thread, one input at a time; the median on the clock, and the processor's time of a run, which a
busy machine changes less. Ends with 1 where a model is below its minimum.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from edge_runtime.engines import BY_SUFFIX, GraphEngine, Tensor, available_runtimes, open_engine  # noqa: E402
from edge_runtime.errors import EdgeError, EngineError  # noqa: E402

DEFAULT = ROOT.parent / "shared" / "data" / "mlperf_tiny"
WARM_UP = 5
# The official quality targets (mlcommons/tiny, benchmark/evaluation), by how files are named there; the first fits.
# An anomaly's is an area under a curve, not a share; its inputs and the persons' aren't public.
KINDS = (
    ("pretrainedResnet_large", "images, larger", 0.91),
    ("pretrainedResnet", "images", 0.85),
    ("resnet", "images", 0.85),
    ("kws_ref_model", "keywords", 0.90),
    ("vww_96", "persons", 0.80),
    ("mobilenet_v1", "persons", 0.80),
    ("ad01", "anomalies", None),
    ("deep_autoencoder", "anomalies", None),
    ("str_ww_ref_model", "wake word", None),
)
# How kws_ref_model.tflite quantizes its input: the samples of kws01 were made for it, and models in float take them back.
KEYWORD_SCALE, KEYWORD_ZERO = 0.5847029089927673, 83
KEYWORD_BYTES = 49 * 10


@dataclass(frozen=True)
class Labelled:
    """Inputs as they are kept, [N, ...], and their labels int64 [N]; zero, scale: what makes int8 of them, or float."""

    values: np.ndarray
    labels: np.ndarray
    zero: int
    scale: float

    def as_input(self, number: int, tensor: Tensor) -> np.ndarray:
        """One input as a model takes it: the quantized ones in int8, the others as real numbers."""
        value = self.values[number]
        shape = [size or 1 for size in tensor.shape]
        if tensor.dtype == np.int8:
            quantized = value if value.dtype == np.int8 else np.clip(value.astype(np.int16) + self.zero, -128, 127)
            return quantized.astype(np.int8).reshape(shape)
        zero = self.zero if value.dtype == np.int8 else 0
        return ((value.astype(np.float32) - zero) * np.float32(self.scale)).astype(tensor.dtype).reshape(shape)


@dataclass(frozen=True)
class Row:
    """A model in a runtime. accuracy: a share, None without labelled inputs; note: why there are no figures."""

    model: str
    kind: str
    runtime: str
    kilobytes: float
    load_ms: float | None = None
    p50_us: float | None = None
    cpu_us: float | None = None
    accuracy: float | None = None
    examined: int = 0
    minimum: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it is as good as it must be; None where that can't be said."""
        return None if self.accuracy is None or self.minimum is None else self.accuracy >= self.minimum


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where a model is below its minimum, 2 where there is nothing to measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=DEFAULT, help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="of runs per model and runtime (default: %(default)s)"
    )
    parser.add_argument("--also", action="append", default=[], metavar="PYTHON", help="an interpreter to measure too")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    args = parser.parse_args(argv)
    try:
        rows = measure(args.folder, args.seconds)
        for python in args.also:
            rows += _elsewhere(python, args.folder, args.seconds)
    except EdgeError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(rows))
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return int(any(row.met is False for row in rows))


def measure(folder: Path, seconds: float) -> list[Row]:
    """Every model below a folder in every runtime that is usable here; raises `EdgeError`."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in BY_SUFFIX and path.is_file())
    if not files:
        raise EdgeError(f"There is no .tflite or .onnx file in {folder}; name a folder of MLPerf Tiny's models.")
    usable = available_runtimes()
    labelled = {"images": _images(folder), "keywords": _keywords(folder)}
    labelled["images, larger"] = labelled["images"]
    rows = []
    for path in files:
        fits = (kind[1:] for kind in KINDS if path.name.startswith(kind[0]))
        kind, minimum = next(fits, ("other", None))
        for runtime in BY_SUFFIX[path.suffix]:
            if runtime in usable:
                rows.append(_row(path, kind, minimum, runtime, labelled.get(kind), seconds))
    if not rows:
        raise EdgeError("No runtime here opens these files; install onnxruntime, ai-edge-litert or tflite-runtime.")
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows in columns."""
    head = f"{'model':36} {'for':15} {'runtime':22} {'kB':>7} {'load ms':>8} {'p50 us':>8} {'CPU us':>8}  accuracy"
    lines = [head]
    for row in rows:
        cells = [f"{row.model:36} {row.kind:15} {row.runtime:22} {row.kilobytes:7.0f}"]
        for value, digits in ((row.load_ms, 1), (row.p50_us, 0), (row.cpu_us, 0)):
            cells.append(" " * 8 if value is None else f"{value:8.{digits}f}")
        if row.accuracy is not None:
            said = {None: "", True: f", {row.minimum:.0%} wanted", False: f", below the {row.minimum or 0:.0%} wanted"}
            cells.append(f" {row.accuracy:.1%} of {row.examined}{said[row.met]}")
        lines.append(" ".join([*cells, f" {row.note}"] if row.note else cells).rstrip())
    return "\n".join(lines)


def _row(path: Path, kind: str, minimum: float | None, runtime: str, found: Labelled | None, seconds: float) -> Row:
    about = (path.name, kind, f"{runtime} {available_runtimes()[runtime]}", path.stat().st_size / 1000)
    began = time.perf_counter()
    try:
        engine = open_engine(path, 1, runtime)
    except EngineError as cause:
        return Row(*about, minimum=minimum, note=str(cause))
    load = (time.perf_counter() - began) * 1000
    assert isinstance(engine, GraphEngine)
    try:
        p50, cpu = _timed(engine, found, seconds)
        accuracy = None if found is None else _accuracy(engine, found)
    except (EdgeError, ValueError) as cause:  # numpy's, where a sample hasn't the model's size
        return Row(*about, load, minimum=minimum, note=f"the inputs don't fit: {cause}")
    finally:
        engine.close()
    return Row(*about, load, p50, cpu, accuracy, 0 if found is None else len(found.labels), minimum)


def _timed(engine: GraphEngine, found: Labelled | None, seconds: float) -> tuple[float, float]:
    """Microseconds of a run: the median on the clock, and the mean of the processor's time."""
    if found is not None:
        every = [_feed(engine, found, number) for number in range(min(len(found.labels), 64))]
    else:
        draw = np.random.default_rng(0)
        every = [{tensor.name: _random(tensor, draw) for tensor in engine.inputs} for _ in range(8)]
    for number in range(WARM_UP):
        engine.run(every[number % len(every)])
    times: list[float] = []
    spent, ends = time.process_time(), time.perf_counter() + seconds
    while time.perf_counter() < ends or not times:
        began = time.perf_counter()
        engine.run(every[len(times) % len(every)])
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6, (time.process_time() - spent) / len(times) * 1e6


def _accuracy(engine: GraphEngine, found: Labelled) -> float:
    right = 0
    for number, label in enumerate(found.labels):
        (scores,) = engine.run(_feed(engine, found, number)).values()
        right += int(scores.argmax() == label)
    return right / len(found.labels)


def _feed(engine: GraphEngine, found: Labelled, number: int) -> dict[str, np.ndarray]:
    if len(engine.inputs) != 1 or len(engine.outputs) != 1:
        raise EdgeError("the model has several inputs or outputs.")
    return {engine.inputs[0].name: found.as_input(number, engine.inputs[0])}


def _random(tensor: Tensor, draw: np.random.Generator) -> np.ndarray:
    shape = [size or 1 for size in tensor.shape]
    if np.issubdtype(tensor.dtype, np.integer):
        kind = np.iinfo(tensor.dtype)
        return draw.integers(max(kind.min, -128), min(kind.max, 127), shape).astype(tensor.dtype)
    return draw.normal(size=shape).astype(tensor.dtype)


def _images(folder: Path) -> Labelled | None:
    """The labelled pictures, None without them; raises `EdgeError` where they can't be read."""
    path = folder / "cifar10_303.npz"
    if not path.is_file():
        return None
    try:
        with np.load(path) as kept:
            images, labels = kept["images"], kept["labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as cause:
        raise EdgeError(f"{path} isn't a file of `images` and `labels` ({cause}); get it again.") from None
    if images.dtype != np.uint8 or labels.shape != images.shape[:1] or not len(labels):
        raise EdgeError(f"{path} must hold `images` in uint8 and one of `labels` for each; get it again.")
    return Labelled(images, labels.astype(np.int64), -128, 1.0)


def _keywords(folder: Path) -> Labelled | None:
    """The official samples, None without them; raises `EdgeError` where one lacks or is cut."""
    listed = folder / "kws01" / "y_labels.csv"
    if not listed.is_file():
        return None
    values, labels = [], []
    with listed.open(encoding="utf-8", newline="") as source:
        for number, line in enumerate(csv.reader(source, skipinitialspace=True), 1):
            if not line:
                continue
            # NAME, how many classes, the right one. A name from a file leads nowhere else.
            if len(line) < 3 or not line[2].strip().isdigit() or Path(line[0]).name != line[0]:
                raise EdgeError(f"Line {number} of {listed} isn't a name, a count and a label.")
            path = listed.parent / line[0]
            content = path.read_bytes() if path.is_file() else b""
            if len(content) != KEYWORD_BYTES:
                raise EdgeError(f"{path} has {len(content)} bytes, and a sample has {KEYWORD_BYTES}; get it again.")
            values.append(np.frombuffer(content, np.int8))
            labels.append(int(line[2]))
    if not labels:
        raise EdgeError(f"{listed} names no sample; get it again.")
    return Labelled(np.stack(values), np.array(labels, np.int64), KEYWORD_ZERO, KEYWORD_SCALE)


def _elsewhere(python: str, folder: Path, seconds: float) -> list[Row]:
    """The rows of this script in another interpreter; raises `EdgeError`."""
    with tempfile.TemporaryDirectory() as work:
        into = Path(work) / "rows.json"
        command = [python, __file__, str(folder), "--seconds", str(seconds), "--json", str(into)]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
        except OSError as cause:
            raise EdgeError(f"{python} can't be run: {cause.strerror}.") from None
        if not into.is_file():
            said = (ended.stderr.strip().splitlines() or [f"it ended with {ended.returncode}"])[-1]
            raise EdgeError(f"{python} measured nothing: {said[:300]}")
        return [Row(**row) for row in json.loads(into.read_text(encoding="utf-8"))]


if __name__ == "__main__":
    sys.exit(main())
