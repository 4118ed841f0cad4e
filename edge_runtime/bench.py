"""How quick an installed specialist is on this device, as figures that a later run can be held against.

Other programs can only slow a model down, and they come and go. So answers are timed in rounds of the same requests, and
what is told and compared is the round in which the machine was quietest, as Python's `timeit` advises; how much slower the
middle of all answers was is told beside it.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import strict_json
from edge_runtime.errors import EdgeError, NotFound
from edge_runtime.serving import memory
from edge_runtime.update import disk
from edge_runtime.update.admit import Loaded, admit_installed
from edge_runtime.update.slots import Slots

if TYPE_CHECKING:
    from edge_runtime.config import Config
    from edge_runtime.language.specialist import LanguageSpecialist

Json = dict[str, object]
WARM_UP = 8
REGRESSION = 0.15  # of a median, or of tokens a second: less is noise of the machine
ROUND_SECONDS = 0.1  # a round is as many whole turns of all requests as this takes
NOISE = 1.1  # all answers are this much slower than the quietest round's: somebody else was at work
_TEXTS, _TEXTS_A_ROUND = 20, 4
_PROMPT, _WRITTEN = 64, 64  # tokens of each text that is gone on with, and most of what is written
# What is compared with an earlier run, and whether more is better.
_HELD = {"median_ms": False, "first_token_ms": False, "decode_tokens_per_second": True}


def measure(state: Path, name: str, config: Config, seconds: float) -> Json:
    """Load an installed specialist as the daemon would, and ask it its golden requests for `seconds`.

    Raises `NotFound` for a name that isn't installed, and whatever hinders its admission.
    """
    slots = Slots(state)
    pointer = slots.pointers().get(name)
    if pointer is None:
        have = ", ".join(sorted(slots.pointers())) or "none yet"
        raise NotFound(f"There is no specialist '{name[:64]}' on this device (it has {have}).")
    before = memory.rss_bytes()
    models = config.models
    with disk.storage_errors(state):
        loaded = admit_installed(slots, pointer.active, models.threads, models.runtimes, **models.ways)
    manifest, folder = loaded.manifest, slots.folder(pointer.active)
    try:
        golden = strict_json.loads((folder / manifest.golden.file).read_bytes(), manifest.golden.file)
        requests = [item["request"] for item in golden] if isinstance(golden, list) else []
        rounds = _timed(loaded, requests, seconds)
        times, median = sorted(itertools.chain.from_iterable(rounds)), quietest(rounds)
        language = getattr(loaded.specialist, "language", None)
        return {
            "specialist": manifest.name,
            "version": manifest.version,
            "bundle": f"sha256:{pointer.active}",
            "task": manifest.task,
            "accuracy": manifest.metrics.get("accuracy"),
            "runtime": f"{loaded.engine.runtime} {loaded.engine.version}",
            "precision": loaded.model.precision,
            "cache": loaded.cache if language is not None else None,
            "model_bytes": loaded.bytes,
            "processor": _processor(),
            "threads": config.models.threads,
            "load_seconds": round(loaded.seconds, 3),
            "memory_mb": round((memory.rss_bytes() - before) / 2**20, 1),
            "peak_mb": round(memory.peak_bytes() / 2**20, 1),
            "answers": len(times),
            "min_ms": round(times[0], 3),
            "median_ms": round(median, 3),
            "noise": round(statistics.median(times) / median, 2),
            "p99_ms": round(times[int(len(times) * 0.99)], 3),
            **(written(language) if language is not None else {}),
        }
    finally:
        loaded.engine.close()


def regressions(now: Json, before: Json) -> list[str]:
    """A sentence for each figure that is worse by more than `REGRESSION`; raises `EdgeError` for another specialist's."""
    if before.get("specialist") != now["specialist"]:
        raise EdgeError(f"The earlier figures are of '{str(before.get('specialist'))[:64]}'; name another file.")
    found = []
    for figure, more_is_better in _HELD.items():
        old, new = before.get(figure), now.get(figure)
        if isinstance(old, int | float) and isinstance(new, int | float) and old > 0 and new > 0:
            worse = old / new if more_is_better else new / old
            if worse > 1 + REGRESSION:
                found.append(f"{figure} was {old:g} and is {new:g}: {worse - 1:.0%} worse.")
    return found


def read_figures(path: Path) -> Json:
    """What an earlier run wrote; raises `EdgeError`."""
    try:
        return strict_json.loads_object(path.read_bytes(), str(path))
    except OSError as cause:
        raise EdgeError(f"{path} can't be read: {cause.strerror}.") from None


def write_figures(path: Path, figures: Json) -> None:
    """Keep figures for a later run; raises `EdgeError`."""
    try:
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except OSError as cause:
        raise EdgeError(f"{path} can't be written: {cause.strerror}.") from None


def quietest(rounds: Sequence[Sequence[float]]) -> float:
    """The least median of any round."""
    return min(map(statistics.median, rounds))


def _timed(loaded: Loaded, requests: Sequence[Json], seconds: float) -> list[list[float]]:
    """Milliseconds of whole answers, by round; each request is asked equally often in a round."""
    for request in itertools.islice(itertools.cycle(requests), WARM_UP):
        loaded.specialist.run(request)
    rounds: list[list[float]] = []
    now = time.perf_counter()
    ends = now + seconds
    while now < ends or not rounds:
        rounds.append([])
        over = min(ends, now + ROUND_SECONDS)
        while now < over or not rounds[-1]:
            for request in requests:
                began = time.perf_counter()
                loaded.specialist.run(request)
                now = time.perf_counter()
                rounds[-1].append((now - began) * 1000)
    return rounds


def written(language: LanguageSpecialist) -> Json:
    """How long the first token takes behind a text, and tokens a second of all that is written; in the quietest round."""
    firsts: list[list[float]] = []
    rates: list[float] = []
    for start in range(0, _TEXTS, _TEXTS_A_ROUND):
        count, spent = 0, 0.0
        firsts.append([])
        for number in range(start, start + _TEXTS_A_ROUND):
            text = language.tokenizer.decode(language.tokenizer.encode(f"{number} and so on, " * _PROMPT)[:_PROMPT])
            began = time.perf_counter()
            pieces = language.complete(text, max_tokens=_WRITTEN)
            next(pieces)
            first = time.perf_counter()
            count += sum(piece.token is not None for piece in pieces)
            spent += time.perf_counter() - first
            firsts[-1].append((first - began) * 1000)
        rates.append(count / spent)
    return {
        "first_token_ms": round(quietest(firsts), 3),
        "decode_tokens_per_second": round(max(rates), 1) if any(rates) else None,
    }


def _processor() -> str:
    """Its name, and how many of its cores this process may use."""
    name = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))), name
        )
    except OSError:
        pass
    return f"{name}, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"
