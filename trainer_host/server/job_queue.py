"""The jobs of this host, one at a time: those that wait, the one whose process runs, and how the others ended.

A server that begins finds all of them again: a process that still runs is followed, one that is gone is `stopped`, and
what waited goes on waiting for its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from edge_runtime.errors import NotFound, Overloaded
from trainer_host.errors import TrainerError
from trainer_host.server.errors import Conflict
from trainer_host.server.jobs import ALMOST, Job, Pace, last_word, progress_of, read_jobs, write_job
from trainer_host.training.runs import FILE, Entry, History, history_of, sign_of_life
from trainer_host.workspace import Workspace

MAX_WAITING = 8
MAX_KNOWN = 100  # of the newest jobs; the files of older ones are removed
LOOK_SECONDS = 0.25  # so often a running job is looked at; its listeners hear five times a second at most
KEEP_SECONDS = 5.0  # so often its figures are kept, too
GRACE_SECONDS = 120.0  # for saving a checkpoint of a large model on a slow disk
_ENDINGS = ("log", "end", "json")

_log = logging.getLogger(__name__)


class JobQueue:
    """See the module. Every method belongs to the event loop's thread."""

    def __init__(self, workspace: Workspace, on_change: Callable[[str], None]) -> None:
        """on_change: hears the id of a job whenever it stands otherwise."""
        self._workspace = workspace
        self._folder = workspace.home / "server" / "jobs"
        self._on_change = on_change
        self._jobs = {job.id: job for job in read_jobs(self._folder)}
        self._process: subprocess.Popen[bytes] | None = None
        self._pace = Pace()
        self._kept_at = 0.0
        self._kill_at = 0.0
        self._history: History | None = None
        self._news = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Follow what runs still, and begin to work on what waits."""
        self._work = asyncio.create_task(self._work_through())

    async def close(self) -> None:
        """Look no more; the process that runs goes on."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])
        if self._history is not None:
            self._history.close()

    def jobs(self, kind: str = "") -> list[Job]:
        """All of them or those of a kind, the newest first."""
        return [job for job in reversed(self._jobs.values()) if kind in ("", job.kind)]

    def job(self, id_: str, kind: str = "") -> Job:
        """One of them; raises `NotFound`."""
        job = self._jobs.get(id_)
        if job is None or kind not in ("", job.kind):
            raise NotFound("There is no such job; it may have been long ago.")
        return job

    def busy_with(self, run: str) -> Job | None:
        """The open job that makes or reads a run."""
        return next((job for job in self._jobs.values() if job.open and job.run == run), None)

    def add(self, kind: str, run: str, commands: tuple[tuple[str, ...], ...], task: str = "", data: str = "") -> Job:
        """Put a job, checked before, at the end of the queue; raises `Conflict` or `Overloaded`."""
        self._must_have_room(run)
        number = 1 + max((int(id_.rpartition("-")[2]) for id_ in self._jobs), default=0)
        job = Job(f"{kind}-{number}", kind, run, commands, time.time(), task, data)
        for old in self.jobs()[MAX_KNOWN - 1 :]:
            self._forget(old)
        self._set(job, keep=True)
        self._news.set()
        return job

    def resume(self, id_: str) -> Job:
        """Let a job that ended early run again; a training goes on from its last checkpoint. Raises as `add`."""
        job = self.job(id_)
        if job.open:
            return job
        if job.state == "done":
            raise Conflict("This is done already; begin another one.")
        self._must_have_room(job.run)
        self._set(replace(job, state="waiting", message=None, asked=None, ended=None), keep=True)
        self._news.set()
        return self._jobs[id_]

    def stop(self, id_: str, *, pause: bool) -> Job:
        """Let a training save a checkpoint and end, to be resumed; or cancel a job, running or waiting.

        Raises `Conflict` where it is over.
        """
        job = self.job(id_)
        if job.state == "waiting":
            message = "It was paused before it began." if pause else "It was cancelled before it began."
            return self._set(replace(job, state="paused" if pause else "cancelled", message=message), keep=True)
        if job.state != "running":
            raise Conflict(f"This is {job.state}; only what runs or waits can be ended.")
        if job.asked is None:
            self._kill_at = time.monotonic() + GRACE_SECONDS
            with contextlib.suppress(OSError):  # it may have ended at this moment
                os.kill(job.pid, signal.SIGTERM)
        return self._set(replace(job, asked="pause" if pause else "cancel"), keep=True)

    def attempts(self, job: Job) -> list[Entry]:
        """What the history of trainings has of a job: an entry per process, the oldest first."""
        if job.kind != "train" or job.begun is None or (history := self.history()) is None:
            return []
        # Behind its end the name may be another job's.
        return [
            entry for entry in history.attempts(job.run, job.begun) if job.ended is None or entry.begun <= job.ended
        ]

    def history(self) -> History | None:
        """The history of trainings; None while there is none."""
        if self._history is None and (self._workspace.home / FILE).exists():
            self._history = history_of(self._workspace.home)
        return self._history

    def _must_have_room(self, run: str) -> None:
        if (busy := self.busy_with(run)) is not None:
            raise Conflict(f"'{run}' is {busy.state} already, as {busy.id}; cancel that, or wait until it has ended.")
        if sum(job.state == "waiting" for job in self._jobs.values()) >= MAX_WAITING:
            raise Overloaded(f"{MAX_WAITING} jobs are waiting already; cancel one, or wait until one is done.", 60.0)

    async def _work_through(self) -> None:
        while True:
            try:
                running = next((job for job in self._jobs.values() if job.state == "running"), None)
                if running is not None:
                    self._look(running)
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                self._news.clear()
                waiting = next((job for job in self._jobs.values() if job.state == "waiting"), None)
                if waiting is not None:
                    self._begin(waiting)
                    continue
                await self._news.wait()
            except (TrainerError, OSError) as cause:  # a full disk, a history that is locked for long
                _log.warning("jobs can't be looked after: %s", cause)
                await asyncio.sleep(5.0)

    def _begin(self, job: Job) -> None:
        for path in [*self._folder.glob(f"{job.id}.*.progress"), self._folder / f"{job.id}.end"]:
            path.unlink(missing_ok=True)
        now = time.time()
        first = replace(job, state="running", begun=job.begun or now, asked=None, message=None, note="starting")
        command = [sys.executable, "-m", "trainer_host.server.job_process", str(self._folder), job.id]
        command += [str(self._workspace.home), json.dumps(job.commands)]
        try:
            handle = os.open(self._folder / f"{job.id}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "ab") as log:
                # A session of its own: what ends the server's terminal or service doesn't end it.
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
        except OSError as cause:
            message = f"No process could be started: {cause.strerror}."
            self._set(replace(first, state="failed", message=message, ended=now), keep=True)
            return
        pid = self._process.pid
        self._pace, self._kill_at = Pace(), 0.0
        self._set(replace(first, pid=pid, alive=sign_of_life(pid)), keep=True)

    def _look(self, job: Job) -> None:
        own = self._process is not None and self._process.pid == job.pid
        over = self._process.poll() is not None if own and self._process else sign_of_life(job.pid) != job.alive
        share, note = progress_of(self._folder, job)
        now = replace(job, progress=max(job.progress, min(ALMOST, share)), note=note)
        if (attempts := self.attempts(job)) and (history := self.history()) is not None:
            # Of one that goes on, the figures before it did stay until it has new ones.
            step, figures = history.latest(attempts[-1].id)
            if step:
                now = replace(now, step=step, figures=tuple(figures.items()))
        now = self._pace.judged(now)
        if over:
            self._process = None if own else self._process
            self._set(self._ended(now, attempts), keep=True)
            return
        if job.asked is not None and self._kill_at == 0.0:
            self._kill_at = time.monotonic() + GRACE_SECONDS  # asked by a server before this one
        if job.asked is not None and time.monotonic() > self._kill_at:
            with contextlib.suppress(OSError):
                os.killpg(job.pid, signal.SIGKILL)
        if now != job:
            self._set(now, keep=time.monotonic() - self._kept_at > KEEP_SECONDS)

    def _ended(self, job: Job, attempts: list[Entry]) -> Job:
        job = replace(job, ended=time.time(), rate=0.0, eta=None, note="")
        try:
            code = int(json.loads((self._folder / f"{job.id}.end").read_bytes())["code"])
        except (OSError, ValueError, KeyError, TypeError):
            code = None
        if code == 0:
            figures = tuple(attempts[-1].figures.items()) if attempts else job.figures
            return replace(job, state="done", progress=1.0, asked=None, figures=figures)
        if job.asked is not None:
            kept = f"It goes on from step {job.step}." if job.step else None
            return replace(job, state="paused" if job.asked == "pause" else "cancelled", message=kept)
        if code is None:
            return replace(job, state="stopped", message="Its process was ended from outside; resume it to go on.")
        said = last_word(self._folder / f"{job.id}.log") or "It failed without a word."
        return replace(job, state="failed", message=said)

    def _set(self, job: Job, *, keep: bool) -> Job:
        self._jobs[job.id] = job
        if keep:
            self._kept_at = time.monotonic()
            try:
                write_job(self._folder, job)
            except TrainerError as error:  # the work itself must not end for want of its figures
                _log.warning("how job %s stands isn't kept: %s", job.id, error)
        self._on_change(job.id)
        return job

    def _forget(self, job: Job) -> None:
        if not job.open:
            del self._jobs[job.id]
            for path in [
                *self._folder.glob(f"{job.id}.*.progress"),
                *(self._folder / f"{job.id}.{e}" for e in _ENDINGS),
            ]:
                path.unlink(missing_ok=True)
