"""The inventory of a home: areas and entities, as a request states them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_runtime.errors import BadRequest

MAX_AREAS = 200  # bounds keep one request within a device's latency and memory
MAX_ENTITIES = 2000
MAX_TEXT = 200


@dataclass(frozen=True)
class Area:
    id: str
    name: str
    floor: str | None = None


@dataclass(frozen=True)
class Entity:
    """One controllable or readable thing. `attributes` are Home Assistant's (brightness 0-255, volume_level 0-1)."""

    id: str
    name: str
    area: str | None
    domain: str
    device_class: str | None = None
    aliases: tuple[str, ...] = ()
    device_words: tuple[str, ...] = ()
    state: str | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)

    def number(self, key: str) -> float | None:
        """The attribute as a number, or None when it is absent or something else."""
        value = self.attributes.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class Home:
    areas: tuple[Area, ...]
    entities: tuple[Entity, ...]

    def area(self, area_id: str | None) -> Area | None:
        return next((area for area in self.areas if area.id == area_id), None)

    def floor_of(self, entity: Entity) -> str | None:
        area = self.area(entity.area)
        return area.floor if area else None


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise BadRequest(f"`{what}` must be a JSON object.")
    return value


def _list(value: object, what: str, limit: int) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadRequest(f"`{what}` must be a JSON array.")
    if len(value) > limit:
        raise BadRequest(f"`{what}` holds {len(value)} items; send at most {limit}.")
    return value


def _text(value: object, what: str, *, optional: bool = False) -> str | None:
    if value is None and optional:
        return None
    if not isinstance(value, str) or not (optional or value.strip()):
        raise BadRequest(f"`{what}` must be a non-empty string.")
    if len(value) > MAX_TEXT:
        raise BadRequest(f"`{what}` is longer than {MAX_TEXT} characters; shorten it.")
    return value


def _required(value: object, what: str) -> str:
    text = _text(value, what)
    assert text is not None
    return text


def parse_home(value: object) -> Home:
    """Read the request's `inventory`; an empty one is a home with nothing in it.

    Raises:
        BadRequest: naming the first field that is wrong.
    """
    data = _object(value, "inventory")
    areas = []
    for i, raw in enumerate(_list(data.get("areas"), "inventory.areas", MAX_AREAS)):
        where = f"inventory.areas[{i}]"
        item = _object(raw, where)
        areas.append(
            Area(
                _required(item.get("id"), f"{where}.id"),
                _required(item.get("name"), f"{where}.name"),
                _text(item.get("floor"), f"{where}.floor", optional=True) or None,
            )
        )
    entities = []
    seen: set[str] = set()
    for i, raw in enumerate(_list(data.get("entities"), "inventory.entities", MAX_ENTITIES)):
        where = f"inventory.entities[{i}]"
        item = _object(raw, where)
        entity_id = _required(item.get("id"), f"{where}.id")
        if entity_id in seen:
            raise BadRequest(f"{where}.id `{entity_id}` appears twice; give each entity its own id.")
        seen.add(entity_id)
        domain = _text(item.get("domain"), f"{where}.domain", optional=True) or entity_id.partition(".")[0]
        aliases = [
            _required(alias, f"{where}.aliases[{j}]")
            for j, alias in enumerate(_list(item.get("aliases"), f"{where}.aliases", 20))
        ]
        device = _object(item.get("device") or {}, f"{where}.device")
        words = [
            word
            for key in ("name", "manufacturer", "model")
            if (word := _text(device.get(key), f"{where}.device.{key}", optional=True))
        ]
        state = item.get("state")
        entities.append(
            Entity(
                id=entity_id,
                name=_required(item.get("name"), f"{where}.name"),
                area=_text(item.get("area"), f"{where}.area", optional=True) or None,
                domain=domain,
                device_class=_text(item.get("device_class"), f"{where}.device_class", optional=True) or None,
                aliases=tuple(aliases),
                device_words=tuple(words),
                state=None if state is None else str(state)[:MAX_TEXT],
                attributes=_object(item.get("attributes") or {}, f"{where}.attributes"),
            )
        )
    return Home(tuple(areas), tuple(entities))
