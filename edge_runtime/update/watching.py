"""Watches a release on probation: asks its golden vectors where it serves, and judges what its live requests come to."""

from __future__ import annotations

import asyncio
import time

from edge_runtime.errors import DeadlinePassed, EdgeError, EngineError, Overloaded
from edge_runtime.update.ground import Ground
from edge_runtime.update.machine import Release
from edge_runtime.update.probation import Outcome, Probation, Rules, Verdict

LATE = 3  # requests in a row without an answer in time: one may have waited behind others
GOLDEN_SECONDS = 120.0  # for all golden vectors; a language model on a small board takes seconds for each
_LOOK_SECONDS = 1.0  # between two looks at the clock


class Watch:
    """One release's probation in this process."""

    def __init__(self, rules: Rules, boots: int) -> None:
        self._probation = Probation(rules, boots)
        self._news = asyncio.Event()
        self._late = 0
        self._ground: Ground | None = None
        self._loaded = 0.0  # megabytes that it took when it was loaded and checked
        self._unfilled = 0.0  # of them those that it will only take
        self._least = 0.0  # of the process since, as long as the same models are loaded
        self._grown = 0.0  # before others were loaded or went
        self._others: object = None

    def told(self, milliseconds: float, error: EdgeError | None) -> None:
        """An answer came, or failed. What is the caller's mistake, or the device's load, says nothing of the model."""
        if isinstance(error, DeadlinePassed):
            self._late += 1
            if self._late >= LATE:
                self._probation.fault(f"{LATE} requests in a row weren't answered in time.")
        elif isinstance(error, EngineError):
            self._probation.request(milliseconds, str(error))
        elif error is None:
            self._late = 0
            self._remember()
            self._probation.request(milliseconds)
        self._news.set()

    def _remember(self) -> None:
        """Judge what the process grew by since it serves: a cache or a buffer that live requests filled is the model's.

        Only an answer of its own is a moment to look, and only growth while the same models are loaded counts, so that
        nobody else's memory is taken for its own as far as that can be told in one process.
        """
        found = None if self._ground is None else self._ground.memory()
        if found is None:
            return
        now, others = found
        if others != self._others:
            self._others, self._least = others, now - self._grown
        self._least = min(self._least, now)
        self._grown = now - self._least
        self._probation.memory(self._loaded + max(0.0, self._grown - self._unfilled))

    async def verdict(self, ground: Ground, name: str, release: Release) -> Verdict:
        """Wait for the end of the probation."""
        began = time.monotonic()
        await self._golden(ground, name, release)
        while True:
            self._probation.passes(time.monotonic() - began)
            if ground.serving(name) != release.bundle:
                self._probation.fault(
                    "Another bundle of this specialist serves now, which somebody pushed or went back to."
                )
            verdict = self._probation.verdict()
            if verdict.outcome is not Outcome.PENDING:
                return verdict
            self._news.clear()
            try:
                async with asyncio.timeout(min(_LOOK_SECONDS, self._probation.rules.seconds)):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _golden(self, ground: Ground, name: str, release: Release) -> None:
        ends = time.monotonic() + GOLDEN_SECONDS
        while True:
            try:
                async with asyncio.timeout(max(0.0, ends - time.monotonic())):
                    right, of, took, megabytes, unfilled = await ground.replay(name, release.bundle)
            except TimeoutError:
                self._probation.fault(f"Its golden vectors weren't answered within {GOLDEN_SECONDS:.0f} seconds.")
                return
            except Overloaded as error:  # the device is busy with others
                if time.monotonic() + error.retry_after > ends:
                    self._probation.fault(f"Its golden vectors couldn't be asked: {error}")
                    return
                await asyncio.sleep(error.retry_after)
                continue
            except EdgeError as error:
                self._probation.fault(f"A golden vector failed: {error}")
                return
            self._probation.golden(right, of, took)
            self._probation.memory(megabytes)
            self._loaded, self._unfilled = megabytes, unfilled
            self._ground = ground
            self._remember()
            return
