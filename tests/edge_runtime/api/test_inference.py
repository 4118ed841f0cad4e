"""The Open Inference Protocol over a real daemon: our own bytes, the official client, and requests that are wrong."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer

from edge_runtime.api.access import Access
from edge_runtime.api.app import make_app
from edge_runtime.config import Config
from edge_runtime.device import Device

from .. import tiny
from ..conftest import Reply, RunningDevice

PATH = "/v2/models/tiny"
TOKENS = tiny.FEATURES.length


def expected(tokens: np.ndarray, seed: int = 1) -> np.ndarray:
    logits = tiny.table(seed)[tokens[0]].sum(axis=0)
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


@pytest.fixture
def tokens() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 200, (1, TOKENS), np.int32)


def tensor(tokens: np.ndarray, **changes: object) -> dict[str, object]:
    return {"name": "tokens", "shape": [1, TOKENS], "datatype": "INT32", "data": tokens.tolist(), **changes}


def infer(device: RunningDevice, body: dict[str, object], path: str = f"{PATH}/infer") -> Reply:
    return device.request("POST", path, body)


def binary(device: RunningDevice, head: dict[str, object], tail: bytes, length: int | str | None = None) -> Reply:
    text = json.dumps(head).encode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(text) if length is None else length),
    }
    return device.request("POST", f"{PATH}/infer", text + tail, headers)


def test_metadata_says_what_the_graph_takes(shared_device: RunningDevice) -> None:
    assert shared_device.get("/v2").json["extensions"] == ["binary_tensor_data", "schedule_policy"]
    assert shared_device.get("/v2/health/live").json == {"live": True}
    assert shared_device.get("/v2/health/ready").json == {"ready": True}
    assert shared_device.get(f"{PATH}/ready").json == {"name": "tiny", "ready": True}
    model = shared_device.get(PATH).json
    assert model["versions"] == ["1.0.0"] and model["platform"].startswith(f"{tiny.RUNTIME}_")
    assert model["inputs"] == [{"name": "tokens", "datatype": "INT32", "shape": [1, TOKENS]}]
    assert model["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [1, len(tiny.LABELS)]}]
    assert shared_device.get(f"{PATH}/versions/1.0.0").json == model
    assert shared_device.get(f"{PATH}/versions/9.9.9").status == 404


def test_numbers_in_json_and_bytes_behind_it_give_the_same(shared_device: RunningDevice, tokens: np.ndarray) -> None:
    plain = infer(shared_device, {"id": "a", "inputs": [tensor(tokens)]}).json
    assert (plain["id"], plain["model_name"], plain["model_version"]) == ("a", "tiny", "1.0.0")
    (output,) = plain["outputs"]
    assert np.allclose(output["data"], expected(tokens), atol=1e-5)
    flat = infer(shared_device, {"inputs": [tensor(tokens, data=tokens[0].tolist())]}).json
    assert flat["outputs"][0]["data"] == output["data"]
    head = tensor(tokens, parameters={"binary_data_size": tokens.nbytes})
    del head["data"]
    reply = binary(
        shared_device, {"inputs": [head], "parameters": {"binary_data_output": True}}, tokens.astype("<i4").tobytes()
    )
    length = int(reply.headers["inference-header-content-length"])
    told = json.loads(reply.body[:length])
    assert told["outputs"][0]["parameters"] == {"binary_data_size": len(reply.body) - length}
    assert np.frombuffer(reply.body[length:], "<f4").tolist() == pytest.approx(output["data"], abs=0)


def test_the_official_client_is_served(shared_device: RunningDevice, tokens: np.ndarray) -> None:
    triton = pytest.importorskip("tritonclient.http", reason="tritonclient[http] isn't installed")
    client = triton.InferenceServerClient(f"127.0.0.1:{shared_device.port}")
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("tiny")
    assert client.get_model_metadata("tiny")["name"] == "tiny"
    assert client.get_server_metadata()["name"] == "enigma-edge"
    given = triton.InferInput("tokens", [1, TOKENS], "INT32")
    for as_bytes in (False, True):
        given.set_data_from_numpy(tokens, binary_data=as_bytes)
        wanted = [triton.InferRequestedOutput("probabilities", binary_data=as_bytes)]
        found = client.infer("tiny", [given], outputs=wanted, request_id="7")
        assert np.allclose(found.as_numpy("probabilities")[0], expected(tokens), atol=1e-5)
    with pytest.raises(triton.InferenceServerException, match="There is no specialist 'other'"):
        client.infer("other", [given])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "token"}, "isn't one of tokens"),
        ({"shape": [1, 3]}, "takes the shape [1, 64]"),
        ({"shape": [64]}, "takes the shape [1, 64]"),
        ({"shape": [True, 64]}, "takes the shape"),
        ({"shape": [1, -64]}, "takes the shape"),
        ({"datatype": "FP32"}, "takes INT32, not FP32"),
        ({"data": [1, 2]}, "must have 64 numbers"),
        ({"data": [[0.5] * 64]}, "whole numbers alone"),
        ({"data": [[True] * 64]}, "whole numbers alone"),
        ({"data": [["1"] * 64]}, "whole numbers alone"),
        ({"data": [[2**40] * 64]}, "beyond INT32"),
        ({"data": None}, "must have 64 numbers"),
        ({"parameters": []}, "must be an object"),
        ({"parameters": {"binary_data_size": 256}}, "exactly those"),
        ({"parameters": {"binary_data_size": -1}}, "number of bytes"),
    ],
)
def test_a_wrong_tensor_is_one_sentence(
    shared_device: RunningDevice, tokens: np.ndarray, changes: dict[str, object], said: str
) -> None:
    reply = infer(shared_device, {"inputs": [tensor(tokens, **changes)]})
    assert reply.status == 400 and said in reply.json["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "list of 1 to 64"),
        ({"inputs": []}, "list of 1 to 64"),
        ({"inputs": [5]}, 'must be {"name"'),
        ({"id": 5}, "text of at most"),
        ({"outputs": [{"name": "labels"}]}, "one of probabilities"),
        ({"outputs": [{"name": "probabilities", "parameters": {"binary_data": 1}}]}, "true or false"),
        ({"parameters": {"binary_data_output": "yes"}}, "true or false"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    shared_device: RunningDevice, tokens: np.ndarray, body: dict[str, object], said: str
) -> None:
    reply = infer(shared_device, {"inputs": [tensor(tokens)], **body} if body else body)
    assert reply.status == 400 and said in reply.json["error"]


def test_a_body_that_doesn_t_hold_what_it_says_is_refused(shared_device: RunningDevice, tokens: np.ndarray) -> None:
    head = tensor(tokens, parameters={"binary_data_size": tokens.nbytes})
    del head["data"]
    content = tokens.astype("<i4").tobytes()
    assert "exactly those" in binary(shared_device, {"inputs": [head]}, content[:-1]).json["error"]
    assert "belong to no input" in binary(shared_device, {"inputs": [head]}, content + b"x").json["error"]
    for length in (10**9, "-1", "²", "1e3"):
        assert binary(shared_device, {"inputs": [head]}, content, str(length)).status == 400
    nan = struct.pack("<f", float("nan"))
    assert binary(shared_device, {"inputs": [tensor(tokens)]}, nan).status == 400
    assert shared_device.request("POST", "/v2/models/none/infer", {}).json["error"].startswith("There is no specialist")
    assert shared_device.run("still there").status == 200


async def test_what_is_kept_of_a_request_is_only_what_it_said(
    state: Path, bundles: dict[str, Path], tokens: np.ndarray
) -> None:
    """A request's JSON is read once; the bytes behind it, the model below it and the headers are each request's own."""
    device = Device(state, Config())
    await device.start()
    item = tensor(tokens, parameters={"binary_data_size": tokens.nbytes})
    del item["data"]
    head = json.dumps({"inputs": [item], "parameters": {"binary_data_output": True}}).encode()

    async def push(version: str) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield bundles[version].read_bytes()

        await device.install(chunks(), bundles[version].stat().st_size)

    async with TestClient(TestServer(make_app(device, Access(device.tokens, open_on_loopback=True)))) as client:

        async def asked(tail: bytes, **headers: str) -> tuple[int, bytes, int]:
            headers = {"Inference-Header-Content-Length": str(len(head)), **headers}
            async with client.post(f"{PATH}/infer", data=head + tail, headers=headers) as reply:
                length = int(reply.headers.get("Inference-Header-Content-Length", "0"))
                return reply.status, await reply.read(), length

        for number in (1, 2):
            await push(f"v{number}")
            for seed in range(3):
                drawn = np.random.default_rng(seed).integers(0, 200, (1, TOKENS), np.int32)
                status, body, length = await asked(drawn.astype("<i4").tobytes())
                told = json.loads(body[:length])
                assert status == 200 and told["model_version"] == f"{number}.0.0" and "id" not in told
                assert np.allclose(np.frombuffer(body[length:], "<f4"), expected(drawn, number), atol=1e-5)
            content = tokens.astype("<i4").tobytes()
            assert (await asked(content[:-1]))[0] == (await asked(content + b"x"))[0] == 400
            assert (await asked(content, **{"Enigma-Deadline-Ms": "soon"}))[0] == 400
            assert (await asked(content, **{"X-Forwarded-For": "192.0.2.1"}))[0] == 401
    await device.close()


def test_how_urgent_a_request_is_may_be_said_in_headers_and_parameters(
    shared_device: RunningDevice, tokens: np.ndarray
) -> None:
    def asked(headers: dict[str, str], **parameters: object) -> Reply:
        body = {"inputs": [tensor(tokens)], "parameters": parameters}
        return shared_device.request("POST", f"{PATH}/infer", body, headers)

    assert asked({"Enigma-Priority": "high", "Enigma-Deadline-Ms": "2500"}).status == 200
    assert asked({}, priority=1, timeout=2_000_000).status == 200
    for headers in ({"Enigma-Priority": "urgent"}, {"Enigma-Deadline-Ms": "soon"}, {"Enigma-Deadline-Ms": "nan"}):
        assert asked(headers).status == 400
        run = shared_device.request("POST", "/v1/run/tiny", {"text": "hello"}, headers)
        assert run.status == 400 and run.json["error"]["code"] == "bad_request"
    assert asked({}, priority=-1).status == asked({}, timeout="1s").status == asked({}, priority=True).status == 400


def test_a_deadline_that_has_passed_is_504_with_a_time_to_come_back(shared_device: RunningDevice) -> None:
    late = shared_device.request("POST", "/v1/run/tiny", {"text": "hello"}, {"Enigma-Deadline-Ms": "0.0001"})
    if late.status != 200:  # a model that is known to be quick answers at once
        assert (late.status, late.json["error"]["code"], late.headers["retry-after"]) == (504, "deadline", "1")
