"""The HTTP interface over a real daemon: answers, refusals, and nothing that stops it."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
import time

import pytest

from .. import tiny
from ..conftest import RunningDevice


def test_a_specialist_answers_with_its_task_fields_and_the_time(shared_device: RunningDevice) -> None:
    reply = shared_device.run("turn on the light")
    assert reply.status == 200
    answer = reply.json
    assert set(answer) == {"label", "confidence", "unsure", "scores", "ms"}
    assert answer["label"] in answer["scores"]
    assert 0 < answer["ms"] < 1000


def test_models_describe_what_serves(shared_device: RunningDevice) -> None:
    (model,) = shared_device.get("/v1/models").json["models"]
    assert (model["name"], model["task"], model["version"]) == ("tiny", "router", "1.0.0")
    assert model["runtime"] == tiny.RUNTIME
    assert model["bytes"] > 1000
    assert model["metrics"] == {"accuracy": 0.9}
    assert model["bundle"].startswith("sha256:")


def test_health_readiness_and_metrics(shared_device: RunningDevice) -> None:
    assert shared_device.get("/healthz").json["status"] == "ok"
    assert shared_device.get("/readyz").json == {"status": "ready"}
    shared_device.run("again")
    reply = shared_device.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = reply.body.decode().splitlines()
    assert "enigma_ready 1" in lines
    assert any(line.startswith('enigma_run_seconds_count{specialist="tiny"}') for line in lines)
    for line in lines:
        if not line.startswith("#"):
            float(line.rsplit(" ", 1)[1])


BAD_BODIES = {
    "not json": (b"turn on the light", "isn't valid JSON"),
    "invalid utf-8": (b'{"text": "\xff\xfe"}', "isn't valid UTF-8"),
    "a list": (b'["text"]', "must be a JSON object"),
    "no text": (b"{}", 'needs a "text"'),
    "a number": (b'{"text": 5}', 'needs a "text"'),
    "empty": (b'{"text": "  "}', "is empty"),
    "unknown field": (b'{"text": "a", "txet": "b"}', "leave out"),
    "too long": (json.dumps({"text": "a" * 5000}).encode(), "at most 4000"),
    "deep": (b'{"text":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    "moderately deep": (b'{"text":' + b"[" * 60 + b"]" * 60 + b"}", "nested too deeply"),
    "repeated key": (b'{"text": "a", "text": "b"}', "twice"),
    "nan": (b'{"text": NaN}', "isn't a JSON number"),
    "huge number": (b'{"text": ' + b"9" * 10_000 + b"}", "isn't valid JSON"),
    "half a surrogate": (b'{"text": "\\ud800"}', "surrogate"),
    "nothing": (b"", "isn't valid JSON"),
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_bad_body_gets_one_sentence(shared_device: RunningDevice, case: str) -> None:
    body, words = BAD_BODIES[case]
    reply = shared_device.request("POST", "/v1/run/tiny", body, {"Content-Type": "application/json"})
    assert reply.status == 400, reply.body
    assert words in reply.message
    assert "\n" not in reply.message
    assert shared_device.run("still there").status == 200


def test_a_body_that_comes_in_pieces_is_one_body(shared_device: RunningDevice) -> None:
    whole = shared_device.run("turn on the light").json
    body = json.dumps({"text": "turn on the light"}).encode()
    head = (
        f"POST /v1/run/tiny HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", shared_device.port), timeout=60) as client:
        for piece in (head.encode(), body[:9], body[9:]):
            client.sendall(piece)
            time.sleep(0.05)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    pieced = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert {**pieced, "ms": 0} == {**whole, "ms": 0}


def test_a_body_of_10_mb_is_refused_however_it_is_sent(shared_device: RunningDevice) -> None:
    body = json.dumps({"text": "a" * 10_000_000}).encode()
    announced = shared_device.request("POST", "/v1/run/tiny", body, {"Content-Type": "application/json"})
    assert announced.status == 413
    assert "at most 1,048,576" in announced.message
    chunks = iter([body[i : i + 65536] for i in range(0, len(body), 65536)])
    try:
        chunked = shared_device.request("POST", "/v1/run/tiny", chunks, {"Content-Type": "application/json"})
    except (BrokenPipeError, ConnectionResetError):
        pass  # the device closed the connection before we had sent all
    else:
        assert chunked.status == 413
    assert shared_device.run("still there").status == 200


def test_unknown_addresses_methods_and_specialists(shared_device: RunningDevice) -> None:
    assert shared_device.get("/nothing").status == 404
    wrong = shared_device.request("DELETE", "/v1/models")
    assert wrong.status == 405
    assert "GET" in wrong.message
    missing = shared_device.run("hello", name="nobody")
    assert missing.status == 404
    assert "it has tiny" in missing.message
    assert shared_device.run("hello", name="%2e%2e%2fetc").status == 404


def test_malformed_http_does_not_stop_the_daemon(shared_device: RunningDevice) -> None:
    for junk in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 40,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/run/tiny HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/run/tiny HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/json\r\n\r\nZZ\r\n",
        b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST /v1/bundles HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nhalf",
    ):
        with socket.create_connection(("127.0.0.1", shared_device.port), timeout=60) as client:
            client.sendall(junk)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(4096)
        assert not answer or (answer.startswith(b"HTTP/1.") and answer[9:10] == b"4"), answer[:100]
    assert shared_device.run("still there").status == 200


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_that_is_not_packed_as_it_says_is_refused_in_a_sentence(
    shared_device: RunningDevice, coding: str
) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    answer = shared_device.request("POST", "/v1/run/tiny", b'{"text": "hello"}', headers)
    assert answer.status == 400
    assert answer.message == f"The body can't be read: Can not decode content-encoding: {coding}."
    assert shared_device.run("still there").status == 200
    assert "Unhandled exception" not in shared_device.log


def test_a_token_in_a_request_that_is_not_http_stays_out_of_the_log(shared_device: RunningDevice) -> None:
    secret = b"Authorization: Bearer token-that-nobody-may-read"
    for junk in (b"GET / HTTP/1.1\r\nHost: x\r\n" + secret + b"\x00\r\n\r\n", secret + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", shared_device.port), timeout=60) as client:
            client.sendall(junk)
            client.shutdown(socket.SHUT_WR)
            client.recv(4096)
    assert shared_device.run("still there").status == 200
    assert "token-that-nobody-may-read" not in shared_device.log


def _ended(client: socket.socket) -> bool:
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except ConnectionResetError:
        return True


def test_more_connections_than_allowed_are_closed_and_the_rest_serve(shared_device: RunningDevice) -> None:
    opened = [socket.create_connection(("127.0.0.1", shared_device.port)) for _ in range(300)]
    try:
        deadline, closed = time.monotonic() + 60, 0
        while closed < 40 and time.monotonic() < deadline:  # which ones are refused is up to the kernel's order
            readable = select.select(opened, [], [], 0.2)[0]
            closed = sum(_ended(client) for client in readable)
        assert closed >= 40
    finally:
        for client in opened:
            client.close()
    ends, status = time.monotonic() + 60, 0
    while status != 200 and time.monotonic() < ends:  # until the device has seen the connections end
        with contextlib.suppress(OSError, http.client.HTTPException):
            status = shared_device.run("still there").status
    assert status == 200
