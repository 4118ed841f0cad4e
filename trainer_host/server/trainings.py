"""Trainings over the API: begun, watched, paused, resumed, cancelled; each is a job of the host's queue."""

from __future__ import annotations

import asyncio
import math
import re

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.errors import BadRequest
from trainer_host.commands.train import MOST_DEVICES
from trainer_host.data.dataset import open_dataset
from trainer_host.server import fields
from trainer_host.server.errors import Conflict, Unprocessable
from trainer_host.server.fields import Json
from trainer_host.server.job_queue import JobQueue
from trainer_host.server.jobs import tail
from trainer_host.training.curves import decimated, joined
from trainer_host.workspace import Workspace, checked_name

BODY_BYTES = 16 * 1024
MAX_NAME_CHARS = 64
MAX_POINTS = 20_000  # of one figure in an answer, some 400 kB; more are decimated
TRAIN = "train"
# The options of `enigma train`, by what they take. Those that name files or hubs take names of runs here.
_NUMBERS = ("seconds", "epochs", "rate", "replay", "distil_weight", "temperature")
_COUNTS = {"context": 1_000_000, "window": 1_000_000, "rows": 65_536, "patience": 100_000, "self_play": 1_000_000}
_WORDS = {
    "size": re.compile(r"[a-z]{1,16}"),
    "optimizer": re.compile(r"[a-z]{1,16}"),
    "schedule": re.compile(r"[a-z]{1,16}"),
    "mirror": re.compile(r"[a-z]{1,16}"),
    "lora": re.compile(r"[a-z0-9=.,+_-]{1,64}"),
    "init": re.compile(r"[a-z0-9][a-z0-9-]{0,63}"),
    "old": re.compile(r"[a-z0-9][a-z0-9-]{0,63}"),
    "teacher": re.compile(r"[a-z0-9][a-z0-9-]{0,63}"),
}
OPTIONS = (*_NUMBERS, *_COUNTS, *_WORDS, "seed", "curriculum", "devices")


class TrainingRoutes:
    """/v1/trainings."""

    def __init__(self, workspace: Workspace, queue: JobQueue) -> None:
        self._workspace = workspace
        self._queue = queue

    async def begin(self, request: web.Request) -> web.Response:
        """Put a training into the queue."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "data", "task", "name", "replace", "options")
        data = checked_name(fields.text(body, "data", MAX_NAME_CHARS))
        wanted = fields.text(body, "name", MAX_NAME_CHARS, None)
        dataset = await asyncio.to_thread(open_dataset, self._workspace.dataset(data))
        task = fields.text(body, "task", MAX_NAME_CHARS, dataset.task)
        if task != dataset.task:
            raise Unprocessable(f"The dataset '{data}' teaches the task {dataset.task}, not this one.")
        words = train_words(body.get("options", {}))
        # No await from here on: two requests at a time must not get the same name.
        name = self._free_name(data) if wanted is None else checked_name(wanted)
        if wanted is not None and self._taken(name) and not fields.flag(body, "replace"):
            raise Conflict(f"There is a run '{name}' already; choose another name, or send \"replace\": true.")
        command = ("train", f"--data={data}", f"--task={task}", f"--name={name}", *words)
        job = self._queue.add(TRAIN, name, (command,), task, data)
        return reply(self.plain(job.id), 202)

    async def all(self, request: web.Request) -> web.Response:
        """All of them, the newest first."""
        return reply({"trainings": [self.plain(job.id) for job in self._queue.jobs(TRAIN)]})

    async def one(self, request: web.Request) -> web.Response:
        """One of them, with the last lines of its log."""
        job = self._queue.job(request.match_info["training"], TRAIN)
        log = await asyncio.to_thread(tail, self._workspace.home / "server" / "jobs" / f"{job.id}.log")
        return reply({**self.plain(job.id), "log": log})

    async def pause(self, request: web.Request) -> web.Response:
        """Keep how far it is and end; `resume` goes on from there."""
        job = self._queue.job(request.match_info["training"], TRAIN)
        return reply(self._queue.stop(job.id, pause=True).plain(), 202)

    async def cancel(self, request: web.Request) -> web.Response:
        """End it; its last checkpoint is kept."""
        job = self._queue.job(request.match_info["training"], TRAIN)
        return reply(self._queue.stop(job.id, pause=False).plain(), 202)

    async def resume(self, request: web.Request) -> web.Response:
        """Go on with one that ended early, from its last checkpoint, bit for bit."""
        job = self._queue.job(request.match_info["training"], TRAIN)
        return reply(self._queue.resume(job.id).plain(), 202)

    async def curve(self, request: web.Request) -> web.Response:
        """A figure by step, over all processes that the training had."""
        job = self._queue.job(request.match_info["training"], TRAIN)
        figure, after, most = curve_query(request)
        history = self._queue.history()
        entries = self._queue.attempts(job)
        curves = [history.points(entry.id, figure, after) for entry in entries] if history else []
        names = sorted({name for entry in entries for name in history.curves(entry.id)}) if history else []
        return reply({"id": job.id, **curve_json(figure, joined(curves), most), "figures": names})

    def plain(self, id_: str) -> Json:
        """How one stands, as it is shown and told."""
        job = self._queue.job(id_)
        numbers: Json = {"history": [entry.id for entry in self._queue.attempts(job)]}
        kind = "training" if job.kind == TRAIN else job.kind
        return {"type": kind, **job.plain(), **numbers, "pausable": job.kind == TRAIN}

    def _taken(self, name: str) -> bool:
        busy = self._queue.busy_with(name) is not None
        return busy or (self._workspace.runs / name).exists() or (self._workspace.training / name).exists()

    def _free_name(self, base: str) -> str:
        number, name = 1, base
        while self._taken(name):
            number += 1
            name = f"{base[:58]}-{number}"
        return name


def train_words(options: object) -> list[str]:
    """The options as words of `enigma train`; raises `Unprocessable` for what it doesn't take."""
    if not isinstance(options, dict) or not set(options) <= set(OPTIONS):
        raise Unprocessable(f'"options" may hold {", ".join(OPTIONS)}, as in {{"size": "nano", "epochs": 2}}.')
    words = []
    for name, value in options.items():
        if value is None:
            continue
        if name == "curriculum":
            words += ["--curriculum"] if fields.flag(options, name) else []
            continue
        if name in _NUMBERS:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
                raise Unprocessable(f'"{name}" must be a number from 0 up.')
        elif name in _WORDS:
            if not isinstance(value, str) or not _WORDS[name].fullmatch(value):
                raise Unprocessable(f'"{name}" must be a plain name; files and hubs are named on the host alone.')
        elif name == "seed":
            value = fields.whole(options, name, 0, 2**31 - 1)
        else:
            value = fields.whole(options, name, 1, MOST_DEVICES if name == "devices" else _COUNTS[name])
        # As one word: a value that begins with a dash is no option.
        words.append(f"--{name.replace('_', '-')}={value}")
    return words


def curve_query(request: web.Request) -> tuple[str, int, int]:
    """figure, after, points of an address; raises `BadRequest`."""
    figure = request.query.get("figure", "loss")[:MAX_NAME_CHARS]
    try:
        after, most = int(request.query.get("after", "-1")), int(request.query.get("points", str(MAX_POINTS)))
    except ValueError:
        raise BadRequest('"after" and "points" must be whole numbers.') from None
    if not 4 <= most <= MAX_POINTS:
        raise BadRequest(f'"points" must be from 4 to {MAX_POINTS:,}.')
    return figure, after, most


def curve_json(figure: str, points: list[tuple[int, float]], most: int) -> Json:
    """A curve as it is answered; values that are no number are left out."""
    whole = [(step, value) for step, value in points if math.isfinite(value)]
    shown = decimated(whole, most)
    return {
        "figure": figure,
        "total": len(whole),
        "steps": [step for step, _ in shown],
        "values": [value for _, value in shown],
    }
