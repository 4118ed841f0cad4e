"""Calls of the task `robot` as services of Home Assistant: what its own intents do, for entities whose ids are known already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Json = dict[str, object]
_ON = {
    "cover": "open_cover", "valve": "open_valve", "lock": "lock", "vacuum": "start", "lawn_mower": "start_mowing", "button": "press",
}  # fmt: skip
_OFF = {
    "cover": "close_cover", "valve": "close_valve", "lock": "unlock", "vacuum": "return_to_base", "lawn_mower": "dock",
}  # fmt: skip
_NO_OFF = frozenset({"scene", "button"})
_TOGGLED = frozenset(
    {"light", "switch", "fan", "cover", "valve", "media_player", "climate", "input_boolean", "humidifier", "script"}
)
_PLAIN = {
    "HassVacuumStart": "start", "HassVacuumReturnToBase": "return_to_base", "HassVacuumPause": "pause",
    "HassLawnMowerStartMowing": "start_mowing", "HassLawnMowerDock": "dock", "HassLawnMowerPause": "pause",
    "HassMediaPause": "media_pause", "HassMediaUnpause": "media_play", "HassMediaNext": "media_next_track",
    "HassMediaPrevious": "media_previous_track",
}  # fmt: skip
ACTS = frozenset({
    "HassTurnOn", "HassTurnOff", "HassToggle", "HassStopMoving", "HassLightSet", "HassSetPosition", "HassFanSetSpeed",
    "HassClimateSetTemperature", "HassClimateSetFanMode", "HassSetVolume", "HassSetVolumeRelative", "HassMediaPlayerMute",
    "HassMediaPlayerUnmute", "HassMediaSearchAndPlay", "HassListAddItem", "HassListCompleteItem", "HassListRemoveItem", *_PLAIN,
})  # fmt: skip


@dataclass(frozen=True)
class Service:
    """One service of Home Assistant, on entities of its domain."""

    domain: str
    name: str
    entities: tuple[str, ...]
    data: Json


def services(name: str, arguments: Json, targets: tuple[str, ...]) -> list[Service]:
    """What one call does, a service for each domain of its targets; nothing for calls that change nothing. Raises `ValueError`
    where Home Assistant has no service for it."""
    if name not in ACTS:
        return []
    domains: dict[str, list[str]] = {}
    for target in targets:
        domains.setdefault(target.partition(".")[0], []).append(target)
    made = []
    for domain, entities in domains.items():
        service, data = _service(name, domain, arguments)
        made.append(Service(domain, service, tuple(entities), data))
    return made


def _service(name: str, domain: str, arguments: Json) -> tuple[str, Json]:
    if name == "HassTurnOn":
        return _ON.get(domain, "turn_on"), {}
    if name == "HassTurnOff" and domain not in _NO_OFF:
        return _OFF.get(domain, "turn_off"), {}
    if name == "HassToggle" and domain in _TOGGLED:
        return "toggle", {}
    if name == "HassStopMoving" and domain in ("cover", "valve"):
        return f"stop_{domain}", {}
    if name in _PLAIN:
        return _PLAIN[name], {}
    made = _WITH_VALUES.get(name)
    found = made(domain, arguments) if made is not None else None
    if found is None:
        raise ValueError(f"Home Assistant has no service for {name} of a {domain}.")
    return found


def _light(domain: str, arguments: Json) -> tuple[str, Json]:
    names = {"brightness": "brightness_pct", "color": "color_name", "temperature": "color_temp_kelvin"}
    return "turn_on", {names[key]: value for key, value in arguments.items() if key in names}


def _volume_step(domain: str, arguments: Json) -> tuple[str, Json] | None:
    step = arguments.get("volume_step")
    up = step == "up" or (isinstance(step, int | float) and not isinstance(step, bool) and step > 0)
    return ("volume_up" if up else "volume_down"), {}


def _volume(domain: str, arguments: Json) -> tuple[str, Json] | None:
    level = arguments.get("volume_level")
    return ("volume_set", {"volume_level": level / 100}) if isinstance(level, int | float) else None


def _item(service: str, **more: object) -> Callable[[str, Json], tuple[str, Json]]:
    return lambda domain, arguments: (service, {"item": arguments.get("item"), **more})


def _same(service: str, key: str) -> Callable[[str, Json], tuple[str, Json]]:
    return lambda domain, arguments: (service.format(domain=domain), {key: arguments.get(key)})


_WITH_VALUES: dict[str, Callable[[str, Json], tuple[str, Json] | None]] = {
    "HassLightSet": _light,
    "HassSetPosition": _same("set_{domain}_position", "position"),
    "HassFanSetSpeed": _same("set_percentage", "percentage"),
    "HassClimateSetTemperature": _same("set_temperature", "temperature"),
    "HassClimateSetFanMode": lambda domain, arguments: (
        ("set_preset_mode", {"preset_mode": arguments.get("fan_mode")})
        if domain == "fan"
        else ("set_fan_mode", {"fan_mode": arguments.get("fan_mode")})
    ),
    "HassSetVolume": _volume,
    "HassSetVolumeRelative": _volume_step,
    "HassMediaPlayerMute": lambda domain, arguments: ("volume_mute", {"is_volume_muted": True}),
    "HassMediaPlayerUnmute": lambda domain, arguments: ("volume_mute", {"is_volume_muted": False}),
    "HassMediaSearchAndPlay": lambda domain, arguments: (
        "play_media",
        {"media_content_id": arguments.get("search_query"), "media_content_type": "music"},
    ),
    "HassListAddItem": _item("add_item"),
    "HassListCompleteItem": _item("update_item", status="completed"),
    "HassListRemoveItem": _item("remove_item"),
}
