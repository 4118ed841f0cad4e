"""The pipelines of a device: files in its state folder, loaded at the start, listed, started and stopped.

A file that can't be used is listed with what is wrong in it, and hinders nothing else. What a person stopped stays
stopped after a restart, until a person starts it again; a start reads the file anew.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest, EdgeError, NotFound, Overloaded, StateError
from edge_runtime.update import disk

if TYPE_CHECKING:
    from edge_runtime.config import RobotConfig
    from edge_runtime.media import Media
    from edge_runtime.pipelines.asking import Host
    from edge_runtime.pipelines.declare import Pipeline
    from edge_runtime.pipelines.items import Captured
    from edge_runtime.pipelines.runner import Running
    from edge_runtime.pipelines.topics import Topics

FOLDER = "pipelines"
STOPPED_FILE = "stopped.json"
MOST = 16  # that run at the same time
_MOST_FILES = 256  # that are looked at
_STOP_SECONDS = 15.0  # sources and sinks have their own, shorter, deadlines
_log = logging.getLogger(__name__)
Json = dict[str, object]


@dataclass
class _Entry:
    """One file: what runs, or why nothing does."""

    running: Running | None = None
    task: asyncio.Task[None] | None = None
    wrong: str = ""


class Pipelines:
    """All pipelines of a device; every method is called in its event loop.

    What runs them is imported with the first one: a device without pipelines pays nothing for them.
    """

    def __init__(self, state: Path, host: Host, robot: RobotConfig | None = None) -> None:
        """robot: the device's own, for actions that name no other."""
        self._folder, self._host, self._robot = state / FOLDER, host, robot
        self._entries: dict[str, _Entry] = {}
        self._changing = asyncio.Lock()

    @functools.cached_property
    def topics(self) -> Topics:
        """What pipelines, and programs over the API, tell one another."""
        from edge_runtime.pipelines.topics import Topics

        return Topics()

    async def start_all(self) -> None:
        """Start what the folder holds, but for what isn't enabled or was stopped.

        Later: what is new or was changed begins, what is gone or isn't enabled any more ends, and the others go on, also
        one whose file can't be used any more.
        """
        async with self._changing:
            files, stopped = self._files(), self._stopped()
            for name in [name for name in self._entries if name not in files]:
                await self._end(name)
                del self._entries[name]
            for name, path in files.items():
                entry = self._entries.get(name)
                try:
                    declared = _read(path)
                    if entry is not None and entry.running is not None and entry.running.declared == declared:
                        continue
                    await self._end(name)
                    self._entries.pop(name, None)
                    if declared.enabled and name not in stopped:
                        self._begin(declared)
                except EdgeError as error:
                    self._refused(name, error)

    async def start(self, name: str) -> Json:
        """Start a pipeline by its file as it is now, also one that runs; raises `NotFound`, or what is wrong in it."""
        async with self._changing:
            path = self._path(name)
            declared = _read(path)
            await self._end(name)
            try:
                self._begin(declared)
            except EdgeError as error:
                self._refused(name, error)
                raise
            self._keep_stopped(self._stopped() - {name})
        self._host.events.emit("pipeline_started", pipeline=name)
        return self._told(name)

    async def stop(self, name: str) -> Json:
        """Stop a pipeline, also over restarts; raises `NotFound`."""
        async with self._changing:
            if name not in self._entries:
                self._path(name)
            await self._end(name)
            self._keep_stopped(self._stopped() | {name})
        self._host.events.emit("pipeline_stopped", pipeline=name)
        told = self._told(name)
        if name not in self._files():  # nothing is left of it
            self._entries.pop(name, None)
        return told

    async def picture(self, name: str) -> tuple[Media, Captured]:
        """What the camera of a pipeline sees, see `Running.picture`; raises `NotFound`, too, where it doesn't run."""
        return await self._running(name).picture()

    async def sound(self, name: str, seconds: float) -> tuple[Media, Captured]:
        """What the microphone of a pipeline hears, see `Running.sound`; raises `NotFound`, too, where it doesn't run."""
        return await self._running(name).sound(seconds)

    def _running(self, name: str) -> Running:
        entry = self._entries.get(name)
        if entry is None:
            self._path(name)
        if entry is None or entry.running is None or entry.task is None or entry.task.done():
            raise NotFound(f"The pipeline '{name[:64]}' doesn't run.")
        return entry.running

    def all(self) -> list[Json]:
        """Every file of the folder, with what its pipeline does; also what still runs without its file."""
        return [self._told(name) for name in sorted({*self._files(), *self._entries})]

    def count(self) -> None:
        """Add to the device's counters what happened since this was called last."""
        for name, entry in self._entries.items():
            for what, amount in entry.running.news().items() if entry.running else ():
                if amount:
                    self._host.metrics.count(f"enigma_pipeline_{what}_total", amount, pipeline=name)

    def ages(self) -> list[tuple[dict[str, str], float]]:
        """Seconds since each pipeline's latest item was captured, as a gauge."""
        latest = {name: each.running.latest for name, each in self._entries.items() if each.running}
        return [({"pipeline": name}, moment.age) for name, moment in latest.items() if moment is not None]

    async def close(self) -> None:
        """End all of them; after a restart of the daemon they go on."""
        async with self._changing:
            await asyncio.gather(*(self._end(name) for name in list(self._entries)))

    def _begin(self, declared: Pipeline) -> None:
        from edge_runtime.pipelines.runner import Running
        from edge_runtime.pipelines.sinks import open_sink
        from edge_runtime.pipelines.sources import open_source

        if sum(entry.task is not None and not entry.task.done() for entry in self._entries.values()) >= MOST:
            raise Overloaded(f"{MOST} pipelines run already; stop one of them.")
        running = Running(
            declared,
            self._host,
            open_source(declared.source, self.topics, self._robot),
            lambda sink: open_sink(sink, declared.name, self._host.events, self.topics, self._robot),
        )
        task = asyncio.create_task(running.run(), name=f"pipeline {declared.name}")
        self._entries[declared.name] = _Entry(running, task)

    async def _end(self, name: str) -> None:
        entry = self._entries.get(name)
        if entry is None or entry.task is None:
            return
        entry.task.cancel()
        await asyncio.wait([entry.task], timeout=_STOP_SECONDS)
        entry.task = None
        if entry.running is not None:
            entry.running.stopped()

    def _refused(self, name: str, error: EdgeError) -> None:
        entry = self._entries.get(name)
        if entry is None or entry.task is None:
            self._entries[name] = _Entry(wrong=str(error))
        self._host.events.emit("error", pipeline=name, code=error.code, message=str(error))

    def _told(self, name: str) -> Json:
        entry = self._entries.get(name)
        if entry is not None and entry.running is not None:
            return entry.running.plain()
        wrong = entry.wrong if entry is not None else ""
        return {"name": name, "state": "wrong" if wrong else "stopped", "last_error": wrong or None}

    def _files(self) -> dict[str, Path]:
        """By name."""
        try:
            found = sorted(path for path in self._folder.iterdir() if path.suffix == ".toml")
        except OSError:
            return {}
        return {path.stem: path for path in found[:_MOST_FILES]}

    def _path(self, name: str) -> Path:
        files = self._files()
        if name not in files:
            have = ", ".join(files) or "none yet"
            raise NotFound(f"There is no pipeline '{name[:64]}' on this device (it has {have}).")
        return files[name]

    def _stopped(self) -> set[str]:
        path = self._folder / STOPPED_FILE
        try:
            value = strict_json.loads_object(path.read_bytes(), str(path), StateError)["stopped"]
            if isinstance(value, list):
                return {str(name) for name in value}
        except FileNotFoundError:
            return set()
        except (OSError, StateError, KeyError) as cause:
            _log.warning("%s can't be used (%s); no pipeline counts as stopped", path, cause)
        return set()

    def _keep_stopped(self, names: set[str]) -> None:
        with disk.storage_errors(self._folder):
            kept = sorted(names & set(self._files()))
            disk.write_atomic(self._folder / STOPPED_FILE, strict_json.dumps({"stopped": kept}))


def _read(path: Path) -> Pipeline:
    from edge_runtime.pipelines.reading import read_pipeline

    return read_pipeline(path)


def check_files(state: Path) -> dict[str, Pipeline | BadRequest]:
    """Every file of a state folder as it would be used, or what is wrong with it."""
    found: dict[str, Pipeline | BadRequest] = {}
    for path in sorted((state / FOLDER).glob("*.toml"))[:_MOST_FILES]:
        try:
            found[path.stem] = _read(path)
        except BadRequest as error:
            found[path.stem] = error
    return found
