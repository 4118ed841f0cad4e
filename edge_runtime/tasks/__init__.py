"""Tasks: what a specialist does. A module holds a task's types, pre- and post-processing, golden check."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast, runtime_checkable

from edge_runtime.errors import UnknownTask

if TYPE_CHECKING:
    import numpy as np

    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines import Engine

# What a request asks of the engine below its specialist, what it gets, and the answer at its end.
Steps = Generator[Mapping[str, "np.ndarray"], dict[str, "np.ndarray"], dict[str, object]]


_Made = TypeVar("_Made")


class Specialist(Protocol):
    """A loaded model that answers requests, one at a time."""

    def run(self, request: dict[str, object]) -> dict[str, object]:
        """Answer one request; raises `BadRequest` with a sentence that says what to change.

        A file in either is a `edge_runtime.media.Media`; in a request also base64, see `read_media`.
        """


@runtime_checkable
class Stepwise(Specialist, Protocol):
    """A specialist whose requests can share runs of its engine, which need not know of one another."""

    def steps(self, request: dict[str, object]) -> Steps:
        """As `run`, but the engine's runs are left to whoever drives it; see `driven`."""


@runtime_checkable
class Speaks(Specialist, Protocol):
    """A specialist that says a long text part by part, so that the first is heard before the last is made."""

    def parts(self, request: dict[str, object]) -> tuple[list[dict[str, object]], bool]:
        """Requests for `run` whose sounds follow one another, and whether something is left out; raises `BadRequest`."""


@runtime_checkable
class Embeds(Specialist, Protocol):
    """A specialist that may place texts among others; `embedder` is None where its graph doesn't give that.

    The embedder answers `{"text"}` with "embedding", float32 [width] of length 1 (or 0 for a text that says nothing),
    and "tokens", how many it read.
    """

    embedder: Specialist | None


def driven(engine: Engine, steps: Generator[Mapping[str, np.ndarray], dict[str, np.ndarray], _Made]) -> _Made:
    """The answer of one request by itself, or what else such steps end with."""
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(engine.run(wanted))
    except StopIteration as end:
        return cast("_Made", end.value)


class TaskModule(Protocol):
    """What each task module exports."""

    NAME: str
    REQUEST_SCHEMA: dict[str, object]
    RESPONSE_SCHEMA: dict[str, object]

    def load(self, manifest: Manifest, folder: Path, engine: Engine) -> Specialist:
        """A specialist over an engine opened on one of the bundle's models.

        folder: the unpacked bundle, its files already verified. Raises `BundleError` where the manifest's
        labels, thresholds or options don't fit the task.
        """

    def agrees(self, expected: dict[str, object], got: dict[str, object]) -> bool:
        """Whether `got` is the same answer as the golden `expected`, within this task's tolerance.

        Files are only described in both, see `edge_runtime.media.described`: what made them is compared.
        """


# Modules of this package that aren't tasks.
_SHARED = frozenset(
    {"confidence", "dialogue", "familiar", "image_flow", "next_frame", "pieces", "text", "tries", "voice"}
)
# The only task whose name can't be a module's.
_MODULES = {"3d_gen": "gen_3d"}


def task_names() -> list[str]:
    """The tasks that this version knows."""
    names = {module: task for task, module in _MODULES.items()}
    found = (info.name for info in pkgutil.iter_modules(__path__) if info.name not in _SHARED)
    return sorted(names.get(name, name) for name in found)


def task_module(name: str) -> TaskModule:
    """Import a task's module by name; raises `UnknownTask` where this version has none."""
    module = _MODULES.get(name, name)
    known = re.fullmatch(r"[a-z][a-z0-9_]*", module) and name not in _SHARED and name not in _MODULES.values()
    if not known or importlib.util.find_spec(f"{__name__}.{module}") is None:
        raise UnknownTask(
            f"This device doesn't know the task '{name[:40]}' (it knows {', '.join(task_names())}); "
            "update Enigma on it."
        )
    return cast(TaskModule, importlib.import_module(f"{__name__}.{module}"))
