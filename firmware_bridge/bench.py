"""How quick a board answers: round trips one by one, and as many commands as its window lets be on their way."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_bridge.board import Board
from firmware_bridge.errors import NoAnswer


@dataclass(frozen=True)
class Figures:
    """Milliseconds of a round trip, frames a second both ways together, and what went wrong."""

    count: int
    p50_ms: float
    p99_ms: float
    frames_s: float
    bad: int
    unanswered: int
    drift_ppm: float


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds of at least two times."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1e3, cuts[98] * 1e3


async def bench(board: Board, count: int) -> Figures:
    """Pings `count` times one by one, then `count` times with several on the way; the motors stand. Raises BridgeError."""
    times, unanswered = [], 0
    for mark in range(count):
        begin = time.perf_counter()
        try:
            await board.ping(mark)
        except NoAnswer:
            unanswered += 1
            continue
        times.append(time.perf_counter() - begin)
    if len(times) < 2:
        raise NoAnswer("The board answered hardly any ping: look at the cable.")
    marks = iter(range(count))
    begin = time.perf_counter()
    lost = await asyncio.gather(*(_many(board, marks) for _ in range(8)))
    seconds = time.perf_counter() - begin
    unanswered += sum(lost)
    p50, p99 = percentiles(times)
    return Figures(count, p50, p99, 2 * (count - sum(lost)) / seconds, board.bad, unanswered, board.clock.drift)


async def _many(board: Board, marks: Iterator[int]) -> int:
    lost = 0
    for mark in marks:
        try:
            await board.ping(mark)
        except NoAnswer:
            lost += 1
    return lost
