"""The gate: each int8 file is scored in the runtime that will run it, against fp32; outside, no bundle."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import cast

from edge_runtime.bundle import Golden, Manifest, ModelFile, Tokenizer
from edge_runtime.engines import Engine, available_runtimes, open_engine
from edge_runtime.engines.language import open_language_engine
from edge_runtime.tasks import Specialist, task_module
from trainer_host.compress.adapter import adapter_base, base_file
from trainer_host.compress.files import ModelFile as Exported
from trainer_host.compress.files import exported, with_own_scales
from trainer_host.compress.other_python import PipedEngine, other_runtimes
from trainer_host.data.dataset import Dataset
from trainer_host.errors import GateRefused, NotThere, TrainerError
from trainer_host.export.language_adapter import FILE as ADAPTER
from trainer_host.export.tflite import SilentDescriptors
from trainer_host.students import Student, TextStudent, student_of
from trainer_host.tables import text_table
from trainer_host.training.run import Run, write_json

CARD = "gate.json"
REFERENCE = "model.fp32.onnx"
LEAST_AGREEMENT = 0.98  # of the next tokens with a cache of int8, against one of float
WARM_UP, LATENCY_RUNS, LATENCY_SECONDS = 8, 200, 2.0
FINE_SECONDS = 1e-4  # of a clock that can time an answer

OnStep = Callable[[float, str], None]


@dataclass(frozen=True)
class Limits:
    """What a model may cost; None is no limit. p99 is reported and has none: it measures the machine as much as the model."""

    lost_points: float = 0.5  # of accuracy, against fp32
    lost_int4: float | None = None  # the same of a file of four bits; None: as the others
    bytes: int | None = 4_000_000
    p50_ms: float | None = 10.0  # of a whole answer on one thread, with the task's own work around the model
    perplexity: float | None = None  # of the held-out answers, so many times that of fp32


FOUR_BITS = ("int4", "q4_0")
# Texts vary from row to row, so that accuracy says less than perplexity; size and speed are the person's choice.
LANGUAGE_LIMITS = Limits(lost_points=1.0, lost_int4=3.0, bytes=None, p50_ms=None, perplexity=1.1)


@dataclass(frozen=True)
class Score:
    """One model file in one runtime. accuracy: 0 to 1; lost_points: of accuracy, against fp32."""

    file: str
    sha256: str
    precision: str
    runtime: str
    version: str
    accuracy: float
    lost_points: float
    bytes: int
    p50_ms: float
    p99_ms: float
    figures: dict[str, float] = field(default_factory=dict)
    outside: tuple[str, ...] = ()


@dataclass(frozen=True)
class GateReport:
    """All scores of a run; `unscored` are runtimes that could run a file, and aren't installed here."""

    weights: str
    limits: Limits
    scores: tuple[Score, ...]
    unscored: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every runtime has a quantized file within the limits."""
        scores = [score for score in self.scores if score.file != REFERENCE]
        good = {score.runtime for score in scores if not score.outside}
        return {score.runtime for score in scores} <= good

    def chosen(self) -> tuple[Score, ...]:
        """What a bundle carries: of the files within the limits, the smallest that each runtime runs."""
        found: dict[str, Score] = {}
        for score in self.scores:
            if score.file != REFERENCE and not score.outside:
                best = found.get(score.runtime)
                if best is None or score.bytes < best.bytes:
                    found[score.runtime] = score
        return tuple(found.values())

    def only(self, *runtimes: str) -> GateReport:
        """The report without other runtimes' scores."""
        return replace(self, scores=tuple(score for score in self.scores if score.runtime in runtimes))

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headers and rows for a person, in less than 80 columns."""
        headers = ["file", "runtime", "acc. %", "lost", "MB", "p50 ms", "p99 ms", "gate"]
        rows = [
            [
                score.file,
                f"{score.runtime} {score.version}",
                f"{score.accuracy * 100:.2f}",
                "" if score.file == REFERENCE else f"{round(score.lost_points, 2) + 0.0:+.2f}",
                f"{score.bytes / 1e6:.2f}",
                f"{score.p50_ms:.2f}",
                f"{score.p99_ms:.2f}",
                "; ".join(score.outside) or ("reference" if score.file == REFERENCE else "passed"),
            ]
            for score in self.scores
        ]
        return headers, rows


def gate_run(
    run: Run,
    dataset: Dataset,
    *,
    limits: Limits | None = None,
    rows: int | None = None,
    on_step: OnStep | None = None,
) -> GateReport:
    """Score a run's files and write gate.json; raises `GateRefused`, with the table, outside the limits.

    What was rounded with the scales of another run and is outside is exported with its own, and examined again.

    rows: how many held-out rows to examine with, all by default. limits: the student's by default, but where few rows are
    held out, of which one counts more than the limit, a file may lose one: it is no evidence, however good the file.
    """
    student = student_of(run)
    held_out = dataset.counts["heldout"]
    examined = max(1, held_out if rows is None else min(rows, held_out))
    usual = limits_of(student)
    one_row = round(100 / examined, 4)
    bounds = limits or replace(
        usual,
        lost_points=max(usual.lost_points, one_row),
        lost_int4=None if usual.lost_int4 is None else max(usual.lost_int4, one_row),
    )
    step = on_step or (lambda share, what: None)
    have = available_runtimes() | other_runtimes()
    files = [item for item in exported(run) if item.precision != "fp32" or item.file == REFERENCE]
    pairs = [(item, runtime) for item in files for runtime in item.runtimes]
    usable = [(item, runtime) for item, runtime in pairs if runtime in have]
    scores: list[Score] = []
    for number, (item, runtime) in enumerate(usable):
        step(number / len(usable), f"{item.file} in {runtime}")
        with opened(run, student, item, runtime) as (specialist, engine):
            figures = student.evaluate(run.folder, dataset.folder, specialist, rows)
            p50, p99 = latency(specialist, student.golden(run.folder, dataset.folder, 64), engine)
        if item.cache == "int8":
            agreement = cast(TextStudent, student).cache_agreement
            figures["cache_agreement"] = agreement(run.folder, dataset.folder, run.folder / item.file, item.precision)
        if not math.isfinite(figures["accuracy"]):
            raise GateRefused(f"{item.file} in {runtime} has no accuracy; check the held-out rows.")
        reference = {**scores[0].figures, "accuracy": scores[0].accuracy} if scores else figures
        scores.append(_score(item, runtime, have[runtime], figures, reference, (p50, p99), bounds))
    unscored = tuple(sorted({runtime for _, runtime in pairs if runtime not in have}))
    report = GateReport(run.weights, bounds, tuple(scores), unscored)
    write_json(run.folder / CARD, asdict(report))
    if not report.passed and with_own_scales(run, dataset, step):
        return gate_run(run, dataset, limits=limits, rows=rows, on_step=on_step)
    step(1.0, "done")
    if not report.passed:
        raise refusal(run.name, report)
    return report


def read_report(run: Run) -> GateReport:
    """The report of `gate_run` for the files that lie in the run now; raises `NotThere` or `GateRefused`."""
    again = f"run 'enigma gate {run.name}'"
    try:
        raw = json.loads((run.folder / CARD).read_bytes())
        scores = tuple(Score(**{**item, "outside": tuple(item["outside"])}) for item in raw["scores"])
        report = GateReport(raw["weights"], Limits(**raw["limits"]), scores, tuple(raw["unscored"]))
    except FileNotFoundError:
        raise NotThere(f"The run '{run.name}' wasn't gated yet; {again}.") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise TrainerError(f"{run.folder / CARD} is damaged; {again} again.") from None
    now = {item.file: item.sha256 for item in exported(run)}
    if report.weights != run.weights or any(now.get(score.file) != score.sha256 for score in scores):
        raise NotThere(f"The run '{run.name}' was exported again after it was gated; {again} again.")
    if not report.passed:
        raise refusal(run.name, report)
    return report


def refusal(name: str, report: GateReport) -> GateRefused:
    """The error for a report that is outside its limits."""
    failing = sorted({score.file for score in report.scores if score.outside})
    return GateRefused(
        f"The gate refuses '{name}': {' and '.join(failing)} {'is' if len(failing) == 1 else 'are'} outside its "
        f"limits, so there is no bundle.\n{text_table(*report.table())}\n"
        "Train longer or on more rows, or make the model smaller, and export again."
    )


@contextmanager
def loaded(run: Run, student: Student, item: Exported, runtime: str) -> Iterator[Specialist]:
    """A specialist on one model file in one runtime, through the device's own code."""
    with opened(run, student, item, runtime) as (specialist, _):
        yield specialist


@contextmanager
def opened(run: Run, student: Student, item: Exported, runtime: str) -> Iterator[tuple[Specialist, Engine]]:
    """As `loaded`, with the engine below it."""
    path = run.folder / item.file
    engine: Engine
    if student.family == "language":
        base = adapter_base(run) if item.file == ADAPTER else None
        model, adapter = (path, None) if base is None else (base_file(run, base), path)
        with SilentDescriptors():  # LiteRT greets on standard error
            # The task's `load` takes a language engine.
            engine = cast(Engine, open_language_engine(model, adapter=adapter, cache=item.cache))
    elif runtime not in available_runtimes() and runtime in (others := other_runtimes()):
        engine = PipedEngine(path, others[runtime], item.inputs, item.outputs)
    else:
        with SilentDescriptors():  # LiteRT greets on standard error
            engine = open_engine(path, 1, runtime, item.inputs, item.outputs)
    try:
        with tempfile.TemporaryDirectory(prefix="enigma-gate-") as name:
            folder = Path(name)
            for asset, path in student.assets(run.folder).items():
                (folder / asset).write_bytes(path.read_bytes())
            yield task_module(run.task).load(draft_manifest(run, student), folder, engine), engine
    finally:
        engine.close()


def draft_manifest(run: Run, student: Student) -> Manifest:
    """What the task's code reads of a manifest, before there is a bundle."""
    task = task_module(run.task)
    fields = student.manifest_fields(run.folder)
    tokenizer = fields.get("tokenizer")
    return Manifest(
        name=run.name,
        task=run.task,
        version="0.0.0",
        licence="",
        io={"request": task.REQUEST_SCHEMA, "response": task.RESPONSE_SCHEMA},
        models=(ModelFile("model", "int8", ()),),
        golden=Golden("golden.json", 1),
        labels=tuple(fields.get("labels", ())),  # type: ignore[arg-type]
        thresholds=dict(fields.get("thresholds", {})),  # type: ignore[call-overload]
        options=dict(fields.get("options", {})),  # type: ignore[call-overload]
        tokenizer=Tokenizer(**tokenizer) if isinstance(tokenizer, dict) else None,
    )


def limits_of(student: Student) -> Limits:
    """The limits of a student's models."""
    if student.family == "language":
        return LANGUAGE_LIMITS
    return Limits(**getattr(student, "limits", {}))


def latency(specialist: Specialist, requests: list[dict[str, object]], engine: Engine) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds of whole answers, one after the other, after a warm-up.

    The median leaves out what neighbours take on a busy machine: it is of this process's processor time, where the
    system tells that finely and the model runs in this process. What a pipe to another Python costs doesn't count.
    """
    import numpy as np

    if not requests:
        raise TrainerError("The dataset gives no request to measure latency with; add held-out rows.")
    for number in range(WARM_UP):
        specialist.run(requests[number % len(requests)])
    own = not isinstance(engine, PipedEngine) and time.get_clock_info("process_time").resolution <= FINE_SECONDS
    times: list[float] = []
    busy: list[float] = []
    began = time.perf_counter()
    while len(times) < LATENCY_RUNS and time.perf_counter() - began < LATENCY_SECONDS:
        request = requests[len(times) % len(requests)]
        piped, used, started = _piped(engine), time.process_time(), time.perf_counter()
        specialist.run(request)
        times.append((time.perf_counter() - started - (_piped(engine) - piped)) * 1000)
        busy.append(min((time.process_time() - used) * 1000, times[-1]) if own else times[-1])
    return round(float(np.median(busy)), 3), round(float(np.percentile(times, 99)), 3)


def _lost_by_heads(figures: Mapping[str, float], reference: Mapping[str, float], most: float) -> list[str]:
    """What heads that share a network lose, each with rows of its own, of which it may lose one where they are few."""
    said = []
    for key, accuracy in figures.items():
        head = key.removeprefix("accuracy_")
        if head == key or not (rows := figures.get(f"rows_{head}")):
            continue
        lost = (reference.get(key, accuracy) - accuracy) * 100
        if lost > max(most, 100 / rows) + 1e-4:
            said.append(f"head {head} loses {lost:.2f} points, at most {max(most, 100 / rows):.2g}")
    return said


def _piped(engine: Engine) -> float:
    return engine.overhead if isinstance(engine, PipedEngine) else 0.0


def _score(
    item: Exported,
    runtime: str,
    version: str,
    figures: dict[str, float],
    reference: Mapping[str, float],
    times: tuple[float, float],
    limits: Limits,
) -> Score:
    accuracy = float(figures["accuracy"])
    lost = (reference["accuracy"] - accuracy) * 100
    outside: list[str] = []
    if item.precision != "fp32":
        most = limits.lost_points
        if item.precision in FOUR_BITS and limits.lost_int4 is not None:
            most = limits.lost_int4
        if lost > most + 1e-4:
            outside.append(f"loses {lost:.2f} points, at most {most:g}")
        outside += _lost_by_heads(figures, reference, most)
        if limits.bytes is not None and item.bytes > limits.bytes:
            outside.append(f"{item.bytes / 1e6:.2f} MB, at most {limits.bytes / 1e6:g}")
        if limits.p50_ms is not None and times[0] > limits.p50_ms:
            outside.append(f"median {times[0]:.1f} ms, at most {limits.p50_ms:g}")
        best = reference.get("perplexity", 0.0)
        ratio = figures.get("perplexity", 0.0) / best if best else 0.0
        if limits.perplexity is not None and not ratio <= limits.perplexity:
            outside.append(f"perplexity {ratio:.3f} of fp32's, at most {limits.perplexity:g}")
        if (same := figures.get("cache_agreement", 1.0)) < LEAST_AGREEMENT:
            outside.append(f"int8 cache: same token in {same:.1%}, at least {LEAST_AGREEMENT:.0%}")
    return Score(
        item.file,
        item.sha256,
        item.precision,
        runtime,
        version,
        round(accuracy, 6),
        round(lost, 4),
        item.bytes,
        *times,
        {key: round(float(value), 6) for key, value in figures.items()},
        tuple(outside),
    )
