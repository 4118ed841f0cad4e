"""Admission: opens a bundle's model in a runtime that it was scored in, and replays its golden vectors."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime import strict_json
from edge_runtime.bundle import Manifest, ModelFile
from edge_runtime.engines import Engine, available_runtimes, open_engine
from edge_runtime.errors import (
    AdmissionError,
    BundleError,
    EdgeError,
    EngineError,
    MissingBase,
    UnsupportedRuntime,
)
from edge_runtime.media import described
from edge_runtime.serving.batching import MOST_ROWS, most_rows
from edge_runtime.serving.memory import rss_bytes
from edge_runtime.tasks import Specialist, TaskModule, task_module
from edge_runtime.update.adapters import Base, base_in, wanted_by
from edge_runtime.update.compatibility import new_enough
from edge_runtime.update.slots import Slots, cold_folder

if TYPE_CHECKING:
    from edge_runtime.engines.language import LanguageEngine

_log = logging.getLogger(__name__)
Json = dict[str, object]


@dataclass(frozen=True)
class Loaded:
    """A specialist that passed its golden vectors, ready to serve."""

    manifest: Manifest
    digest: str
    model: ModelFile
    engine: Engine
    specialist: Specialist
    seconds: float
    rows: int = 1  # most requests that are worth one run together, as measured here
    memory: int = 0  # bytes that it takes: what loading and answering took, and what a full cache takes more
    cache: str = "float"  # what a language model keeps keys and values in: float or int8

    @property
    def bytes(self) -> int:
        """Size of the model file."""
        return self.manifest.files[self.model.file].bytes


def choose_models(
    manifest: Manifest, allowed: Sequence[str], have: dict[str, str] | None = None
) -> list[tuple[ModelFile, str]]:
    """The (model, runtime) pairs that may serve here, the preferred first; raises `UnsupportedRuntime`.

    A runtime is eligible where the model was scored in it by name, and this device's version is not of an
    older major version than one that was scored: an int8 file may answer nonsense in another runtime without
    any error.
    """
    installed = available_runtimes() if have is None else have
    pairs: list[tuple[ModelFile, str]] = []
    for runtime in allowed:
        for model in manifest.models:
            versions = [scored.version for scored in model.scored_in if scored.runtime == runtime]
            here = installed.get(runtime)
            if not versions or here is None or not new_enough(here, versions):
                continue
            if here not in versions:
                _log.warning("%s was scored in %s %s, here is %s", model.file, runtime, versions[0], here)
            pairs.append((model, runtime))
    if not pairs:
        scored = sorted({f"{s.runtime} {s.version}" for model in manifest.models for s in model.scored_in})
        usable = [f"{name} {version}" for name, version in installed.items() if name in allowed]
        raise UnsupportedRuntime(
            f"{manifest.name} {manifest.version} was scored in {', '.join(scored) or 'no runtime'}, "
            f"and this device may use {', '.join(usable) or 'no runtime'}; install one of those, or gate the bundle for this device."
        )
    return pairs


def admit_installed(
    slots: Slots,
    digest: str,
    threads: int,
    allowed: Sequence[str],
    *,
    cold: bool = False,
    small_cache: bool = False,
    again: int | None = None,
) -> Loaded:
    """`admit` a bundle that lies in its slot, with the base beside which it was installed where it is an adapter."""
    manifest = slots.check(digest, again is not None)
    wanted, base = wanted_by(manifest), slots.base_of(digest)
    found = base_in(slots, base, wanted) if wanted is not None and base is not None else None
    folder, ways = slots.folder(digest), {"cold": cold, "small_cache": small_cache}
    return admit(manifest, digest, folder, threads, allowed, found, again=again, **ways)


def admit(
    manifest: Manifest,
    digest: str,
    folder: Path,
    threads: int,
    allowed: Sequence[str],
    base: Base | None = None,
    *,
    cold: bool = False,
    small_cache: bool = False,
    again: int | None = None,
) -> Loaded:
    """Load a bundle from its verified folder and run its golden vectors.

    cold: map the weights of .onnx files from a copy beside the bundle's files, see `open_engine`.
    small_cache: let .gguf files keep keys and values in int8 also where their bundles don't say so; one that can't, or
    answers otherwise then, is opened as its bundle says.
    again: it passed them in this process, and only its first one is run, to warm up; its `Loaded.rows` then.
    base: where the model lies that the bundle is an adapter for; the adapter runs over the same weights in memory.
    Tries the next eligible runtime where one can't open its file or answers otherwise. Raises, for the preferred one,
    `AdmissionError` (a golden vector isn't answered as it was) or `EngineError`; and `UnsupportedRuntime`,
    `UnknownTask`, `MissingBase` or `BundleError`.
    """
    wanted = wanted_by(manifest)
    if wanted is not None and base is None:
        raise MissingBase(f"{manifest.name} is an adapter for '{wanted.base[:64]}', and can't run without that bundle.")
    task = task_module(manifest.task)
    pairs = choose_models(manifest, allowed)
    golden = _read_golden(manifest, folder)[: None if again is None else 1]
    failures: list[EdgeError] = []
    ways = [(model, runtime, cache) for model, runtime in pairs for cache in _caches(manifest, model, small_cache)]
    for model, runtime, cache in ways:
        started, held = time.perf_counter(), rss_bytes()
        try:
            engine = _open(manifest, model, folder, threads, runtime, base, cold, cache)
            specialist = _admitted(task, manifest if base is None else base.lend(manifest), folder, engine, golden)
        except (EngineError, AdmissionError) as cause:
            how = f"{runtime} with a cache of int8" if cache == "int8" else runtime
            _log.warning("%s %s in %s: %s", manifest.name, manifest.version, how, cause)
            failures.append(cause)
            continue
        # What other programs do meanwhile must not hide a gain until the next start; a runtime of several threads computes
        # outside of this one, too.
        clock = time.thread_time if threads == 1 else time.perf_counter
        rows = most_rows(engine, MOST_ROWS, clock) if again is None else again
        took = max(rss_bytes() - held, manifest.files[model.file].bytes)
        if manifest.options.get("family") == "language":
            took += cast("LanguageEngine", engine).unfilled
        return Loaded(manifest, digest, model, engine, specialist, time.perf_counter() - started, rows, took, cache)
    raise failures[0]


def _caches(manifest: Manifest, model: ModelFile, small: bool) -> tuple[str, ...]:
    """What a language model's keys and values may be kept in, the preferred first; .gguf files leave it to the device."""
    told = manifest.options.get("cache")
    own = "int8" if isinstance(told, dict) and told.get(model.file) == "int8" else "float"
    return ("int8", own) if small and own == "float" and model.file.endswith(".gguf") else (own,)


def _open(
    manifest: Manifest,
    model: ModelFile,
    folder: Path,
    threads: int,
    runtime: str,
    base: Base | None,
    cold: bool,
    cache: str,
) -> Engine:
    """The engine of a model file: of graphs, or, where the manifest says so, of decoders with a cache."""
    path = folder / model.file
    beside = cold_folder(folder) if cold else None
    if manifest.options.get("family") != "language":
        return open_engine(path, threads, runtime, model.inputs, model.outputs, beside)
    from edge_runtime.engines.language import open_language_engine

    if base is not None:
        shared = cold_folder(base.folder) if cold else None
        return cast(Engine, open_language_engine(base.model, threads, adapter=path, cold=shared))
    # A .gguf file is as it came, and says how long texts may be at most; the cache of all that would fill the memory.
    context = manifest.options.get("context") if path.suffix == ".gguf" else None
    most = context if isinstance(context, int) else None
    # Its task's `load` takes a language engine.
    return cast(Engine, open_language_engine(path, threads, most, cache=cache, cold=beside))


def _admitted(
    task: TaskModule, manifest: Manifest, folder: Path, engine: Engine, golden: list[tuple[Json, Json]]
) -> Specialist:
    """The specialist over an engine, once its golden vectors agree; else the engine is closed."""
    try:
        specialist = task.load(manifest, folder, engine)
        _replay(task, specialist, golden)
    except EdgeError:
        engine.close()
        raise
    except Exception as cause:
        # A daemon that starts must survive whatever a task's code does with a bundle of another version.
        engine.close()
        _log.exception("the task %s failed on %s", manifest.task, manifest.name)
        raise AdmissionError(
            f"The task '{manifest.task}' fails on this bundle ({type(cause).__name__}); build it again with "
            "the version of Enigma that runs on the device."
        ) from None
    return specialist


def _read_golden(manifest: Manifest, folder: Path) -> list[tuple[Json, Json]]:
    what = f"{manifest.golden.file} in the bundle"
    content = strict_json.loads((folder / manifest.golden.file).read_bytes(), what, BundleError)
    if not isinstance(content, list) or len(content) != manifest.golden.count:
        raise BundleError(f"{what} should hold {manifest.golden.count} golden vectors; build it again.")
    pairs: list[tuple[Json, Json]] = []
    for item in content:
        request, response = (item.get("request"), item.get("response")) if isinstance(item, dict) else (None, None)
        if not isinstance(request, dict) or not isinstance(response, dict):
            raise BundleError(f'{what} should hold {{"request", "response"}} pairs; build it again.')
        pairs.append((request, response))
    return pairs


def _replay(task: TaskModule, specialist: Specialist, golden: list[tuple[Json, Json]]) -> None:
    for number, (request, expected) in enumerate(golden, 1):
        try:
            got = cast(Json, described(specialist.run(request)))
        except EdgeError as cause:
            raise AdmissionError(f"Golden vector {number} of {len(golden)} fails on this device: {cause}") from None
        if not task.agrees(expected, got):
            raise AdmissionError(
                f"Golden vector {number} of {len(golden)} is answered differently here than where the model "
                "was made, so the bundle was refused; bundle it anew with the version of Enigma that runs here, "
                "or gate it for this device's runtime."
            )
