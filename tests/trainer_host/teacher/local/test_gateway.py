"""The gateway alone, before a server that the tests play."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web

from trainer_host.teacher.local import gateway
from trainer_host.teacher.local.gateway import Upstream, serve_on
from trainer_host.teacher.protocol import Json, Secret

KEY, TOKEN = "the-key-inside", "the-token-outside"


class Model:
    """Plays llama.cpp: answers when it is let, and remembers."""

    def __init__(self) -> None:
        self.asked: list[Json] = []
        self.stopped = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "played"}]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        body = await request.json()
        self.asked.append(body)
        if body.get("bad"):
            return web.json_response({"error": {"message": "bad"}}, status=400)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"data: first\n\n")
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        await answer.write(b"data: [DONE]\n\n")
        return answer


@asynccontextmanager
async def served(model: Model, token: str | None = None) -> AsyncIterator[str]:
    """The address of a gateway before the model."""
    app = web.Application()
    app.router.add_get("/v1/models", model.models)
    app.router.add_post("/v1/chat/completions", model.chat)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    inner = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    ready = asyncio.Event()
    upstream = Upstream(inner, Secret(KEY), parallel=2)
    task = asyncio.create_task(serve_on(listener, upstream, Secret(token) if token else None, ready.set))
    await asyncio.wait_for(ready.wait(), 60)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        model.may_answer.set()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await runner.cleanup()


async def status_of(url: str, body: object = None, **options: object) -> tuple[int, str]:
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        if body is None:
            async with session.get(url, **options) as answer:  # type: ignore[arg-type]
                return answer.status, await answer.text()
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with session.post(url, data=data, **options) as answer:  # type: ignore[arg-type]
            return answer.status, await answer.text()


async def became(condition: Callable[[], bool]) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - what is looked at has no event
                await asyncio.sleep(0.02)
    return condition()


async def test_a_stream_is_passed_on_while_it_comes() -> None:
    model = Model()
    model.may_answer.clear()
    async with (
        served(model) as url,
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/chat/completions", json={"messages": []}) as answer,
    ):
        assert answer.content_type == "text/event-stream"
        assert await asyncio.wait_for(answer.content.readline(), 60) == b"data: first\n"
        model.may_answer.set()
        assert (await answer.read()).endswith(b"data: [DONE]\n\n")


async def test_a_client_that_goes_away_stops_the_work() -> None:
    model = Model()
    model.may_answer.clear()
    async with served(model) as url:
        client = asyncio.create_task(status_of(f"{url}/v1/chat/completions", {"messages": []}))
        assert await became(lambda: len(model.asked) == 1)
        client.cancel()
        assert await became(lambda: model.stopped == 1)


async def test_the_schema_goes_on_as_a_grammar_and_errors_come_back_as_they_are() -> None:
    model = Model()
    async with served(model) as url:
        wanted = {"type": "json_schema", "json_schema": {"schema": {"type": "string"}}}
        assert (await status_of(f"{url}/v1/chat/completions", {"response_format": wanted}))[0] == 200
        assert model.asked[0].keys() == {"grammar"}
        assert await status_of(f"{url}/v1/chat/completions", {"bad": 1}) == (400, '{"error": {"message": "bad"}}')


async def test_only_the_token_opens_all_but_the_health() -> None:
    model = Model()
    async with served(model, TOKEN) as url:
        assert (await status_of(f"{url}/health"))[0] == 200
        for headers in ({}, {"Authorization": TOKEN}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": "Bearer "}):
            for path in ("/v1/models", "/v1/nothing"):
                assert (await status_of(url + path, headers=headers))[0] == 401
            assert (await status_of(f"{url}/v1/chat/completions", {}, headers=headers))[0] == 401
        right = {"Authorization": f"bearer {TOKEN}"}
        assert (await status_of(f"{url}/v1/models", headers=right)) == (200, '{"data": [{"id": "played"}]}')
        assert not model.asked


async def test_no_page_in_a_browser_gets_in_without_a_token() -> None:
    model = Model()
    async with served(model) as url:
        for headers in ({"Origin": "http://page.example"}, {"Host": "page.example"}):
            status, said = await status_of(f"{url}/v1/chat/completions", {}, headers=headers)
            assert status == 403 and "only programs on this machine" in said
        assert not model.asked


async def test_other_requests_are_refused_in_the_form_of_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "MAX_BODY", 1000)
    model = Model()
    async with served(model) as url:
        for path, body, status in (
            ("/v1/chat/completions", b"{", 400),
            ("/v1/chat/completions", b"\xff", 400),
            ("/v1/chat/completions", b"[1]", 400),
            ("/v1/chat/completions", b"[" * 999, 400),
            ("/v1/chat/completions", b" " * 1001, 413),
            ("/v1/chat/completions", None, 405),
            ("/v1/embeddings", b"{}", 404),
        ):
            found, said = await status_of(url + path, body)
            assert found == status, said
            error = json.loads(said)["error"]
            assert error["code"] == status and error["message"] and error["type"]
        assert not model.asked


async def test_so_many_may_wait_and_the_list_of_models_never_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "MAX_WAITING", 5)
    made: list[gateway.Gateway] = []

    class Known(gateway.Gateway):
        def __init__(self, upstream: Upstream, token: Secret | None) -> None:
            super().__init__(upstream, token)
            made.append(self)

    monkeypatch.setattr(gateway, "Gateway", Known)
    model = Model()
    model.may_answer.clear()
    async with served(model) as url:
        chat = f"{url}/v1/chat/completions"
        waiting = [asyncio.create_task(status_of(chat, {"n": number})) for number in range(5)]
        assert await became(
            lambda: made[0]._open == 5 and len(model.asked) == 3
        )  # two slots, and one that is sent ahead
        status, said = await status_of(chat, {})
        assert status == 503 and "ask again later" in said
        assert (await status_of(f"{url}/v1/models"))[0] == 200
        model.may_answer.set()
        assert [answer[0] for answer in await asyncio.gather(*waiting)] == [200] * 5
        assert (await status_of(chat, {}))[0] == 200
