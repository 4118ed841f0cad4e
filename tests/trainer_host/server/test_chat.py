"""A chat with the host: its own runs, streamed and stopped; teachers only within a budget; and preferences kept for DPO."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import stat
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")

from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.grants import grant
from edge_runtime.identity.tokens import TokenStore
from tests.trainer_host.server.conftest import KEY, Client, serving
from tests.trainer_host.teacher.fake_api import FakeApi
from trainer_host.server.preferences import thumbs_path, votes_path
from trainer_host.server.run import folder_of
from trainer_host.students.language.preferences_data import read_opinions, read_preferences
from trainer_host.teacher.prices import Flat
from trainer_host.workspace import Workspace

Json = dict[str, object]
WEIGHTS = f"sha256:{hashlib.sha256(b'').hexdigest()}"
HELLO = [{"role": "user", "content": "hello"}]
PAIR: Json = {
    "prompt": [{"role": "user", "content": "Say hello"}],
    "chosen": [{"role": "assistant", "content": "Hello!"}],
    "rejected": [{"role": "assistant", "content": "No."}],
    "source": {"id": "abc-1", "way": "vote", "blind": True, "chosen": "a", "rejected": "b"},
}


@pytest.fixture(scope="module")
def run_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an exported run of a tiny language model holds, its weights random."""
    from edge_runtime.language.template import CHATML
    from tests.edge_runtime.language.engines import write_tokenizer
    from tests.trainer_host.export.decoders import decoder
    from trainer_host.export.language_onnx import export_language_onnx
    from trainer_host.students.language.config import LanguageConfig

    folder = tmp_path_factory.mktemp("run")
    tokenizer = write_tokenizer(folder / "tokenizer.json")
    shape = LanguageConfig(tokenizer.size, width=32, layers=1, heads=2, kv_heads=1, hidden=48, context=256)
    model = decoder(shape, 0)
    export_language_onnx(model.state_dict(), shape, folder / "model.fp32.onnx")
    (folder / "template.json").write_text(json.dumps(CHATML.to_json()))
    (folder / "config.json").write_text(
        json.dumps({"format": 1, "model": shape.to_json(), "tasks": ["chat"], "unsure": {"chat": 0.0}})
    )
    (folder / "golden_texts.json").write_text("[]")
    (folder / "weights.safetensors").write_bytes(b"")  # what is asked is the exported file
    content = (folder / "model.fp32.onnx").read_bytes()
    file = {
        "file": "model.fp32.onnx",
        "precision": "fp32",
        "runtimes": ["onnxruntime"],
        "inputs": {},
        "outputs": {},
        "error": 0.0,
        "weights": {},
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (folder / "export.json").write_text(json.dumps({"weights": WEIGHTS, "models": [file]}))
    card = {
        "format": 1,
        "name": "talk",
        "task": "chat",
        "dataset": "talks",
        "content": "sha256:1",
        "teacher": "built-in",
    }
    card |= {"weights": WEIGHTS, "seed": 1, "seconds": None, "curriculum": False}
    (folder / "run.json").write_text(json.dumps(card))
    return folder


@pytest.fixture
def talk(workspace: Workspace, run_files: Path) -> None:
    """The run in the host's home."""
    workspace.runs.mkdir(parents=True, exist_ok=True)
    shutil.copytree(run_files, workspace.runs / "talk")


async def test_a_run_answers_whole_and_streamed_alike(client: Client, talk: None) -> None:
    models = await client.get("/v1/chat/models")
    assert models == {
        "models": [{"name": "run:talk", "title": "talk", "task": "chat", "costs": False}],
        "budget_usd": None,
    }
    asked = {"model": "run:talk", "messages": HELLO, "max_tokens": 12}
    whole = await client.call("POST", "/v1/chat/completions", asked)
    assert whole.status == 200, whole.text
    choice = whole.json["choices"][0]  # type: ignore[index]
    assert choice["finish_reason"] in ("length", "stop")
    streamed = await client.call("POST", "/v1/chat/completions", {**asked, "stream": True})
    events = [line.removeprefix("data: ") for line in streamed.text.splitlines() if line]
    assert events[-1] == "[DONE]"
    said = [json.loads(event)["choices"][0] for event in events[:-1]]
    assert len(said) > 2
    assert "".join(one["delta"]["content"] for one in said) == choice["message"]["content"]
    assert said[-1]["finish_reason"] == choice["finish_reason"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": "run:gone", "messages": HELLO}, 404, "gone"),
        ({"model": "talk", "messages": HELLO}, 404, "/v1/chat/models"),
        ({"model": "teacher:openai", "messages": HELLO}, 404, "--chat-budget"),
        ({"model": "run:talk", "messages": []}, 400, "messages"),
        ({"model": "run:talk", "messages": HELLO, "temperature": 9}, 400, "temperature"),
        ({"model": "run:talk", "messages": HELLO, "response_format": {"type": "json_object"}}, 422, "plain text"),
        ({"model": "run:../x", "messages": HELLO}, 422, "name"),
    ],
)
async def test_what_cannot_be_answered_is_refused_in_a_sentence(
    client: Client, talk: None, body: Json, status: int, words: str
) -> None:
    for stream in (False, True):
        found = await client.call("POST", "/v1/chat/completions", {**body, "stream": stream})
        assert found.status == status, found.text
        assert words in found.message


async def test_a_teacher_answers_within_the_days_budget_and_not_beyond(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "trainer_host.teacher.opening.price_of", lambda endpoint, own=None: Flat(Decimal(0), Decimal(10), "test")
    )
    async with FakeApi(answer=lambda asked: f"You said: {asked.text}", keys={KEY}) as api:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{api.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        async with serving(workspace, chat_budget="0.0015") as client:
            names = [one["name"] for one in (await client.get("/v1/chat/models"))["models"]]  # type: ignore[index, union-attr]
            assert names == ["teacher:openai"]
            body: Json = {"model": "teacher:openai", "messages": HELLO, "max_tokens": 100}
            found = await client.call("POST", "/v1/chat/completions", {**body, "stream": True})
            assert found.status == 200, found.text
            assert "You said: hello" in found.text
            asked = len(api.asked)
            beyond = await client.call("POST", "/v1/chat/completions", {**body, "max_tokens": 4000})
            assert beyond.status == 422
            assert "budget" in beyond.message.lower()
            assert len(api.asked) == asked  # nothing was sent
            assert KEY not in "".join(client.heard)


async def test_the_chat_needs_an_operator(workspace: Workspace, client: Client, talk: None) -> None:
    client.token = TokenStore(IdentityFolder(folder_of(workspace))).add("looks", grant("viewer"))
    for method, path in (
        ("GET", "/v1/chat/models"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/preferences"),
        ("POST", "/v1/preferences"),
        ("DELETE", "/v1/preferences/x"),
    ):
        assert (await client.call(method, path, {} if method == "POST" else None)).status == 403


async def test_a_vote_is_a_preference_that_dpo_reads(workspace: Workspace, client: Client) -> None:
    one = {"preferences": 1, "thumbs": 0}
    assert (await client.call("POST", "/v1/preferences", PAIR)).json == one
    assert (await client.call("POST", "/v1/preferences", PAIR)).json == one  # sent again
    changed = {**PAIR, "chosen": PAIR["rejected"], "rejected": PAIR["chosen"]}
    assert (await client.call("POST", "/v1/preferences", changed)).json == one
    other = {**PAIR, "source": {"id": "abc-2", "blind": False}}
    assert (await client.call("POST", "/v1/preferences", other)).json == {"preferences": 2, "thumbs": 0}
    path = votes_path(workspace)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first, second = read_preferences(path)
    assert (first.chosen, first.rejected) == ("No.", "Hello!")
    assert (second.chosen, second.source["by"]) == ("Hello!", "test")
    with path.open("ab") as cut:
        cut.write(b'{"half')
    assert (await client.get("/v1/preferences"))["preferences"] == 2
    assert len(list(read_preferences(path))) == 2


async def test_a_thumb_is_an_opinion_that_kto_reads_and_can_be_taken_back(workspace: Workspace, client: Client) -> None:
    thumb = {
        "prompt": PAIR["prompt"],
        "completion": PAIR["chosen"],
        "label": True,
        "source": {"id": "abc-1-0", "blind": False},
    }
    assert (await client.call("POST", "/v1/preferences", thumb)).json == {"preferences": 0, "thumbs": 1}
    await client.call("POST", "/v1/preferences", {**thumb, "label": False})
    await client.call("POST", "/v1/preferences", {**thumb, "source": {"id": "abc-1-1", "blind": False}})
    bad, good = read_opinions(thumbs_path(workspace))
    assert (bad.answer, bad.good, good.good, good.source["by"]) == ("Hello!", False, True, "test")
    assert stat.S_IMODE(thumbs_path(workspace).stat().st_mode) == 0o600
    for _ in "ab":
        assert (await client.call("DELETE", "/v1/preferences/abc-1-0")).json == {"preferences": 0, "thumbs": 1}
    assert [one.good for one in read_opinions(thumbs_path(workspace))] == [True]
    for change in ({"label": 1}, {"completion": []}, {"completion": PAIR["prompt"]}, {"chosen": PAIR["chosen"]}):
        assert (await client.call("POST", "/v1/preferences", {**thumb, **change})).status == 422, change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": PAIR["chosen"]}, "user's"),
        ({"chosen": PAIR["rejected"]}, "same"),
        ({"chosen": [{"role": "assistant", "content": ""}]}, "chosen"),
        ({"source": {"id": "x", "more": 1}}, "source"),
        ({"source": {}}, "id"),
        ({"more": 1}, "nothing else"),
    ],
)
async def test_a_preference_that_is_none_is_refused(client: Client, change: Json, words: str) -> None:
    found = await client.call("POST", "/v1/preferences", {**PAIR, **change})
    assert found.status == 422
    assert words in found.message


async def test_a_client_that_leaves_stops_the_writing(client: Client, talk: None) -> None:
    asked = {"model": "run:talk", "messages": HELLO, "temperature": 1, "seed": 4, "stream": True}
    headers = {"Authorization": f"Bearer {client.token}"}
    async with client.session.post(client.url + "/v1/chat/completions", json=asked, headers=headers) as response:
        await response.content.readline()
        response.close()
    async with asyncio.timeout(60):
        said = await client.call("POST", "/v1/chat/completions", {**asked, "max_tokens": 1})
        while said.status == 503:  # until its thread is free
            await asyncio.sleep(0.02)
            said = await client.call("POST", "/v1/chat/completions", {**asked, "max_tokens": 1})
    assert said.status == 200


async def test_the_companions_own_client_talks_votes_and_is_told_what_is_wrong(
    workspace: Workspace, client: Client, talk: None
) -> None:
    from companion_app.services.chat_wire import words_of, writers_from
    from companion_app.services.host_client import HostClient, HostError

    async with HostClient(client.url, str(client.token)) as companion:
        (model,) = writers_from(await companion.chat_models())
        assert (model.name, model.label) == ("run:talk", "talk on the host")
        asked: Json = {"model": model.name, "messages": HELLO, "max_tokens": 8}
        said = [words_of(chunk) async for chunk in companion.chat(asked)]
        whole = await client.call("POST", "/v1/chat/completions", asked)
        assert "".join(text for text, _ in said) == whole.json["choices"][0]["message"]["content"]  # type: ignore[index]
        assert said[-1][1] in ("length", "stop")
        with pytest.raises(HostError, match="gone"):
            await anext(companion.chat({**asked, "model": "run:gone"}))
        await companion.prefer(PAIR)
        assert len(list(read_preferences(votes_path(workspace)))) == 1
