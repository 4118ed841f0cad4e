"""The official clients as the oracle: they and we put the same on the wire, and read the same from it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import anthropic
import openai
import pytest
from aiohttp import web

from tests.trainer_host.teacher.batch.bench import KEYS, bench, endpoint_of, provider, requests_of
from tests.trainer_host.teacher.fake_api import FakeApi
from tests.trainer_host.teacher.fake_batches import FakeBatches, in_turn
from trainer_host.teacher.batch.anthropic import AnthropicBatches
from trainer_host.teacher.batch.openai import OpenAiBatches
from trainer_host.teacher.providers import Wire

KEY = KEYS[0].secret.reveal()
WIRES: tuple[Wire, ...] = ("openai", "anthropic")
SECURITY = ("authorization", "x-api-key", "anthropic-version", "content-type")


@dataclass(frozen=True)
class Seen:
    """One call as the server got it. body: JSON, or the fields of a form."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: object


class Wiretap:
    """Notes every call to a fake provider."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def add_routes(self, app: web.Application, api: FakeApi) -> None:
        @web.middleware
        async def note(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            body: object = None
            if request.content_type == "multipart/form-data":
                fields: dict[str, object] = {}
                for name, value in (await request.post()).items():
                    if isinstance(value, web.FileField):
                        fields[name] = [json.loads(line) for line in value.file.read().splitlines()]
                        value.file.seek(0)
                    else:
                        fields[name] = value
                body = fields
            elif request.can_read_body:
                body = json.loads(await request.read())
            headers = {name: request.headers.get(name, "").split(";")[0] for name in SECURITY}
            self.seen.append(Seen(request.method, request.path, request.query_string, headers, body))
            return await handler(request)

        app.middlewares.append(note)


@pytest.fixture
def wiretap() -> Wiretap:
    return Wiretap()


async def test_openai_batches_are_sent_and_read_as_by_the_official_client(tmp_path: Path, wiretap: Wiretap) -> None:
    fake = FakeBatches(rows=in_turn("server error", "expired", "refused"))
    async with FakeApi(add_routes=[wiretap.add_routes, fake.add_routes]) as api:
        async with bench(tmp_path, endpoint_of(api.url, "openai")) as at:
            [part] = await at.batches.submit(requests_of(60))
            seen = await at.batches.poll(part)
            await at.batches.collect(part, seen)
        ours, wiretap.seen = wiretap.seen, []
        upload, create = ours[0], ours[1]
        assert isinstance(upload.body, dict) and isinstance(create.body, dict)
        content = "".join(json.dumps(row) + "\n" for row in upload.body["file"]).encode()
        async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{api.url}/v1", max_retries=0) as client:
            file = await client.files.create(file=("rows.jsonl", content), purpose="batch")
            batch = await client.batches.create(
                input_file_id=file.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata=create.body["metadata"],
            )
            batch = await client.batches.retrieve(batch.id)
            assert batch.output_file_id and batch.error_file_id
            output = await client.files.content(batch.output_file_id)
            errors = await client.files.content(batch.error_file_id)
        theirs = wiretap.seen
    for our, their in zip(ours, theirs, strict=True):
        assert (our.method, our.query) == (their.method, their.query)
        assert our.path.replace("batch_1", "batch_2") == their.path
        assert our.headers["authorization"] == their.headers["authorization"] == f"Bearer {KEY}"
        if our.body is not None:
            assert our.headers["content-type"] == their.headers["content-type"]
    assert upload.body == theirs[0].body
    assert {**create.body, "input_file_id": file.id} == theirs[1].body
    reader = OpenAiBatches()
    for line in output.text.splitlines():
        row = reader.read(line.encode())
        assert row is not None and row.body is not None
        completion = openai.types.chat.ChatCompletion.model_validate_json(row.body)
        assert completion.choices[0].message.content and completion.usage is not None
    failed = [reader.read(line.encode()) for line in errors.text.splitlines()]
    assert {row.reason for row in failed if row is not None} == {"server error", "expired", "refused"}
    assert batch.request_counts is not None
    counts = batch.request_counts
    assert (counts.completed, counts.failed) == (len(output.text.splitlines()), len(failed))
    assert (seen.done, seen.total) == (counts.completed + counts.failed, counts.total)


async def test_anthropic_batches_are_sent_and_read_as_by_the_official_client(tmp_path: Path, wiretap: Wiretap) -> None:
    fake = FakeBatches(rows=in_turn("server error", "expired", "refused"))
    async with FakeApi(add_routes=[wiretap.add_routes, fake.add_routes]) as api:
        async with bench(tmp_path, endpoint_of(api.url, "anthropic")) as at:
            [part] = await at.batches.submit(requests_of(60))
            seen = await at.batches.poll(part)
            await at.batches.collect(part, seen)
        ours, wiretap.seen = wiretap.seen, []
        create = ours[1]
        assert isinstance(create.body, dict)
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=api.url, max_retries=0) as client:
            await client.messages.batches.list(limit=1)
            batch = await client.messages.batches.create(requests=create.body["requests"])
            batch = await client.messages.batches.retrieve(batch.id)
            results = [result async for result in await client.messages.batches.results(batch.id)]
        # The official client looks where the results are; we know.
        theirs = [wiretap.seen[0], wiretap.seen[1], wiretap.seen[2], wiretap.seen[4]]
        lines = fake.batches[batch.id].answers
    for our, their in zip(ours, theirs, strict=True):
        assert (our.method, our.query, our.body) == (their.method, their.query, their.body)
        assert our.path.replace("batch_1", "batch_2") == their.path
        for name in ("x-api-key", "anthropic-version"):
            assert our.headers[name] == their.headers[name] != ""
        if our.body is not None:
            assert our.headers["content-type"] == their.headers["content-type"]
    reader = AnthropicBatches()
    for line, result in zip(lines, results, strict=True):
        row = reader.read(line)
        assert row is not None and row.id == result.custom_id
        if result.result.type == "succeeded":
            assert row.body is not None
            assert anthropic.types.Message.model_validate_json(row.body) == result.result.message
        elif result.result.type == "errored":
            refused = result.result.error.error.type == "invalid_request_error"
            assert (row.body, row.reason, row.again) == (None, "refused" if refused else "server error", not refused)
        else:
            assert (row.body, row.reason, row.again) == (None, "expired", True)
    counts = batch.request_counts
    assert seen.total == 60 == counts.succeeded + counts.errored + counts.expired
    assert seen.done == seen.total


async def test_a_large_batch_is_sent_with_its_length_and_in_pieces(tmp_path: Path) -> None:
    """Of a length that is told: a server needn't take chunks."""
    told: dict[str, tuple[int, str]] = {}

    def add_routes(app: web.Application, api: FakeApi) -> None:
        @web.middleware
        async def note(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            if request.method == "POST":
                length = int(request.headers["Content-Length"])
                told[request.path] = (length, request.headers.get("Transfer-Encoding", ""))
            return await handler(request)

        app.middlewares.append(note)

    fake = FakeBatches()
    async with FakeApi(add_routes=[add_routes, fake.add_routes]) as api:
        for wire in WIRES:
            async with bench(tmp_path / wire, endpoint_of(api.url, wire)) as at:
                long = [replace(request, system="x" * 50_000) for request in requests_of(40)]
                assert (await at.batches.fetch(long)).answered == 40
    for path in ("/v1/files", "/v1/messages/batches"):
        assert told[path][0] > 40 * 50_000 and told[path][1] == ""


def test_lines_that_are_no_results_are_passed_over() -> None:
    for api in (OpenAiBatches(), AnthropicBatches()):
        for line in (b"", b"null", b"[]", b"{}", b'{"custom_id":5}', b'{"custom_id":"a"', b"\xff\xfe", b"[" * 100_000):
            assert api.read(line) is None
    odd = [b'{"custom_id":"a","response":{"status_code":200,"body":null}}', b'{"custom_id":"a","response":7}']
    assert [row.reason for line in odd if (row := OpenAiBatches().read(line))] == ["unreadable answer", "server error"]
    odd = [b'{"custom_id":"a","result":{"type":"succeeded"}}', b'{"custom_id":"a","result":null}']
    assert [row.reason for line in odd if (row := AnthropicBatches().read(line))] == [
        "unreadable answer",
        "server error",
    ]


async def test_the_fake_provider_lists_batches_as_the_official_clients_page_through_them(tmp_path: Path) -> None:
    fake = FakeBatches()
    async with provider(fake) as api:
        for wire in WIRES:
            async with bench(tmp_path / wire, endpoint_of(api.url, wire)) as at:
                at.batches._sender.most_requests = 1
                await at.batches.submit(requests_of(5))
        async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{api.url}/v1", max_retries=0) as client:
            assert [batch.id async for batch in client.batches.list(limit=2)] == [f"batch_{n}" for n in (5, 4, 3, 2, 1)]
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=api.url, max_retries=0) as other:
            found = [batch.id async for batch in other.messages.batches.list(limit=2)]
            assert found == [f"batch_{n}" for n in (10, 9, 8, 7, 6)]
