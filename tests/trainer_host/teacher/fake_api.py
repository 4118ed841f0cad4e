"""A provider on loopback that speaks both wires, answers by a function, and misbehaves on a script.

    async with FakeApi(answer=my_answer, latency=0.02) as api:
        endpoint = api.endpoint("openai")          # or "anthropic"
        ...
        api.asked, api.by_key, api.by_body, api.billed

As a process, for tests that kill what talks to it:

    python -m tests.trainer_host.teacher.fake_api --port 0 --log requests.jsonl [--answer module:function] ...

It prints its URL, and appends a line to the log for every request before it answers it; and, to the same name ending in
`.billed`, the hash of the body of each that it bills.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import importlib
import json
import math
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from aiohttp import web

from trainer_host.teacher.protocol import Json
from trainer_host.teacher.providers import Dialect, Endpoint, Wire

MODELS = ("fake-small", "fake-large")


@dataclass(frozen=True)
class Asked:
    """One request as it came. number: 1 for the first. at: seconds of time.monotonic(). schema: what the answer
    must be valid by, None where none was sent beside the prompt. text: the last message's, system: the prompt's."""

    number: int
    wire: Wire
    path: str
    key: str = field(repr=False)
    body: Json
    raw: bytes
    headers: dict[str, str] = field(repr=False)
    at: float
    system: str = ""
    text: str = ""
    images: int = 0
    schema: Json | None = None

    @property
    def digest(self) -> str:
        """Of the body's bytes."""
        return hashlib.sha256(self.raw).hexdigest()


# An answer: an object is sent as JSON text, a string as it is.
Answer = Callable[[Asked], Json | str]
# What happens instead of an answer; None lets it answer.
Fault = Callable[["FakeApi", Asked, web.Request], Awaitable[web.StreamResponse | None]]
# Which fault a request meets, None for none.
Script = Callable[[Asked], Fault | None]


def from_schema(asked: Asked) -> Json | str:
    """The default answer: valid by the schema of the request, another one for each body."""
    if asked.schema is None:
        return f"answer {asked.digest[:12]}"
    made = _value(asked.schema, asked.digest)
    assert isinstance(made, dict)
    return made


@dataclass(repr=False)  # it knows the keys that it was asked with
class FakeApi:
    """The server; an async context manager. What it saw is in `asked`; what it counted as billed in `billed`.

    latency: seconds before an answer. concurrency: with more requests open than that, a request gets a 429.
    usage: tokens of prompt and answer per request, by default a quarter of their characters. add_routes: called
    with the app before it starts, for more endpoints. idempotent: a request that comes again with the Idempotency-Key of
    one that was answered, or is being answered, gets that answer, and isn't billed. hold: a file without which no answer goes
    out. logprobs: what stands there in an answer of OpenAI's wire to a request that asks for it; a provider that ignores it answers null.
    """

    answer: Answer = from_schema
    script: Script | None = None
    latency: float = 0.0
    concurrency: int | None = None
    usage: Callable[[Asked, str], tuple[int, int]] | None = None
    add_routes: Iterable[Callable[[web.Application, FakeApi], None]] = ()
    idempotent: bool = False
    hold: Path | None = None
    logprobs: Callable[[Asked, str], object] | None = None
    keys: set[str] | None = None  # the valid ones; None takes any, and none
    log: Path | None = None
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answered: list[Asked] = field(default_factory=list)
    by_key: Counter[str] = field(default_factory=Counter)
    by_body: Counter[str] = field(default_factory=Counter)
    billed: Counter[str] = field(default_factory=Counter)
    refused: int = 0  # 429s of the concurrency limit
    active: int = 0
    most_active: int = 0
    _answers: dict[str, asyncio.Task[Json]] = field(default_factory=dict)  # by idempotency key

    async def __aenter__(self) -> FakeApi:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; `url` is then set."""
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self._asked_openai)
        app.router.add_post("/v1/messages", self._asked_anthropic)
        app.router.add_get("/v1/models", self._models)
        for add in self.add_routes:
            add(app, self)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=1024)
        await site.start()
        host, bound = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{bound}"

    async def stop(self) -> None:
        """Close the port and all connections."""
        await self._runner.cleanup()

    def endpoint(self, wire: Wire = "openai", model: str = "fake-small", **more: object) -> Endpoint:
        """This server as an endpoint, with the dialect of the big providers of that wire."""
        base = f"{self.url}/v1" if wire == "openai" else self.url
        made = {"dialect": Dialect("subset"), **more}
        return Endpoint(f"fake-{wire}", wire, base, model, **made)  # type: ignore[arg-type]

    async def _asked_openai(self, request: web.Request) -> web.StreamResponse:
        return await self._handle("openai", request)

    async def _asked_anthropic(self, request: web.Request) -> web.StreamResponse:
        return await self._handle("anthropic", request)

    async def _handle(self, wire: Wire, request: web.Request) -> web.StreamResponse:
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            asked = read_asked(wire, request, await request.read(), len(self.asked) + 1)
            self.asked.append(asked)
            self.by_key[asked.key] += 1
            self.by_body[asked.digest] += 1
            self._write_log(asked)
            if self.keys is not None and asked.key not in self.keys:
                return refusal(401, "this key isn't known", wire)
            if self.concurrency is not None and self.active > self.concurrency:
                self.refused += 1
                return refusal(429, "too many requests at a time", wire)
            fault = self.script(asked) if self.script is not None else None
            if fault is not None and (response := await fault(self, asked, request)) is not None:
                return response
            if not self.idempotent:
                return web.json_response(await self._answer(asked))
            name = asked.headers.get("idempotency-key") or f"number {asked.number}"
            if name not in self._answers:
                self._answers[name] = asyncio.create_task(self._answer(asked))
            # It goes on where who asked goes away.
            return web.json_response(await asyncio.shield(self._answers[name]))
        finally:
            self.active -= 1

    async def _answer(self, asked: Asked) -> Json:
        if self.latency:
            await asyncio.sleep(self.latency)
        while self.hold is not None and not self.hold.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
        return self.reply(asked)

    def reply(self, asked: Asked, answer: Json | str | None = None) -> Json:
        """The body of a 200, which is billed. answer: by default what the answer function says."""
        answer = self.answer(asked) if answer is None else answer
        text = answer if isinstance(answer, str) else json.dumps(answer)
        prompt = asked.system + asked.text
        tokens = self.usage(asked, text) if self.usage else (len(prompt) // 4 + 1, len(text) // 4 + 1)
        self.answered.append(asked)
        self._write_bill(asked)
        self.billed.update({"requests": 1, "input": tokens[0], "output": tokens[1], asked.key: sum(tokens)})
        made = reply_body(asked.wire, str(asked.body.get("model")), text, tokens, asked.number)
        if self.logprobs is not None and asked.body.get("logprobs") is True:
            cast(list[Json], made["choices"])[0]["logprobs"] = self.logprobs(asked, text)
        return made

    async def _models(self, request: web.Request) -> web.StreamResponse:
        wire: Wire = "anthropic" if "x-api-key" in request.headers else "openai"
        if self.keys is not None and _key(request) not in self.keys:
            return refusal(401, "this key isn't known", wire)
        return web.json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS]})

    def _write_log(self, asked: Asked) -> None:
        if self.log is not None:
            line = {"number": asked.number, "key": asked.key, "body": asked.digest, "path": asked.path}
            line["idempotency"] = asked.headers.get("idempotency-key", "")
            with self.log.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")

    def _write_bill(self, asked: Asked) -> None:
        if self.log is not None:
            with self.log.with_suffix(".billed").open("a", encoding="utf-8") as out:
                out.write(asked.digest + "\n")


def read_asked(wire: Wire, request: web.Request, raw: bytes, number: int) -> Asked:
    """What a request asks."""
    body = json.loads(raw)
    messages = body["messages"]
    system = body.get("system", "")
    schema: Json | None = None
    if wire == "openai":
        system = "\n".join(str(message["content"]) for message in messages if message["role"] == "system")
        if (form := body.get("response_format")) and form["type"] == "json_schema":
            schema = form["json_schema"]["schema"]
    elif form := body.get("output_config"):
        schema = form["format"]["schema"]
    if isinstance(system, list):
        system = "".join(str(block["text"]) for block in system)
    content = messages[-1]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return Asked(
        number,
        wire,
        request.path,
        _key(request),
        body,
        raw,
        {name.lower(): value for name, value in request.headers.items()},
        time.monotonic(),
        system,
        "".join(part["text"] for part in parts if part["type"] == "text"),
        sum(part["type"] in ("image_url", "image") for part in parts),
        schema,
    )


def reply_body(wire: Wire, model: str, text: str, tokens: tuple[int, int], number: int = 1) -> Json:
    """A reply as the provider of that wire writes it."""
    if wire == "openai":
        return {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, "refusal": None},
                    "finish_reason": "stop",
                    "logprobs": None,
                }
            ],
            "usage": {
                "prompt_tokens": tokens[0],
                "completion_tokens": tokens[1],
                "total_tokens": sum(tokens),
                "prompt_tokens_details": {"cached_tokens": 0},
            },
        }
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens[0],
            "output_tokens": tokens[1],
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }


def logprobs_of(text: str, top: int = 2) -> Json:
    """As a provider writes them whose tokens are runs of letters, with the space before, and single characters."""
    entries: list[Json] = []
    for token in re.findall(r" ?[^\W\d_]+|.", text, re.DOTALL):
        entry: Json = {"token": token, "logprob": math.log(0.75), "bytes": list(token.encode())}
        other = {"token": f"{token[:-1]}q", "logprob": math.log(0.25), "bytes": list(f"{token[:-1]}q".encode())}
        entries.append({**entry, "top_logprobs": [entry, other][:top]})
    return {"content": entries, "refusal": None}


def refusal(
    status: int, message: str, wire: Wire = "openai", headers: dict[str, str] | None = None, code: str | None = None
) -> web.Response:
    """An error as the provider of that wire writes it."""
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(status, "invalid_request_error")
    error: Json = {"type": kind, "message": message}
    if wire == "openai":
        body: Json = {"error": {**error, "param": None, "code": code}}
    else:
        body = {"type": "error", "error": error}
    return web.json_response(body, status=status, headers=headers)


def _key(request: web.Request) -> str:
    return request.headers.get("x-api-key") or request.headers.get("Authorization", "").removeprefix("Bearer ")


def _value(schema: Json, seed: str) -> object:
    """A value that is valid by the part of JSON Schema that our tasks use; another one for another seed."""
    number = int(hashlib.sha256(seed.encode()).hexdigest()[:12], 16)
    if isinstance(choices := schema.get("enum"), list):
        return choices[number % len(choices)]
    if "const" in schema:
        return schema["const"]
    if isinstance(forms := schema.get("anyOf"), list):
        return _value(forms[0], seed)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = cast(dict[str, Json], schema.get("properties", {}))
        return {name: _value(part, f"{seed}.{name}") for name, part in properties.items()}
    if kind == "array":
        count = int(str(schema.get("minItems", 1)))
        return [_value(cast(Json, schema.get("items", {})), f"{seed}[{i}]") for i in range(count)]
    if kind in ("integer", "number"):
        low = int(float(str(schema.get("minimum", 0))))
        high = int(float(str(schema.get("maximum", low + 1_000_000))))
        return low + number % (high - low + 1)
    if kind == "boolean":
        return number % 2 == 0
    if kind == "null":
        return None
    return f"text {number:012x}"[: int(str(schema.get("maxLength", 17)))]


@contextlib.asynccontextmanager
async def _running(args: argparse.Namespace) -> AsyncIterator[FakeApi]:
    def named(text: str) -> object:
        module, _, name = text.partition(":")
        return getattr(importlib.import_module(module), name)

    api = FakeApi(latency=args.latency, concurrency=args.concurrency, log=args.log, idempotent=args.idempotent)
    api.hold = args.hold
    if args.answer:
        api.answer = cast(Answer, named(args.answer))
    if args.script:
        api.script = cast(Script, named(args.script))
    api.add_routes = [cast("Callable[[web.Application, FakeApi], None]", named(text)) for text in args.routes]
    await api.start(args.port)
    try:
        yield api
    finally:
        await api.stop()


async def _serve(args: argparse.Namespace) -> None:
    async with _running(args) as api:
        print(api.url, flush=True)  # noqa: T201  # the parent process reads it
        await asyncio.Event().wait()


def main() -> None:
    """Run until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--hold", type=Path)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--concurrency", type=int)
    parser.add_argument("--idempotent", action="store_true")
    parser.add_argument("--answer", default="", metavar="MODULE:FUNCTION")
    parser.add_argument("--script", default="", metavar="MODULE:FUNCTION")
    parser.add_argument("--routes", action="append", default=[], metavar="MODULE:FUNCTION")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
