"""OpenAI's own Python client asks a real device where texts lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("openai")
pytest.importorskip("onnxruntime")

import openai

from edge_runtime.api.openai_embeddings import MOST_TEXTS
from edge_runtime.tasks.text import encode
from tests.edge_runtime import tiny
from tests.edge_runtime.conftest import RunningDevice, trust

TEXTS = ["turn on the light", "play some jazz", "🙂 rain"]


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory, bundles: dict[str, Path]) -> Iterator[RunningDevice]:
    folder = tmp_path_factory.mktemp("embeds")
    trust(folder / "device")
    running = RunningDevice(folder / "device")
    tiny.make_bundle(folder / "places.enigma", tiny.manifest(name="places"), seed=5, embedding=True)
    for bundle in (folder / "places.enigma", bundles["v1"]):
        assert running.push(bundle).status == 200
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(device: RunningDevice) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{device.url}/v1", api_key=device.token, max_retries=0, timeout=60) as made:
        yield made


def test_a_list_of_texts_comes_back_as_vectors_of_length_one_in_its_order(client: Any) -> None:
    made = client.embeddings.create(model="places", input=TEXTS)  # this client asks for base64 by itself
    sums = [tiny.table(5)[encode(text, tiny.FEATURES).ids[0]].sum(0) for text in TEXTS]
    wanted = np.array([one / np.linalg.norm(one) for one in sums])
    assert np.abs(np.array([item.embedding for item in made.data]) - wanted).max() < 1e-5
    assert [item.index for item in made.data] == [0, 1, 2] and made.model == "places"
    assert made.usage.total_tokens == sum(encode(text, tiny.FEATURES).count for text in TEXTS)
    plain = client.embeddings.create(model="places", input=TEXTS[1], encoding_format="float")
    assert np.abs(np.array(plain.data[0].embedding) - wanted[1]).max() < 1e-6


def test_a_text_that_says_nothing_lies_nowhere(client: Any) -> None:
    assert client.embeddings.create(model="places", input="?!").data[0].embedding == [0.0, 0.0, 0.0]


def test_who_embeds_is_listed_and_who_does_not_says_so(client: Any, device: RunningDevice) -> None:
    assert [model.id for model in client.models.list()] == ["places"]
    assert client.models.retrieve("places").id == "places"
    with pytest.raises(openai.BadRequestError, match="no output for that"):
        client.embeddings.create(model="tiny", input="hello")
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="nobody", input="hello")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="enigma_wrong").embeddings.create(model="places", input="hello")
    routed = device.request("POST", "/v1/run/places", {"text": TEXTS[0]})
    assert routed.status == 200 and "embedding" not in routed.json


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"input": ""}, "none of them empty"),
        ({"input": []}, "none of them empty"),
        ({"input": ["a", " "]}, "none of them empty"),
        ({"input": [1, 2]}, "tokens aren't taken"),
        ({"input": ["a"] * (MOST_TEXTS + 1)}, f"at most {MOST_TEXTS}"),
        ({"input": "x" * 5000}, "at most 4000"),
        ({"encoding_format": "int8"}, "float or base64"),
        ({"dimensions": 8}, "gives 3 numbers"),
        ({"truncate": True}, "doesn't know `truncate`"),
        ({"model": ""}, "GET /v1/models"),
    ],
)
def test_what_can_not_be_asked_is_refused_with_what_to_change(
    device: RunningDevice, wrong: dict[str, object], words: str
) -> None:
    answer = device.request("POST", "/v1/embeddings", {"model": "places", "input": "hello", **wrong})
    assert answer.status == 400 and words in answer.message and answer.json["error"]["type"] == "invalid_request_error"
