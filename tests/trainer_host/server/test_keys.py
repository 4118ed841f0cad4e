"""Rows S006, S007 and S008a to S008c, the host's half: keys over the API."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import quote

import pytest

from tests.trainer_host.server.conftest import KEY, SPARE, Client, Json, serving
from tests.trainer_host.teacher.fake_api import FakeApi
from tests.trainer_host.teacher.faults import echo_key, for_key
from tests.trainer_host.teacher.vault_traces import traces
from trainer_host.keys import get_api_key, store_api_key, store_endpoint
from trainer_host.teacher.providers import PROVIDERS
from trainer_host.workspace import Workspace


async def add(client: Client, provider: str, name: str, key: str, **more: object) -> Json:
    answer = await client.call("POST", "/v1/keys", {"provider": provider, "name": name, "key": key, **more})
    assert answer.status == 201, answer.text
    return answer.json


async def names(client: Client) -> list[str]:
    found = (await client.get("/v1/keys"))["keys"]
    assert isinstance(found, list)
    return [f"{line['provider']}/{line['name']}{'*' if line['in_use'] else ''}" for line in found]


async def test_three_keys_are_added_listed_masked_chosen_and_removed(client: Client, workspace: Workspace) -> None:
    entry = await add(client, "openai", "work", KEY)
    assert entry.keys() == {"provider", "name", "tail", "in_use", "added", "source"}
    assert entry["tail"] == "…5RkE" and entry["in_use"] is True and entry["source"] == "vault"
    await add(client, "openai", "spare", SPARE)
    await add(client, "openai", "My key/1", "another-key-0123456789")
    assert await names(client) == ["openai/work*", "openai/spare", "openai/My key/1"]

    used = await client.call("POST", "/v1/keys/use", {"provider": "openai", "name": "spare"})
    assert used.status == 200 and used.json["in_use"] is True
    assert get_api_key("openai", home=workspace.home) == SPARE
    assert (await client.call("DELETE", "/v1/keys/openai/work")).status == 200
    assert (await client.call("DELETE", f"/v1/keys/openai/{quote('My key/1', safe='')}")).status == 200
    assert await names(client) == ["openai/spare*"]


async def test_a_name_that_is_taken_is_refused_unless_replaced(client: Client, workspace: Workspace) -> None:
    await add(client, "openai", "work", KEY)
    again = await client.call("POST", "/v1/keys", {"provider": "openai", "name": "work", "key": SPARE})
    assert again.status == 409 and "named 'work'" in again.message
    assert get_api_key("openai", home=workspace.home) == KEY
    await add(client, "openai", "work", SPARE, replace=True)
    assert get_api_key("openai", home=workspace.home) == SPARE


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"provider": "openai", "name": "", "key": KEY}, 422, '"name"'),
        ({"provider": "openai", "name": "work", "key": ""}, 422, '"key"'),
        ({"provider": "openai", "name": "work"}, 422, '"key"'),
        ({"provider": "openai", "name": "work", "key": 5}, 422, '"key"'),
        ({"provider": "openai", "name": "work", "key": f"{KEY}\nx"}, 422, "line break"),
        ({"provider": "openai", "name": " work", "key": KEY}, 422, "printable"),
        ({"provider": "openai", "name": "work", "key": "x" * 5000}, 422, "4,096"),
        ({"provider": "openai", "name": f"my {KEY}", "key": KEY}, 422, "another field"),
        ({"provider": "openai", "name": "work", "key": KEY, "colour": "red"}, 422, "nothing else"),
        ({"provider": "openai", "name": "work", "key": KEY, "replace": "yes"}, 422, "true or false"),
        ({"provider": "nobody", "name": "work", "key": KEY}, 404, "base_url"),
        ({"provider": "ollama", "name": "work", "key": KEY}, 422, "no key"),
        ({"provider": "openai", "name": "w", "key": KEY, "base_url": "https://x.example", "model": "m"}, 422, "built in"),
        ({"provider": "gw", "name": "w", "key": KEY, "base_url": "http://x.example/v1", "model": "m"}, 422, "https"),
        ({"provider": "gw", "name": "w", "key": KEY, "base_url": "https://x.example", "wire": "soap", "model": "m"}, 422, "wire"),
        ({"provider": "gw", "name": "w", "key": KEY, "base_url": "https://x.example"}, 422, '"model"'),
        ([KEY], 400, "object"),
    ],
)  # fmt: skip
async def test_what_cannot_be_stored_is_one_sentence_and_nothing_is_stored(
    client: Client, workspace: Workspace, body: object, status: int, word: str
) -> None:
    answer = await client.call("POST", "/v1/keys", body)
    assert answer.status == status and word in answer.message, answer.text
    assert KEY not in answer.text
    assert await names(client) == []
    assert traces(workspace.home, KEY) == []


async def test_a_body_that_is_no_json_or_far_too_long_is_refused(client: Client) -> None:
    json_type = {"Content-Type": "application/json"}
    assert (await client.call("POST", "/v1/keys", f'{{"key": "{KEY}"'.encode(), **json_type)).status == 400
    assert (await client.call("POST", "/v1/keys", b'{"key": "a", "key": "b"}', **json_type)).status == 400
    assert (await client.call("POST", "/v1/keys", b"key=a", **{"Content-Type": "text/plain"})).status == 400
    assert (await client.call("POST", "/v1/keys", b'"' + b"x" * 20_000 + b'"', **json_type)).status == 413


async def test_keys_that_are_not_there_are_404(client: Client) -> None:
    for method, path, body in (
        ("POST", "/v1/keys/use", {"provider": "openai", "name": "none"}),
        ("POST", "/v1/keys/use", {"provider": "nobody", "name": "none"}),
        ("DELETE", "/v1/keys/openai/none", None),
        ("DELETE", "/v1/providers/none", None),
    ):
        assert (await client.call(method, path, body)).status == 404


async def test_a_key_of_the_environment_is_listed_and_stays(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    await add(client, "openai", "work", SPARE)
    assert await names(client) == ["openai/OPENAI_API_KEY*", "openai/work"]
    refused = await client.call("DELETE", "/v1/keys/openai/OPENAI_API_KEY")
    assert refused.status == 409 and "environment" in refused.message


async def test_custom_providers_come_without_a_key_and_https_is_for_everywhere_but_near(client: Client) -> None:
    def body(url: str, name: str = "lm") -> Json:
        return {"name": name, "base_url": url, "wire": "openai", "model": "m1"}

    made = await client.call("POST", "/v1/providers", body("http://192.168.1.5:1234/v1"))
    assert made.status == 201
    wanted = {"name": "lm", "wire": "openai", "base_url": "http://192.168.1.5:1234/v1", "model": "m1"}
    assert made.json == {**wanted, "needs_key": False, "custom": True}
    assert (await client.call("POST", "/v1/providers", body("http://192.168.1.5:1234/v1"))).status == 201  # the same
    assert (await client.call("POST", "/v1/providers", body("http://127.0.0.1:1/v1"))).status == 409
    far = await client.call("POST", "/v1/providers", body("http://models.example/v1", "far"))
    assert far.status == 422 and "https" in far.message
    assert (await client.call("POST", "/v1/providers", body("https://models.example/v1", "far"))).status == 201
    assert (await client.call("POST", "/v1/providers", body("https://models.example/v1", "openai"))).status == 422

    listed = (await client.get("/v1/providers"))["providers"]
    assert isinstance(listed, list)
    assert [line["name"] for line in listed] == [*PROVIDERS, "lm", "far"]
    assert all(line.keys() == wanted.keys() | {"needs_key", "custom"} for line in listed)
    assert {line["name"] for line in listed if line["custom"]} == {"lm", "far"}
    assert (await client.call("DELETE", "/v1/providers/lm")).json["name"] == "lm"
    assert (await client.call("DELETE", "/v1/providers/openai")).status == 409


async def test_the_key_in_use_is_the_one_that_the_provider_sees(client: Client, provider: FakeApi) -> None:
    where = {"base_url": f"{provider.url}/v1", "wire": "openai", "model": "fake-small"}
    await add(client, "gw", "work", KEY, **where)
    await add(client, "gw", "spare", SPARE)
    await client.call("POST", "/v1/keys/use", {"provider": "gw", "name": "spare"})
    body = {"tasks": ["avatar"], "examples_per_task": 10, "provider": "gw"}
    begun = await client.call("POST", "/v1/lessons", body)
    assert (await client.ended(begun.json["id"]))["state"] == "done"
    assert provider.by_key.keys() == {SPARE}


async def test_a_client_cannot_lead_stored_keys_to_another_address(
    client: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {"base_url": "https://gateway.example/v1", "wire": "openai", "model": "m1"}
    elsewhere = {**where, "base_url": "http://127.0.0.1:9/v1", "replace": True}
    await add(client, "gw", "work", KEY, **where)
    led = await client.call("POST", "/v1/keys", {"provider": "gw", "name": "x", "key": SPARE, **elsewhere})
    assert led.status == 409 and "belong to https://gateway.example/v1" in led.message
    assert (
        await client.call("POST", "/v1/providers", {"name": "gw", **where, "base_url": "http://127.0.0.1:9"})
    ).status == 409
    assert await names(client) == ["gw/work*"]
    await add(client, "gw", "work", SPARE, **elsewhere)  # no key but the one that came along

    # A provider's name chooses the variable that its key may come from.
    monkeypatch.setenv("CORP_API_KEY", KEY)
    led = await client.call("POST", "/v1/keys", {"provider": "corp", "name": "x", "key": SPARE, **where})
    assert led.status == 409 and "CORP_API_KEY" in led.message


async def test_no_answer_log_or_file_ever_holds_a_key(
    workspace: Workspace, provider: FakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    team = "team-header-value-0123456789"
    async with (
        serving(workspace) as client,
        client.session.ws_connect(
            f"{client.url}/v1/events", headers={"Authorization": f"Bearer {client.token}"}
        ) as socket,
    ):
        await add(client, "openai", "work", KEY)
        await client.call("POST", "/v1/keys", {"provider": "openai", "name": "work", "key": SPARE})
        await client.call("POST", "/v1/keys", {"provider": "no/where", "name": "work", "key": SPARE})
        await client.call("POST", "/v1/keys", {"name": [SPARE], "key": SPARE})
        await client.call("POST", "/v1/keys", {"key": SPARE, "colour": SPARE})
        await client.call(
            "POST",
            "/v1/keys",
            f'{{"key": "{SPARE}", "key": "{SPARE}"}}'.encode(),
            **{"Content-Type": "application/json"},
        )
        where = {"base_url": f"{provider.url}/v1", "wire": "openai", "model": "fake-small"}
        await add(client, "gw", "work", SPARE, **where)
        store_endpoint("headed", where["base_url"], model="m1", headers={"x-team": team}, home=workspace.home)
        store_api_key("headed", KEY, "first", home=workspace.home)
        provider.script = for_key({SPARE: echo_key(401)})
        for path in ("/v1/keys", "/v1/providers", "/v1/tasks"):
            await client.get(path)
        ends = []
        for name in ("gw", "headed"):  # the first one's key is refused, with words that repeat it
            body = {"tasks": ["avatar"], "examples_per_task": 10, "provider": name}
            begun = await client.call("POST", "/v1/lessons", body)
            ends.append((await client.ended(begun.json["id"]))["state"])
        assert ends == ["stopped", "done"]
        await client.get("/v1/lessons")
        await client.call("POST", "/v1/keys/use", {"provider": "openai", "name": "work"})
        await client.call("DELETE", "/v1/keys/openai/work")
        host, port = client.url.removeprefix("http://").split(":")
        for torn in (
            f"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SPARE}\x00\r\n\r\n",
            f"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{SPARE}\r\n",
        ):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(torn.encode())
            assert b"400 Bad Request" in await asyncio.wait_for(reader.read(2000), 60)  # to whom sent it, and to no log
            writer.close()
        events = []
        while not events or '"done"' not in events[-1]:
            events.append(await socket.receive_str(timeout=60))
    text = "\n".join(
        [*client.heard, *events, caplog.text, *(record.getMessage() + repr(record.args) for record in caplog.records)]
    )
    assert len(text) > 5000
    for secret in (KEY, SPARE, team):
        assert secret not in text
        assert not any(secret[at : at + 12] in text for at in range(len(secret) - 11))
    assert traces(workspace.home, KEY, SPARE, team) == []


async def test_a_vault_that_cannot_be_opened_is_said(client: Client, workspace: Workspace) -> None:
    await add(client, "openai", "work", KEY)
    (workspace.keys / "providers.key").unlink()
    (workspace.keys / "providers.vault").write_bytes(b"damaged")
    answer = await client.call("GET", "/v1/keys")
    assert 400 <= answer.status < 500 and "vault" in answer.message
    await add_tasks_still_answer(client)


async def add_tasks_still_answer(client: Client) -> None:
    assert (await client.get("/v1/tasks"))["tasks"]
