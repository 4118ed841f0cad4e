"""Several requests in one run of a model: which models may, what goes in together, and who gets which row.

Many models compute for 16 rows hardly longer than for one, since their weights are read once. Whether a model has an axis
for rows is measured when it is admitted, never assumed: a graph may say so and mix the rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from edge_runtime.engines import Engine, GraphEngine, Tensor
from edge_runtime.errors import EdgeError, EngineError
from edge_runtime.tasks import Steps

Json = dict[str, object]
Arrays = dict[str, np.ndarray]

# Another size of matrices adds in another order: the last bits of float32 differ, and no answer that is rounded to four
# digits does.
RELATIVE, ABSOLUTE = 1e-4, 1e-5
MOST_ROWS = 16  # 32 gain 5 % more, take twice the memory, and the first one waits for the last
_FREE_SIZE = 8  # of an axis that any size fits, beside the one of rows
_GAIN_ROWS = 8
_GOLDEN = (math.sqrt(5) - 1) / 2
_TRIES = 4  # what else the processor, or its caches, do meanwhile may hide a gain
WORTH = 0.7  # of what one by one takes: a batch that needs more isn't worth that its first one waits for its last
_PATIENCE = 1.0  # seconds: a model that is slower is known to be worth it by its rows' check alone


def most_rows(engine: Engine, most: int, clock: Callable[[], float] = time.perf_counter) -> int:
    """How many rows at once are worth it: `most`, or 1 where the model has no axis for rows, mixes them, or gains nothing."""
    if most < 2 or not isinstance(engine, GraphEngine) or not _claims_rows(engine):
        return 1
    rows = _probes(engine.inputs, _GAIN_ROWS)
    try:
        single: list[Arrays] = []
        for row in (rows[0], rows[1]):
            began = clock()
            single.append(engine.run(row))
            took = clock() - began
        if not same_rows(engine.run(joined(rows[:2])), single):
            return 1
        if took > _PATIENCE:
            return most
        batch = joined(rows)
        engine.run(batch)  # the first run of a new size reserves memory
        alone = together = math.inf
        for _ in range(_TRIES):
            began = clock()
            for row in rows:
                engine.run(row)
            alone = min(alone, clock() - began)
            began = clock()
            engine.run(batch)
            together = min(together, clock() - began)
            if together < WORTH * alone:
                return most
        return 1
    except EngineError:
        return 1


def _claims_rows(engine: GraphEngine) -> bool:
    tensors = (*engine.inputs, *engine.outputs)
    return bool(engine.outputs) and all(tensor.shape and tensor.shape[0] is None for tensor in tensors)


def _probes(inputs: Sequence[Tensor], count: int) -> list[Arrays]:
    """Rows that differ, of small numbers, which every table of a model has.

    They spread over 0 to 1 as multiples of the golden ratio do; numpy's generators would cost each start 2 MB.
    """
    made: list[Arrays] = [{} for _ in range(count)]
    for tensor in inputs:
        shape = (1, *(_FREE_SIZE if size is None else size for size in tensor.shape[1:]))
        each = math.prod(shape)
        spread = np.arange(1, count * each + 1) * _GOLDEN % 1
        for number, row in enumerate(made):
            values = spread[number * each : (number + 1) * each].reshape(shape)
            row[tensor.name] = (values if tensor.dtype.kind == "f" else np.rint(values)).astype(tensor.dtype)
    return made


def joined(rows: Sequence[Mapping[str, np.ndarray]]) -> Arrays:
    """Inputs under one another."""
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def same_rows(together: Arrays, single: Sequence[Arrays]) -> bool:
    """Whether a batch's outputs are those of its rows one by one."""
    for number, alone in enumerate(single):
        for name, value in together.items():
            if value.ndim == 0 or len(value) != len(single) or alone[name].shape != (1, *value.shape[1:]):
                return False
            wanted, got = alone[name][0], value[number]
            if value.dtype.kind != "f":
                if not np.array_equal(wanted, got):
                    return False
            elif not np.allclose(wanted, got, RELATIVE, ABSOLUTE, equal_nan=True):
                return False
    return True


def run_together(
    engine: Engine, begun: Sequence[Steps], failed: Callable[[Exception], EdgeError]
) -> list[Json | EdgeError]:
    """The answers of requests that share runs of one engine, each as it would be alone.

    What one of them does wrong is its own failure; where a batch fails, its rows run one by one. failed: makes of what
    a task's code raises the error for the client.
    """
    answers: list[Json | EdgeError | None] = [None] * len(begun)
    waiting: dict[int, Mapping[str, np.ndarray]] = {}

    def step(number: int, found: Arrays | EdgeError | None) -> None:
        steps = begun[number]
        try:
            if isinstance(found, EdgeError):
                waiting[number] = steps.throw(found)
            else:
                waiting[number] = next(steps) if found is None else steps.send(found)
        except StopIteration as end:
            answers[number] = cast(Json, end.value)
        except Exception as cause:
            # Whatever a task's code does with one client's request, the others of the batch get their answers.
            answers[number] = failed(cause)

    for number in range(len(begun)):
        step(number, None)
    while waiting:
        wanted, waiting = waiting, {}
        for numbers in _alike(wanted):
            for number, found in zip(numbers, _run(engine, [wanted[n] for n in numbers]), strict=True):
                step(number, found)
    return [cast("Json | EdgeError", answer) for answer in answers]


def _alike(wanted: Mapping[int, Mapping[str, np.ndarray]]) -> list[list[int]]:
    """Requests whose inputs fit under one another."""
    groups: dict[object, list[int]] = {}
    for number, inputs in wanted.items():
        kind = tuple((name, value.dtype.str, value.shape[1:], value.ndim) for name, value in sorted(inputs.items()))
        rows = {len(value) if value.ndim else 0 for value in inputs.values()}
        groups.setdefault(kind if len(rows) == 1 and 0 not in rows else number, []).append(number)
    return list(groups.values())


def _run(engine: Engine, inputs: list[Mapping[str, np.ndarray]]) -> list[Arrays | EdgeError]:
    if len(inputs) > 1:
        sizes = [len(next(iter(each.values()))) for each in inputs]
        try:
            made = engine.run(joined(inputs))
        except EngineError:
            made = {}
        if made and all(value.ndim and len(value) == sum(sizes) for value in made.values()):
            ends = np.cumsum(sizes)[:-1]
            parts = {name: np.split(value, ends) for name, value in made.items()}
            return [{name: part[number] for name, part in parts.items()} for number in range(len(inputs))]
    found: list[Arrays | EdgeError] = []
    for each in inputs:
        try:
            found.append(engine.run(each))
        except EdgeError as cause:
            found.append(cause)
    return found


def graph_steps(inputs: Mapping[str, np.ndarray]) -> Steps:
    """The graph alone, without a task around it."""
    return cast(Json, (yield inputs))
