"""Several requests in one run: only where the model was seen to keep its rows apart, and each as it would be alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from edge_runtime.engines import Engine, Tensor, open_engine
from edge_runtime.errors import BadRequest, EngineError
from edge_runtime.serving.batching import MOST_ROWS, most_rows, run_together
from edge_runtime.serving.turns import Turns
from edge_runtime.serving.worker import INLINE_AFTER, Answer, Worker
from edge_runtime.tasks import Specialist, Steps, driven, router
from tests.edge_runtime import tiny

Arrays = dict[str, np.ndarray]
WIDTH = 4


class Rows:
    """An engine that counts the rows of each run, and by its own clock takes 1 for each run and `per_row` for each row."""

    runtime, version = "test", "1"
    inputs = (Tensor("x", np.dtype(np.float32), (None, WIDTH)),)
    outputs = (Tensor("y", np.dtype(np.float32), (None,)),)

    def __init__(self, compute: Callable[[np.ndarray], np.ndarray] | None = None, per_row: float = 0.0) -> None:
        self.compute = compute or (lambda x: x.sum(axis=1))
        self.per_row = per_row
        self.clock = 0.0
        self.runs: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def run(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        x = inputs["x"]
        self.runs.append(len(x))
        self.clock += 1 + self.per_row * len(x)
        assert self.gate.wait(60)
        if np.isnan(x).any():
            raise EngineError("not a number")
        return {"y": self.compute(x)}

    def close(self) -> None:
        return


class Summed:
    """Answers the sum of a row; can share runs."""

    def __init__(self, engine: Rows) -> None:
        self.engine = engine

    def run(self, request: dict[str, object]) -> dict[str, object]:
        return driven(cast(Engine, self.engine), self.steps(request))

    def steps(self, request: dict[str, object]) -> Steps:
        row = request.get("row")
        if not isinstance(row, list):
            raise BadRequest("No row.")
        if request.get("broken"):
            raise ZeroDivisionError
        made = yield {"x": np.asarray([row], np.float32)}
        assert made["y"].shape == (1,)
        return {"sum": float(made["y"][0])}


@pytest.mark.parametrize(
    ("compute", "per_row", "rows"),
    [
        (lambda x: x.sum(axis=1), 0.0, MOST_ROWS),
        (lambda x: x.sum(axis=1), 5.0, 1),  # nothing gained: twice the rows take twice the time
        (lambda x: x.sum(axis=1) - x.mean(), 0.0, 1),  # the graph has an axis for rows, and mixes them
        (lambda x: x.sum(axis=1)[:1], 0.0, 1),  # an output without the axis
        (lambda x: np.float32(x.sum()), 0.0, 1),
        (lambda x: x.sum(axis=1)[::-1], 0.0, 1),
    ],
)
def test_rows_go_together_only_where_that_was_measured(
    compute: Callable[[np.ndarray], np.ndarray], per_row: float, rows: int
) -> None:
    engine = Rows(compute, per_row)
    assert most_rows(cast(Engine, engine), MOST_ROWS, lambda: engine.clock / 100) == rows


def test_a_graph_of_one_row_is_not_even_tried() -> None:
    engine = Rows()
    engine.inputs = (Tensor("x", np.dtype(np.float32), (1, WIDTH)),)
    assert most_rows(cast(Engine, engine), MOST_ROWS) == 1 and not engine.runs


def worker_over(engine: Rows, rows: int = 8) -> Worker:
    return Worker("s", Summed(engine), 64, lambda: None, Turns(1), cast(Engine, engine), rows)


async def ask(worker: Worker, *requests: dict[str, object]) -> list[object]:
    return await asyncio.gather(*(worker.run(request, 60) for request in requests), return_exceptions=True)


def row(number: int) -> dict[str, object]:
    return {"row": [number, 0, 0, 1]}


@pytest.mark.parametrize("quick", [0, INLINE_AFTER])
async def test_what_waits_runs_together_and_each_gets_its_own_answer(quick: int) -> None:
    """On the thread, and in the event loop once the model is known to be quick."""
    engine = Rows()
    worker = worker_over(engine)
    worker._quick = quick
    if not quick:  # all wait before the first run ends
        engine.gate.clear()
        asyncio.get_running_loop().call_later(0.01, engine.gate.set)
    found = await ask(worker, *(row(number) for number in range(16)))
    assert [cast(Answer, answer).value for answer in found] == [{"sum": number + 1.0} for number in range(16)]
    assert sum(engine.runs) == 16 and len(engine.runs) <= 4 and max(engine.runs) == 8
    worker.stop()


async def test_neighbours_of_a_wrong_a_broken_and_a_cancelled_request_are_answered() -> None:
    engine = Rows()
    worker = worker_over(engine)
    engine.gate.clear()
    first = asyncio.create_task(worker.run(row(0), 60))
    await asyncio.sleep(0.02)
    requests: list[dict[str, object]] = [row(1), {}, {**row(2), "broken": True}, row(3), row(4)]
    tasks = [asyncio.create_task(worker.run(request, 60)) for request in requests]
    await asyncio.sleep(0)
    tasks[3].cancel()
    engine.gate.set()
    found = await asyncio.gather(first, *tasks, return_exceptions=True)
    kinds = [answer.value["sum"] if isinstance(answer, Answer) else type(answer) for answer in found]
    assert kinds == [1.0, 2.0, BadRequest, EngineError, asyncio.CancelledError, 5.0]
    assert worker.waiting == 0
    worker.stop()


async def test_one_who_goes_away_in_the_middle_of_a_run_hurts_nobody_in_it() -> None:
    engine = Rows()
    worker = worker_over(engine)
    engine.gate.clear()
    tasks = [asyncio.create_task(worker.run(row(number), 60)) for number in range(4)]
    await asyncio.sleep(0.02)
    tasks[2].cancel()
    engine.gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(answer, Answer) for answer in found] == [True, True, False, True]
    worker.stop()


async def test_a_row_that_makes_the_run_fail_fails_alone() -> None:
    engine = Rows()
    worker = worker_over(engine)
    found = await ask(worker, row(1), {"row": [float("nan"), 0, 0, 0]}, row(2))
    assert [answer.value["sum"] if isinstance(answer, Answer) else type(answer) for answer in found] == [
        2.0,
        EngineError,
        3.0,
    ]
    worker.stop()


async def test_tensors_of_several_rows_and_other_shapes_share_or_stay_apart() -> None:
    engine = Rows()
    worker = worker_over(engine)
    sizes = (1, 3, 2)
    inputs = [{"x": np.arange(size * WIDTH, dtype=np.float32).reshape(size, WIDTH)} for size in sizes]
    found = await asyncio.gather(
        *(worker.run(cast("dict[str, object]", each), 60, cast(Specialist, engine)) for each in inputs)
    )
    for each, answer in zip(inputs, found, strict=True):
        assert np.array_equal(cast(np.ndarray, answer.value["y"]), each["x"].sum(axis=1))
    worker.stop()


@pytest.fixture(params=["onnx", "tflite"])
def wide(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Engine, router.Router]]:
    """A router whose graph has a free axis, in the runtime of its format."""
    path = tmp_path / f"wide.{request.param}"
    names: tuple[dict[str, str], dict[str, str]] = {}, {}
    if request.param == "onnx":
        pytest.importorskip("onnx")
        tiny.write_wide_onnx(path, hidden=64)
    else:
        pytest.importorskip("flatbuffers")
        pytest.importorskip("ai_edge_litert")
        tiny.write_tflite(path, 1, open_rows=True)
        names = {"tokens": "args_0"}, {"probabilities": "output_0"}
    engine = open_engine(path, 1, None, *names)
    yield engine, router.Router(tiny.LABELS, 0.5, tiny.FEATURES, engine)
    engine.close()


def test_a_real_graph_gives_the_same_answers_together(wide: tuple[Engine, router.Router]) -> None:
    """Against the same graph one by one."""
    engine, specialist = wide
    requests: list[dict[str, object]] = [{"text": text} for text in tiny.SENTENCES]
    single = [specialist.run(request) for request in requests]
    begun = [specialist.steps(request) for request in requests]
    assert run_together(engine, begun, lambda cause: EngineError(str(cause))) == single
    clock = iter([0.0, 0.0, 0.0, 0.0, 0.0, 8.0, 8.0, 9.0])  # eight rows one by one, then together
    assert most_rows(engine, MOST_ROWS, clock.__next__) == MOST_ROWS


async def test_sixteen_clients_need_less_than_half_of_the_runs_and_none_of_them_starves(
    wide: tuple[Engine, router.Router],
) -> None:
    """Each asks eight times, and again as soon as it has its answer."""
    engine, specialist = wide
    requests: list[dict[str, object]] = [{"text": text} for text in tiny.SENTENCES]
    single = [specialist.run(request) for request in requests]
    runs, usual = 0, engine.run

    def counted(inputs: Mapping[str, np.ndarray]) -> Arrays:
        nonlocal runs
        runs += 1
        return usual(inputs)

    engine.run = counted  # type: ignore[method-assign]
    worker = Worker("s", specialist, 64, lambda: None, Turns(1), engine, MOST_ROWS)
    answered = [0] * 16

    async def client(number: int) -> None:
        for asked in range(8):
            which = (number + asked) % len(requests)
            assert (await worker.run(requests[which], 60)).value == single[which]
            answered[number] += 1
            assert answered[number] - min(answered) <= 4

    await asyncio.gather(*(client(number) for number in range(16)))
    assert runs < 16 * 8 / 2
    worker.stop()
