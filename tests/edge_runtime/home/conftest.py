"""A small home that the tests of this folder speak about."""

from __future__ import annotations

import pytest

from edge_runtime.home.inventory import Home, parse_home


def entity(entity_id: str, name: str, area: str | None, **more: object) -> dict[str, object]:
    return {"id": entity_id, "name": name, "area": area, "domain": entity_id.split(".")[0], **more}


@pytest.fixture
def home() -> Home:
    return parse_home(
        {
            "areas": [
                {"id": "kitchen", "name": "Kitchen", "floor": "Ground Floor"},
                {"id": "lounge", "name": "Living Room", "floor": "Ground Floor"},
                {"id": "bedroom", "name": "Bedroom", "floor": "First Floor"},
            ],
            "entities": [
                entity("light.spots", "Kitchen Spots", "kitchen", state="on", attributes={"brightness": 128}),
                entity("light.counter", "Counter Lamp", "kitchen", state="off"),
                entity("light.sofa", "Sofa Lamp", "lounge", state="on", aliases=["reading light"]),
                entity("light.bed", "Bedside Lamp", "bedroom", state="off"),
                entity("cover.left", "Left Blind", "bedroom", device_class="blind", state="open",
                       attributes={"current_position": 100}),
                entity("cover.right", "Right Blind", "bedroom", device_class="blind", state="open",
                       attributes={"current_position": 100}),
                entity("fan.lounge", "Ceiling Fan", "lounge", state="off", attributes={"percentage": 0}),
                entity("media_player.tv", "TV", "lounge", device_class="tv", state="playing",
                       attributes={"volume_level": 0.4}),
                entity("media_player.radio", "Kitchen Radio", "kitchen", device_class="speaker", state="idle"),
                entity("lock.front", "Front Door", "lounge", state="unlocked"),
                entity("todo.shopping", "Shopping List", None, state="1", attributes={"items": ["water the basil"]}),
                entity("climate.heat", "Thermostat", "lounge", state="heat", attributes={"temperature": 20}),
                entity("light.row1", "Desk Row 1", "lounge", state="on"),
                entity("light.row2", "Desk Row 2", "lounge", state="on"),
            ],
        }
    )  # fmt: skip
