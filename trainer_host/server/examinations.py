"""Runs examined on the same held-out rows, as `enigma compare` does: one exam at a time, in a process of its own.

The process that answers people's questions stays free meanwhile. How far an exam is, and what it found, is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.errors import NotFound
from trainer_host.server import fields
from trainer_host.server.errors import Conflict, Unprocessable
from trainer_host.server.fields import Json
from trainer_host.workspace import Workspace, checked_name

BODY_BYTES = 4 * 1024
ROWS = 200  # a margin of some 4 % at 90 %
MOST_RUNS = 8
MOST_KNOWN = 16  # of the newest exams
LINE_BYTES = 4 * 2**20
SECONDS = 3600.0  # a model that writes answers a row in a second


@dataclass(frozen=True)
class Exam:
    """state: running, done, failed or cancelled. progress: 0 to 1. note: the run that answers now."""

    id: str
    runs: tuple[str, ...]
    state: str = "running"
    progress: float = 0.0
    note: str = ""
    message: str | None = None
    found: Json = field(default_factory=dict)

    def plain(self) -> Json:
        """As the API shows it."""
        told: Json = {"id": self.id, "runs": list(self.runs), "state": self.state, "progress": round(self.progress, 4)}
        return {**told, "note": self.note, "message": self.message, **self.found}


class ExaminationRoutes:
    """/v1/examinations."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._known: OrderedDict[str, Exam] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    async def begin(self, request: web.Request) -> web.Response:
        """Examine runs on the held-out rows of the first one's dataset."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "runs", "rows")
        given = body.get("runs")
        if not isinstance(given, list) or not 2 <= len(given) <= MOST_RUNS or len(set(map(str, given))) < len(given):
            raise Unprocessable(f'"runs" must name 2 to {MOST_RUNS} different runs.')
        runs = tuple(self._workspace.run(checked_name(str(name))).name for name in given)
        rows = fields.whole(body, "rows", 1, 10_000) if "rows" in body else ROWS
        if self._task is not None and not self._task.done():
            busy = next(reversed(self._known.values()))
            raise Conflict(f"{' and '.join(busy.runs)} are being examined; wait until that is done, or cancel it.")
        exam = self._keep(Exam(secrets.token_hex(8), runs))
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        self._task = asyncio.get_running_loop().create_task(self._examine(exam.id, rows))
        return reply(exam.plain(), 202)

    async def one(self, request: web.Request) -> web.Response:
        """How far it is, or what it found: score, size, speed, and whether the runs differ at all."""
        return reply(self._find(request).plain())

    async def cancel(self, request: web.Request) -> web.Response:
        """End it."""
        exam = self._find(request)
        if exam.state == "running":
            await self.close()
        return reply(self._known[exam.id].plain())

    async def close(self) -> None:
        """End what is being examined."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _find(self, request: web.Request) -> Exam:
        exam = self._known.get(request.match_info["examination"])
        if exam is None:
            raise NotFound("There is no such exam any more; examine the runs again.")
        return exam

    def _keep(self, exam: Exam) -> Exam:
        self._known[exam.id] = exam
        return exam

    async def _examine(self, id_: str, rows: int) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                ended = await self._follow(id_, rows)
        except asyncio.CancelledError:
            ended = self._ended(id_, "cancelled", "It was cancelled.")
        except TimeoutError:
            ended = self._ended(id_, "failed", "The models took too long to answer; examine them on fewer rows.")
        except (OSError, ValueError, KeyError, TypeError):
            ended = self._ended(id_, "failed", "The process that examines ended; there may be too little memory.")
        self._keep(ended)  # after the process: who reads that an exam is over may begin the next

    async def _follow(self, id_: str, rows: int) -> Exam:
        exam = self._known[id_]
        order = {"do": "examine", "run": exam.runs[0], "runs": list(exam.runs), "rows": rows}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "trainer_host.evaluation.bench", str(self._workspace.home),
            stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=LINE_BYTES,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.close()  # the process ends by itself when it has answered
            while line := await process.stdout.readline():
                told: Json = json.loads(line)
                if "error" in told:
                    return self._ended(id_, "failed", str(told["error"]))
                if isinstance(found := told.get("answer"), dict):
                    return replace(self._known[id_], state="done", progress=1.0, note="", found=found)
                now = max(self._known[id_].progress, min(0.999, float(str(told["share"]))))
                self._keep(replace(self._known[id_], progress=now, note=str(told["note"])))
            raise ConnectionError
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _ended(self, id_: str, state: str, message: str) -> Exam:
        return replace(self._known[id_], state=state, note="", message=message)
