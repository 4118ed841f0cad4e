"""Batch routes for the fake provider: OpenAI's files and batches, Anthropic's message batches, with faults.

    batches = FakeBatches(polls=2)
    async with FakeApi(add_routes=[batches.add_routes]) as api: ...

A batch ends at its `polls`-th look. In a process of its own (`--routes tests...fake_batches:from_environment`), it keeps
what it was sent in the file FAKE_BATCHES_LOG, and takes FAKE_BATCHES (JSON) as arguments.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tests.trainer_host.teacher.fake_api import FakeApi, read_asked, refusal
from trainer_host.teacher.protocol import Json
from trainer_host.teacher.providers import Wire

# What becomes of a row instead of an answer. "lost": it is in no file. "garbage": its line isn't JSON. "twice": its
# line is there twice. "stranger": beside it, a result that nobody asked for.
RowFault = Literal[
    "server error", "refused", "expired", "cancelled", "lost", "garbage", "not a reply", "twice", "stranger"
]
# By a row's custom id, and how often it was in a batch before.
Rows = Callable[[str, int], RowFault | None]
MAX_BATCH_BYTES = 300 * 2**20


@dataclass
class Batch:
    """One batch. rows: by custom id. looks: how often it was asked about."""

    id: str
    wire: Wire
    key: str
    rows: dict[str, Json]
    metadata: Json = field(default_factory=dict)
    looks: int = 0
    status: str = "in_progress"
    answers: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)


@dataclass
class FakeBatches:
    """The state of both APIs; `sent` counts how often each custom id was in a batch that was taken.

    polls: looks until a batch ends. ready: a file without which none ends. looks: a file with a line for each look. rows: faults of rows. fail: a whole batch by number (from 1) fails with these
    words. lose_reply: batches by number that are taken, and the connection broken. hold_reply: seconds between taking
    a batch and answering. cut: downloads by number that break in the middle. most: more requests are refused.
    """

    polls: int = 1
    ready: str = ""
    looks: str = ""
    rows: Rows = lambda custom_id, times: None
    fail: dict[int, str] = field(default_factory=dict)
    lose_reply: set[int] = field(default_factory=set)
    hold_reply: float = 0.0
    cut: set[int] = field(default_factory=set)
    refuse: dict[int, int] = field(default_factory=dict)  # batches by number: the status they are refused with
    cancel: bool = False
    results_at: str = ""  # the host that Anthropic's `results_url` names, by default this one
    log: Path | None = None
    batches: dict[str, Batch] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    created: int = 0
    downloads: int = 0
    lists: int = 0
    looked: asyncio.Event = field(default_factory=asyncio.Event)

    def add_routes(self, app: web.Application, api: FakeApi) -> None:
        """For `FakeApi.add_routes`."""
        self._api = api
        app._client_max_size = MAX_BATCH_BYTES  # the app's own figure is too low for a batch
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post("/v1/batches", self._create_openai)
        app.router.add_get("/v1/batches", self._list_openai)
        app.router.add_get("/v1/batches/{id}", self._look_openai)
        app.router.add_post("/v1/messages/batches", self._create_anthropic)
        app.router.add_get("/v1/messages/batches", self._list_anthropic)
        app.router.add_get("/v1/messages/batches/{id}", self._look_anthropic)
        app.router.add_get("/v1/messages/batches/{id}/results", self._results)

    # OpenAI

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused_key(request, "openai")) is not None:
            return refused
        form = await request.post()
        file = form["file"]
        assert form["purpose"] == "batch" and isinstance(file, web.FileField)
        name = f"file-{len(self.files) + 1}"
        self.files[name] = file.file.read()
        return web.json_response(
            {
                "id": name,
                "object": "file",
                "bytes": len(self.files[name]),
                "created_at": 1_790_000_000,
                "filename": file.filename,
                "purpose": "batch",
                "status": "processed",
            }
        )

    async def _create_openai(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused_key(request, "openai")) is not None:
            return refused
        body = await request.json()
        assert body["endpoint"] == "/v1/chat/completions" and body["completion_window"] == "24h"
        rows: dict[str, Json] = {}
        for line in self.files[body["input_file_id"]].splitlines():
            row = json.loads(line)
            assert row["method"] == "POST" and row["url"] == body["endpoint"] and row["custom_id"] not in rows
            rows[row["custom_id"]] = row["body"]
        return await self._created(request, "openai", rows, body.get("metadata") or {})

    async def _list_openai(self, request: web.Request) -> web.StreamResponse:
        self.lists += 1
        newest = [batch for batch in reversed(self.batches.values()) if batch.wire == "openai"]
        if after := request.query.get("after"):
            newest = newest[[batch.id for batch in newest].index(after) + 1 :]
        size = int(request.query.get("limit", "20"))
        shown = [self._openai(batch) for batch in newest[:size]]
        return web.json_response({"object": "list", "data": shown, "has_more": len(newest) > size})

    async def _look_openai(self, request: web.Request) -> web.StreamResponse:
        if (batch := self._looked(request)) is None:
            return refusal(404, "No batch found", "openai")
        return web.json_response(self._openai(batch))

    async def _content(self, request: web.Request) -> web.StreamResponse:
        kind, _, name = request.match_info["id"].partition("-")
        batch = self.batches[name]
        return await self._download(request, batch.answers if kind == "output" else batch.errors)

    def _openai(self, batch: Batch) -> Json:
        ended = batch.status not in ("in_progress", "failed")
        done, failed = (len(batch.answers), len(batch.errors)) if ended else (0, 0)
        made: Json = {
            "id": batch.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": "file-1",
            "completion_window": "24h",
            "status": batch.status,
            "created_at": 1_790_000_000,
            "output_file_id": f"output-{batch.id}" if ended and batch.answers else None,
            "error_file_id": f"errors-{batch.id}" if ended and batch.errors else None,
            "request_counts": {"total": len(batch.rows), "completed": done, "failed": failed},
            "metadata": batch.metadata,
            "errors": None,
        }
        if batch.status == "failed":
            error = {"code": "token_limit_exceeded", "message": self.fail[_number(batch)], "line": None, "param": None}
            made["errors"] = {"object": "list", "data": [error]}
        return made

    # Anthropic

    async def _create_anthropic(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused_key(request, "anthropic")) is not None:
            return refused
        assert request.headers["anthropic-version"] == "2023-06-01"
        rows: dict[str, Json] = {}
        for row in json.loads(await request.read())["requests"]:
            assert row.keys() == {"custom_id", "params"} and row["custom_id"] not in rows
            rows[row["custom_id"]] = row["params"]
        return await self._created(request, "anthropic", rows, {})

    async def _list_anthropic(self, request: web.Request) -> web.StreamResponse:
        self.lists += 1
        newest = [batch for batch in reversed(self.batches.values()) if batch.wire == "anthropic"]
        if after := request.query.get("after_id"):
            newest = newest[[batch.id for batch in newest].index(after) + 1 :]
        size = int(request.query.get("limit", "20"))
        shown = [self._anthropic(batch, request) for batch in newest[:size]]
        ends = {"first_id": newest[0].id, "last_id": newest[:size][-1].id} if shown else {}
        return web.json_response({"data": shown, "has_more": len(newest) > size, **ends})

    async def _look_anthropic(self, request: web.Request) -> web.StreamResponse:
        if (batch := self._looked(request)) is None:
            return refusal(404, "Not found", "anthropic")
        return web.json_response(self._anthropic(batch, request))

    async def _results(self, request: web.Request) -> web.StreamResponse:
        batch = self.batches[request.match_info["id"]]
        return await self._download(request, batch.answers)

    def _anthropic(self, batch: Batch, request: web.Request) -> Json:
        counts = Counter[str]()
        if batch.status == "in_progress":
            counts["processing"] = len(batch.rows)
        else:
            kinds = {
                b'"type": "errored"': "errored",
                b'"type": "expired"': "expired",
                b'"type": "canceled"': "canceled",
            }
            for line in batch.answers:
                counts.update(kind for mark, kind in kinds.items() if b'"result": {' + mark in line)
            counts["succeeded"] = len(batch.rows) - counts.total()
        now = datetime.now(UTC).isoformat()
        ended = batch.status != "in_progress"
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": {
                name: counts[name] for name in ("processing", "succeeded", "errored", "canceled", "expired")
            },
            "created_at": now,
            "expires_at": now,
            "ended_at": now if ended else None,
            "archived_at": None,
            "cancel_initiated_at": now if self.cancel else None,
            "results_url": f"{self.results_at or self._api.url}/v1/messages/batches/{batch.id}/results"
            if ended
            else None,
        }

    # both

    def _refused_key(self, request: web.Request, wire: Wire) -> web.StreamResponse | None:
        if self._api.keys is not None and _key(request) not in self._api.keys:
            return refusal(401, "this key isn't known", wire)
        return None

    async def _created(
        self, request: web.Request, wire: Wire, rows: dict[str, Json], metadata: Json
    ) -> web.StreamResponse:
        self.created += 1
        number = self.created
        if status := self.refuse.get(number):
            return refusal(status, "no batch for you", wire)
        batch = Batch(f"batch_{number}", wire, _key(request), rows, metadata)
        self.batches[batch.id] = batch
        if self.log is not None:
            with self.log.open("a") as out:
                out.write(json.dumps({"batch": batch.id, "rows": list(rows)}) + "\n")
        if number in self.fail:
            batch.status = "failed"
        else:
            path = "/v1/chat/completions" if wire == "openai" else "/v1/messages"
            alone = make_mocked_request("POST", path, headers={"x-api-key": batch.key})
            for custom_id, body in rows.items():
                self._answer(batch, custom_id, body, alone)
                self.sent[custom_id] += 1
            # "Results in the file are not guaranteed to be in the same order as requests."
            random.Random(number).shuffle(batch.answers)
        if number in self.lose_reply:
            assert request.transport is not None
            request.transport.abort()
        await asyncio.sleep(self.hold_reply)
        return web.json_response(self._openai(batch) if wire == "openai" else self._anthropic(batch, request))

    def _looked(self, request: web.Request) -> Batch | None:
        batch = self.batches.get(request.match_info["id"])
        if batch is None or batch.key != _key(request):
            return None
        batch.looks += 1
        self.looked.set()
        if self.looks:
            with Path(self.looks).open("a") as out:
                out.write(batch.id + "\n")
        if self.ready and not Path(self.ready).exists():
            return batch
        if batch.status == "in_progress" and batch.looks >= self.polls:
            batch.status = "cancelled" if self.cancel else "completed"
        return batch

    def _answer(self, batch: Batch, custom_id: str, body: Json, alone: web.Request) -> None:
        """Answer a row. alone: what a request of its own would be, but for the body."""
        fault = self.rows(custom_id, self.sent[custom_id])
        if fault == "lost":
            return
        if fault == "garbage":
            batch.answers.append(b'{"custom_id": "' + custom_id.encode()[:20])
            return
        if fault in ("server error", "refused", "expired", "cancelled"):
            line = _failed(batch.wire, custom_id, fault)
            (batch.errors if batch.wire == "openai" else batch.answers).append(line)
            return
        raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()  # as our client wrote it
        asked = read_asked(batch.wire, alone, raw, len(self._api.answered) + 1)
        reply: Json = {"nothing": "of the kind"} if fault == "not a reply" else self._api.reply(asked)
        batch.answers.append(_succeeded(batch.wire, custom_id, reply))
        if fault == "twice":
            batch.answers.append(batch.answers[-1])
        if fault == "stranger":
            batch.answers.append(_succeeded(batch.wire, "f" * 64, reply))

    async def _download(self, request: web.Request, lines: list[bytes]) -> web.StreamResponse:
        self.downloads += 1
        body = b"".join(line + b"\n" for line in lines)
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        if self.downloads in self.cut:
            await response.write(body[: len(body) // 2])
            assert request.transport is not None
            request.transport.abort()
            return response
        await response.write(body)
        return response


def from_environment(app: web.Application, api: FakeApi) -> None:
    """Routes for a process of its own."""
    made = FakeBatches(**json.loads(os.environ.get("FAKE_BATCHES", "{}")))
    made.log = Path(os.environ["FAKE_BATCHES_LOG"])
    made.rows = some_lost_once
    made.add_routes(app, api)


def some_lost_once(custom_id: str, times: int) -> RowFault | None:
    """Of the first batch that a row is in, one in sixteen is lost, one fails, one expires."""
    if times:
        return None
    faults: dict[str, RowFault] = {"0": "lost", "1": "server error", "2": "expired"}
    return faults.get(custom_id[0])


def in_turn(*faults: RowFault) -> Rows:
    """One row is answered, the next ones meet the faults, and so on: by the order in which rows are first seen."""
    order: dict[str, int] = {}

    def fault(custom_id: str, times: int) -> RowFault | None:
        return (None, *faults)[order.setdefault(custom_id, len(order)) % (len(faults) + 1)]

    return fault


def _succeeded(wire: Wire, custom_id: str, reply: Json) -> bytes:
    if wire == "openai":
        response = {"status_code": 200, "request_id": f"req-{custom_id[:8]}", "body": reply}
        return json.dumps({"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": None}).encode()
    return json.dumps({"custom_id": custom_id, "result": {"type": "succeeded", "message": reply}}).encode()


def _failed(wire: Wire, custom_id: str, fault: RowFault) -> bytes:
    if wire == "openai":
        made: Json = {"id": "batch_req_1", "custom_id": custom_id, "response": None, "error": None}
        if fault in ("expired", "cancelled"):
            made["error"] = {"code": f"batch_{fault}", "message": "This request could not be executed."}
        else:
            status = 500 if fault == "server error" else 400
            error = {"message": "no", "type": "invalid_request_error", "param": None, "code": None}
            made["response"] = {"status_code": status, "request_id": "req", "body": {"error": error}}
        return json.dumps(made).encode()
    result: Json = {"type": {"expired": "expired", "cancelled": "canceled"}.get(fault, "errored")}
    if result["type"] == "errored":
        kind = "api_error" if fault == "server error" else "invalid_request_error"
        result["error"] = {"type": "error", "error": {"type": kind, "message": "no"}, "request_id": None}
    return json.dumps({"custom_id": custom_id, "result": result}).encode()


def _number(batch: Batch) -> int:
    return int(batch.id.removeprefix("batch_"))


def _key(request: web.Request) -> str:
    return request.headers.get("x-api-key") or request.headers.get("Authorization", "").removeprefix("Bearer ")
