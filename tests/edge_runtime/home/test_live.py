"""A Home Assistant's inventory by its WebSocket API: a stand-in that speaks it, with changes, a wrong token and a cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from edge_runtime.cli import main
from edge_runtime.errors import BadRequest, Overloaded, Unauthorized
from edge_runtime.home import live
from edge_runtime.home.inventory import parse_home
from edge_runtime.home.live import HomeAssistantLive

TOKEN = "a-long-lived-token"
Json = dict[str, object]


class Hass:
    """What it is asked for, and what it tells; not Home Assistant, which wants a Python of its own."""

    def __init__(self) -> None:
        self.areas: list[Json] = [{"area_id": "kitchen", "name": "Kitchen"}]
        self.entities: list[Json] = [
            {"entity_id": "light.top", "name": None, "original_name": "Top", "device_id": "d1", "aliases": ["lamp"]},
            {"entity_id": "light.secret", "hidden_by": "user"},
        ]
        self.refuses = ""
        self.lines: list[web.WebSocketResponse] = []
        self.asked: list[str] = []
        self.follows: list[int] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        self.lines.append(line)
        await line.send_json({"type": "auth_required", "ha_version": "2026.10"})
        if (await line.receive_json()).get("access_token") != TOKEN:
            await line.send_json({"type": "auth_invalid", "message": "Invalid access token"})
            await line.close()
            return line
        await line.send_json({"type": "auth_ok"})
        async for message in line:
            await self._answer(line, message.json())
        return line

    async def _answer(self, line: web.WebSocketResponse, asked: Json) -> None:
        kind, number = str(asked["type"]), asked["id"]
        self.asked.append(kind)
        result: object = None
        if kind.startswith("config/"):
            name = kind.split("/")[1].removesuffix("_registry")
            result = {"area": self.areas, "device": [{"id": "d1", "area_id": "kitchen"}], "entity": self.entities}[name]
        if kind == self.refuses:
            error = {"code": "unauthorized", "message": "Unauthorized"}
            await line.send_json({"id": number, "type": "result", "success": False, "error": error})
            return
        await line.send_json({"id": number, "type": "result", "success": True, "result": result})
        if kind == "subscribe_events":
            self.follows.append(number)  # type: ignore[arg-type]
        if kind == "subscribe_entities":
            self.states = number
            told = {
                "light.top": {"s": "on", "a": {"friendly_name": "Top light", "brightness": 128, "list": [1]}},
                "light.secret": {"s": "on", "a": {}},
                "lock.door": {"s": "locked", "a": {"device_class": "lock"}},
            }
            await self.tell({"a": told}, self.states)

    async def tell(self, event: Json, number: object) -> None:
        await self.lines[-1].send_json({"id": number, "type": "event", "event": event})


@pytest.fixture
async def hass(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hass]:
    monkeypatch.setattr(live, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(live, "SETTLE", 0.05)
    made, app = Hass(), web.Application()
    app.router.add_get("/api/websocket", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    for line in made.lines:
        await line.close()
    await runner.cleanup()


async def test_areas_names_and_states_come_as_a_home_reads_them(hass: Hass) -> None:
    home = parse_home(await HomeAssistantLive(hass.url, TOKEN).inventory())
    assert [(area.id, area.name) for area in home.areas] == [("kitchen", "Kitchen")]
    assert [each.id for each in home.entities] == ["light.top", "lock.door"]
    top = home.entities[0]
    assert (top.name, top.area, top.aliases, top.state) == ("Top light", "kitchen", ("lamp",), "on")
    assert top.attributes == {"friendly_name": "Top light", "brightness": 128}
    assert home.entities[1].device_class == "lock" and home.entities[1].name == "lock.door"
    some = await HomeAssistantLive(hass.url, TOKEN, ["light.*"]).inventory()
    assert [each["id"] for each in some["entities"]] == ["light.top"]  # type: ignore[attr-defined]


async def test_a_change_is_told_at_once_and_a_cut_is_waited_out(hass: Hass) -> None:
    async with asyncio.timeout(60), contextlib.aclosing(HomeAssistantLive(hass.url, TOKEN).follow()) as told:
        assert parse_home(await anext(told)).entities[0].state == "on"
        await hass.tell({"c": {"light.top": {"+": {"s": "off"}, "-": {"a": ["brightness"]}}}}, hass.states)
        top = parse_home(await anext(told)).entities[0]
        assert top.state == "off" and "brightness" not in top.attributes and top.name == "Top light"
        await hass.tell({"r": ["lock.door"]}, hass.states)
        assert len(parse_home(await anext(told)).entities) == 1
        hass.areas = [{"area_id": "kitchen", "name": "Galley"}]
        await hass.tell({"event_type": "area_registry_updated", "data": {}}, hass.follows[0])
        assert parse_home(await anext(told)).areas[0].name == "Galley"
        hass.areas.append({"area_id": "hall", "name": "Hall"})
        await hass.lines[-1].close()
        again = parse_home(await anext(told))
        assert len(again.areas) == 2 and len(again.entities) == 2 and len(hass.lines) == 2


async def test_changes_that_never_stop_are_told_all_the_same(hass: Hass, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "GATHERS", 0.2)

    async def chatter() -> None:
        for number in range(10_000):
            await hass.tell({"c": {"lock.door": {"+": {"a": {"n": number}}}}}, hass.states)
            await asyncio.sleep(0.02)

    async with asyncio.timeout(60), contextlib.aclosing(HomeAssistantLive(hass.url, TOKEN).follow()) as told:
        await anext(told)
        talking = asyncio.create_task(chatter())
        seen = [parse_home(await anext(told)).entities[1].number("n") for _ in range(3)]
        talking.cancel()
    assert None not in seen and sorted(set(seen)) == seen  # type: ignore[type-var]


async def test_what_is_wrong_is_a_sentence(hass: Hass) -> None:
    with pytest.raises(Unauthorized, match="doesn't take the token"):
        await HomeAssistantLive(hass.url, "wrong").inventory()
    with pytest.raises(Unauthorized):
        await anext(HomeAssistantLive(hass.url, "wrong").follow())
    with pytest.raises(Overloaded, match="can't be reached"):
        await HomeAssistantLive("http://127.0.0.1:9", TOKEN).inventory()
    hass.refuses = "config/area_registry/list"
    with pytest.raises(BadRequest, match="refused config/area_registry/list: Unauthorized"):
        await HomeAssistantLive(hass.url, TOKEN).inventory()
    for wrong in ("ftp://x", "http://example.org", "192.168.1.5:8123"):
        with pytest.raises(BadRequest, match="must begin with"):
            HomeAssistantLive(wrong, TOKEN)


async def test_the_command_writes_the_inventory(hass: Hass, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token, out = tmp_path / "token", tmp_path / "inventory.json"
    token.write_text(TOKEN)
    token.chmod(0o600)
    asked = ["inventory", hass.url, "--token-file", str(token), "--entities", "light.*"]
    assert await asyncio.to_thread(main, [*asked, "--out", str(out)]) == 0
    assert [each.id for each in parse_home(json.loads(out.read_text())).entities] == ["light.top"]
    assert await asyncio.to_thread(main, asked) == 0
    assert json.loads(capsys.readouterr().out)["areas"] == [{"id": "kitchen", "name": "Kitchen"}]
    token.chmod(0o644)
    assert await asyncio.to_thread(main, asked) == 1
    assert "Others may read the secret" in capsys.readouterr().err
