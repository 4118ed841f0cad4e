"""Orders that are rehearsed come to the same as orders that are taken."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("shapely")

from firmware_bridge.robot.config import RobotError
from firmware_bridge.robot.rehearse import answers, in_room
from firmware_bridge.robot.room import ROOMS


def test_orders_end_where_they_lead_or_are_refused_with_the_robots_reason() -> None:
    lines = [
        {"at": "dock", "calls": [{"name": "go_to", "targets": ["kitchen"]}, {"name": "go_to", "targets": ["sofa"]}]},
        {"at": [5.5, 4.0], "calls": [{"name": "go_to", "targets": ["sofa"]}]},
        {"at": "dock", "calls": [{"name": "go_to", "arguments": {"x": 6.4, "y": 0.5}}]},
        {"at": "dock", "calls": [{"name": "go_to", "targets": ["moon"]}]},
        {"at": "dock", "calls": [{"name": "dock"}] * 9},
        {"at": [float("nan"), 0], "calls": []},
        {"at": "dock", "calls": ["x"]},
        {"at": "dock"},
    ]
    said = [json.loads(line) for line in answers(in_room("flat"), [*map(json.dumps, lines), "not json"])]
    assert [one["accepted"] for one in said] == [True, True, *[False] * 7]
    assert said[0]["ends"] == [[5.5, 4.0], [1.2, 4.1]] and said[0]["metres"] > said[1]["metres"] > 4.3
    for one, why in zip(said[2:], ("in a zone", "moon", "Up to 8", "at must", "object", "Send", "Send"), strict=True):
        assert why in one["reason"]


def test_a_room_that_is_not_there_is_an_error() -> None:
    with pytest.raises(RobotError, match="no room"):
        in_room("/nowhere")


def test_the_rooms_inventory_names_places_that_it_has() -> None:
    areas = json.loads((ROOMS / "flat" / "inventory.json").read_text(encoding="utf-8"))["areas"]
    calls = [{"name": "go_to", "targets": [area["id"]]} for area in areas]
    said = json.loads(next(answers(in_room("flat"), [json.dumps({"at": "dock", "calls": calls})])))
    assert said["accepted"] and len(said["ends"]) == len(areas) > 2
