"""What people have today: Home Assistant's own grammar with a plain resolver, on the same sentences as ours."""

from __future__ import annotations

from functools import lru_cache

from hassil import Intents
from hassil.intents import TextSlotList
from hassil.recognize import RecognizeResult, recognize_best
from home_assistant_intents import get_intents

from edge_runtime.home.inventory import Entity, Home, parse_home
from edge_runtime.home.match import stems

_TARGETLESS = frozenset({"HassNevermind", "HassRespond", "HassGetWeather", "HassGetCurrentTime", "HassGetCurrentDate"})
_DOMAIN_OF_INTENT = {
    "HassLightSet": "light", "HassFanSetSpeed": "fan", "HassSetVolume": "media_player",
    "HassSetVolumeRelative": "media_player", "HassMediaNext": "media_player", "HassMediaPrevious": "media_player",
    "HassMediaPause": "media_player", "HassMediaUnpause": "media_player", "HassMediaPlayerMute": "media_player",
    "HassMediaPlayerUnmute": "media_player", "HassMediaSearchAndPlay": "media_player",
    "HassClimateSetTemperature": "climate", "HassVacuumStart": "vacuum", "HassVacuumCleanArea": "vacuum",
    "HassVacuumReturnToBase": "vacuum", "HassLawnMowerStartMowing": "lawn_mower", "HassLawnMowerDock": "lawn_mower",
    "HassShoppingListAddItem": "todo", "HassShoppingListCompleteItem": "todo",
}  # fmt: skip


@lru_cache(maxsize=1)
def _intents() -> Intents:
    data = get_intents("en")
    assert data is not None
    return Intents.from_dict(data)


class Hassil:
    """Answers a `robot` request by `hassil.recognize_best` over the English intents."""

    def __init__(self) -> None:
        self._lists: dict[int, tuple[Home, dict[str, TextSlotList]]] = {}

    def run(self, request: dict[str, object]) -> dict[str, object]:
        """{"calls": [...]}: empty where the grammar does not know the sentence."""
        home, lists = self._read(request["inventory"])
        context = request.get("context")
        area_id = context.get("area") if isinstance(context, dict) else None
        area = home.area(area_id if isinstance(area_id, str) else None)
        result = recognize_best(
            str(request["text"]), _intents(), slot_lists=dict(lists), intent_context={"area": area.name} if area else None,
            best_slot_name="name",
        )  # fmt: skip
        return {"calls": _calls(result, home) if result else []}

    def _read(self, inventory: object) -> tuple[Home, dict[str, TextSlotList]]:
        key = id(inventory)
        if key not in self._lists:
            home = parse_home(inventory)
            names = [
                (name, name, {"domain": entity.domain})
                for entity in home.entities
                for name in (entity.name, *entity.aliases)
            ]
            floors = sorted({area.floor for area in home.areas if area.floor})
            self._lists[key] = (
                home,
                {
                    "name": TextSlotList.from_tuples(names, name="name", allow_template=False),
                    "area": TextSlotList.from_strings([a.name for a in home.areas], name="area", allow_template=False),
                    "floor": TextSlotList.from_strings(floors, name="floor", allow_template=False),
                },
            )
        return self._lists[key]


def _calls(result: RecognizeResult, home: Home) -> list[dict[str, object]]:
    intent = result.intent.name
    slots = {name: entity.value for name, entity in result.entities.items()}
    if intent in _TARGETLESS or intent.endswith("Timer"):
        return []
    targets = _targets(intent, slots, home)
    arguments = {k: v for k, v in slots.items() if k not in ("name", "area", "floor", "domain", "device_class")}
    if not targets or intent == "HassGetState":
        return []
    return [{"name": intent, "arguments": arguments, "targets": [entity.id for entity in targets]}]


def _targets(intent: str, slots: dict[str, object], home: Home) -> list[Entity]:
    found = list(home.entities)
    if "name" in slots:
        wanted = stems(str(slots["name"]))
        found = [e for e in found if any(stems(name) == wanted for name in (e.name, *e.aliases))]
    domain = slots.get("domain") or _DOMAIN_OF_INTENT.get(intent)
    if domain and "name" not in slots:
        found = [e for e in found if e.domain == domain]
    if "device_class" in slots:
        found = [e for e in found if e.device_class == slots["device_class"]]
    if "area" in slots:
        ids = {a.id for a in home.areas if stems(a.name) == stems(str(slots["area"]))}
        found = [e for e in found if e.area in ids]
    if "floor" in slots:
        found = [e for e in found if stems(home.floor_of(e) or "") == stems(str(slots["floor"]))]
    scoped = {"name", "domain", "area", "floor", "device_class"} & set(slots)
    return found if scoped or len(found) == 1 else []
