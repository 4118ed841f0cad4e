"""A person's own .gguf files with other tokenizers and chat templates than ours, through the daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("openai")
pytest.importorskip("xllamacpp", reason="the files run on it")
pytest.importorskip("gguf", reason="the tests' files are written with it")
pytest.importorskip("jinja2", reason="what renders the templates")

import openai

from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.trust import TrustStore
from tests.edge_runtime.conftest import RunningDevice
from tests.edge_runtime.language.gguf_files import FAMILIES, sentencepiece
from trainer_host.release.keys import signing_key
from trainer_host.release.own_gguf import bundle_own
from trainer_host.workspace import Workspace

HELLO: list[Any] = [{"role": "user", "content": "hello world"}]
TOLD: list[Any] = [{"role": "system", "content": "to the user"}, *HELLO]
LAMP: Any = {
    "type": "function",
    "function": {
        "name": "lamp",
        "parameters": {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]},
    },
}


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDevice]:
    """With a file of each family."""
    folder = tmp_path_factory.mktemp("own")
    workspace = Workspace(folder / "home")
    key = signing_key(workspace)
    TrustStore(IdentityFolder(folder / "device")).add(key.public, "test")
    running = RunningDevice(folder / "device")
    for name, (template, marks, spaced) in FAMILIES.items():
        file = sentencepiece(folder / f"{name}.gguf", template, marks, spaced)
        pushed = running.push(bundle_own(workspace, file, key, name=name).path)
        assert pushed.status == 200, pushed.body
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(device: RunningDevice) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{device.url}/v1", api_key=device.token, max_retries=0, timeout=60) as made:
        yield made


@pytest.mark.parametrize("model", list(FAMILIES))
def test_a_chat_is_answered_whole_and_in_pieces(client: Any, model: str) -> None:
    for messages in (HELLO, TOLD):
        asked: Any = {"model": model, "messages": messages, "max_tokens": 24}
        whole = client.chat.completions.create(**asked)
        pieces = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        joined = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
        assert joined == whole.choices[0].message.content
        assert pieces[-1].usage.prompt_tokens_details.cached_tokens == whole.usage.prompt_tokens - 1
    text = client.completions.create(model=model, prompt="hello", max_tokens=4)
    assert text.usage.prompt_tokens >= 2


@pytest.mark.parametrize("model", list(FAMILIES))
def test_json_tools_and_stop_strings_hold(client: Any, model: str) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["the world", "é"]}}, "required": ["a"]}
    form: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    made = client.chat.completions.create(model=model, messages=HELLO, response_format=form, max_tokens=60)
    assert json.loads(made.choices[0].message.content)["a"] in ("the world", "é")
    made = client.chat.completions.create(
        model=model, messages=TOLD, tools=[LAMP], tool_choice="required", max_tokens=60
    )
    (call,) = made.choices[0].message.tool_calls
    assert call.function.name == "lamp" and isinstance(json.loads(call.function.arguments)["on"], bool)
    done: Any = [
        *HELLO,
        {"role": "assistant", "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": "it is on"},
    ]
    assert client.chat.completions.create(model=model, messages=done, tools=[LAMP], max_tokens=4).usage.total_tokens
    asked: Any = {"model": model, "messages": HELLO, "max_tokens": 24}
    whole = client.chat.completions.create(**asked).choices[0].message.content
    stop = whole[len(whole) // 2 :][:2]
    cut = client.chat.completions.create(**asked, stop=stop).choices[0].message.content
    assert cut == whole[: whole.index(stop)]


def test_what_a_template_refuses_is_a_bad_request(client: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="roles must alternate"):
        client.chat.completions.create(model="llama2", messages=[{"role": "assistant", "content": "a"}])
