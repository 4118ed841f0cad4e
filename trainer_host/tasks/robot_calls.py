"""Calls of an example: that each is known, complete, within range, and can be executed in its home."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.home.inventory import Home
from edge_runtime.home.lexicon import ACTION_DOMAINS, COLORS
from edge_runtime.home.resolve import Call
from edge_runtime.home.simulate import execute
from trainer_host.tasks import Json, Rejected

# Intent -> (arguments of which one is needed, domains that its targets may have; none where it has no target).
_ANY = frozenset(domain for domains in ACTION_DOMAINS.values() for domain in domains)
_MEDIA, _TODO = frozenset({"media_player"}), frozenset({"todo"})
_VACUUM, _MOWER = frozenset({"vacuum"}), frozenset({"lawn_mower"})
_COVER = frozenset({"cover", "valve"})
_TIME = ("hours", "minutes", "seconds")
INTENTS: dict[str, tuple[tuple[str, ...], frozenset[str] | None]] = {
    "HassTurnOn": ((), _ANY), "HassTurnOff": ((), _ANY), "HassToggle": ((), _ANY), "HassStopMoving": ((), _COVER),
    "HassLightSet": (("brightness", "color", "temperature"), frozenset({"light"})),
    "HassSetPosition": (("position",), _COVER), "HassFanSetSpeed": (("percentage",), frozenset({"fan"})),
    "HassClimateSetTemperature": (("temperature",), frozenset({"climate", "water_heater"})),
    "HassClimateSetFanMode": (("fan_mode",), frozenset({"climate", "fan"})),
    "HassSetVolume": (("volume_level",), _MEDIA), "HassSetVolumeRelative": (("volume_step",), _MEDIA),
    "HassMediaPause": ((), _MEDIA), "HassMediaUnpause": ((), _MEDIA), "HassMediaNext": ((), _MEDIA),
    "HassMediaPrevious": ((), _MEDIA), "HassMediaPlayerMute": ((), _MEDIA), "HassMediaPlayerUnmute": ((), _MEDIA),
    "HassMediaSearchAndPlay": (("search_query",), _MEDIA),
    "HassListAddItem": (("item",), _TODO), "HassListCompleteItem": (("item",), _TODO),
    "HassListRemoveItem": (("item",), _TODO), "HassShoppingListAddItem": (("item",), None),
    "HassShoppingListCompleteItem": (("item",), None),
    "HassVacuumStart": ((), _VACUUM), "HassVacuumReturnToBase": ((), _VACUUM), "HassVacuumPause": ((), _VACUUM),
    "HassLawnMowerStartMowing": ((), _MOWER), "HassLawnMowerDock": ((), _MOWER), "HassLawnMowerPause": ((), _MOWER),
    "HassGetState": ((), None), "HassGetWeather": ((), None), "HassGetCurrentTime": ((), None),
    "HassGetCurrentDate": ((), None), "HassClimateGetTemperature": ((), None), "HassNevermind": ((), None),
    "HassRespond": ((), None), "HassStartTimer": ((), None), "HassCancelTimer": ((), None),
    "HassCancelAllTimers": ((), None), "HassPauseTimer": ((), None), "HassUnpauseTimer": ((), None),
    "HassIncreaseTimer": ((), None), "HassDecreaseTimer": ((), None), "HassTimerStatus": ((), None),
    "HassBroadcast": ((), None),
}  # fmt: skip
# Lowest and highest value; temperatures of rooms in degrees of either scale, of light in kelvin.
_RANGES = {
    "brightness": (0, 100), "position": (0, 100), "percentage": (0, 100), "volume_level": (0, 100),
    "hours": (0, 168), "minutes": (0, 10_080), "seconds": (0, 604_800),
}  # fmt: skip
_ROOM = (-30, 120)
_KELVIN = (1000, 10_000)
_STEPS = 100
_MOST_CALLS = 50


def read_calls(value: object, home: Home) -> tuple[Call, ...]:
    """The calls of an answer, checked and executed; raises `Rejected` naming the first that is wrong."""
    if not isinstance(value, list) or len(value) > _MOST_CALLS:
        raise Rejected("wrong format", f"The calls must be a list of at most {_MOST_CALLS}.")
    calls = tuple(_call(item, home) for item in value)
    try:
        execute(calls, home)
    except (KeyError, ValueError, TypeError) as cause:
        raise Rejected("not executable", f"The calls can't be executed in this home ({str(cause)[:80]}).") from None
    return calls


def _call(item: object, home: Home) -> Call:
    if not isinstance(item, dict) or not item.keys() <= {"name", "arguments", "targets"}:
        raise Rejected("wrong format", "A call holds name, arguments and targets, no more.")
    name, arguments, targets = item.get("name"), item.get("arguments", {}), item.get("targets", [])
    if not isinstance(name, str) or name not in INTENTS:
        raise Rejected("unknown intent", f"There is no intent {str(name)[:40]!r}; one is HassTurnOn.")
    if not isinstance(arguments, dict) or not isinstance(targets, list):
        raise Rejected("wrong format", f"{name} needs arguments as an object and targets as a list.")
    needed, domains = INTENTS[name]
    if needed and not any(key in arguments for key in needed):
        raise Rejected("argument missing", f"{name} needs {' or '.join(needed)}.")
    for key, value in arguments.items():
        _check_argument(name, str(key), value)
    entities = {entity.id: entity for entity in home.entities}
    for target in targets:
        if not isinstance(target, str) or target not in entities:
            raise Rejected("unknown target", f"The home has no entity {str(target)[:60]!r}.")
        if domains is not None and entities[target].domain not in domains:
            raise Rejected("wrong target", f"{name} can't move {target!r}, a {entities[target].domain}.")
    if domains is not None and not targets:
        raise Rejected("target missing", f"{name} needs the ids of the things that it moves.")
    return Call(name, arguments, tuple(targets))


def _check_argument(name: str, key: str, value: object) -> None:
    if key in ("item", "search_query", "fan_mode", "message"):
        if not isinstance(value, str) or not value.strip() or len(value) > 200:
            raise Rejected("wrong argument", f"{key} of {name} must be a text of 1 to 200 characters.")
        return
    if key == "color":
        if value not in COLORS:
            raise Rejected("wrong argument", f"color must be one of {', '.join(COLORS)}.")
        return
    if key == "volume_step" and value in ("up", "down"):
        return
    low, high = _RANGES.get(key, (None, None))
    if key == "temperature":
        low, high = _KELVIN if name == "HassLightSet" else _ROOM
    elif key == "volume_step":
        low, high = -_STEPS, _STEPS
    if low is None or high is None:
        return  # what Home Assistant uses to find targets (name, area, domain), which `targets` says exactly
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:  # type: ignore[operator]
        raise Rejected("wrong argument", f"{key} of {name} must be a number from {low} to {high}.")


def as_json(calls: Sequence[Call]) -> list[Json]:
    """Calls as a row holds them."""
    return [{"name": call.name, "arguments": dict(call.arguments), "targets": list(call.targets)} for call in calls]


def same_calls(wanted: object, got: object) -> bool:
    """Whether two lists of calls move the same things in the same way, however they are grouped and scoped."""
    return _flat(wanted) == _flat(got)


_SCOPE = frozenset({"name", "area", "floor", "domain", "device_class"})


def _flat(calls: object) -> list[str] | None:
    if not isinstance(calls, list):
        return None
    out: list[str] = []
    for call in calls:
        if not isinstance(call, dict) or not isinstance(call.get("arguments", {}), dict):
            return None
        values = {k: float(v) if isinstance(v, int) and not isinstance(v, bool) else v
                  for k, v in call.get("arguments", {}).items() if k not in _SCOPE}  # fmt: skip
        targets = call.get("targets") or [None]
        if not isinstance(targets, list):
            return None
        out += [repr((call.get("name"), target, sorted(values.items(), key=repr))) for target in targets]
    return sorted(out)
