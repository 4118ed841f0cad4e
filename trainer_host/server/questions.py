"""Questions to a person over the API: which texts a router was unsure about, and the labels that a person gives them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from edge_runtime.api.wire import read_json, reply
from edge_runtime.tasks.router import MAX_CHARS
from trainer_host.server import fields
from trainer_host.server.access import Guard
from trainer_host.server.errors import Conflict, Unprocessable
from trainer_host.server.fields import Json
from trainer_host.workspace import Workspace

if TYPE_CHECKING:
    from trainer_host.data.questions import Question, Questions

BODY_BYTES = 32 * 1024  # a text of 4,000 characters in JSON, and its label
SHOWN = 50  # questions of one dataset in an answer; the next ones follow when these are answered
MAX_LABEL_CHARS = 100
MAX_NAME_CHARS = 100  # of a dataset; its own check says what a name may be


class QuestionRoutes:
    """/v1/questions."""

    def __init__(self, workspace: Workspace, guard: Guard) -> None:
        self._workspace = workspace
        self._guard = guard

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

        return reply(_json(await asyncio.to_thread(questions_for, self._workspace, request.match_info["dataset"])))

    async def answer(self, request: web.Request) -> web.Response:
        """Give one text its label, or with null say why it gets none; answers what waits then."""
        from trainer_host.data.questions import DROPPED, NO_LABEL, AnsweredOtherwise, answer_question

        body = await read_json(request, BODY_BYTES)
        fields.only(body, "text", "label", "reason")
        text = fields.text(body, "text", MAX_CHARS)
        label = fields.text(body, "label", MAX_LABEL_CHARS, None)
        reason = fields.text(body, "reason", MAX_LABEL_CHARS, DROPPED)
        if reason not in (DROPPED, NO_LABEL):
            raise Unprocessable(f'"reason" must be "{DROPPED}" or "{NO_LABEL}".')
        who, name = self._guard.paired(request).name, request.match_info["dataset"]
        try:
            found = await asyncio.to_thread(answer_question, self._workspace, name, text, label, reason, who)
        except AnsweredOtherwise as before:
            raise Conflict(str(before)) from None
        return reply(_json(found))

    async def undo(self, request: web.Request) -> web.Response:
        """Let an answered text wait again; answers what waits then."""
        from trainer_host.data.questions import AnsweredOtherwise, take_back

        body = await read_json(request, BODY_BYTES)
        fields.only(body, "text")
        text = fields.text(body, "text", MAX_CHARS)
        try:
            found = await asyncio.to_thread(take_back, self._workspace, request.match_info["dataset"], text)
        except AnsweredOtherwise as taken:
            raise Conflict(str(taken)) from None
        return reply(_json(found))

    async def take(self, request: web.Request) -> web.Response:
        """Put the answers among a dataset's training rows; says which dataset, and how many rows are new."""
        from trainer_host.data.questions import questions_for, take_answers

        body = await read_json(request, BODY_BYTES)
        fields.only(body, "to")
        name = request.match_info["dataset"]
        to = fields.text(body, "to", MAX_NAME_CHARS, name)
        made, new = await asyncio.to_thread(take_answers, self._workspace, name, to)
        left = await asyncio.to_thread(questions_for, self._workspace, name)
        return reply({"to": made.name, "new": new, "rows": made.counts["train"], **_json(left)})


def _json(found: Questions) -> Json:
    return {
        "dataset": found.dataset,
        "labels": list(found.labels),
        "waiting": len(found.waiting),
        "answered": len(found.answered),
        "questions": [_question(one) for one in found.waiting[:SHOWN]],
    }


def _question(one: Question) -> Json:
    guesses = [{"label": label, "score": round(score, 4)} for label, score in one.guesses]
    return {"text": one.text, "doubt": one.doubt, "guesses": guesses, "why": one.why, "source": one.source}
