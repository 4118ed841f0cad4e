"""A chat with the host over the API, in OpenAI's shape: its own exported runs, and teachers where their owner set a budget."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar, cast

from aiohttp import web

from edge_runtime.api.openai_wire import ChatRequest, error_json, read_chat
from edge_runtime.api.wire import read_json, reply
from edge_runtime.errors import EdgeError, NotFound, Overloaded
from trainer_host.errors import AskFailed, TeacherStopped, TrainerError
from trainer_host.keys import keys_for
from trainer_host.server.errors import Unprocessable, from_trainer
from trainer_host.server.fields import Json
from trainer_host.server.keys import VaultThread
from trainer_host.teacher.lesson import Lesson
from trainer_host.teacher.protocol import Message, Request
from trainer_host.teacher.providers import PROVIDERS
from trainer_host.workspace import Workspace

if TYPE_CHECKING:
    from edge_runtime.language.specialist import LanguageSpecialist

BODY_BYTES = 256 * 1024  # a conversation that no device's context holds
WRITES = ("chat", "code")  # tasks whose answers are what a model writes
RUN, TEACHER = "run", "teacher"
TASK = "conversation"  # by which the audit log tells these calls from those of lessons
MAX_TOKENS = 1024  # of a teacher's answer where the request says nothing
TEACHER_SECONDS = 120.0
WRITE_SECONDS = 30.0  # a client that takes nothing for so long is gone

T = TypeVar("T")
Pieces = AsyncGenerator[tuple[str, str], None]  # (text, why it ended or "")


class ChatRoutes:
    """/v1/chat/models and /v1/chat/completions. budget: dollars a day for each
    provider's teacher; None offers none of them."""

    def __init__(self, workspace: Workspace, keys: VaultThread, budget: str | None) -> None:
        self._workspace = workspace
        self._keys = keys
        self._budget = budget
        # A run computes in one thread, where it is loaded too; another request waits for its turn.
        self._thread = ThreadPoolExecutor(1, "chat")
        self._turn = asyncio.Lock()
        self._paying = asyncio.Lock()
        self._loaded: tuple[str, ExitStack, LanguageSpecialist] | None = None

    async def close(self) -> None:
        """Give the memory back."""
        await self._in_thread(self._unload)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def models(self, request: web.Request) -> web.Response:
        """Who answers here."""
        runs = await asyncio.to_thread(lambda: list(self._runs()))
        teachers = await self._keys.run(self._teachers) if self._budget is not None else []
        return reply({"models": [*runs, *teachers], "budget_usd": self._budget})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """An answer to a conversation, whole or as it comes."""
        asked = read_chat(await read_json(request, BODY_BYTES))
        if asked.tools or asked.schema is not None or asked.logprobs:
            raise Unprocessable("The host's chat answers in plain text; leave out tools, response_format and logprobs.")
        kind, _, name = asked.model.partition(":")
        transport = request.transport

        def gone() -> bool:
            return transport is None or transport.is_closing()

        if kind == RUN and name:
            pieces = self._of_run(name, asked, gone)
        elif kind == TEACHER and name and self._budget is not None:
            pieces = self._of_teacher(name, asked)
        elif kind == TEACHER:
            raise NotFound("Teachers don't chat here; start 'enigma serve' with --chat-budget DOLLARS to let them.")
        else:
            raise NotFound("The host has no such model; GET /v1/chat/models lists them.")
        async with contextlib.aclosing(pieces):
            return await (_streamed(request, asked, pieces) if asked.stream else _whole(asked, pieces))

    def _runs(self) -> Iterator[Json]:
        from trainer_host.compress.files import CARD
        from trainer_host.training.run import read_card

        for name in self._workspace.names(self._workspace.runs):
            with contextlib.suppress(TrainerError):  # one that is damaged, or still trained, is no model
                run = read_card(self._workspace.run(name))
                if run.task in WRITES and (run.folder / CARD).is_file():
                    yield {"name": f"{RUN}:{name}", "title": name, "task": run.task, "costs": False}

    def _teachers(self) -> list[Json]:
        from trainer_host.keys import vault_of

        names = [*PROVIDERS, *(endpoint.provider for endpoint in vault_of(self._workspace).read().endpoints)]
        made: list[Json] = []
        for name in dict.fromkeys(names):
            if PROVIDERS.get(name) is not None and not PROVIDERS[name].needs_key:
                continue  # of servers on this machine nobody knows whether they run
            with contextlib.suppress(TrainerError):
                keys_for(name, self._workspace)
                made.append({"name": f"{TEACHER}:{name}", "title": name, "task": "chat", "costs": True})
        return made

    async def _of_run(self, name: str, asked: ChatRequest, gone: Callable[[], bool]) -> Pieces:
        from edge_runtime.language.sampling import Sampling

        draw = asked.draw
        sampling = Sampling(draw.temperature, draw.top_k, draw.top_p, draw.min_p, draw.repetition, draw.seed)
        if self._turn.locked():
            raise Overloaded("Another answer is being written here; ask again.", 2.0)
        async with self._turn:
            language = await self._in_thread(lambda: self._load(name))
            stream = language.stream(
                asked.messages,
                task=asked.task,
                sampling=sampling,
                max_tokens=asked.max_tokens,
                cancelled=gone,
                stop=asked.stop,
                frequency=draw.frequency,
                presence=draw.presence,
            )
            try:
                while (piece := await self._in_thread(lambda: next(stream, None))) is not None:
                    yield piece.text, "" if piece.finish in (None, "cancelled") else str(piece.finish)
            finally:
                await self._in_thread(getattr(stream, "close", lambda: None))

    async def _of_teacher(self, provider: str, asked: ChatRequest) -> Pieces:
        """Teachers don't stream: a budget is kept by the usage that comes with a whole answer."""
        roles = [str(message["role"]) for message in asked.messages]
        system = [str(message["content"]) for message in asked.messages if message["role"] == "system"]
        said = [message for message in asked.messages if message["role"] in ("user", "assistant")]
        if len(system) + len(said) < len(roles) or not said or said[-1]["role"] != "user":
            raise Unprocessable("Teachers take messages of system, user and assistant, the user's last.")
        messages = tuple(Message(message["role"], str(message["content"])) for message in said)  # type: ignore[arg-type]
        request = Request(
            messages,
            "\n\n".join(system),
            max_tokens=asked.max_tokens or MAX_TOKENS,
            temperature=asked.draw.temperature,
            # The same question may have another answer, where one is drawn.
            sample=secrets.randbits(31) if asked.draw.temperature > 0 else 0,
            task=TASK,
        )
        await self._keys.run(lambda: keys_for(provider, self._workspace))  # refused before anything is paid
        if self._paying.locked():
            raise Overloaded("Another answer is being paid for; ask again.", 2.0)
        async with self._paying:
            try:
                text, finish = await asyncio.to_thread(self._ask, provider, request)
            except (AskFailed, TeacherStopped) as cause:
                raise Unprocessable(str(cause)) from None
            except TimeoutError:
                raise Overloaded(f"{provider} took too long; ask again.", 10.0) from None
        yield text, finish

    def _ask(self, provider: str, request: Request) -> tuple[str, str]:
        """One paid answer, in a thread with a loop of its own; the day's spending counts against the budget."""
        from trainer_host.teacher.opening import opened

        day = datetime.now(UTC).strftime("%Y-%m-%dT00:00:00.000Z")
        lesson = Lesson("chat", (TASK,), 1, provider, budget=self._budget, begun=day)

        async def ask() -> tuple[str, str]:
            teacher = found.teacher()
            try:
                async with asyncio.timeout(TEACHER_SECONDS):
                    answer = await teacher.ask(request)
            finally:
                await teacher.close()
            return answer.text, "length" if answer.finish == "length" else "stop"

        with opened(self._workspace, lesson, concurrency=1) as found:
            return asyncio.run(ask())

    def _load(self, name: str) -> LanguageSpecialist:
        from trainer_host.compress.files import exported
        from trainer_host.compress.gate import loaded
        from trainer_host.students import student_of
        from trainer_host.training.run import open_run

        run = open_run(self._workspace.run(name))
        item = min(exported(run), key=lambda file: file.bytes)
        key = f"{name} {item.sha256}"
        if self._loaded is not None and self._loaded[0] == key:
            return self._loaded[2]
        self._unload()
        with ExitStack() as stack:
            specialist = stack.enter_context(loaded(run, student_of(run), item, item.runtimes[0]))
            language = getattr(specialist, "language", None)
            if language is None:
                raise Unprocessable(f"'{name}' isn't a language model, so it can't chat.")
            self._loaded = key, stack.pop_all(), cast("LanguageSpecialist", language)
        return self._loaded[2]

    def _unload(self) -> None:
        if self._loaded is not None:
            self._loaded[1].close()
            self._loaded = None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


async def _whole(asked: ChatRequest, pieces: Pieces) -> web.Response:
    texts, finish = [], ""
    async for text, ended in pieces:
        texts.append(text)
        finish = ended or finish
    message: Json = {"role": "assistant", "content": "".join(texts)}
    return reply(_shape(asked, "chat.completion", {"message": message, "finish_reason": finish or None}))


async def _streamed(request: web.Request, asked: ChatRequest, pieces: Pieces) -> web.StreamResponse:
    """A chunk for each piece; what fails before the first one gets a status of its own."""
    response: web.StreamResponse | None = None
    id_, created = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
    try:
        async for text, finish in pieces:
            if response is None:
                response = web.StreamResponse(
                    headers={"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}
                )
                await response.prepare(request)
            choice: Json = {"delta": {"content": text}, "finish_reason": finish or None}
            await _send(response, json.dumps(_shape(asked, "chat.completion.chunk", choice, id_, created)))
    except (EdgeError, TrainerError) as error:
        if response is None:
            raise
        told = error if isinstance(error, EdgeError) else from_trainer(error)
        await _send(response, json.dumps({**error_json(told), "message": str(told)}))
        return response
    if response is None:
        raise ConnectionResetError("The client went away.")
    await _send(response, "[DONE]")
    await response.write_eof()
    return response


async def _send(response: web.StreamResponse, data: str) -> None:
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            await response.write(f"data: {data}\n\n".encode())
    except TimeoutError:
        raise ConnectionResetError("The client takes nothing any more.") from None


def _shape(asked: ChatRequest, kind: str, choice: Json, id_: str = "", created: int = 0) -> Json:
    return {
        "id": id_ or f"chatcmpl-{secrets.token_hex(12)}",
        "object": kind,
        "created": created or int(time.time()),
        "model": asked.model,
        "choices": [{"index": 0, **choice}],
    }
