"""The steps of a small student's training: one that is told to end (SIGTERM) goes on from the step it was in, bit for bit.

A training is a sequence of loops whose result depends on rows, settings and seed alone. What a loop changes is kept where
it pauses and where it ends; what lies between loops is computed again. Language models have checkpoints instead, see
`trainer_host.training.loop`.
"""

from __future__ import annotations

import io
import logging
import pickle
import random
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch

from edge_runtime import __version__
from trainer_host.errors import DataError
from trainer_host.training.pausing import STEPS, Pausing, TrainingPaused
from trainer_host.workspace import storage_errors, write_atomic

State = dict[str, object]

_log = logging.getLogger(__name__)


class Stateful(Protocol):
    """Networks, optimisers, schedules, and what draws rows."""

    def state_dict(self) -> State:
        """All that its future depends on: tensors, numbers, texts, and lists and dicts of these."""

    def load_state_dict(self, state: State) -> object:
        """Go on from there."""


Part = Stateful | torch.Generator | np.random.Generator


class Arrays:
    """Arrays that a loop changes, by their names; `self[name]` is the current one."""

    def __init__(self, **arrays: np.ndarray) -> None:
        self._arrays = arrays

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def __setitem__(self, name: str, array: np.ndarray) -> None:
        self._arrays[name] = array

    def state_dict(self) -> State:
        """See `Stateful`."""
        return {name: torch.from_numpy(array.copy()) for name, array in self._arrays.items()}

    def load_state_dict(self, state: State) -> None:
        """See `Stateful`."""
        self._arrays = {name: cast(torch.Tensor, array).numpy() for name, array in state.items()}


class Steps:
    """Where the loops of one training keep how far they are; without a folder, nowhere: then nothing pauses."""

    def __init__(self, work: Path | None) -> None:
        """work: see `Student.train`."""
        self._folder = None if work is None else work / STEPS

    def of(self, name: str, count: int, *parts: Part) -> Iterator[int]:
        """The steps of a loop that are still to be done; `parts` are all that they change, as they were then.

        name: of the loop, another one for each of a training. Raises `TrainingPaused` before a step where the process is
        told to end, and `DataError` where what was kept can't be used.
        """
        if self._folder is None:
            yield from range(count)
            return
        file = self._folder / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.pt"
        done = _restored(file, count, parts)
        pausing = Pausing()
        try:
            for step in range(done, count):
                if pausing.asked:
                    _keep(file, step, count, parts)
                    raise TrainingPaused(step)
                yield step
            if done < count:
                _keep(file, count, count, parts)
        finally:
            pausing.close()


def _keep(file: Path, done: int, count: int, parts: tuple[Part, ...]) -> None:
    state = {"made": _versions(), "count": count, "done": done, "parts": [_of(part) for part in parts]}
    state["chance"] = _chance()
    content = io.BytesIO()
    torch.save(state, content)
    with storage_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, content.getvalue())


def _restored(file: Path, count: int, parts: tuple[Part, ...]) -> int:
    """How many steps are done, with the parts as they were then; 0 where nothing was kept by this version."""
    try:
        # No code is run: a file holds tensors and plain values.
        state = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return 0
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as cause:
        _log.warning("what %s kept can't be read (%s); its steps begin anew", file.stem, type(cause).__name__)
        return 0
    if not isinstance(state, dict) or (state.get("made"), state.get("count")) != (_versions(), count):
        return 0
    try:
        kept = cast("list[object]", state["parts"])
        for part, one in zip(parts, kept, strict=True):
            _set(part, one)
        _take_chance(cast(State, state["chance"]))
        return int(state["done"])
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise DataError(f"What a paused training kept in {file} is damaged; delete it, and begin anew.") from None


def _versions() -> list[str]:
    # Another version may train in another way, and sum in another order.
    return [__version__, str(torch.__version__), np.__version__]


def _of(part: Part) -> object:
    if isinstance(part, torch.Generator):
        return part.get_state()
    return part.bit_generator.state if isinstance(part, np.random.Generator) else part.state_dict()


def _set(part: Part, state: object) -> None:
    if isinstance(part, torch.Generator):
        part.set_state(cast(torch.Tensor, state))
    elif isinstance(part, np.random.Generator):
        part.bit_generator.state = cast(State, state)
    else:
        part.load_state_dict(cast(State, state))


def _chance() -> State:
    """The generators that everybody shares; see `trainer_host.training.determinism`."""
    numbers = dict(cast(State, np.random.get_state(legacy=False)))
    inner = dict(cast(State, numbers["state"]))
    inner["key"] = torch.from_numpy(cast(np.ndarray, inner["key"]).astype(np.int64))
    numbers["state"] = inner
    return {"torch": torch.get_rng_state(), "numpy": numbers, "python": list(random.getstate())}


def _take_chance(state: State) -> None:
    torch.set_rng_state(cast(torch.Tensor, state["torch"]))
    numbers = dict(cast(State, state["numpy"]))
    inner = dict(cast(State, numbers["state"]))
    inner["key"] = cast(torch.Tensor, inner["key"]).numpy().astype(np.uint32)
    numbers["state"] = inner
    np.random.set_state(numbers)
    random.setstate(tuple(cast("list[object]", state["python"])))
