"""The history of trainings over the API: what there is, its curves, what differs, and undo and redo."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT

from aiohttp import web

from edge_runtime.api.wire import reply
from edge_runtime.errors import NotFound, Overloaded
from trainer_host.server.errors import Conflict, Unprocessable
from trainer_host.server.fields import Json
from trainer_host.server.job_queue import JobQueue
from trainer_host.server.trainings import curve_json, curve_query
from trainer_host.training import checkpoints
from trainer_host.training.runs import Entry, History, differences
from trainer_host.workspace import Workspace

MAX_SHOWN = 500  # of the newest; the older ones are on the host
MOVE_SECONDS = 300.0  # a run whose weights change finds out anew what it doubts, which asks its held-out rows


class RunRoutes:
    """/v1/runs."""

    def __init__(self, workspace: Workspace, queue: JobQueue) -> None:
        self._workspace = workspace
        self._queue = queue

    async def all(self, request: web.Request) -> web.Response:
        """All trainings, the newest first, and the runs that lie in the home folder."""
        history = self._queue.history()
        entries = [] if history is None else history.entries()
        there = self._workspace.names(self._workspace.runs)
        return reply({"runs": [_short(entry) for entry in reversed(entries[-MAX_SHOWN:])], "there": there})

    async def one(self, request: web.Request) -> web.Response:
        """Everything about a training."""
        history, entry = self._find(request, "run")
        return reply(await asyncio.to_thread(_whole, entry, history.curves(entry.id)))

    async def curve(self, request: web.Request) -> web.Response:
        """A figure by step, whole or decimated."""
        history, entry = self._find(request, "run")
        figure, after, most = curve_query(request)
        return reply({"id": entry.id, **curve_json(figure, history.points(entry.id, figure, after), most)})

    async def diff(self, request: web.Request) -> web.Response:
        """What isn't the same in two trainings."""
        (_, one), (_, other) = self._find(request, "run"), self._find(request, "other")
        rows = [{"what": what, "one": first, "other": second} for what, first, second in differences(one, other)]
        return reply({"one": _short(one), "other": _short(other), "differences": rows})

    async def undo(self, request: web.Request) -> web.Response:
        """Go back to the checkpoint before."""
        return await self._move(request, "undo")

    async def redo(self, request: web.Request) -> web.Response:
        """Go on to the checkpoint that was undone."""
        return await self._move(request, "redo")

    async def _move(self, request: web.Request, way: str) -> web.Response:
        history, entry = self._find(request, "run")
        if (busy := self._queue.busy_with(entry.name)) is not None:
            raise Conflict(f"'{entry.name}' is {busy.state}, as {busy.id}; pause it first.")
        said = await enigma(self._workspace, MOVE_SECONDS, "runs", way, str(entry.id))
        whole = await asyncio.to_thread(_whole, entry, history.curves(entry.id))
        return reply({"said": said, **whole})

    def _find(self, request: web.Request, part: str) -> tuple[History, Entry]:
        history = self._queue.history()
        if history is None:
            raise NotFound("Nothing was trained here yet.")
        return history, history.find(request.match_info[part])


async def enigma(workspace: Workspace, seconds: float, *words: str) -> list[str]:
    """Run a command that is done soon in a process of its own; the lines that it printed.

    Raises `Unprocessable` with its sentence where it fails, `Overloaded` where it takes longer.
    """
    command = [sys.executable, "-m", "trainer_host.cli", "--home", str(workspace.home), *words]
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    try:
        async with asyncio.timeout(seconds):
            out, _ = await process.communicate()
    except TimeoutError:
        raise Overloaded("That took too long; do it on the host itself.", 60.0) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = [line for line in out.decode("utf-8", "replace").splitlines() if line.strip()]
    if process.returncode:
        said = [line for line in lines if line.startswith("enigma: ")]
        raise Unprocessable(said[-1].removeprefix("enigma: ") if said else "The host failed on this; its log says why.")
    return lines


def _short(entry: Entry) -> Json:
    return {
        "id": entry.id,
        "name": entry.name,
        "task": entry.task,
        "state": entry.status,
        "message": entry.error,
        "begun": round(entry.begun, 3),
        "seconds": None if entry.seconds is None else round(entry.seconds, 3),
        "data": entry.data,
        "revision": entry.revision,
        "figures": entry.figures,
    }


def _whole(entry: Entry, curves: list[str]) -> Json:
    kept = (entry.folder / checkpoints.FOLDER).is_dir()
    steps = [{"step": made.step, "loss": made.loss} for made in checkpoints.kept(entry.folder)] if kept else []
    return {
        **_short(entry),
        "command": entry.command,
        "config": entry.config,
        "curves": curves,
        "checkpoints": steps,
        "now": checkpoints.now(entry.folder) if kept else None,
    }
