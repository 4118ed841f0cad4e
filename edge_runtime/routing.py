"""One question for all specialists: the device's router says which task it is, and the specialist of that task answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from edge_runtime.errors import BadRequest, NotFound
from edge_runtime.serving.turns import USUAL, Urgency
from edge_runtime.tasks import router, task_module, task_names

if TYPE_CHECKING:
    from edge_runtime.device import Device
    from edge_runtime.serving.generations import Serving
    from edge_runtime.serving.worker import Answer

Json = dict[str, object]
COMBO = "combo"
ROUTER = "router"  # which of several routers is asked, where none is named


@dataclass(frozen=True)
class Routed:
    """task: what the router said; specialist: who answered, None where it isn't sure or nobody here does that task."""

    task: str
    confidence: float
    specialist: str | None
    answer: Answer | None
    seconds: float


async def route(
    device: Device, request: Json, urgency: Urgency = USUAL, *, allow: Callable[[str], None] = lambda specialist: None
) -> Routed:
    """Answer {"text", ...} by the specialist that the router picks.

    "router" names the router, where there are several. What else the request has goes to the specialist as far as its
    task reads it (a robot's "inventory", a picture's "image"). allow: raises where this specialist isn't for who asks. Raises `NotFound` without a
    router of tasks, and whatever the specialist raises.
    """
    fields = dict(request)
    name = _router(device.serving, fields.pop("router", None))
    asked = await device.run(name, {"text": fields.get("text")}, urgency)
    task, confidence = str(asked.value["label"]), float(cast(float, asked.value["confidence"]))
    specialist = None if asked.value["unsure"] else _specialist(device.serving, task)
    if specialist is None:
        return Routed(task, confidence, None, None, asked.seconds)
    allow(specialist)
    read = cast(Json, task_module(task).REQUEST_SCHEMA["properties"])
    own = {key: value for key, value in fields.items() if key == "text" or key in read}
    combo = device.serving.current(specialist).loaded.manifest.task == COMBO
    answer = await device.run(specialist, {"task": task, "request": own} if combo else own, urgency)
    return Routed(task, confidence, specialist, answer, asked.seconds + answer.seconds)


def _router(serving: Serving, wanted: object) -> str:
    """The router whose labels are tasks."""
    if wanted is not None and not isinstance(wanted, str):
        raise BadRequest('"router" must be the name of a specialist.')
    known = set(task_names())
    found = [
        name
        for name in serving.names()
        if (manifest := serving.current(name).loaded.manifest).task == router.NAME and set(manifest.labels) <= known
    ]
    if wanted is not None:
        if wanted in found:
            return wanted
        serving.current(wanted)  # one that isn't there is told so
        raise BadRequest(f"'{wanted[:64]}' is no router whose labels are tasks.")
    if not found:
        raise NotFound(
            "This device has no router whose labels are tasks; teach one with 'enigma teach --task router', or ask a "
            "specialist by its name."
        )
    if len(found) > 1 and ROUTER not in found:
        raise BadRequest(f'Say which router is asked, as in "router": "{found[0]}"; there are {", ".join(found)}.')
    return ROUTER if ROUTER in found else found[0]


def _specialist(serving: Serving, task: str) -> str | None:
    """Who does a task: a specialist of its own before a model of several tasks; of equals, the first by name."""
    several = None
    for name in serving.names():
        manifest = serving.current(name).loaded.manifest
        if manifest.task == task and task != router.NAME:
            return name
        tasks = manifest.options.get("tasks")
        if manifest.task == COMBO and several is None and isinstance(tasks, list) and task in tasks:
            several = name
    return several
