"""Documents of a person's own: kept, found, and asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from edge_runtime.api.wire import Json, media_type, read_body, read_json, reply
from edge_runtime.device import Device
from edge_runtime.documents.answering import answer, found_as_json, written
from edge_runtime.documents.library import MOST_QUESTION, STEP, Found, Library, makers_of
from edge_runtime.documents.reading import text_of
from edge_runtime.errors import BadRequest
from edge_runtime.update.disk_threads import in_thread, on_disk

BODY_BYTES = 8 * MOST_QUESTION
MOST_FOUND = 20
KEPT_SECONDS = 60.0  # that an encoder stays in memory after its last use
READ_SECONDS = 300.0  # of a file's text, which a PDF of thousands of pages may take
T = TypeVar("T")


class DocumentRoutes:
    """/v1/documents: GET, PUT and DELETE {document}, POST search and ask."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._one = asyncio.Lock()  # a change or a look at a time: they share one file and one processor
        self._makers = makers_of(device.state)
        self._rest: asyncio.TimerHandle | None = None

    async def all(self, request: web.Request) -> web.Response:
        """The documents, by name; what they are compared by, and how many passages the encoder has still to read."""
        found, by, left = await self._with(
            lambda library: (library.documents(), library.compared_by(), library.unread())
        )
        return reply({"documents": [vars(document) for document in found], "compared_by": by, "unread": left})

    async def put(self, request: web.Request) -> web.Response:
        """Keep a document: plain text, Markdown, HTML or PDF as the body; another of its name is replaced."""
        name, kind = request.match_info["document"], media_type(request)
        body = await read_body(request, self._device.config.server.max_file_kb * 1024)

        try:
            text = await asyncio.wait_for(in_thread(text_of, body, kind, name), READ_SECONDS)
        except TimeoutError:
            raise BadRequest(f"'{name}' takes more than {READ_SECONDS:.0f} seconds to read; part it.") from None
        changed = await self._with(lambda library: library.add(name, text))
        while await self._with(lambda library: library.encode(STEP)):
            pass
        return reply({"document": name.strip(), "changed": changed})

    async def remove(self, request: web.Request) -> web.Response:
        """Forget a document."""
        name = request.match_info["document"]
        await self._with(lambda library: library.remove(name))
        return reply({"removed": name})

    async def search(self, request: web.Request) -> web.Response:
        """The passages that fit a question: {"question", "limit"}."""
        body = await read_json(request, BODY_BYTES)
        found = await self._found(body)
        return reply({"found": [found_as_json(one) for one in found]})

    async def ask(self, request: web.Request) -> web.Response:
        """A question's answer with its sources, or that the documents have none: {"question", "limit", "specialist"}."""
        body = await read_json(request, BODY_BYTES)
        specialist = body.get("specialist")
        if specialist is not None and not isinstance(specialist, str):
            raise BadRequest('"specialist" is the name of one for chat.')
        found = await self._found(body)
        if specialist is None:
            return reply(answer(found))
        return reply(await written(str(body["question"]), found, specialist, self._run))

    async def _run(self, name: str, request: Json) -> Json:
        return (await self._device.run(name, request)).value

    async def _found(self, body: Json) -> list[Found]:
        question, limit = body.get("question"), body.get("limit", 3)
        if not isinstance(question, str):
            raise BadRequest('Send {"question": TEXT}.')
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST_FOUND:
            raise BadRequest(f'"limit" is a whole number from 1 to {MOST_FOUND}.')
        return await self._with(lambda library: library.search(question, limit))

    async def _with(self, work: Callable[[Library], T]) -> T:
        def run() -> T:
            with Library(self._device.state, self._makers) as library:
                return work(library)

        async with self._one:
            if self._rest is not None:
                self._rest.cancel()
            try:
                return await on_disk(self._device.state, run)
            finally:
                self._rest = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._makers.rest)
