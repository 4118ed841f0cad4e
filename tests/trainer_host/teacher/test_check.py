"""What a provider says to a key, and which models it has."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import web

from tests.trainer_host.teacher.fake_api import MODELS, FakeApi, refusal
from tests.trainer_host.teacher.teachers import keys, secret_of
from trainer_host.errors import KeysError, TeacherStopped
from trainer_host.teacher.check import check_key, list_models
from trainer_host.teacher.protocol import Key, Secret
from trainer_host.teacher.providers import PROVIDERS, Wire

GOOD, BAD = keys("good", "bad")


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_a_key_works_or_is_refused_and_nothing_is_billed(wire: Wire) -> None:
    async with FakeApi(keys={secret_of("good")}) as api:
        endpoint = api.endpoint(wire)
        good, bad = await check_key(endpoint, GOOD), await check_key(endpoint, BAD)
        assert (good.state, good.said) == ("works", f"fake-{wire} takes the key 'good'.")
        assert good.models == await list_models(endpoint, GOOD) == tuple(sorted(MODELS))
        assert bad.state == "refused" and "refuses the key 'bad' (401 this key isn't known)" in bad.said
        with pytest.raises(TeacherStopped, match="401"):
            await list_models(endpoint, BAD)
        assert not api.asked and not api.billed


async def test_a_model_that_is_not_there_is_said() -> None:
    async with FakeApi() as api:
        checked = await check_key(api.endpoint(model="fake-huge"), GOOD)
    assert checked.state == "works" and "doesn't list the model fake-huge" in checked.said


async def test_a_provider_with_a_place_for_checks_is_asked_there() -> None:
    """OpenRouter shows its models to anyone."""
    seen: list[str] = []

    def add(app: web.Application, api: FakeApi) -> None:
        async def key(request: web.Request) -> web.StreamResponse:
            seen.append(request.headers["Authorization"])
            if request.headers["Authorization"] != f"Bearer {secret_of('good')}":
                return refusal(401, "no such key")
            return web.json_response({"data": {"label": "x"}})

        app.router.add_get("/v1/key", key)

    async with FakeApi(add_routes=[add]) as api:
        endpoint = replace(PROVIDERS["openrouter"], base_url=f"{api.url}/v1")
        assert (await check_key(endpoint, GOOD)).state == "works"
        assert (await check_key(endpoint, BAD)).state == "refused"
    assert len(seen) == 2


async def test_a_server_without_the_question_is_not_taken_for_an_answer() -> None:
    async with FakeApi() as api:
        checked = await check_key(api.endpoint(key_path="/nothing-here"), GOOD)
        assert checked.state == "unknown" and "doesn't tell" in checked.said
        assert await list_models(api.endpoint(), None) == tuple(sorted(MODELS))


async def test_bad_addresses_and_keys_are_one_sentence() -> None:
    with pytest.raises(TeacherStopped, match=r"can't be reached \(Connect.*\); is the address right\?"):
        await check_key(replace(PROVIDERS["openai"], base_url="http://127.0.0.1:9/v1"), GOOD)
    with pytest.raises(KeysError, match="https"):
        await check_key(replace(PROVIDERS["openai"], base_url="http://api.example.com/v1"), GOOD)
    with pytest.raises(KeysError, match="The key 'x'"):
        await check_key(PROVIDERS["openai"], Key("x", Secret("a\nb")))
