"""Lessons over the API: estimated, begun, watched, cancelled, resumed."""

from __future__ import annotations

import asyncio
import re
import zlib
from dataclasses import replace
from decimal import Decimal

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.errors import Overloaded
from trainer_host.keys import endpoint_for, keys_for
from trainer_host.server import fields
from trainer_host.server.errors import Conflict, Unprocessable
from trainer_host.server.fields import Json
from trainer_host.server.keys import MAX_MODEL_CHARS, MAX_PROVIDER_CHARS, VaultThread
from trainer_host.server.standing import dollars
from trainer_host.server.timetable import Timetable
from trainer_host.tasks import TASKS
from trainer_host.teacher.budget import Budget, checked_limit
from trainer_host.teacher.estimate import Range
from trainer_host.teacher.lesson import BUILT_IN, LOCAL, Lesson, checked_lesson, lesson_name
from trainer_host.teacher.opening import opened
from trainer_host.teacher.prices import price_of
from trainer_host.teacher.sample import estimates
from trainer_host.workspace import Workspace

BODY_BYTES = 16 * 1024
MIN_EXAMPLES, MAX_EXAMPLES = 10, 500
MAX_NAME_CHARS = 48  # a dataset's name is the lesson's and the task's, and has 64
MAX_BUDGET_CHARS = 20
ESTIMATE_SECONDS = 60.0  # drawing a picture per prompt, on a small machine
_PLAIN = re.compile(r"[a-z0-9][a-z0-9-]*(?:\.[0-9a-z-]+)*(?<!\.gguf)")
_FREE = {BUILT_IN: "The built-in teacher costs nothing.", LOCAL: "The local teacher costs nothing."}


class LessonRoutes:
    """/v1/estimates and /v1/lessons."""

    def __init__(self, workspace: Workspace, timetable: Timetable, thread: VaultThread) -> None:
        self._workspace = workspace
        self._timetable = timetable
        self._thread = thread
        self._estimating = asyncio.Lock()

    async def estimate(self, request: web.Request) -> web.Response:
        """What a lesson would cost. Nothing is asked, and nothing spent."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "tasks", "examples_per_task", "provider", "model")
        lesson = _lesson(body, "estimate")
        await self._thread.run(lambda: _check(self._workspace, lesson))
        if lesson.provider in _FREE:
            return reply(
                {"cost_usd": _dollars(Range(Decimal(0), Decimal(0), Decimal(0))), "sentences": [_FREE[lesson.provider]]}
            )
        if self._estimating.locked():
            raise Overloaded("Another estimate is being made; ask again.", 2.0)
        async with self._estimating:
            try:
                async with asyncio.timeout(ESTIMATE_SECONDS):
                    return reply(await asyncio.to_thread(_estimated, self._workspace, lesson))
            except TimeoutError:
                raise Overloaded("The estimate took too long; ask for fewer tasks.", 5.0) from None

    async def begin(self, request: web.Request) -> web.Response:
        """Put a lesson into the queue."""
        body = await read_json(request, BODY_BYTES)
        fields.only(body, "tasks", "examples_per_task", "provider", "model", "budget", "name", "options")
        name = fields.text(body, "name", MAX_NAME_CHARS, None)
        lesson = replace(_lesson(body, name or "lesson"), budget=_budget(body))
        await self._thread.run(lambda: _check(self._workspace, lesson))
        # No await from here on: two requests at a time must not get the same name.
        lesson = _named(lesson, name or self._free_name(lesson))
        if (taken := self._taken_dataset(lesson)) is not None:
            raise Conflict(f"There is a dataset '{taken}' already; choose another name for the lesson.")
        return reply({"id": self._timetable.begin(lesson).lesson.name}, 202)

    async def lessons(self, request: web.Request) -> web.Response:
        """All of them, the newest first."""
        return reply({"lessons": [self.plain(id_) for id_ in self._timetable.ids()]})

    async def lesson(self, request: web.Request) -> web.Response:
        """One of them."""
        return reply(self.plain(request.match_info["lesson"]))

    async def cancel(self, request: web.Request) -> web.Response:
        """End it; what was answered is kept."""
        return reply(self._timetable.cancel(request.match_info["lesson"]).plain(), 202)

    async def resume(self, request: web.Request) -> web.Response:
        """Go on with it, with another budget where one is sent."""
        body = await read_json(request, BODY_BYTES) if request.can_read_body else {}
        fields.only(body, "budget")
        return reply(self._timetable.resume(request.match_info["lesson"], _budget(body)).plain(), 202)

    def plain(self, id_: str) -> Json:
        """How a lesson stands, as it is shown."""
        return self._timetable.standing(id_).plain()

    def _free_name(self, lesson: Lesson) -> str:
        """The provider's, with a number from the second lesson on."""
        base = lesson_name(lesson.provider)[: MAX_NAME_CHARS - 6].strip("-")
        number, name = 1, base
        while self._timetable.taken(name) or self._taken_dataset(_named(lesson, name)) is not None:
            number += 1
            name = f"{base}-{number}"
        return name

    def _taken_dataset(self, lesson: Lesson) -> str | None:
        names = (lesson.dataset(task) for task in lesson.tasks)
        return next((name for name in names if (self._workspace.data / name).exists()), None)


def _lesson(body: Json, name: str) -> Lesson:
    given = body.get("tasks")
    if not isinstance(given, list) or not given:
        raise Unprocessable('Send "tasks", a list of at least one task.')
    tasks = tuple(task for task in given if isinstance(task, str) and task in TASKS)
    if len(tasks) < len(given) or len(set(tasks)) < len(tasks):
        raise Unprocessable(f'"tasks" may hold each of these once: {", ".join(TASKS)}.')
    examples = fields.whole(body, "examples_per_task", MIN_EXAMPLES, MAX_EXAMPLES)
    provider = fields.text(body, "provider", MAX_PROVIDER_CHARS)
    model = fields.text(body, "model", MAX_MODEL_CHARS, None)
    options = body.get("options", {})
    if not isinstance(options, dict) or not all(isinstance(chosen, dict) for chosen in options.values()):
        raise Unprocessable('"options" must be names with values per task, as in {"robot": {"mode": "free"}}.')
    if any("images" in chosen for chosen in options.values()):
        raise Unprocessable("A folder of pictures is named on the host itself, with enigma teach --images.")
    if model is not None and provider == LOCAL and not _PLAIN.fullmatch(model):
        raise Unprocessable(
            "Name a model that 'enigma teacher models' lists on the host; files are opened there alone."
        )
    return checked_lesson(Lesson(name, tasks, examples, provider, model, options=options))


def _named(lesson: Lesson, name: str) -> Lesson:
    # Draws follow from the seed: two lessons of the same tasks must not ask for the same examples.
    return checked_lesson(replace(lesson, name=name, seed=zlib.crc32(name.encode())))


def _budget(body: Json) -> str | None:
    value = body.get("budget")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > MAX_BUDGET_CHARS:
        raise Unprocessable('"budget" must be an amount in US dollars, as in "2.00".')
    return format(checked_limit(value), "f")


def _check(workspace: Workspace, lesson: Lesson) -> None:
    """Refuse what can't begin, before it waits: no such provider, no key, a budget that can't be kept."""
    if lesson.provider == BUILT_IN:
        return
    endpoint = endpoint_for(lesson.provider, workspace)
    keys_for(lesson.provider, workspace)
    if lesson.budget is not None:
        endpoint = endpoint if lesson.model is None else replace(endpoint, model=lesson.model)
        Budget(lesson.limit, price_of(endpoint), endpoint.model)


def _estimated(workspace: Workspace, lesson: Lesson) -> Json:
    with opened(workspace, lesson) as found:
        _, total = estimates(lesson, found, 0, on_task=lambda task, share: None)
    return {"cost_usd": None if total.cost is None else _dollars(total.cost), "sentences": total.sentences()}


def _dollars(amount: Range) -> Json:
    return {"likely": dollars(amount.likely), "low": dollars(amount.low), "high": dollars(amount.high)}
