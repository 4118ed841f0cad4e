"""Devices that write at a rate, for the chat: real HTTP on loopback, answers made of numbered words."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

Json = dict[str, object]


@dataclass
class FakeWriter:
    """One device with a language specialist and one that sees. rate: words a second. cut: words after which the
    connection breaks. words: what it writes. asked: bodies, in order. sent: words that went out."""

    name: str
    rate: float = 1000.0
    words: tuple[str, ...] = ("one", "two", "three")
    cut: int | None = None
    behind: FakeWriter | None = None  # who writes four words for each of its own, however fast this machine is
    url: str = ""
    asked: list[Json] = field(default_factory=list)
    sent: int = 0
    seen: list[bytes] = field(default_factory=list)
    questions: list[str | None] = field(default_factory=list)
    answers: str = ""  # what its eye answers to a question; one that has nothing to say takes none

    def model(self, name: str, task: str) -> Json:
        return {"name": name, "task": task, "version": "1.0.0", "runtime": "onnxruntime", "bytes": 1000, "metrics": {}}

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"models": [self.model(self.name, "chat"), self.model("eye", "vision")]})

    async def ready(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ready"})

    async def look(self, request: web.Request) -> web.Response:
        self.seen.append(await request.read())
        question = request.query.get("question")
        self.questions.append(question)
        if question is not None and not self.answers:
            error = {"code": "bad_request", "message": 'This specialist reads only "image"; leave out "question".'}
            return web.json_response({"error": error}, status=400)
        if question is not None:
            return web.json_response({"answer": self.answers, "confidence": 0.94, "unsure": True, "ms": 1.0})
        if b"corrupt" in self.seen[-1]:
            error = {"code": "bad_request", "message": "The picture can't be read; send another one."}
            return web.json_response({"error": error}, status=400)
        return web.json_response({"label": "cat", "confidence": 0.97, "unsure": False, "objects": [], "ms": 1.0})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number, word in enumerate(self.words):
            if number == self.cut:
                assert request.transport is not None
                request.transport.abort()
                return response
            await asyncio.sleep(1 / self.rate)
            while self.behind is not None and self.behind.sent < 4 * (number + 1):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            choice = {"index": 0, "delta": {"content": word + " "}, "finish_reason": None}
            await response.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
            self.sent += 1
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        await response.write(f"data: {json.dumps({'choices': [end]})}\n\ndata: [DONE]\n\n".encode())
        return response


async def _missing(request: web.Request) -> web.Response:
    """An older device, which hasn't all that the companion looks for."""
    error = {"code": "not_found", "message": "There is nothing at this address."}
    return web.json_response({"error": error}, status=404)


@contextlib.asynccontextmanager
async def writing(*writers: FakeWriter) -> AsyncIterator[None]:
    """The devices on loopback; each gets its address."""
    runners = []
    for writer in writers:
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_get("/v1/models", writer.models)
        app.router.add_get("/readyz", writer.ready)
        app.router.add_post("/v1/run/eye", writer.look)
        app.router.add_post("/v1/chat/completions", writer.chat)
        app.router.add_route("*", "/{rest:.*}", _missing)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        writer.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
        runners.append(runner)
    try:
        yield
    finally:
        for runner in runners:
            await runner.cleanup()
