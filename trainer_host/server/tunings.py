"""What people preferred, taught to a run over the API: votes and thumbs become a file, and `enigma tune` a job."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from trainer_host.asking import WRITTEN
from trainer_host.server import fields
from trainer_host.server.access import Guard
from trainer_host.server.comparisons import preferences_file
from trainer_host.server.errors import Conflict, Unprocessable
from trainer_host.server.fields import Json
from trainer_host.server.job_queue import JobQueue
from trainer_host.server.preferences import thumbs_path, votes_path
from trainer_host.workspace import Workspace, checked_name, storage_errors, write_atomic

BODY_BYTES = 4 * 1024
MAX_NAME_CHARS = 64
TUNE = "tune"
PAIRS, THUMBS = "pairs", "thumbs"  # `enigma tune` has options of these names
COMBO = "combo"
LEAST = 9  # a batch of DPO, and one that is kept back and examined


class TuningRoutes:
    """/v1/tunings."""

    def __init__(self, workspace: Workspace, queue: JobQueue, guard: Guard) -> None:
        self._workspace = workspace
        self._queue = queue
        self._guard = guard

    async def all(self, request: web.Request) -> web.Response:
        """The jobs, the newest first, and how many preferences and opinions each task has."""
        counts, single = await asyncio.to_thread(
            lambda: [
                {task: len(found) for task in WRITTEN if (found := read(self._workspace, task))}
                for read in (preferences, opinions)
            ]
        )
        jobs = [{"type": TUNE, **job.plain()} for job in self._queue.jobs(TUNE)]
        return reply({"tunings": jobs, "preferences": counts, "opinions": single})

    async def begin(self, request: web.Request) -> web.Response:
        """Put the tuning of a run by all that people preferred in its task into the queue."""
        from trainer_host.training.run import read_card

        body = await read_json(request, BODY_BYTES)
        fields.only(body, "run", "name", "epochs", "by")
        run = self._workspace.run(fields.text(body, "run", MAX_NAME_CHARS)).name
        into = checked_name(fields.text(body, "name", MAX_NAME_CHARS, f"{run[:58]}-liked"))
        epochs = fields.whole(body, "epochs", 1, 100) if "epochs" in body else 1
        task = (await asyncio.to_thread(read_card, self._workspace.run(run))).task
        if task not in (*WRITTEN, COMBO):
            raise Unprocessable(f"A {task} writes no text, so it can't learn from preferences; choose a run that does.")
        by = str(body.get("by", ""))
        if by not in ("", PAIRS, THUMBS):
            raise Unprocessable(f'"by" must be {PAIRS} or {THUMBS}.')
        found = [] if by == THUMBS else await asyncio.to_thread(preferences, self._workspace, task)
        if by == THUMBS or (not by and len(found) < LEAST):
            by, found = THUMBS, await asyncio.to_thread(opinions, self._workspace, task)
        if len(found) < LEAST:
            raise Unprocessable(
                f"There are {len(found)} votes and thumbs on answers of the task {task}; {LEAST} or more are needed. Put "
                "thumbs on answers in the chat, vote there with two models, or compare two runs."
            )
        if by == THUMBS and not any(row["label"] for row in found):
            raise Unprocessable("All thumbs are down, so nothing says what to write instead; put some up, too.")
        by = by or PAIRS
        if (self._workspace.runs / into).exists() or self._queue.busy_with(into) is not None:
            raise Conflict(f"There is a run '{into}' already; choose another name.")
        file = self._workspace.home / "preferences" / "sets" / f"{into}.jsonl"
        await asyncio.to_thread(_write, file, found)
        who = self._guard.paired(request).name or "a person"
        command = ("tune", run, f"--{by}={file}", f"--to={into}", f"--author={who}", f"--epochs={epochs}")
        job = self._queue.add(TUNE, into, (command,), task, f"{len(found)} {'votes' if by == PAIRS else 'thumbs'}")
        return reply({"type": TUNE, **job.plain()}, 202)

    async def cancel(self, request: web.Request) -> web.Response:
        """End it; no run is made."""
        job = self._queue.job(request.match_info["tuning"], TUNE)
        return reply(self._queue.stop(job.id, pause=False).plain(), 202)

    async def resume(self, request: web.Request) -> web.Response:
        """Do it again."""
        job = self._queue.job(request.match_info["tuning"], TUNE)
        return reply(self._queue.resume(job.id).plain(), 202)


def preferences(workspace: Workspace, task: str) -> list[Json]:
    """All that people preferred between answers of a task, of every one for a combo; of two votes on the same the later counts."""
    files = [preferences_file(workspace, one) for one in WRITTEN if task in (one, COMBO)]
    if task in ("chat", COMBO):
        files.append(votes_path(workspace))
    rows = [row for file in files for row in _rows(file, "prompt", "chosen", "rejected")]
    found: dict[str, Json] = {}
    for row in [*(_paired(_thumbs(workspace)) if task in ("chat", COMBO) else ()), *rows]:
        answers = sorted(json.dumps(row[name], sort_keys=True) for name in ("chosen", "rejected"))
        key = json.dumps([row["prompt"], answers], sort_keys=True)
        found.pop(key, None)
        found[key] = row
    return list(found.values())


def opinions(workspace: Workspace, task: str) -> list[Json]:
    """All answers of a task that people found good or bad, each once: thumbs, and both sides of what they preferred."""
    rows = [
        {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen", "source": row.get("source", {})}
        for row in preferences(workspace, task)
        for side in ("chosen", "rejected")
    ]
    found: dict[str, Json] = {}
    # What somebody said of the answer itself counts more than that another one was better or worse.
    for row in [*rows, *(_thumbs(workspace) if task in ("chat", COMBO) else ())]:
        found[json.dumps([row["prompt"], row["completion"]], sort_keys=True)] = row
    return list(found.values())


def _thumbs(workspace: Workspace) -> list[Json]:
    rows = _rows(thumbs_path(workspace), "prompt", "completion")
    return [row for row in rows if isinstance(row.get("label"), bool)]


def _paired(thumbs: list[Json]) -> Iterator[Json]:
    """A good and a bad answer to the same: the good one is preferred."""
    asked: dict[str, tuple[list[Json], list[Json]]] = {}
    for row in thumbs:
        asked.setdefault(json.dumps(row["prompt"], sort_keys=True), ([], []))[not row["label"]].append(row)
    for good, bad in asked.values():
        for better in good:
            for worse in bad:
                if better["completion"] != worse["completion"]:
                    answers = {"chosen": better["completion"], "rejected": worse["completion"]}
                    yield {"prompt": better["prompt"], **answers, "source": {"way": "thumbs", "task": "chat"}}


def _rows(file: Path, *lists: str) -> Iterator[Json]:
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            row = json.loads(line)
            if all(isinstance(row[name], list) and row[name] for name in lists):
                yield row
        except (ValueError, KeyError, TypeError):
            continue  # cut off by the end of the machine


def _write(file: Path, rows: list[Json]) -> None:
    with storage_errors(file):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
        write_atomic(file, content, 0o600)
