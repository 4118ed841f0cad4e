"""Files as bodies of requests and answers, over real HTTP; the specialist is a stand-in that answers with two files."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from edge_runtime.api.app import _errors
from edge_runtime.api.run import RunRoutes
from edge_runtime.media import Media, read_media
from edge_runtime.serving.recent import Recent
from edge_runtime.serving.worker import Answer

PICTURE = b"\x89PNG\r\n\x1a\n and more"
Json = dict[str, object]


class Painter:
    """Gives the picture back, and a sound."""

    config = SimpleNamespace(server=SimpleNamespace(max_body_kb=1, max_file_kb=4), log=SimpleNamespace(inputs=False))
    recent = Recent(8)
    traces = None
    serving = SimpleNamespace(current=lambda name: SimpleNamespace(loaded=SimpleNamespace(specialist=None)))
    metrics = SimpleNamespace(count=lambda name, **labels: None)

    def known(self, name: str) -> None:
        """It knows every name."""

    async def run(self, name: str, request: Json, urgency: object = None) -> Answer:
        image = read_media(request.get("image"), "image", ("image/png", "image/jpeg"), 1 << 20)
        said = request.get("question")
        return Answer({"picture": image, "sound": Media("audio/wav", b"RIFF"), "said": said, "unsure": False}, 0.01)


@pytest.fixture
async def device() -> AsyncIterator[str]:
    painter = Painter()
    app = web.Application(middlewares=[_errors(painter)], client_max_size=4096)  # type: ignore[arg-type]
    app.router.add_post("/v1/run/{specialist}", RunRoutes(painter).run)  # type: ignore[arg-type]
    async with TestServer(app) as server:
        yield str(server.make_url("/v1/run/eye"))


async def asked(url: str, data: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with ClientSession() as session, session.post(url, data=data, headers=sent) as response:
        return response.status, dict(response.headers), await response.read()


async def test_a_picture_may_be_the_body_and_texts_the_query(device: str) -> None:
    status, _, body = await asked(f"{device}?question=how+many", PICTURE, Content_Type="image/png")
    assert status == 200
    coded = base64.b64encode(PICTURE).decode()
    assert f'"picture":{{"content_type":"image/png","base64":"{coded}"}}'.encode() in body
    assert b'"said":"how many"' in body


async def test_a_client_that_accepts_one_type_gets_that_file_and_the_rest_in_headers(device: str) -> None:
    for accept, content_type, content in (
        ("image/png", "image/png", PICTURE),
        ("image/*", "image/png", PICTURE),
        ("audio/wav;q=0.9", "audio/wav", b"RIFF"),
    ):
        status, headers, body = await asked(device, PICTURE, Content_Type="image/png", Accept=accept)
        assert (status, headers["Content-Type"], body) == (200, content_type, content)
        assert headers["Enigma-Unsure"] == "false"
        assert float(headers["Enigma-Ms"]) == 10.0


async def test_a_type_that_isnt_made_is_refused_in_words(device: str) -> None:
    status, _, body = await asked(device, PICTURE, Content_Type="image/png", Accept="model/gltf-binary")
    assert status == 406
    assert b"The answer has image/png, audio/wav, not model/gltf-binary; accept application/json" in body


async def test_json_is_the_answer_for_whoever_takes_it(device: str) -> None:
    for accept in ("*/*", "application/json", "image/png, application/json;q=0.5"):
        status, headers, _ = await asked(device, PICTURE, Content_Type="image/png", Accept=accept)
        assert (status, headers["Content-Type"]) == (200, "application/json")


async def test_files_have_their_own_bound_and_forms_are_refused(device: str) -> None:
    assert (await asked(device, b"x" * 3000, Content_Type="image/png"))[0] == 200  # more than JSON may have
    status, _, body = await asked(device, b"x" * 5000, Content_Type="image/png")
    assert status == 413
    assert b"send at most 4,096" in body
    status, _, body = await asked(device, PICTURE, Content_Type="text/plain")
    assert status == 400
    assert b"must be JSON" in body
    status, _, body = await asked(device, b"GIF89a", Content_Type="image/gif")
    assert status == 400
    assert b"'image/gif'; send image/png or image/jpeg" in body
