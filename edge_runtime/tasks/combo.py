"""Task `combo`: one language model for several tasks, told apart by a token; up to all twelve (all-in-one)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.tasks import task_module
from edge_runtime.tasks.dialogue import TextTask, only, written
from edge_runtime.tasks.written_confidence import Doubt, read_doubt

if TYPE_CHECKING:
    from edge_runtime.bundle.manifest import Manifest
    from edge_runtime.engines.language import LanguageEngine
    from edge_runtime.language.specialist import LanguageSpecialist

NAME = "combo"
Json = dict[str, object]
REQUEST_SCHEMA: Json = {
    "type": "object",
    "required": ["task", "request"],
    "properties": {"task": {"type": "string"}, "request": {"type": "object"}, "max_tokens": {"type": "integer"}},
}
RESPONSE_SCHEMA: Json = {
    "type": "object",
    "required": ["task"],
    "properties": {"task": {"type": "string"}},
}


class Combo:
    """A loaded model of several tasks. `language` is the model below, which can stream."""

    def __init__(self, language: LanguageSpecialist, tasks: dict[str, TextTask], doubts: dict[str, Doubt]) -> None:
        self.language = language
        self.plain = frozenset(name for name, task in tasks.items() if task.PLAIN)
        self._tasks = tasks
        self._doubts = doubts

    def run(self, request: Json) -> Json:
        """The answer of {"task", "request"} as that task's own specialist gives it, with its "task"."""
        only(request, "task", "request", "max_tokens")
        name, inner = request.get("task"), request.get("request")
        if not isinstance(name, str) or name not in self._tasks:
            raise BadRequest(f"`task` must be one of {', '.join(self._tasks)}; that is what this model learnt.")
        if not isinstance(inner, dict):
            raise BadRequest("`request` must be an object, as the task's own specialist takes it.")
        limited = {**inner, "max_tokens": request["max_tokens"]} if "max_tokens" in request else inner
        return {"task": name, **written(self.language, self._tasks[name], limited, self._doubts[name])}


def load(manifest: Manifest, folder: Path, engine: LanguageEngine) -> Combo:
    """A specialist over a language engine; raises `BundleError`."""
    from edge_runtime.language.specialist import load_language

    names = manifest.options.get("tasks")
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
        raise BundleError("'tasks' in the manifest's options must name two tasks or more; build the bundle again.")
    tasks = {str(name): cast(TextTask, task_module(str(name))) for name in names}
    if lacking := next((name for name, task in tasks.items() if not hasattr(task, "messages")), None):
        raise BundleError(f"The task {lacking} isn't written by a language model; update Enigma on the device.")
    doubts = {name: read_doubt(manifest, name, f"unsure_{name}") for name in tasks}
    return Combo(load_language(manifest, folder, engine), tasks, doubts)


def agrees(expected: Json, got: Json) -> bool:
    """As the task of the answer says."""
    name = expected.get("task")
    if not isinstance(name, str) or got.get("task") != name:
        return False
    return task_module(name).agrees(expected, got)
