"""What a home specialist understood, at a Home Assistant's REST API: each call's service, allowed entities only, all or none."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from edge_runtime.events import EventHub
from edge_runtime.home.services import ACTS, services
from edge_runtime.pipelines import declare
from edge_runtime.pipelines.home_assistant import HomeAssistantCalls
from edge_runtime.pipelines.items import Captured, Item, Json, SinkError

TOKEN = "a-long-lived-token"


class Hass:
    """Services that were called, of an API that wants the token."""

    def __init__(self) -> None:
        self.called: list[tuple[str, Json]] = []
        self.url, self.status = "", 200

    async def handle(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        self.called.append((request.path.removeprefix("/api/services/"), await request.json()))
        return web.json_response([], status=self.status)


@pytest.fixture
async def hass() -> AsyncIterator[Hass]:
    made, app = Hass(), web.Application()
    app.router.add_post("/api/services/{domain}/{service}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def sink(
    hass: Hass, folder: Path, token: str = TOKEN, entities: tuple[str, ...] = ("light.*", "cover.hall")
) -> HomeAssistantCalls:
    file = folder / "token"
    file.write_text(token)
    file.chmod(0o600)
    return HomeAssistantCalls(declare.HomeAssistant(hass.url, file, entities, 10.0, 5.0), "ear", EventHub())


def item(*calls: Json, unsure: bool = False, age: float = 0.0) -> Item:
    now = Captured.now()
    captured = Captured(now.monotonic - age, time.time() - age)
    return Item({}, captured, 0.0, answer={"calls": list(calls), "unsure": unsure})


def call(name: str, *targets: str, **arguments: object) -> Json:
    return {"name": name, "arguments": arguments, "targets": list(targets)}


async def test_calls_become_services_in_their_order(hass: Hass, tmp_path: Path) -> None:
    home = sink(hass, tmp_path)
    calls = call("HassLightSet", "light.a", "light.b", brightness=40, color="red"), call("HassTurnOff", "cover.hall")
    assert await home.deliver(item(*calls))
    assert hass.called == [
        ("light/turn_on", {"entity_id": ["light.a", "light.b"], "brightness_pct": 40, "color_name": "red"}),
        ("cover/close_cover", {"entity_id": ["cover.hall"]}),
    ]
    assert not await home.deliver(item(call("HassGetState", "light.a")))
    assert not await home.deliver(item(calls[0], unsure=True))
    assert not await home.deliver(item())
    await home.close()


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        ([call("HassTurnOn", "light.a"), call("HassTurnOff", "lock.door")], "lock.door isn't among the entities"),
        ([call("HassTurnOn", "cover.hallway")], "cover.hallway isn't among"),
        ([call("HassTurnOn", "light.a/../../x")], "ids of Home Assistant's entities"),
        ([call("HassTurnOn", "light.a"), {"name": 3}], "A call has a name"),
        ([call("HassSetVolume", "light.a")], "no service for HassSetVolume of a light"),
        ([call("HassTurnOn", "light.a")] * 33, "up to 32 calls"),
    ],
)
async def test_what_is_not_allowed_or_no_call_is_refused_before_anything_is_done(
    hass: Hass, tmp_path: Path, calls: list[Json], why: str
) -> None:
    home = sink(hass, tmp_path)
    with pytest.raises(SinkError, match=why):
        await home.deliver(item(*calls))
    assert hass.called == []
    await home.close()


async def test_a_wrong_token_an_old_answer_and_an_error_are_told(hass: Hass, tmp_path: Path) -> None:
    stranger, home = sink(hass, tmp_path, "another-token-here"), sink(hass, tmp_path)
    with pytest.raises(SinkError, match="doesn't take the token in token"):
        await stranger.deliver(item(call("HassTurnOn", "light.a")))
    with pytest.raises(SinkError, match="over max_age_ms"):
        await home.deliver(item(call("HassTurnOn", "light.a"), age=6.0))
    assert hass.called == []
    hass.status = 500
    with pytest.raises(SinkError, match=r"answered light\.turn_on with status 500"):
        await home.deliver(item(call("HassTurnOn", "light.a")))
    await stranger.close()
    await home.close()


def test_every_call_that_acts_has_a_service() -> None:
    domains = {
        "HassStopMoving": "cover", "HassSetPosition": "valve", "HassFanSetSpeed": "fan", "HassClimateSetTemperature": "climate",
        "HassClimateSetFanMode": "fan",
    }  # fmt: skip
    arguments: Json = {"volume_level": 30, "volume_step": "down", "item": "milk", "position": 5, "search_query": "x"}
    for name in ACTS:
        (made,) = services(name, arguments, (f"{domains.get(name, 'light')}.x",))
        assert made.name and made.entities
    assert services("HassSetVolume", arguments, ("media_player.x",))[0].data == {"volume_level": 0.3}
    assert services("HassSetVolumeRelative", arguments, ("media_player.x",))[0].name == "volume_down"
    assert [each.name for each in services("HassTurnOn", {}, ("lock.a", "vacuum.b", "light.c"))] == [
        "lock",
        "start",
        "turn_on",
    ]
    for name, target in (("HassToggle", "lock.a"), ("HassTurnOff", "scene.a")):
        with pytest.raises(ValueError, match="no service"):
            services(name, {}, (target,))
