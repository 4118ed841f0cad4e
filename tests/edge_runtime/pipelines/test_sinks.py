"""Sinks over real peers: an HTTP server, and a safety envelope's UNIX socket."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from edge_runtime import local_only
from edge_runtime.errors import BadRequest, EdgeError
from edge_runtime.events import EventHub
from edge_runtime.media import Media
from edge_runtime.pipelines import declare, webhook
from edge_runtime.pipelines.actions import MOST_CALLS, Actions
from edge_runtime.pipelines.declare import When
from edge_runtime.pipelines.items import Captured, Item, SinkError
from edge_runtime.pipelines.sinks import open_sink
from edge_runtime.pipelines.topics import Topics
from edge_runtime.pipelines.webhook import MAX_BYTES, Webhook, read_secret

Json = dict[str, object]
SECRET = b"a secret of some length"


def item(answer: Json | None = None, age: float = 0.0) -> Item:
    found = Item({"text": "hi"}, Captured.now().later(-age), 1.5, 7)
    return found if answer is None else found.answered("eye", "eye-1", answer, 0.002)


class Peer:
    """An HTTP server that answers with these statuses, one after the other, and keeps what it got."""

    def __init__(self, *statuses: int, seconds: float = 0.0) -> None:
        self.statuses, self.seconds = list(statuses), seconds
        self.got: list[tuple[dict[str, str], bytes]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        await asyncio.sleep(self.seconds)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})

    @contextlib.asynccontextmanager
    async def webhook(self, **options: object) -> AsyncIterator[Webhook]:
        app = web.Application()
        app.router.add_post("/hook", self.take)
        app.router.add_route("*", "/elsewhere", self.take)
        async with TestServer(app) as server:
            values = {"secret_file": None, "timeout": 60.0, "tries": 3, **options}
            made = Webhook(declare.Webhook(str(server.make_url("/hook")), **values), "door")  # type: ignore[arg-type]
            try:
                yield made
            finally:
                await made.close()


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_FIRST_PAUSE", 0.01)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    path.chmod(0o600)
    return path


async def test_a_webhook_is_signed_over_its_time_and_body_and_says_when_it_was_captured(secret_file: Path) -> None:
    peer = Peer(204)
    async with peer.webhook(secret_file=secret_file) as made:
        assert await made.deliver(item({"label": "cat", "picture": Media("image/png", b"12")}))
        assert await made.deliver(item())
    (headers, body), (other, _) = peer.got
    at, _, mac = headers["Enigma-Signature"].removeprefix("t=").partition(",v1=")
    assert hmac.compare_digest(mac, hmac.new(SECRET, f"{at}.".encode() + body, hashlib.sha256).hexdigest())
    assert abs(int(at) - time.time()) < 60 and SECRET not in body
    told = json.loads(body)
    assert told["answer"] == {"label": "cat", "picture": {"content_type": "image/png", "base64": "MTI="}}
    assert (told["pipeline"], told["model"], told["specialist"], told["sequence"]) == ("door", "eye", "eye-1", 7)
    assert abs(told["captured"]["wall"] - time.time()) < 60 and told["age_ms"] >= 0
    assert headers["Enigma-Delivery"] != other["Enigma-Delivery"]


async def test_what_may_pass_is_tried_again_with_the_same_number_and_what_may_not_is_not() -> None:
    busy = Peer(503, 429, 200)
    async with busy.webhook() as made:
        assert await made.deliver(item())
    assert len({headers["Enigma-Delivery"] for headers, _ in busy.got}) == 1 and len(busy.got) == 3
    assert all("Enigma-Signature" not in headers for headers, _ in busy.got)
    for statuses, tries, said in (((404,), 1, "status 404"), ((302, 200), 1, "status 302"), ((500,), 3, "status 500")):
        peer = Peer(*statuses)
        async with peer.webhook() as made:
            with pytest.raises(SinkError, match=said):
                await made.deliver(item())
        assert len(peer.got) == tries, statuses
    slow = Peer(200, seconds=5)
    async with slow.webhook(timeout=0.05, tries=2) as made:
        with pytest.raises(SinkError, match=r"didn't answer within 0\.05 s"):
            await made.deliver(item())
    async with Peer(200).webhook() as made:
        pass
    with pytest.raises(SinkError, match="can't be reached"):
        await Webhook(made._declared, "door").deliver(item())


async def test_in_local_only_mode_and_for_too_much_nothing_is_posted(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(200)
    async with peer.webhook() as made:
        with pytest.raises(SinkError, match="takes up to"):
            await made.deliver(item({"text": "x" * MAX_BYTES}))
        monkeypatch.setattr(local_only, "_on", True)
        assert await made.deliver(item())  # near
    far = Webhook(declare.Webhook("https://example.org/hook", None, 1.0, 1), "door")
    with pytest.raises(SinkError, match=r"Local-only mode is on, so the webhook at example\.org"):
        await far.deliver(item())
    assert len(peer.got) == 1


def test_a_secret_is_read_from_a_file_of_its_owner_alone(secret_file: Path, tmp_path: Path) -> None:
    assert read_secret(secret_file) == SECRET
    secret_file.chmod(0o640)
    with pytest.raises(SinkError, match="chmod 600"):
        read_secret(secret_file)
    secret_file.write_bytes(b"short")
    secret_file.chmod(0o600)
    with pytest.raises(SinkError, match="16 to 4,096 bytes"):
        read_secret(secret_file)
    secret_file.write_bytes(b"x" * 5000)
    with pytest.raises(SinkError, match="16 to 4,096 bytes"):
        read_secret(secret_file)
    with pytest.raises(SinkError, match="can't be read"):
        read_secret(tmp_path / "none")
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(SinkError, match="16 to 4,096 bytes"):
        read_secret(tmp_path / "folder")


class Envelope:
    """Stands where the safety envelope listens; answers each line by `answers`, bytes as they are."""

    def __init__(self, path: Path, answer: Json | bytes) -> None:
        self.path, self.answer = path, answer
        self.asked: list[Json] = []

    @contextlib.asynccontextmanager
    async def listens(self) -> AsyncIterator[Envelope]:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.asked.append(json.loads(await reader.readline()))
            writer.write(self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode() + b"\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(take, self.path)
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()


CALLS = [{"name": "stop", "arguments": {}, "targets": ["base"]}]


def actions(path: Path, events: EventHub, calls: object = "$answer.calls") -> Actions:
    return Actions(declare.Action(path, calls, 1.0, 0.5), "door", events)


async def test_an_action_is_asked_of_the_envelope_which_decides(tmp_path: Path) -> None:
    events = EventHub()
    async with Envelope(tmp_path / "e.sock", {"accepted": True}).listens() as envelope:
        sink = actions(envelope.path, events)
        assert await sink.deliver(item({"calls": CALLS, "unsure": False}))
        [asked] = envelope.asked
        assert asked["calls"] == CALLS and asked["pipeline"] == "door" and asked["max_age_ms"] == 500
        assert isinstance(asked["captured"], dict) and float(str(asked["age_ms"])) < 500
        fixed = actions(envelope.path, events, [{"name": "look", "arguments": {"at": "$answer.label"}}])
        assert await fixed.deliver(item({"label": "door"}))
        assert envelope.asked[1]["calls"] == [{"name": "look", "arguments": {"at": "door"}}]
        envelope.answer = {"accepted": False, "reason": "somebody is near"}
        with pytest.raises(SinkError, match="refused: somebody is near"):
            await sink.deliver(item({"calls": CALLS}))
    told = [(event["type"], event["calls"], event["accepted"]) for event in events.listen()._waiting]
    assert told == [("action", ["stop"], True), ("action", ["look"], True), ("action", ["stop"], False)]


async def test_what_is_unsure_old_or_no_call_is_never_asked_for(tmp_path: Path) -> None:
    async with Envelope(tmp_path / "e.sock", {"accepted": True}).listens() as envelope:
        sink = actions(envelope.path, EventHub())
        assert not await sink.deliver(item({"calls": CALLS, "unsure": True}))
        assert not await sink.deliver(item({"calls": []}))
        with pytest.raises(SinkError, match="ms old, over max_age_ms"):
            await sink.deliver(item({"calls": CALLS}, age=0.6))
        for wrong in ("stop", [{"arguments": {}}], ["stop"], CALLS * (MOST_CALLS + 1)):
            with pytest.raises(BadRequest, match="call"):
                await sink.deliver(item({"calls": wrong}))
        with pytest.raises(BadRequest, match="no 'calls'"):
            await sink.deliver(item({}))
        assert envelope.asked == []


@pytest.mark.parametrize("answer", [b"", b"yes\n", b'{"accepted": 1}\n', b"[]\n", b"x" * 70_000 + b"\n"])
async def test_an_envelope_that_does_not_say_yes_has_not_accepted(tmp_path: Path, answer: bytes) -> None:
    async with Envelope(tmp_path / "e.sock", answer).listens() as envelope:
        with pytest.raises(EdgeError, match="safety envelope"):
            await actions(envelope.path, EventHub()).deliver(item({"calls": CALLS}))


async def test_without_an_envelope_nothing_moves(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"can't be asked .*; nothing moves"):
        await actions(tmp_path / "none.sock", EventHub()).deliver(item({"calls": CALLS}))


async def test_events_describe_files_and_topics_hand_them_on() -> None:
    events, topics = EventHub(), Topics()
    reader, listener, found = topics.read("seen"), events.listen(), item({"picture": Media("image/png", b"12")})
    for to, kind in ((declare.Event(), "event"), (declare.Publish("seen"), "topic")):
        sink = open_sink(declare.Sink(kind, to, (), When(), 0.0, 1), "door", events, topics)
        assert await sink.deliver(found)
        await sink.close()
    event = await listener.next()
    assert event is not None and (event["type"], event["model"]) == ("pipeline", "eye")
    assert event["answer"] == {"picture": {"content_type": "image/png", "bytes": 2}}
    message = await reader.next()
    assert message is not None and message.value == {"picture": Media("image/png", b"12")}
    assert message.captured.plain() == event["captured"]
