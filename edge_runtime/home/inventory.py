"""The inventory of a home: areas and entities, as a request states them."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from edge_runtime.kept_json import Kept

MAX_AREAS = 200  # bounds keep one request within a device's latency and memory
MAX_ENTITIES = 2000
MAX_ALIASES = 20
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
        return float(value) if strict_json.is_number(value) else None


@dataclass(frozen=True)
class Home:
    areas: tuple[Area, ...]
    entities: tuple[Entity, ...]

    def area(self, area_id: str | None) -> Area | None:
        return self._areas.get(area_id)

    def floor_of(self, entity: Entity) -> str | None:
        area = self.area(entity.area)
        return area.floor if area else None

    @cached_property
    def floors(self) -> frozenset[str]:
        """The names of the floors that areas stand on."""
        return frozenset(area.floor for area in self.areas if area.floor)

    @cached_property
    def wording(self) -> tuple[object, ...]:
        """Every word of this home in order; homes of equal wording, whatever their states, are spoken of alike."""
        return (
            tuple([(area.name, area.floor) for area in self.areas]),
            tuple([(e.name, e.aliases, e.domain, e.device_words) for e in self.entities]),
        )

    @cached_property
    def _areas(self) -> dict[str | None, Area]:
        return {area.id: area for area in reversed(self.areas)}  # of areas with one id, the first counts


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


def _required(value: object, where: str, key: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadRequest(f"`{where}.{key}` must be a non-empty string.")
    if len(value) > MAX_TEXT:
        raise BadRequest(f"`{where}.{key}` is longer than {MAX_TEXT} characters; shorten it.")
    return value


def _optional(value: object, where: str, key: str) -> str | None:
    """As `_required`, and None where it is absent or empty."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise BadRequest(f"`{where}.{key}` must be a non-empty string.")
    if len(value) > MAX_TEXT:
        raise BadRequest(f"`{where}.{key}` is longer than {MAX_TEXT} characters; shorten it.")
    return value


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
                _required(item.get("id"), where, "id"),
                _required(item.get("name"), where, "name"),
                _optional(item.get("floor"), where, "floor"),
            )
        )
    entities = []
    seen: set[str] = set()
    for i, raw in enumerate(_list(data.get("entities"), "inventory.entities", MAX_ENTITIES)):
        entity = _known(raw) if isinstance(raw, Kept) else None
        if entity is None or entity.id in seen:
            entity = _entity(raw, f"inventory.entities[{i}]", seen)
        seen.add(entity.id)
        entities.append(entity)
    return Home(tuple(areas), tuple(entities))


def _known(kept: Kept) -> Entity | None:
    """The entity of an object that may have come before; None where it is wrong."""
    try:
        return kept.once(_alone)
    except BadRequest:
        return None


def _alone(raw: object) -> Entity:
    return _entity(raw, "", frozenset())


def _entity(raw: object, where: str, seen: Set[str]) -> Entity:
    item = _object(raw, where)
    entity_id = _required(item.get("id"), where, "id")
    if entity_id in seen:
        raise BadRequest(f"{where}.id `{entity_id}` appears twice; give each entity its own id.")
    domain = _optional(item.get("domain"), where, "domain") or entity_id.partition(".")[0]
    aliases, device, state = item.get("aliases"), item.get("device"), item.get("state")
    attributes = item.get("attributes")
    # What is absent or empty in most entities is not looked into: a home is read with every sentence.
    return Entity(
        id=entity_id,
        domain=domain,
        aliases=() if aliases is None or aliases == [] else _aliases(aliases, where),
        device_words=_device_words(device, where) if device else (),
        name=_required(item.get("name"), where, "name"),
        area=_optional(item.get("area"), where, "area"),
        device_class=_optional(item.get("device_class"), where, "device_class"),
        state=None if state is None else str(state)[:MAX_TEXT],
        attributes=_object(attributes, f"{where}.attributes") if attributes else {},
    )


def _aliases(value: object, where: str) -> tuple[str, ...]:
    aliases = _list(value, f"{where}.aliases", MAX_ALIASES)
    return tuple([_required(alias, where, f"aliases[{j}]") for j, alias in enumerate(aliases)])


def _device_words(value: object, where: str) -> tuple[str, ...]:
    device = _object(value, f"{where}.device")
    words = [_optional(device.get(key), f"{where}.device", key) for key in ("name", "manufacturer", "model")]
    return tuple([word for word in words if word])
