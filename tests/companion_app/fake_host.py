"""A small host on loopback that keeps the contract of `enigma serve`, without a vault and without a teacher.

Lessons move by themselves, one step every `pace` seconds; tests also move and end them by hand. What was asked of
it is in `asked`, with bodies, so that a test can see that something was *not* sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import WSMsgType, web

from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.grants import Grant
from edge_runtime.identity.handshake import Responder
from edge_runtime.identity.pairing import issue_code

from .fake_questions import FakeQuestions
from .fake_signatures import FakeSignatures

Json = dict[str, object]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TASKS = {
    "chat": "Chat",
    "code": "Code",
    "vision": "Vision",
    "avatar": "Avatar",
    "image_gen": "Images",
    "audio_gen": "Audio",
    "video_gen": "Video",
    "3d_gen": "3D models",
    "game": "Games",
    "robot": "Robot",
    "math": "Maths",
    "router": "Router",
}
PRESETS = {
    "all": list(TASKS),
    "basic": ["chat", "code", "math", "router"],
    "creative": ["avatar", "image_gen", "audio_gen", "video_gen", "3d_gen", "game"],
    "none": [],
}
TOKEN = "token-of-the-host"
PER_EXAMPLE = 0.002  # dollars


def builtin_providers() -> list[Json]:
    """Two that want a key, one that wants none."""
    return [
        provider("openai", "https://api.openai.com/v1", "gpt-5-mini"),
        provider("anthropic", "https://api.anthropic.com", "claude-haiku-4-5", wire="anthropic"),
        provider("ollama", "http://127.0.0.1:11434/v1", "llama3.2", needs_key=False),
    ]


def provider(name: str, base_url: str, model: str, **more: object) -> Json:
    """One as the host lists it."""
    return {
        "name": name, "wire": "openai", "base_url": base_url, "model": model, "needs_key": True, "custom": False, **more,
    }  # fmt: skip


@dataclass
class FakeHost:
    """The server; an async context manager. `secrets` holds the keys that were stored, as no answer shows them."""

    pace: float = 0.05
    code: str = ""  # of the pairing, once it runs
    url: str = ""
    asked: list[tuple[str, str, Json]] = field(default_factory=list)
    providers: list[Json] = field(default_factory=builtin_providers)
    keys: list[Json] = field(default_factory=list)
    secrets: dict[tuple[str, str], str] = field(default_factory=dict)
    lessons: dict[str, Json] = field(default_factory=dict)
    questions: FakeQuestions = field(default_factory=FakeQuestions)
    signatures: FakeSignatures = field(default_factory=FakeSignatures)
    # What goes wrong: a path -> (status, sentence).
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)
    price_known: bool = True
    # Happens after the list of lessons was made, and before it is sent.
    meanwhile: Callable[[], Awaitable[None]] | None = None
    titles: dict[str, str] = field(default_factory=lambda: dict(TASKS))
    sentences: list[str] = field(default_factory=lambda: ["From the prompts that it would begin with."])

    async def __aenter__(self) -> FakeHost:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; `url` is then set."""
        self._sockets: set[web.WebSocketResponse] = set()
        self._identity = tempfile.TemporaryDirectory()
        identity = IdentityFolder(Path(self._identity.name))
        self.code = issue_code(identity, Grant("owner"), 10.0, 5)
        self._pairing = Responder(identity, "")
        self._moving: dict[str, asyncio.Task[None]] = {}
        app = web.Application(middlewares=[self._middleware])
        routes = app.router
        routes.add_get("/healthz", self._health)
        routes.add_post("/v1/pair", self._pair)
        routes.add_post("/v1/pair/finish", self._finish_pairing)
        routes.add_get("/v1/tasks", self._tasks)
        routes.add_get("/v1/providers", self._providers)
        routes.add_post("/v1/providers", self._add_provider)
        routes.add_delete("/v1/providers/{provider}", self._delete_provider)
        routes.add_get("/v1/keys", self._keys)
        routes.add_post("/v1/keys", self._add_key)
        routes.add_post("/v1/keys/use", self._use_key)
        routes.add_delete("/v1/keys/{provider}/{name}", self._delete_key)
        routes.add_post("/v1/estimates", self._estimate)
        routes.add_get("/v1/lessons", self._lessons)
        routes.add_post("/v1/lessons", self._begin)
        routes.add_post("/v1/lessons/{id}/cancel", self._cancel)
        routes.add_post("/v1/lessons/{id}/resume", self._resume)
        self.questions.add_to(routes)
        self.signatures.add_to(routes)
        routes.add_get("/v1/events", self._events)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        host, bound = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{bound}"

    async def stop(self) -> None:
        """Close the port, all connections and all lessons."""
        for task in self._moving.values():
            task.cancel()
        for socket in list(self._sockets):
            await socket.close()
        await self._runner.cleanup()
        self._identity.cleanup()

    @property
    def port(self) -> int:
        """Of `url`."""
        return int(self.url.rpartition(":")[2])

    def sent(self, method: str, path: str) -> list[Json]:
        """The bodies that came there."""
        return [body for how, where, body in self.asked if (how, where) == (method, path)]

    def add_key(self, provider: str, name: str, key: str = "sk-stored-long-ago-0000") -> None:
        """As if it had been stored from the command line."""
        self.secrets[provider, name] = key
        in_use = not any(item["provider"] == provider for item in self.keys)
        self.keys.append({
            "provider": provider, "name": name, "tail": f"…{key[-4:]}", "in_use": in_use, "added": "2026-11-25",
            "source": "vault",
        })  # fmt: skip

    def add_lesson(self, id: str, **more: object) -> Json:
        """As if it had been begun by someone else."""
        lesson: Json = {
            "id": id, "name": id, "tasks": ["chat"], "examples_per_task": 100, "provider": "openai", "state": "running",
            "progress": 0.0, "accepted": 0, "rejected": {}, "errors": 0, "cost_usd": "0.000000", "rate_per_min": 0.0,
            "eta_s": None, "message": None, "datasets": {}, **more,
        }  # fmt: skip
        self.lessons = {id: lesson} | self.lessons
        return lesson

    async def tell(self, id: str, **changes: object) -> None:
        """A lesson changed; all who listen hear of it."""
        self.lessons[id].update(changes)
        for socket in list(self._sockets):
            with contextlib.suppress(ConnectionError):
                await socket.send_str(json.dumps({"type": "lesson", **self.lessons[id]}))

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else {}
        self.asked.append((request.method, request.path, body))
        if request.path in self.faults:
            status, sentence = self.faults[request.path]
            return refusal(status, "fault", sentence)
        open_to_all = request.path in ("/healthz", "/v1/pair", "/v1/pair/finish")
        if not open_to_all and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return refusal(401, "unauthorized", "The host doesn't know this token; pair with it again.")
        return await handler(request)

    async def _health(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok", "version": "0"})

    async def _pair(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._pairing.begin(await request.json()))

    async def _finish_pairing(self, request: web.Request) -> web.StreamResponse:
        met = self._pairing.finish(await request.json())
        return web.json_response(met.seal({"token": TOKEN, "scope": "owner", "certificate": ""}))

    async def _tasks(self, request: web.Request) -> web.StreamResponse:
        tasks = [{"name": name, "title": title, "trained": name == "robot"} for name, title in self.titles.items()]
        return web.json_response({"tasks": tasks, "presets": PRESETS})

    async def _providers(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"providers": self.providers})

    async def _add_provider(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        made = provider(body["name"], body["base_url"], body["model"], wire=body["wire"], needs_key=False, custom=True)
        self.providers.append(made)
        return web.json_response(made, status=201)

    async def _delete_provider(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["provider"]
        self.providers = [item for item in self.providers if item["name"] != name]
        return web.json_response({})

    async def _keys(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"keys": self.keys})

    async def _add_key(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        where = body["provider"], body["name"]
        if where in self.secrets and not body.get("replace"):
            return refusal(409, "conflict", f"'{where[0]}' has a key named '{where[1]}'; choose another name.")
        if "base_url" in body:
            self.providers.append(provider(where[0], body["base_url"], body["model"], wire=body["wire"], custom=True))
        self.keys = [item for item in self.keys if (item["provider"], item["name"]) != where]
        self.add_key(*where, body["key"])
        return web.json_response({}, status=201)

    async def _use_key(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        for item in self.keys:
            if item["provider"] == body["provider"]:
                item["in_use"] = item["name"] == body["name"]
        return web.json_response({})

    async def _delete_key(self, request: web.Request) -> web.StreamResponse:
        where = request.match_info["provider"], request.match_info["name"]
        if self.secrets.pop(where, None) is None:
            return refusal(404, "not_found", "There is no such key.")
        self.keys = [item for item in self.keys if (item["provider"], item["name"]) != where]
        left = [item for item in self.keys if item["provider"] == where[0]]
        if left and not any(item["in_use"] for item in left):
            left[0]["in_use"] = True
        return web.json_response({})

    async def _estimate(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if not 10 <= body["examples_per_task"] <= 500:
            return refusal(422, "invalid", '"examples_per_task" must be a whole number from 10 to 500.')
        likely = len(body["tasks"]) * body["examples_per_task"] * PER_EXAMPLE
        if body["provider"] == "ollama":
            likely = 0.0
        cost = {"likely": f"{likely:.6f}", "low": f"{likely / 2:.6f}", "high": f"{likely * 2:.6f}"}
        return web.json_response({"cost_usd": cost if self.price_known else None, "sentences": self.sentences})

    async def _lessons(self, request: web.Request) -> web.StreamResponse:
        answer = json.dumps({"lessons": list(self.lessons.values())})
        if self.meanwhile is not None:
            await self.meanwhile()
        return web.json_response(text=answer)

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        id = f"{body['provider']}-{len(self.lessons) + 1}"
        self.add_lesson(id, tasks=body["tasks"], examples_per_task=body["examples_per_task"], provider=body["provider"])
        self._move(id)
        return web.json_response({"id": id}, status=202)

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        id = request.match_info["id"]
        if self.lessons[id]["state"] != "running":
            return refusal(409, "conflict", "This lesson doesn't run.")
        if id in self._moving:
            self._moving[id].cancel()
        await self.tell(id, state="cancelled", message="The lesson was cancelled; what was answered is kept.")
        return web.json_response(self.lessons[id], status=202)

    async def _resume(self, request: web.Request) -> web.StreamResponse:
        id = request.match_info["id"]
        await self.tell(id, state="running", message=None)
        self._move(id)
        return web.json_response(self.lessons[id], status=202)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(heartbeat=20)
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            for lesson in list(self.lessons.values()):
                await socket.send_str(json.dumps({"type": "lesson", **lesson}))
            async for message in socket:
                assert message.type is WSMsgType.TEXT
        finally:
            self._sockets.discard(socket)
        return socket

    def _move(self, id: str) -> None:
        self._moving[id] = asyncio.get_running_loop().create_task(self._run(id))

    async def _run(self, id: str) -> None:
        """A lesson from where it is to its end, in steps of a twentieth."""
        lesson = self.lessons[id]
        tasks = lesson["tasks"]
        wanted = int(str(lesson["examples_per_task"])) * len(tasks)  # type: ignore[arg-type]
        while (accepted := int(str(lesson["accepted"]))) < wanted:
            await asyncio.sleep(self.pace)
            accepted = min(wanted, accepted + max(1, wanted // 20))
            await self.tell(
                id,
                accepted=accepted,
                progress=round(min(0.99, accepted / wanted), 4),
                rejected={"wrong sum": accepted // 10, "refusal": accepted // 30},
                errors=accepted // 50,
                cost_usd=f"{accepted * PER_EXAMPLE:.6f}",
                rate_per_min=round(60 * max(1, wanted // 20) / self.pace, 1),
                eta_s=round((wanted - accepted) / max(1, wanted // 20) * self.pace),
            )
        datasets = {task: f"{id}-{str(task).replace('_', '-')}" for task in tasks}  # type: ignore[attr-defined]
        await self.tell(id, state="done", progress=1.0, eta_s=None, rate_per_min=0.0, datasets=datasets)


def refusal(status: int, code: str, sentence: str) -> web.Response:
    """An error as the host answers it."""
    return web.json_response({"error": code, "message": sentence}, status=status)
