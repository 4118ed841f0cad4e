"""Questions to a person over the API: which texts a router was unsure about, and the labels that a person gives them."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.tasks.router import MAX_CHARS
from trainer_host.server import fields
from trainer_host.server.fields import Json
from trainer_host.workspace import Workspace

BODY_BYTES = 32 * 1024  # a text of 4,000 characters in JSON, and its label
SHOWN = 50  # questions of one dataset in an answer; the next ones follow when these are answered
MAX_LABEL_CHARS = 100


class QuestionRoutes:
    """/v1/questions."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._one = asyncio.Lock()  # two answers at once would each write the queue without the other

    async def all(self, request: web.Request) -> web.Response:
        """Every dataset with questions: how many wait, how many are answered."""
        from trainer_host.data.questions import queues

        found = await asyncio.to_thread(queues, self._workspace)
        return reply(
            {
                "questions": [
                    {"dataset": one.dataset, "waiting": len(one.waiting), "answered": len(one.answered)}
                    for one in found
                ]
            }
        )

    async def waiting(self, request: web.Request) -> web.Response:
        """The most useful questions about one dataset, and its labels."""
        from trainer_host.data.questions import questions_for

        found = await asyncio.to_thread(questions_for, self._workspace, request.match_info["dataset"])
        return reply(_json(asdict(found)))

    async def answer(self, request: web.Request) -> web.Response:
        """Give one text its label, or drop it where the label is null; answers what waits then."""
        from trainer_host.data.questions import answer_question

        body = await read_json(request, BODY_BYTES)
        fields.only(body, "text", "label")
        text = fields.text(body, "text", MAX_CHARS)
        label = fields.text(body, "label", MAX_LABEL_CHARS, None)
        async with self._one:
            found = await asyncio.to_thread(
                answer_question, self._workspace, request.match_info["dataset"], text, label
            )
        return reply(_json(asdict(found)))


def _json(found: Json) -> Json:
    waiting, answered = found["waiting"], found["answered"]
    assert isinstance(waiting, tuple) and isinstance(answered, tuple)
    return {
        "dataset": found["dataset"],
        "labels": found["labels"],
        "waiting": len(waiting),
        "answered": len(answered),
        "questions": waiting[:SHOWN],
    }
