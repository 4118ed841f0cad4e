"""Webhooks before a receiver that verifies as Standard Webhooks says, is away, is slow, or wants no more."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tests.trainer_host.fleet.conftest import opened
from trainer_host.errors import NotThere, TrainerError
from trainer_host.fleet import webhooks
from trainer_host.fleet.store import Store

TOLERANCE = 300  # seconds: what the specification's own libraries allow


@dataclass
class Receiver:
    """Another implementation of the specification: refuses what isn't signed, is old, or was seen before."""

    secret: str = ""
    answer: int = 204
    delay: float = 0.0
    clock: float = field(default_factory=time.time)
    taken: list[dict[str, object]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def judge(self, headers: dict[str, str], body: bytes) -> str:
        id_, at, signatures = (headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        key = base64.b64decode(self.secret.split("_", 1)[1])
        right = base64.b64encode(hmac.new(key, f"{id_}.{at}.".encode() + body, hashlib.sha256).digest()).decode()
        if not any(hmac.compare_digest(given, f"v1,{right}") for given in signatures.split()):
            return "forged"
        if abs(self.clock - int(at)) > TOLERANCE:
            return "old"
        if id_ in self.seen:
            return "replayed"
        return ""

    async def take(self, request: web.Request) -> web.Response:
        headers, body = {name.lower(): value for name, value in request.headers.items()}, await request.read()
        self.requests.append((headers, body))
        await asyncio.sleep(self.delay)
        if self.answer >= 300:
            return web.Response(status=self.answer, headers={"location": "/elsewhere"})
        if why := self.judge(headers, body):
            return web.Response(status=409 if why == "replayed" else 401)
        self.seen.add(headers["webhook-id"])
        self.taken.append(json.loads(body))
        self.news.set()
        return web.Response(status=self.answer)


@contextlib.asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return opened(str(tmp_path / "fleet.db"))


def happen(store: Store, *kinds: str) -> None:
    with store.changing() as session:
        for kind in kinds:
            session.event(kind, 1e9, "tester", rollout="r-0001", cause="„langsam“")


def test_a_signature_is_the_one_of_the_specification() -> None:
    """The example of the specification's own libraries."""
    made = webhooks.headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_what_happens_arrives_once_in_order_and_nothing_else_passes_the_receiver(
    store: Store, tmp_path: Path
) -> None:
    receiver = Receiver()
    happen(store, "rollout.started")  # before there was a webhook
    async with listening(receiver) as url:
        hook = webhooks.add(tmp_path, store, url, ["rollout.", "device.failed"])
        receiver.secret = hook.secret
        happen(store, "rollout.stage", "device.joined", "device.failed", "rollout.paused")
        assert await webhooks.deliver(tmp_path, store) == 3
        assert await webhooks.deliver(tmp_path, store) == 0
    assert [body["type"] for body in receiver.taken] == ["rollout.stage", "device.failed", "rollout.paused"]
    assert receiver.taken[0]["data"] == {"rollout": "r-0001", "cause": "„langsam“", "event": 2, "by": "tester"}
    assert receiver.taken[0]["timestamp"] == "2001-09-09T01:46:40.000+00:00"
    headers, body = receiver.requests[0]
    assert receiver.judge(headers, body) == "replayed"
    assert receiver.judge({**headers, "webhook-id": "evt_other"}, body) == "forged"
    assert receiver.judge({**headers, "webhook-timestamp": str(int(time.time()) + 9)}, body) == "forged"
    assert receiver.judge(headers, body.replace(b"r-0001", b"r-0002")) == "forged"
    receiver.clock += TOLERANCE + 60
    assert receiver.judge(headers, body) == "old"


async def test_a_receiver_that_is_away_gets_the_same_event_later_and_each_wait_is_longer(
    store: Store, tmp_path: Path
) -> None:
    receiver, now = Receiver(answer=500), [1000.0]
    async with listening(receiver) as url:
        receiver.secret = webhooks.add(tmp_path, store, url, []).secret
        happen(store, "rollout.paused", "rollout.aborted")
        waits = []
        for _ in range(4):
            assert await webhooks.deliver(tmp_path, store, lambda: now[0]) == 0
            (hook,) = webhooks.known(tmp_path)
            assert hook.cause == "500" and hook.sent == 0
            assert await webhooks.deliver(tmp_path, store, lambda: now[0]) == 0  # it isn't due
            waits.append(hook.next_at - now[0])
            now[0] = hook.next_at
        assert len(receiver.requests) == 4 and all(later > 3 * one for one, later in itertools.pairwise(waits))
        assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1
        receiver.answer, receiver.clock = 200, now[0]
        assert await webhooks.deliver(tmp_path, store, lambda: now[0]) == 2
        (hook,) = webhooks.known(tmp_path)
    assert (hook.tries, hook.cause, hook.lost, hook.sent) == (0, "", 0, 2)


async def test_what_never_arrives_is_given_up_after_its_tries_and_counted(store: Store, tmp_path: Path) -> None:
    webhooks.add(tmp_path, store, "http://127.0.0.1:9/hook", [])
    happen(store, "rollout.paused")
    now = [0.0]
    for _ in range(webhooks.MOST_TRIES):
        await webhooks.deliver(tmp_path, store, lambda: now[0])
        now[0] = webhooks.known(tmp_path)[0].next_at
    (hook,) = webhooks.known(tmp_path)
    assert (hook.lost, hook.sent, hook.tries) == (1, 1, 0) and hook.cause.startswith("it can't be reached")
    assert 24 * 3600 < now[0] < 72 * 3600


async def test_of_a_queue_that_grows_only_the_newest_are_kept(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MOST_WAITING", 3)
    receiver = Receiver()
    async with listening(receiver) as url:
        receiver.secret = webhooks.add(tmp_path, store, url, ["rollout."]).secret
        happen(store, *(["device.joined"] * 5), *(f"rollout.{n}" for n in range(5)))
        assert await webhooks.deliver(tmp_path, store) == 3
    assert [body["type"] for body in receiver.taken] == ["rollout.2", "rollout.3", "rollout.4"]
    assert webhooks.known(tmp_path)[0].lost == 2


async def test_a_receiver_that_wants_no_more_is_left_alone_and_no_redirect_is_followed(
    store: Store, tmp_path: Path
) -> None:
    receiver = Receiver(answer=307)
    async with listening(receiver) as url:
        webhooks.add(tmp_path, store, url, [])
        happen(store, "rollout.paused")
        await webhooks.deliver(tmp_path, store, lambda: 0.0)
        assert webhooks.known(tmp_path)[0].cause == "307" and len(receiver.requests) == 1
        receiver.answer = 410
        await webhooks.deliver(tmp_path, store, lambda: 1e6)
        assert webhooks.known(tmp_path)[0].off
        assert await webhooks.deliver(tmp_path, store, lambda: 1e9) == 0 and len(receiver.requests) == 2


async def test_a_slow_receiver_keeps_nobody_waiting(
    store: Store, tmp_path: Path, leap: Callable[[float], None]
) -> None:
    slow, quick = Receiver(delay=600), Receiver()
    async with listening(slow) as one, listening(quick) as other:
        slow.secret = webhooks.add(tmp_path, store, one, []).secret
        quick.secret = webhooks.add(tmp_path, store, other, []).secret
        happen(store, "rollout.paused")
        sending = asyncio.create_task(webhooks.deliver(tmp_path, store))
        await asyncio.wait_for(quick.news.wait(), 60)
        assert await webhooks.deliver(tmp_path, store) == 0  # another process, meanwhile: it leaves it to the first
        happen(store, "rollout.aborted")  # and no rollout waits
        leap(webhooks._DEADLINES.connect + webhooks._DEADLINES.answer)
        assert await sending == 1
        leap(600)  # the slow one's own
    first, second = webhooks.known(tmp_path)
    assert first.cause.startswith("it didn't answer in time") and (first.sent, second.sent) == (0, 1)


def test_secrets_are_for_their_owner_alone_and_bad_input_is_told_in_a_sentence(store: Store, tmp_path: Path) -> None:
    hook = webhooks.add(tmp_path, store, "https://hooks.example.com/x", [])
    path = tmp_path / webhooks.FILE
    assert path.stat().st_mode & 0o777 == 0o600 and hook.secret not in repr(hook)
    for url in ("http://hooks.example.com/x", "ftp://h/x", "https://u:p@h/x", "nothing"):
        with pytest.raises(TrainerError):
            webhooks.add(tmp_path, store, url, [])
    with pytest.raises(TrainerError, match="24 to 64 bytes"):
        webhooks.add(tmp_path, store, "https://h.example/x", [], "whsec_c2hvcnQ=")
    with pytest.raises(NotThere, match="enigma fleet webhooks list"):
        webhooks.remove(tmp_path, "w9")
    assert webhooks.remove(tmp_path, "w1") == hook and webhooks.known(tmp_path) == []
    for _ in range(webhooks.MOST_WEBHOOKS):
        webhooks.add(tmp_path, store, "https://hooks.example.com/x", [])
    with pytest.raises(TrainerError, match="16 webhooks already"):
        webhooks.add(tmp_path, store, "https://hooks.example.com/x", [])
    path.chmod(0o644)
    with pytest.raises(TrainerError, match="can be read by others"):
        webhooks.known(tmp_path)
    path.write_text("{")
    path.chmod(0o600)
    with pytest.raises(TrainerError, match="damaged"):
        webhooks.known(tmp_path)
