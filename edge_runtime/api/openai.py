"""OpenAI's API over the language models that serve: chat completions and completions, streamed or whole, and models."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from edge_runtime.api.access import caller
from edge_runtime.api.openai_wire import (
    ChatRequest,
    Draw,
    Json,
    TextRequest,
    call_json,
    error_json,
    model_json,
    read_chat,
    read_text,
)
from edge_runtime.api.urgency import urgency_of
from edge_runtime.api.wire import read_json, reply
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest, EdgeError, NotFound

if TYPE_CHECKING:
    from edge_runtime.language.generate import Piece, Usage
    from edge_runtime.language.sampling import Sampling
    from edge_runtime.language.specialist import LanguageSpecialist
    from edge_runtime.language.tokenizer import TextTokenizer

WRITE_SECONDS = 20.0  # a client that takes nothing for so long is gone


class _Shape(Protocol):
    """Writes an answer's pieces as JSON: as chunks, and all together."""

    def push(self, piece: Piece) -> Iterator[Json]:
        """The chunks for a piece."""

    def usage_chunk(self) -> Json:
        """The chunk with the usage alone."""

    def whole(self) -> Json:
        """The answer, after its last piece."""


class OpenAIRoutes:
    """POST /v1/chat/completions, POST /v1/completions, GET /v1/models/{specialist}."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._limit = device.config.server.max_body_kb * 1024

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """The answer to a conversation."""
        asked = read_chat(await read_json(request, self._limit))
        gone = _gone(request)
        caller(request).may_use(asked.model)
        await self._device.serving.wake(asked.model)
        self._check_plain(asked.model, asked.task)

        def begin(language: LanguageSpecialist) -> Iterator[Piece]:
            return language.stream(
                asked.messages,
                task=asked.task,
                tools=asked.tools,
                tool_choice=asked.tool_choice,
                sampling=_sampling(asked.draw),
                max_tokens=asked.max_tokens,
                schema=asked.schema,
                cancelled=gone,
                stop=_stops(asked),
                frequency=asked.draw.frequency,
                presence=asked.draw.presence,
                logprobs=asked.logprobs,
                top=asked.top,
                reasoning_budget=asked.reasoning_budget,
            )

        shape = _Chat(asked, self._language(asked.model).tokenizer, self._fingerprint(asked.model))
        return await self._answer(
            request, asked, self._device.stream(asked.model, begin, urgency_of(request)), shape, gone
        )

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """How a text goes on."""
        asked = read_text(await read_json(request, self._limit))
        caller(request).may_use(asked.model)
        gone = _gone(request)
        await self._device.serving.wake(asked.model)

        def begin(language: LanguageSpecialist) -> Iterator[Piece]:
            return language.complete(
                asked.prompt,
                sampling=_sampling(asked.draw),
                max_tokens=asked.max_tokens,
                cancelled=gone,
                stop=asked.stop,
                frequency=asked.draw.frequency,
                presence=asked.draw.presence,
                logprobs=asked.logprobs,
                top=asked.top,
            )

        shape = _Completion(asked, self._language(asked.model).tokenizer, self._fingerprint(asked.model))
        return await self._answer(
            request, asked, self._device.stream(asked.model, begin, urgency_of(request)), shape, gone
        )

    async def model(self, request: web.Request) -> web.Response:
        """One model that OpenAI's clients may ask."""
        name = request.match_info["specialist"]
        found = self._device.serving.current(name)
        if not (found.writes or found.embeds):
            raise NotFound(f"'{name}' neither writes nor embeds; ask it with POST /v1/run/{name}.")
        return reply(model_json(name, found.since))

    async def _answer(
        self,
        request: web.Request,
        asked: ChatRequest | TextRequest,
        stream: AsyncGenerator[Piece, None],
        shape: _Shape,
        gone: Callable[[], bool],
    ) -> web.StreamResponse:
        async with contextlib.aclosing(stream) as pieces:
            if asked.stream:
                return await _send(request, pieces, shape, asked.include_usage)
            async for piece in pieces:
                for _ in shape.push(piece):
                    pass
            if gone():
                raise ConnectionResetError("The client went away.")
            return reply(shape.whole())

    def _language(self, name: str) -> LanguageSpecialist:
        language = self._device.serving.current(name).language
        if language is None:
            raise BadRequest(f"'{name}' isn't a language model; ask it with POST /v1/run/{name}.")
        return language

    def _check_plain(self, name: str, task: str | None) -> None:
        """Raise `BadRequest` for a task whose answers aren't what the model writes, as of sums, which the device computes."""
        plain = getattr(self._device.serving.current(name).loaded.specialist, "plain", None)
        meant = self._language(name).told(task)
        if plain is not None and meant not in plain:
            raise BadRequest(
                f"'{name}' answers {meant} by POST /v1/run/{name}; a chat would miss what the device adds."
            )

    def _fingerprint(self, name: str) -> str:
        return f"sha256:{self._device.serving.current(name).loaded.digest[:16]}"


async def _send(
    request: web.Request, pieces: AsyncIterator[Piece], shape: _Shape, include_usage: bool
) -> web.StreamResponse:
    """Server-sent events, a chunk each; what fails before the first one gets a status of its own."""
    response: web.StreamResponse | None = None
    try:
        async for piece in pieces:
            if response is None:
                response = await _prepared(request)
            for chunk in shape.push(piece):
                await _event(response, json.dumps(chunk, ensure_ascii=False))
    except EdgeError as error:
        if response is None:
            raise
        await _event(response, json.dumps(error_json(error), ensure_ascii=False))
        return response
    if response is None or _gone(request)():
        raise ConnectionResetError("The client went away.")
    if include_usage:
        await _event(response, json.dumps(shape.usage_chunk(), ensure_ascii=False))
    await _event(response, "[DONE]")
    await response.write_eof()
    return response


async def _prepared(request: web.Request) -> web.StreamResponse:
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    return response


async def _event(response: web.StreamResponse, data: str) -> None:
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            await response.write(f"data: {data}\n\n".encode())
    except TimeoutError:
        raise ConnectionResetError("The client takes nothing any more.") from None


def _gone(request: web.Request) -> Callable[[], bool]:
    """Whether the client went away; may be asked from any thread."""

    def gone() -> bool:
        transport = request.transport
        return transport is None or transport.is_closing()

    return gone


def _sampling(draw: Draw) -> Sampling:
    from edge_runtime.language.sampling import Sampling

    return Sampling(draw.temperature, draw.top_k, draw.top_p, draw.min_p, draw.repetition, draw.seed)


def _stops(asked: ChatRequest) -> tuple[str, ...]:
    from edge_runtime.language.template import TOOL_CALLED

    return (*asked.stop, TOOL_CALLED) if asked.tools and asked.one_call and not asked.forced_call else asked.stop


class _Chat:
    """The JSON of a chat completion."""

    def __init__(self, asked: ChatRequest, tokenizer: TextTokenizer, fingerprint: str) -> None:
        self._asked = asked
        self._tokenizer = tokenizer
        self._head: Json = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": asked.model,
            "system_fingerprint": fingerprint,
        }
        self._calls = _Calls(asked.forced_call) if asked.tools else None
        self._content: list[str] = []
        self._thoughts: list[str] = []
        self._made: list[Json] = []
        self._logprobs: list[Json] = []
        self._finish = ""
        self._usage: Usage | None = None
        self._begun = False

    def push(self, piece: Piece) -> Iterator[Json]:
        """See `_Shape`."""
        entries = self._entries(piece)
        if not self._begun:
            self._begun = True
            yield self._chunk({"role": "assistant", "content": ""})
        if piece.thought and self._asked.include_reasoning:
            self._thoughts.append(piece.thought)
            yield self._chunk({"reasoning_content": piece.thought})
        text, calls = (piece.text, []) if self._calls is None else self._calls.push(piece.text, bool(piece.finish))
        if text or entries:
            self._content.append(text)
            yield self._chunk({"content": text}, entries)
        for call in calls:
            made = call_json(f"call_{secrets.token_hex(12)}", call)
            yield self._chunk({"tool_calls": [{"index": len(self._made), **made}]})
            self._made.append(made)
        if piece.finish and piece.finish != "cancelled":
            self._finish = "tool_calls" if self._made and piece.finish == "stop" else piece.finish
            self._usage = piece.usage
            yield self._chunk({}, finish=self._finish)

    def usage_chunk(self) -> Json:
        """See `_Shape`."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": _usage(self._usage)}

    def whole(self) -> Json:
        """See `_Shape`."""
        content = "".join(self._content)
        message: Json = {"role": "assistant", "content": content if content or not self._made else None}
        if self._thoughts:
            message["reasoning_content"] = "".join(self._thoughts)
        if self._made:
            message["tool_calls"] = self._made
        choice: Json = {
            "index": 0,
            "message": message,
            "logprobs": {"content": self._logprobs} if self._asked.logprobs else None,
            "finish_reason": self._finish,
        }
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": _usage(self._usage)}

    def _chunk(self, delta: Json, entries: list[Json] | None = None, finish: str | None = None) -> Json:
        logprobs = {"content": entries} if entries else None
        choice: Json = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        extra: Json = {"usage": None} if self._asked.include_usage else {}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice], **extra}

    def _entries(self, piece: Piece) -> list[Json]:
        if not self._asked.logprobs or piece.hidden or piece.token is None or piece.logprob is None:
            return []
        if not self._tokenizer.token_bytes(piece.token):  # the end's mark, which isn't of the text
            return []
        top = [_entry(self._tokenizer, token, logprob) for token, logprob in piece.top]
        self._logprobs.append({**_entry(self._tokenizer, piece.token, piece.logprob), "top_logprobs": top})
        return self._logprobs[-1:]


class _Calls:
    """Takes the tool calls out of a text as it comes. bare: the text is one call without marks."""

    def __init__(self, bare: bool) -> None:
        from edge_runtime.language import template

        self._template = template
        self._held = template.TOOL_CALL if bare else ""

    def push(self, text: str, last: bool) -> tuple[str, list[Json]]:
        """(what isn't of a call, the calls that are complete)."""
        begin, end = self._template.TOOL_CALL, self._template.TOOL_CALLED
        self._held += text
        shown: list[str] = []
        calls: list[Json] = []
        while (at := self._held.find(begin)) >= 0:
            close = self._held.find(end, at)
            if close < 0 and not last:
                shown.append(self._held[:at])
                self._held = self._held[at:]
                return _visible(shown), calls
            rest = len(self._held) if close < 0 else close + len(end)
            shown.append(self._held[:at])
            calls += self._template.parse_tool_calls(self._held[at:rest]).tool_calls
            self._held = self._held[rest:]
        keep = 0 if last else next((n for n in range(len(begin) - 1, 0, -1) if self._held.endswith(begin[:n])), 0)
        shown.append(self._held[: len(self._held) - keep])
        self._held = self._held[len(self._held) - keep :]
        return _visible(shown), calls


def _visible(parts: list[str]) -> str:
    """Text around calls; the white space between them is none."""
    text = "".join(parts)
    return text if text.strip() else ""


class _Completion:
    """The JSON of a completion."""

    def __init__(self, asked: TextRequest, tokenizer: TextTokenizer, fingerprint: str) -> None:
        self._asked = asked
        self._tokenizer = tokenizer
        self._head: Json = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": asked.model,
            "system_fingerprint": fingerprint,
        }
        self._texts: list[str] = []
        self._tokens: list[tuple[str, float, Json]] = []
        self._finish = ""
        self._usage: Usage | None = None

    def push(self, piece: Piece) -> Iterator[Json]:
        """See `_Shape`."""
        text = piece.thought + piece.text  # a plain text has no hidden parts
        self._texts.append(text)
        before = len(self._tokens)
        if piece.token is not None and piece.logprob is not None and self._tokenizer.token_bytes(piece.token):
            top: Json = {self._spelled(token): logprob for token, logprob in piece.top}
            self._tokens.append((self._spelled(piece.token), piece.logprob, top))
        finish = piece.finish if piece.finish != "cancelled" else None
        if finish:
            self._finish, self._usage = finish, piece.usage
        if text or finish or len(self._tokens) > before:
            extra: Json = {"usage": None} if self._asked.include_usage else {}
            yield {**self._head, "choices": [self._choice(text, before, finish)], **extra}

    def usage_chunk(self) -> Json:
        """See `_Shape`."""
        return {**self._head, "choices": [], "usage": _usage(self._usage)}

    def whole(self) -> Json:
        """See `_Shape`."""
        choice = self._choice("".join(self._texts), 0, self._finish)
        return {**self._head, "choices": [choice], "usage": _usage(self._usage)}

    def _choice(self, text: str, first: int, finish: str | None) -> Json:
        logprobs: Json | None = None
        if self._asked.logprobs:
            offsets = [0]
            for spelled, _, _ in self._tokens:
                offsets.append(offsets[-1] + len(spelled))
            logprobs = {
                "tokens": [spelled for spelled, _, _ in self._tokens[first:]],
                "token_logprobs": [logprob for _, logprob, _ in self._tokens[first:]],
                "top_logprobs": [top for _, _, top in self._tokens[first:]] if self._asked.top else None,
                "text_offset": offsets[first:-1],
            }
        return {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": finish}

    def _spelled(self, token: int) -> str:
        return self._tokenizer.decode([token], special=True)


def _entry(tokenizer: TextTokenizer, token: int, logprob: float) -> Json:
    content = tokenizer.token_bytes(token)
    # JSON has no infinity; -9999 is how OpenAI writes a probability of nothing.
    number = max(logprob, -9999.0)
    return {"token": tokenizer.decode([token], special=True), "logprob": number, "bytes": list(content) or None}


def _usage(usage: Usage | None) -> Json | None:
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.answer,
        "total_tokens": usage.prompt + usage.answer,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.thought},
    }
