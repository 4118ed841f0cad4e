"""Executes calls on a home and tells what changed: the judge of labels and of exams, never a device's answer."""

from __future__ import annotations

from edge_runtime.home.inventory import Entity, Home
from edge_runtime.home.resolve import Call

Change = dict[str, object]

_ON = {
    "cover": "open", "valve": "open", "lock": "locked", "scene": "activated", "script": "activated",
    "vacuum": "cleaning", "lawn_mower": "mowing", "climate": "heat", "button": "activated",
}  # fmt: skip
_OFF = {
    "cover": "closed",
    "valve": "closed",
    "lock": "unlocked",
    "vacuum": "returning",
    "lawn_mower": "returning",
}
_STATES = {
    "HassVacuumStart": "cleaning", "HassVacuumReturnToBase": "returning", "HassVacuumPause": "paused",
    "HassLawnMowerStartMowing": "mowing", "HassLawnMowerDock": "returning", "HassLawnMowerPause": "paused",
    "HassMediaPause": "paused", "HassMediaUnpause": "playing",
}  # fmt: skip


def execute(calls: tuple[Call, ...] | list[Call], home: Home) -> dict[str, Change]:
    """State changes by entity id, in percent, kelvin and degrees; entities that end as they were are left out.

    Raises:
        KeyError: a target that is not in the home.
    """
    entities = {entity.id: entity for entity in home.entities}
    after: dict[str, Change] = {}
    for call in calls:
        for target in call.targets:
            change = _apply(call, entities[target])
            if change:
                after.setdefault(target, {}).update(
                    {
                        k: [*_listed(after.get(target, {}), k), *v] if isinstance(v, list) else v
                        for k, v in change.items()
                    }
                )
    return {target: kept for target, change in after.items() if (kept := _really(change, entities[target]))}


def _listed(change: Change, key: str) -> list[object]:
    value = change.get(key)
    return value if isinstance(value, list) else []


def _apply(call: Call, entity: Entity) -> Change:
    arguments, name = call.arguments, call.name
    if name == "HassTurnOn":
        return {"state": _ON.get(entity.domain, "on")}
    if name == "HassTurnOff":
        return {"state": _OFF.get(entity.domain, "off")}
    if name == "HassToggle":
        on, off = _ON.get(entity.domain, "on"), _OFF.get(entity.domain, "off")
        return {"state": off if entity.state == on else on}
    if name in _STATES:
        return {"state": _STATES[name]}
    if name == "HassLightSet":
        change: Change = {"state": "on"}
        if "brightness" in arguments:
            change["brightness"] = arguments["brightness"]
            if arguments["brightness"] == 0:
                return {"state": "off"}
        if "color" in arguments:
            change["color"] = arguments["color"]
        if "temperature" in arguments:
            change["color_temp"] = arguments["temperature"]
        return change
    if name == "HassSetPosition":
        position = arguments["position"]
        if position == 100 or position == 0:
            return {"state": "open" if position else "closed"}
        return {"position": position, "state": "open"}
    if name == "HassFanSetSpeed":
        return {"percentage": arguments["percentage"], "state": "on" if arguments["percentage"] else "off"}
    if name == "HassClimateSetTemperature":
        return {"temperature": arguments["temperature"]}
    if name == "HassClimateSetFanMode":
        return {"fan_mode": arguments["fan_mode"]}
    if name == "HassSetVolume":
        return {"volume": arguments["volume_level"]}
    if name == "HassSetVolumeRelative":
        return {"volume_step": arguments["volume_step"]}
    if name in ("HassMediaPlayerMute", "HassMediaPlayerUnmute"):
        return {"muted": name == "HassMediaPlayerMute"}
    if name in ("HassMediaNext", "HassMediaPrevious"):
        return {"track": "next" if name == "HassMediaNext" else "previous"}
    if name == "HassMediaSearchAndPlay":
        return {"play": arguments["search_query"]}
    if name in ("HassListAddItem", "HassShoppingListAddItem"):
        return {"added": [arguments["item"]]}
    if name in ("HassListCompleteItem", "HassShoppingListCompleteItem"):
        return {"completed": [arguments["item"]]}
    if name == "HassListRemoveItem":
        return {"removed": [arguments["item"]]}
    return {}


def _really(change: Change, entity: Entity) -> Change:
    """The part of a change that differs from the entity's state before."""
    kept = dict(change)
    if kept.get("state") == entity.state or (kept.get("state") == "returning" and entity.state == "docked"):
        del kept["state"]
    before = {
        "position": entity.number("current_position"),
        "percentage": entity.number("percentage"),
        "temperature": entity.number("temperature"),
        "volume": None if (v := entity.number("volume_level")) is None else round(v * 100),
        "brightness": None if (b := entity.number("brightness")) is None else round(b / 255 * 100),
    }
    for key, value in before.items():
        if key in kept and value is not None and kept[key] == value and entity.state not in ("off",):
            del kept[key]
    if change.get("state") == "open" and "position" not in change and entity.state == "open":
        partly = entity.number("current_position")
        if partly is not None and 0 < partly < 100:
            kept["state"] = "open"  # a half open blind that is opened wholly has moved
    if kept.get("muted") is entity.attributes.get("is_volume_muted", False):
        kept.pop("muted", None)
    return kept
