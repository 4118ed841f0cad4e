"""What one clause asks of one entity: a Home Assistant intent and its arguments."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_runtime.home.inventory import Entity
from edge_runtime.home.lexicon import COLORS, WHITES
from edge_runtime.home.lists import item_on, items_said
from edge_runtime.home.parse import Clause
from edge_runtime.home.words import numbers, percent

BRIGHTNESS_STEP = 20  # percentage points of "a bit brighter"; about what wall dimmers move at a press
SPEED_STEP = 25  # most fans have three or four speeds
POSITION_STEP = 20
TEMPERATURE_STEP = 1.0  # degrees; 2 where the thermostat counts in Fahrenheit

Value = str | int | float | list[str]


@dataclass
class Step:
    """Intent and arguments for one entity, before equal ones are merged to one call."""

    intent: str
    arguments: dict[str, Value] = field(default_factory=dict)


def steps(clause: Clause, entity: Entity) -> list[Step]:
    action, domain = clause.action, entity.domain
    value_words = clause.words("VALUE")
    value = percent(value_words) if value_words else None
    if "way" in value_words and action in ("down", "close", "off"):
        value = 0.0 if domain != "light" else 1.0
    if domain == "todo":
        intent = {
            "add": "HassListAddItem",
            "complete": "HassListCompleteItem",
            "remove": "HassListRemoveItem",
        }
        spans = items_said(clause)
        items = [" ".join(span.words) for span in spans]
        if action in ("complete", "remove"):
            items = [item_on(span.words, entity) or " ".join(span.words) for span in spans]
        items = list(dict.fromkeys(items))
        return [Step(intent[action], {"item": item}) for item in items] if action in intent else []
    if domain == "light" and action in ("set", "on", "up", "down"):
        return _light_steps(clause, entity, value)
    if domain in ("climate", "water_heater") and action in ("set", "up", "down", "on"):
        return _climate_steps(clause, entity)
    if domain == "climate" and action == "mode":
        return [Step("HassClimateSetFanMode", {"fan_mode": " ".join(clause.words("MODE"))})]
    if domain == "media_player":
        return _media_steps(clause, entity, value)
    if domain == "fan":
        return _fan_steps(clause, entity, value)
    if domain in ("cover", "valve"):
        return _cover_steps(clause, entity, value)
    if domain == "lock":
        intent = {"lock": "HassTurnOn", "unlock": "HassTurnOff", "open": "HassTurnOff", "close": "HassTurnOn"}
        return [Step(intent[action])] if action in intent else []
    if domain == "vacuum":
        intent = {
            "on": "HassVacuumStart", "start": "HassVacuumStart", "clean": "HassVacuumStart",
            "resume": "HassVacuumStart", "off": "HassVacuumReturnToBase", "dock": "HassVacuumReturnToBase",
            "stop": "HassVacuumReturnToBase", "pause": "HassVacuumPause",
        }  # fmt: skip
        return [Step(intent[action])] if action in intent else []
    if domain == "lawn_mower":
        intent = {
            "on": "HassLawnMowerStartMowing", "start": "HassLawnMowerStartMowing",
            "resume": "HassLawnMowerStartMowing", "off": "HassLawnMowerDock", "dock": "HassLawnMowerDock",
            "stop": "HassLawnMowerDock", "pause": "HassLawnMowerPause",
        }  # fmt: skip
        return [Step(intent[action])] if action in intent else []
    intent = {
        "on": "HassTurnOn", "start": "HassTurnOn", "off": "HassTurnOff", "stop": "HassTurnOff", "toggle": "HassToggle",
    }  # fmt: skip
    return [Step(intent[action])] if action in intent else []


def _clip(value: float, low: float = 0, high: float = 100) -> int:
    return round(min(max(value, low), high))


def _light_steps(clause: Clause, entity: Entity, value: float | None) -> list[Step]:
    arguments: dict[str, Value] = {}
    if value is not None and clause.action in ("up", "down") and _by(clause):
        value = _brightness(entity) + (value if clause.action == "up" else -value)
    if value is not None:
        arguments["brightness"] = _clip(value)
    color = next((word for word in clause.words("COLOR") if word in COLORS), None)
    if color:
        arguments["color"] = color
    white = clause.words("WHITE")
    if white:
        kelvin = numbers(white)
        phrase = " ".join(white)
        named = next((WHITES[name] for name in sorted(WHITES, key=len, reverse=True) if name in phrase), None)
        if kelvin and kelvin[0] >= 1000:
            arguments["temperature"] = int(kelvin[0])
        elif named:
            arguments["temperature"] = named
    if arguments:
        return [Step("HassLightSet", arguments)]
    if clause.action == "on":
        return [Step("HassTurnOn")]
    if clause.action == "set":
        return []
    step = BRIGHTNESS_STEP if clause.action == "up" else -BRIGHTNESS_STEP
    if entity.state == "off" and clause.action == "up":
        return [Step("HassTurnOn")]
    return [Step("HassLightSet", {"brightness": _clip(_brightness(entity) + step, 1)})]


def _by(clause: Clause, *, plain: bool = False) -> bool:
    """Whether the value is a change ("by 20 percent") rather than a goal ("to 20 percent").

    `plain`: what a bare number is taken for ("volume up 20" is a change, "dim the lamp 20 percent" a goal).
    """
    first = next((span for span in clause.spans if span.slot == "VALUE"), None)
    if first is None:
        return False
    before = clause.tokens[max(0, first.at - clause.start - 2) : first.at - clause.start]
    return "by" in before or "another" in before or (plain and "to" not in before and "at" not in before)


def _brightness(entity: Entity) -> float:
    """Brightness in percent; Home Assistant's attribute counts 0-255."""
    raw = entity.number("brightness")
    if raw is None:
        return 60.0 if entity.state == "on" else 0.0
    return raw / 255 * 100


def _climate_steps(clause: Clause, entity: Entity) -> list[Step]:
    given = numbers(clause.words("VALUE"))
    now = entity.number("temperature")
    if now is None:
        now = entity.number("current_temperature")
    if given and not (clause.action in ("up", "down") and (_by(clause) or given[0] <= 6)):
        return [Step("HassClimateSetTemperature", {"temperature": given[0]})]
    if clause.action == "on":
        return [Step("HassTurnOn")]
    if clause.action == "set" or now is None:
        return []
    step = given[0] if given else TEMPERATURE_STEP * (2 if now > 45 else 1)
    return [Step("HassClimateSetTemperature", {"temperature": now + (step if clause.action == "up" else -step)})]


def _media_steps(clause: Clause, entity: Entity, value: float | None) -> list[Step]:
    action = clause.action
    plain = {
        "on": "HassTurnOn", "off": "HassTurnOff", "toggle": "HassToggle", "pause": "HassMediaPause",
        "stop": "HassMediaPause", "resume": "HassMediaUnpause", "start": "HassMediaUnpause",
        "next": "HassMediaNext", "previous": "HassMediaPrevious", "mute": "HassMediaPlayerMute",
        "unmute": "HassMediaPlayerUnmute",
    }  # fmt: skip
    if action in plain:
        return [Step(plain[action])]
    if action == "play":
        query = " ".join(clause.words("QUERY"))
        return [Step("HassMediaSearchAndPlay", {"search_query": query}) if query else Step("HassMediaUnpause")]
    if action == "set" and value is not None:
        return [Step("HassSetVolume", {"volume_level": _clip(value)})]
    if action in ("up", "down"):
        if value is not None and not _by(clause, plain=True):
            return [Step("HassSetVolume", {"volume_level": _clip(value)})]
        if value is not None:
            return [Step("HassSetVolumeRelative", {"volume_step": _clip(value) * (1 if action == "up" else -1)})]
        return [Step("HassSetVolumeRelative", {"volume_step": action})]
    return []


def _fan_steps(clause: Clause, entity: Entity, value: float | None) -> list[Step]:
    action = clause.action
    if action in ("set", "on", "up", "down", "start", "mode") and (value is not None):
        now = entity.number("percentage") or 0.0
        if action in ("up", "down") and _by(clause):
            value = now + (value if action == "up" else -value)
        return [Step("HassFanSetSpeed", {"percentage": _clip(value)})]
    if action in ("up", "down"):
        now = entity.number("percentage") or (50.0 if entity.state == "on" else 0.0)
        step = entity.number("percentage_step") or SPEED_STEP
        return [Step("HassFanSetSpeed", {"percentage": _clip(now + (step if action == "up" else -step), 1)})]
    plain = {"on": "HassTurnOn", "start": "HassTurnOn", "off": "HassTurnOff", "stop": "HassTurnOff", "toggle": "HassToggle"}  # fmt: skip
    return [Step(plain[action])] if action in plain else []


def _cover_steps(clause: Clause, entity: Entity, value: float | None) -> list[Step]:
    action = clause.action
    if action in ("open", "close", "set", "up", "down", "on", "off") and value is not None:
        now = entity.number("current_position")
        if action in ("open", "close", "up", "down") and _by(clause) and now is not None:
            value = now + (value if action in ("open", "up") else -value)
        elif "way" in clause.words("VALUE") or "completely" in clause.words("VALUE"):
            value = 0.0 if action in ("close", "down", "off") else 100.0
        elif action == "close" and {"fully", "full"} & set(clause.words("VALUE")):
            value = 0.0
        if value >= 100 or (value <= 0 and action in ("close", "down", "off")):
            return [Step("HassTurnOn" if value >= 100 else "HassTurnOff")]
        return [Step("HassSetPosition", {"position": _clip(value)})]
    if action in ("up", "down"):
        now = entity.number("current_position")
        step = POSITION_STEP if action == "up" else -POSITION_STEP
        if now is None:
            return [Step("HassTurnOn" if action == "up" else "HassTurnOff")]
        return [Step("HassSetPosition", {"position": _clip(now + step)})]
    plain = {
        "on": "HassTurnOn", "open": "HassTurnOn", "start": "HassTurnOn", "off": "HassTurnOff",
        "close": "HassTurnOff", "toggle": "HassToggle",
        "stop": "HassTurnOff" if entity.domain == "valve" else "HassStopMoving",
    }  # fmt: skip
    return [Step(plain[action])] if action in plain else []
