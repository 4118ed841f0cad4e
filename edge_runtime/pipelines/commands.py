"""What `enigma-edge pipelines` does and says: a list, a check of a file, a try of a file without the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from edge_runtime.config import Config
from edge_runtime.errors import BadRequest, StateError
from edge_runtime.media import described
from edge_runtime.pipelines import declare
from edge_runtime.pipelines.declare import Pipeline
from edge_runtime.pipelines.items import Item, Json
from edge_runtime.pipelines.reading import read_pipeline
from edge_runtime.pipelines.service import FOLDER, check_files
from edge_runtime.pipelines.sinks import Sink
from edge_runtime.serving.plan import load_plan
from edge_runtime.update.slots import Slots, lock

Show = Callable[[str], None]


def listed(pipelines: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """A line for each, as the daemon tells them, and one more for its last error."""
    for each in pipelines:
        line = f"{each['name']!s:20} {each['state']!s:9}"
        if "in" in each:
            age = each["age_seconds"]
            line += f" {each['source']!s:10} {each['in']} in, {each['dropped']} dropped, {each['out']} out"
            line += f", {each['errors']} errors" + (f", latest {age:.1f} s ago" if isinstance(age, float) else "")
        yield line.rstrip()
        if each["last_error"]:
            yield f"    {each['last_error']}"


def listed_files(state: Path) -> Iterator[str]:
    """The same without a daemon: only whether the files can be used."""
    for name, found in check_files(state).items():
        if isinstance(found, BadRequest):
            yield f"{name:20} wrong"
            yield f"    {found}"
        else:
            yield f"{name:20} {'not running' if found.enabled else 'not enabled'}"


def checked(path: Path, state: Path) -> Iterator[str]:
    """What a file declares, step by step, and which of its specialists aren't installed; raises `BadRequest`."""
    pipeline = read_pipeline(path)
    enabled = "" if pipeline.enabled else " (not enabled)"
    yield f"{pipeline.name}{enabled}: {pipeline.kind} -> {_named(pipeline)} -> {_sinks(pipeline)}"
    for model in pipeline.models:
        behind = model.after or "the source"
        limit = f", within {model.urgency.seconds * 1000:g} ms" if model.urgency.seconds is not None else ""
        yield f"  {model.name} asks {model.specialist} after {behind}{limit}"
    known = {*(Slots(state).pointers() if state.is_dir() else ()), *(load_plan(state).groups)}
    for name in sorted({model.specialist for model in pipeline.models} - known):
        yield f"  {name} isn't installed in {state}; until it is, its questions are errors"
    if path.parent.absolute() != (state / FOLDER).absolute():
        yield f"  to use it, put it into {state / FOLDER} and run 'enigma-edge pipelines start {pipeline.name}'"


def run_here(
    state: Path, config: Config, path: Path, *, deliver: bool, seconds: float | None, show: Show, warn: Show
) -> None:
    """Run a file's pipeline in this process until its source ends, or for `seconds`.

    deliver: whether its sinks get what comes out; it is shown in any case, a line of JSON each. Raises `StateError`
    where a daemon uses the state folder, and what is wrong with the file.
    """
    pipeline = read_pipeline(path)
    if not state.is_dir():
        raise StateError(f"There is no state folder {state}; install a specialist first, or choose another --state.")
    handle = lock(state)
    if handle is None:
        raise StateError(
            f"A daemon uses {state}; put the file into {state / FOLDER} and run 'enigma-edge pipelines start "
            f"{pipeline.name}'."
        )
    logging.disable(logging.WARNING)  # what is to be known is shown, in a sentence of its own
    try:
        asyncio.run(_run(state, config, pipeline, deliver, seconds, show, warn))
    finally:
        logging.disable(logging.NOTSET)
        os.close(handle)


async def _run(
    state: Path, config: Config, pipeline: Pipeline, deliver: bool, seconds: float | None, show: Show, warn: Show
) -> None:
    from edge_runtime.device import Device
    from edge_runtime.pipelines.runner import Running
    from edge_runtime.pipelines.sinks import open_sink
    from edge_runtime.pipelines.sources import open_source

    device = Device(state, config)
    topics = device.pipelines.topics
    listener = device.events.listen()

    async def tell() -> None:
        while (event := await listener.next()) is not None:
            if event["type"] == "error":
                warn(str(event["message"]))

    def opened(sink: declare.Sink) -> _Shown:
        to = open_sink(sink, pipeline.name, device.events, topics, config.robot) if deliver else None
        return _Shown(pipeline.name, show, to)

    telling = asyncio.create_task(tell())
    try:
        await device.start()
        running = Running(pipeline, device, open_source(pipeline.source, topics), opened)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await running.run()
        [line] = [line for line in listed([running.plain()]) if not line.startswith(" ")]
        warn(line)
    finally:
        device.announce_stop()
        await asyncio.wait([telling], timeout=1.0)
        telling.cancel()
        await device.close()


class _Shown:
    """Shows what a sink would get, and hands it on where there is one."""

    def __init__(self, pipeline: str, show: Show, sink: Sink | None) -> None:
        self._pipeline, self._show, self._sink = pipeline, show, sink

    async def deliver(self, item: Item) -> bool:
        told: object = described(item.plain(self._pipeline))
        self._show(json.dumps(told, ensure_ascii=False))
        return self._sink is None or await self._sink.deliver(item)

    async def close(self) -> None:
        if self._sink is not None:
            await self._sink.close()


def _named(pipeline: Pipeline) -> str:
    return ", ".join(model.name for model in pipeline.models) or "no model"


def _sinks(pipeline: Pipeline) -> str:
    return ", ".join(sink.kind for sink in pipeline.sinks)


def plain_list(state: Path) -> Json:
    """The files without a daemon, as JSON."""
    found: list[Json] = []
    for name, each in check_files(state).items():
        wrong = str(each) if isinstance(each, BadRequest) else None
        found.append({"name": name, "state": "wrong" if wrong else "not running", "last_error": wrong})
    return {"pipelines": found}
